/// A program on the person's own machine that is to have the session, in the place of the browser (RFC 8252): where it
/// listens, and what ties the session to it and no other (RFC 7636).
package struct ProgramReturn: Sendable, Codable, Equatable {
    let port: Int, challenge: String

    /// - Parameters:
    ///   - port: on the loopback interface; not one that only the system's own services may have.
    ///   - challenge: S256 of the program's verifier.
    /// - Returns: nil for what is none.
    package init?(port: Int, challenge: String) {
        guard (1_024...65_535).contains(port), Base64URL.decode(challenge)?.count == 32 else { return nil }
        (self.port, self.challenge) = (port, challenge)
    }

    /// Where the browser is sent: to this machine and no other, whoever asked for it.
    package func address(_ query: [(String, String)]) -> String {
        "http://127.0.0.1:\(port)/?\(FormText.encode(query))"
    }
}

/// A session on its way to a program. Nothing is kept here of it: what the browser carries only the program can use,
/// and only soon.
struct HandedSession: Codable {
    let provider: String, secret: String, challenge: String, expiresMilliseconds: Int64

    static let lifetime: Int64 = 60_000
}
