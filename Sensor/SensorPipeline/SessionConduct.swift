/// Which TCP and TLS connections keep sending what can't be read.
///
/// A malformed message is counted and what came before the fault in it is used; a connection whose last few were all
/// malformed has an exporter at its end that is broken, or nothing that speaks IPFIX (RFC 7011 §9.1). Bounded by the
/// connections there are.
package struct SessionConduct: Sendable {
    /// Malformed ones in a row, by session; those whose last message was well-formed are not here.
    private var malformed: [UInt32: Int] = [:]
    private var hopeless: [UInt32] = []

    /// So many in a row end a connection.
    package static let malformedMax = 3

    package init() {}

    package mutating func note(_ session: UInt32, isWellFormed: Bool) {
        guard !isWellFormed else {
            if !malformed.isEmpty { malformed[session] = nil }
            return
        }
        let count = malformed[session, default: 0] + 1
        malformed[session] = count
        if count == Self.malformedMax { hopeless.append(session) }
    }
    package mutating func forget(_ session: UInt32) { malformed[session] = nil }
    /// The connections to end, each once.
    package mutating func takeHopeless() -> [UInt32] {
        guard !hopeless.isEmpty else { return [] }
        defer { hopeless = [] }
        return hopeless
    }
}
