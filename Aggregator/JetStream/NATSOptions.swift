/// How a NATS server is found and trusted.
package struct NATSOptions: Equatable, Sendable {
    package struct Server: Equatable, Sendable, CustomStringConvertible {
        package let host: String, port: Int
        package init(host: String, port: Int) {
            self.host = host
            self.port = port
        }
        /// `nats1.example:4222`, `[2001:db8::1]:4222`; the port is 4222 if there is none.
        package init?(_ text: String) {
            var host = text, port = 4_222
            let bracket = text.lastIndex(of: "]")
            if let colon = text.lastIndex(of: ":"), bracket.map({ $0 < colon }) ?? true {
                guard let number = Int(text[text.index(after: colon)...]), (1...65_535).contains(number) else {
                    return nil
                }
                (host, port) = (String(text[..<colon]), number)
            }
            if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
            guard !host.isEmpty, host.utf8.allSatisfy({ $0 > 32 && $0 < 127 && $0 != UInt8(ascii: "/") }) else {
                return nil
            }
            self.init(host: host, port: port)
        }
        package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
    }
    /// PEM files. They are read afresh for each connection.
    package struct TLSFiles: Equatable, Sendable {
        package let certificate: String, key: String, trust: String
        package init(certificate: String, key: String, trust: String) {
            self.certificate = certificate
            self.key = key
            self.trust = trust
        }
    }
    /// At least one; the next is tried when one does not answer.
    package var servers: [Server]
    /// Nil: in the clear, to this machine.
    package var tls: TLSFiles?
    /// What servers see in their lists of connections.
    package var name: String
    package var connectTimeout = Duration.seconds(3)
    /// Between two looks at whether the server is there; two without an answer end the connection.
    package var pingInterval = Duration.seconds(2)
    /// Between two tries to connect, at most.
    package var retryMax = Duration.seconds(1)
    /// Requests that wait for an answer.
    package var waitingMax = 8_192

    package init(servers: [Server], tls: TLSFiles? = nil, name: String) {
        self.servers = servers
        self.tls = tls
        self.name = name
    }
}
