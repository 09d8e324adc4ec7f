/// Octets in pieces of any size to lines. Holds at most one unfinished line of `octetsMax`; of a longer one nothing is
/// kept, up to its line feed.
struct LineSplitter {
    let octetsMax: Int
    private var rest: [UInt8] = []
    private var isPassingOver = false

    init(octetsMax: Int) { self.octetsMax = octetsMax }

    /// Calls `body` for each line, without its line feed; nil for one that was too long.
    mutating func take(_ octets: ArraySlice<UInt8>, _ body: (ArraySlice<UInt8>?) -> Void) {
        var piece = octets
        while let feed = piece.firstIndex(of: UInt8(ascii: "\n")) {  // ends: `piece` shrinks
            end(piece[piece.startIndex..<feed], body)
            piece = piece[(feed + 1)...]
        }
        guard !isPassingOver else { return }
        if rest.count + piece.count > octetsMax {
            (isPassingOver, rest) = (true, [])
            body(nil)
        } else {
            rest += piece
        }
    }

    private mutating func end(_ piece: ArraySlice<UInt8>, _ body: (ArraySlice<UInt8>?) -> Void) {
        defer { (isPassingOver, rest) = (false, []) }
        if isPassingOver { return }
        guard rest.count + piece.count <= octetsMax else { return body(nil) }
        body(rest.isEmpty ? piece : (rest + piece)[...])
    }
}
