/// The table of contents of a MISP feed of many files: `manifest.json`, an object of events by UUID, each with the time
/// of its last change.

private struct ManifestItem: Decodable {
    var timestamp: LooseText?
}

/// An event of a feed, and in which state.
package struct MISPManifestEntry: Hashable, Sendable {
    /// 36 hexadecimal digits and hyphens, in lower case: safe in a path.
    package let uuid: String
    /// In s since 1970 UTC, as text; empty when it isn't told.
    package let timestamp: String

    /// Nil when the UUID is none.
    package init?(uuid: some StringProtocol, timestamp: String) {
        let octets = Array(uuid.lowercased().utf8)
        let isUUID =
            octets.count == 36
            && octets.enumerated().allSatisfy { place, octet in
                [8, 13, 18, 23].contains(place)
                    ? octet == UInt8(ascii: "-") : (0x30...0x39).contains(octet) || (0x61...0x66).contains(octet)
            }
        guard isUUID else { return nil }
        self.uuid = String(decoding: octets, as: UTF8.self)
        self.timestamp = String(timestamp.filter(\.isNumber).prefix(20))
    }
}

extension FeedRead {
    package static let manifestEventsMax = 20_000

    /// Reads a manifest; the newest events come first. Entries whose UUID is none are refused, and so are those beyond
    /// `manifestEventsMax`, the oldest.
    /// - Returns: nil when it is no manifest; the refusals say so.
    package mutating func readMISPManifest(_ octets: [UInt8]) -> [MISPManifestEntry]? {
        guard let items = document(octets, as: [String: ManifestItem].self) else { return nil }
        var entries: [MISPManifestEntry] = []
        for (uuid, item) in items {
            if let entry = MISPManifestEntry(uuid: uuid, timestamp: item.timestamp?.text ?? "") {
                entries.append(entry)
            } else {
                refuse(.malformed, at: "manifest", "not a UUID: \(uuid.prefix(40))")
            }
        }
        entries.sort { a, b in
            let (first, second) = (UInt64(a.timestamp) ?? 0, UInt64(b.timestamp) ?? 0)
            return first != second ? first > second : a.uuid < b.uuid
        }
        for entry in entries.dropFirst(Self.manifestEventsMax) { refuse(.tooMuch, at: entry.uuid) }
        return Array(entries.prefix(Self.manifestEventsMax))
    }
}
