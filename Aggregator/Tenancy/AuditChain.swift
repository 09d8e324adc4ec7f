internal import Crypto

/// One event as it is kept.
package struct AuditEntry: Sendable, Hashable {
    package let id: Int64, atMilliseconds: Int64
    package let actor: String, kind: String, tenant: String, subject: String, detail: String
}

/// How far a chain goes, and the hash of its last event, which stands for all before it. Written down elsewhere, it
/// shows later that nothing up to there was changed or cut off.
package struct AuditHead: Sendable, Hashable, CustomStringConvertible {
    package var id: Int64, hash: String

    package static let empty = AuditHead(id: 0, hash: String(repeating: "0", count: 64))

    package init(id: Int64, hash: String) { (self.id, self.hash) = (id, hash) }

    /// `17:` and 64 hexadecimal digits.
    package init?(_ text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, let id = Int64(parts[0]), id >= 0, parts[1].utf8.count == 64,
            parts[1].utf8.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x66).contains($0) })
        else { return nil }
        (self.id, hash) = (id, String(parts[1]))
    }
    package var description: String { "\(id):\(hash)" }
}

/// Where a log is not as it was written.
package enum AuditFault: Error, Equatable, Sendable {
    /// An event is missing, or stands elsewhere: after this one comes none, or another.
    case gap(after: Int64)
    /// An event, or its hash, is not what was written.
    case altered(id: Int64)
    /// The log ends before the head that was written down.
    case cut(at: Int64, expected: Int64)
    /// The log has been written anew: its event is not that of the head.
    case otherHistory(id: Int64)
}

extension AuditFault {
    package var inWords: String {
        switch self {
        case .gap(let id): "after event \(id) one is missing"
        case .altered(let id): "event \(id) was changed"
        case .cut(let id, let expected): "it ends with event \(id), and had \(expected)"
        case .otherHistory(let id): "event \(id) is not that of the head: the log was written anew"
        }
    }
}

/// Each event's hash covers its fields and the hash before:
///
///     hash(n) = SHA-256(hash(n-1) | id :8 | at :8 | length :4 and octets of actor, kind, tenant, subject, detail)
///
/// Numbers are big-endian. Ids go up by one from 1. Pure; who has the file can still write the whole chain anew, which
/// only a head that was kept elsewhere shows.
package struct AuditChain: Sendable {
    package private(set) var head = AuditHead.empty
    private let expected: AuditHead?

    /// - Parameter expected: a head that the chain has to contain.
    package init(expecting expected: AuditHead? = nil) { self.expected = expected }

    static func hash(_ entry: AuditEntry, after last: String) -> String {
        var octets = Array(last.utf8)
        func add(_ number: Int64, _ count: Int) {
            for place in (0..<count).reversed() {
                octets.append(UInt8(truncatingIfNeeded: number >> (8 * Int64(place))))
            }
        }
        add(entry.id, 8)
        add(entry.atMilliseconds, 8)
        for text in [entry.actor, entry.kind, entry.tenant, entry.subject, entry.detail] {
            add(Int64(text.utf8.count), 4)
            octets += text.utf8
        }
        return SHA256.hash(data: octets).map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
    }

    package mutating func check(_ entry: AuditEntry, hash: String) throws(AuditFault) {
        guard entry.id == head.id + 1 else { throw .gap(after: head.id) }
        guard Self.hash(entry, after: head.hash) == hash else { throw .altered(id: entry.id) }
        head = AuditHead(id: entry.id, hash: hash)
        if let expected, expected.id == entry.id, expected.hash != hash { throw .otherHistory(id: entry.id) }
    }
    /// After the last event.
    package func finish() throws(AuditFault) {
        guard let expected, expected.id > head.id else { return }
        throw .cut(at: head.id, expected: expected.id)
    }
}
