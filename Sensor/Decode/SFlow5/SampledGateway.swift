import FlowModel
import WireBytes

/// A flow sample's record of a BGP router: where the packet comes from and goes to.
///
///     | next hop | own AS :4 | source AS :4 | source peer AS :4 | segments :4 | { type :4 | count :4 | AS :4 … }
///     | communities :4 | … | preference :4 |
struct SampledGateway {
    var nextHop = IPAddress.absent
    var ownAS: UInt32 = 0, sourceAS: UInt32 = 0, sourcePeerAS: UInt32 = 0
    /// The last of the path and the first; with an empty path they are not known here.
    var destinationAS: UInt32 = 0, destinationPeerAS: UInt32 = 0
    /// Where it ends in what it was read from.
    var end = 0

    /// sFlow v5's form. What is cut off in the path leaves the numbers before it.
    init?(_ body: RawSpan) {
        guard let (address, at) = SFlow5.address(body, at: 0), body.byteCount - at >= 16 else { return nil }
        nextHop = address
        _ = read(body, at: at)
    }

    /// That of the versions before, without a next hop; nil when it is cut off.
    init?(_ body: RawSpan, at start: Int, version: UInt32) {
        guard body.byteCount - start >= 16 else { return nil }
        guard version > 2 else {
            guard readPath(body, at: start) else { return nil }
            return
        }
        guard read(body, at: start), let communities = SFlow4.end(ofWords: body, at: end),
            body.byteCount - communities >= 4
        else { return nil }
        end = communities + 4
    }

    private mutating func read(_ body: RawSpan, at start: Int) -> Bool {
        (ownAS, sourceAS, sourcePeerAS) = (body.be32(at: start), body.be32(at: start + 4), body.be32(at: start + 8))
        var offset = start + 16
        for _ in 0..<body.be32(at: start + 12) {  // ends: each turn adds at least 8
            guard body.byteCount - offset >= 8 else { return false }
            let numbers = Int(body.be32(at: offset + 4))
            guard numbers <= (body.byteCount - offset - 8) / 4 else { return false }
            if numbers > 0, destinationPeerAS == 0 { destinationPeerAS = body.be32(at: offset + 8) }
            offset += 8 + 4 * numbers
            if numbers > 0 { destinationAS = body.be32(at: offset - 4) }
        }
        end = offset
        return true
    }

    /// Version 2 has one list of numbers.
    private mutating func readPath(_ body: RawSpan, at start: Int) -> Bool {
        (ownAS, sourceAS, sourcePeerAS) = (body.be32(at: start), body.be32(at: start + 4), body.be32(at: start + 8))
        guard let end = SFlow4.end(ofWords: body, at: start + 12) else { return false }
        if end > start + 16 { (destinationPeerAS, destinationAS) = (body.be32(at: start + 16), body.be32(at: end - 4)) }
        self.end = end
        return true
    }

    /// The neighbours tell more than source and destination do.
    var hasNeighbours: Bool {
        sourcePeerAS != 0 && sourcePeerAS != sourceAS || destinationPeerAS != 0 && destinationPeerAS != destinationAS
    }
}
