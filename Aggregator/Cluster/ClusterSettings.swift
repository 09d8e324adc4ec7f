package import JetStream
package import Settings

/// The scope `cluster`; a node alone has none.
///
/// - `servers` (list of HOST[:PORT], required): NATS servers of version 2.14.6 or later, with JetStream.
/// - `node` (text, required): this node's own name, of a-z 0-9 and -, at most 63.
/// - `certificate`, `key`, `trust` (paths, required unless all servers are of this machine): for mutual TLS with NATS.
/// - `groups` (number, 4, 1…64): of shards, a stream each. The same on all nodes, and never changed afterwards.
/// - `replicas` (number, 3; 1 or 3): of each stream. One keeps nothing when its disk is lost: for trials.
/// - `bytesMaxPerGroup` (size, `16GiB`, 64MiB…16TiB): of a group's stream, on each replica. Full, sensors spool.
package struct ClusterSettings: Equatable, Sendable {
    package let servers: [NATSOptions.Server]
    package let node: String
    package let tls: NATSOptions.TLSFiles?
    package let groups: Int, replicas: Int, bytesMaxPerGroup: Int

    /// Nil when the scope is empty.
    package init?(_ reader: SettingsReader) throws(SettingError) {
        let names = try reader.strings("servers", default: [])
        let node = try reader.optionalString("node")
        let certificate = try reader.optionalPath(of: "certificate"), key = try reader.optionalPath(of: "key")
        let trust = try reader.optionalPath(of: "trust")
        groups = try reader.int("groups", default: 4, in: 1...64)
        replicas = try reader.int("replicas", default: 3, in: 1...3)
        bytesMaxPerGroup = try reader.bytes("bytesMaxPerGroup", default: 16 << 30, in: (64 << 20)...(16 << 40))
        guard !names.isEmpty else {
            if let node { throw reader.error("servers", "are needed, as the node \(node) is to be of a cluster") }
            return nil
        }
        var servers: [NATSOptions.Server] = []
        for name in names {
            guard let server = NATSOptions.Server(name) else {
                throw reader.error("servers", "\"\(name)\" is not HOST or HOST:PORT")
            }
            servers.append(server)
        }
        self.servers = servers
        guard replicas != 2 else { throw reader.error("replicas", "2 is not 1 or 3") }
        guard let node, Self.isName(node) else {
            throw reader.error("node", "is needed: 1 to 63 of a-z 0-9 and -, another on each node")
        }
        self.node = node
        switch (certificate, key, trust) {
        case (let certificate?, let key?, let trust?):
            tls = NATSOptions.TLSFiles(certificate: certificate, key: key, trust: trust)
        case (nil, nil, nil):
            guard servers.allSatisfy({ ["127.0.0.1", "::1", "localhost"].contains($0.host) }) else {
                throw reader.error("certificate", "is needed, with key and trust, for servers of other machines")
            }
            tls = nil
        default: throw reader.error("certificate", "goes with key and trust: all three or none")
        }
    }
    private static func isName(_ text: String) -> Bool {
        (1...63).contains(text.utf8.count)
            && text.utf8.allSatisfy {
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0)
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || $0 == UInt8(ascii: "-")
            }
    }
}
