import FlowModel

/// Reads a table of elements, one a line: `enterprise,id,name,type,semantics,units`. The last two may be left out or
/// empty. The first line may be that header; empty lines and lines that begin with `#` are skipped.
struct ElementLines {
    private let octets: [UInt8]
    private var offset = 0
    /// The line read last, from 1.
    private(set) var number = 0

    init(_ octets: [UInt8]) { self.octets = octets }

    /// The next line's element; nil at the end.
    /// - Throws: what is wrong with the line, and what is allowed.
    mutating func next() throws(LineFault) -> InformationElement? {
        while offset < octets.count {
            let end = octets[offset...].firstIndex(of: UInt8(ascii: "\n")) ?? octets.count
            var line = octets[offset..<end]
            offset = end + 1
            number += 1
            if line.last == UInt8(ascii: "\r") { line = line.dropLast() }
            if line.isEmpty || line.first == UInt8(ascii: "#") { continue }
            if number == 1, line.starts(with: "enterprise,".utf8) { continue }
            return try Self.element(line)
        }
        return nil
    }
    /// As `next`, skipping lines that are wrong: for the table that is part of Weir, which tests read line by line.
    mutating func nextSound() -> InformationElement? {
        while true {  // ends: each turn consumes a line
            do { return try next() } catch { continue }
        }
    }

    private static func element(_ line: ArraySlice<UInt8>) throws(LineFault) -> InformationElement {
        let cells = line.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
            .map { String(decoding: $0, as: UTF8.self) }
        guard (4...6).contains(cells.count) else {
            throw LineFault("has \(cells.count) cells; enterprise,id,name,type[,semantics[,units]] are needed")
        }
        return try ElementDescription(
            enterprise: cells[0], id: cells[1], name: cells[2], type: cells[3],
            semantics: cells.count > 4 ? cells[4] : "", units: cells.count > 5 ? cells[5] : ""
        ).element()
    }
}

/// What is wrong with a line or an entry.
struct LineFault: Error {
    let problem: String
    init(_ problem: String) { self.problem = problem }
}

/// An element as people write it.
struct ElementDescription {
    let enterprise, id, name, type, semantics, units: String

    func element() throws(LineFault) -> InformationElement {
        guard let enterprise = UInt32(enterprise) else {
            throw LineFault("enterprise: \(shown(enterprise)) is not a whole number in 0...4294967295")
        }
        let idMax: UInt16 = enterprise == 0 ? .max : 0x7FFF
        guard let number = UInt16(id), (1...idMax).contains(number) || (number == 0 && enterprise != 0) else {
            throw LineFault("id: \(shown(id)) is not a whole number in 1...\(idMax)")
        }
        guard Self.isName(name) else {
            throw LineFault("name: \(shown(name)) is not 1 to 64 of A-Z a-z 0-9 _ -, beginning with a letter")
        }
        guard let dataType = ElementType(rawValue: type) else {
            throw LineFault("type: \(shown(type)) is not one of \(Self.allowed(ElementType.self))")
        }
        guard let meaning = semantics.isEmpty ? .default : ElementSemantics(rawValue: semantics) else {
            throw LineFault("semantics: \(shown(semantics)) is not one of \(Self.allowed(ElementSemantics.self))")
        }
        guard units.utf8.count <= 32 else { throw LineFault("units: \(shown(units)) is longer than 32 octets") }
        let key = ElementKey(enterprise: enterprise, id: number)
        return InformationElement(key, name, dataType, semantics: meaning, units: units)
    }

    private static func isName(_ name: String) -> Bool {
        guard (1...64).contains(name.utf8.count), let first = name.utf8.first else { return false }
        let isLetter = { (octet: UInt8) in (0x41...0x5A).contains(octet) || (0x61...0x7A).contains(octet) }
        return isLetter(first)
            && name.utf8.allSatisfy { isLetter($0) || (0x30...0x39).contains($0) || $0 == 0x5F || $0 == 0x2D }
    }
    private static func allowed<Choice: CaseIterable & RawRepresentable>(_: Choice.Type) -> String
    where Choice.RawValue == String {
        Choice.allCases.map(\.rawValue).joined(separator: ", ")
    }
}

/// A wrong value as an error shows it: short, on one line.
func shown(_ text: String) -> String {
    text.isEmpty ? "nothing" : String(text.unicodeScalars.prefix(80).map { $0.value < 0x20 ? "?" : Character($0) })
}
