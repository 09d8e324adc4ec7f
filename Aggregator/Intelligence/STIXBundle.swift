/// Bundles of STIX 2.1, and the pages of a TAXII server, which are the same list in another wrapping: their indicators,
/// and of the other objects what says more about those: the malware and the techniques that a relationship says they
/// indicate, and the markings.

/// What one object said: its own indicators, or that it is no more. For feeds that send changes.
package struct STIXVersion: Equatable, Sendable {
    package let id: String
    /// In ms since 1970 UTC; 0 when the object does not say. The latest stands.
    package let modified: Int64
    /// Empty when it was revoked or nothing of it was taken.
    package let indicators: [Indicator]

    package init(id: String, modified: Int64, indicators: [Indicator]) {
        (self.id, self.modified, self.indicators) = (id, modified, indicators)
    }
}

struct STIXObjects: Decodable {
    var objects = Lossy<STIXObject>()
    var more: Bool?
    var next: String?

    enum CodingKeys: CodingKey { case objects, more, next }
    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        objects = try container.decodeIfPresent(Lossy<STIXObject>.self, forKey: .objects) ?? Lossy()
        more = try container.decodeIfPresent(Bool.self, forKey: .more)
        next = try container.decodeIfPresent(String.self, forKey: .next)
    }
}

/// The members that are read, of objects of every type. Names are the standard's, `valid_from` as `validFrom`.
struct STIXObject: Decodable {
    struct Reference: Decodable { var sourceName: String?, externalId: String? }
    struct Definition: Decodable { var tlp: String? }

    var type: String, id: String
    var modified, pattern, patternType, validFrom, validUntil, name: String?
    var revoked: Bool?
    var confidence: Int?
    var labels, indicatorTypes, objectMarkingRefs: [String]?
    var relationshipType, sourceRef, targetRef: String?
    var externalReferences: [Reference]?
    var definition: Lenient<Definition>?
}

extension FeedRead {
    /// Reads a bundle.
    package mutating func readSTIX(_ octets: [UInt8]) {
        guard let bundle = document(octets, as: STIXObjects.self) else { return }
        for version in versions(in: bundle) { for indicator in version.indicators { append(indicator) } }
    }

    /// The indicators of a list of objects, by object; what is not taken is counted here.
    mutating func versions(in bundle: STIXObjects) -> [STIXVersion] {
        note(bundle.objects, "objects")
        let links = STIXLinks(bundle.objects.elements)
        return bundle.objects.elements.filter { $0.type == "indicator" }.map { object in
            let modified = object.modified.flatMap { Moment.milliseconds($0) } ?? 0
            if object.revoked == true {
                refuse(.revoked, at: object.id)
                return STIXVersion(id: object.id, modified: modified, indicators: [])
            }
            return STIXVersion(id: object.id, modified: modified, indicators: indicators(of: object, links))
        }
    }

    private mutating func indicators(of object: STIXObject, _ links: STIXLinks) -> [Indicator] {
        guard let pattern = object.pattern, (object.patternType ?? "stix") == "stix" else {
            refuse(.pattern, at: object.id, object.patternType.map { "a pattern of \($0)" } ?? "no pattern")
            return []
        }
        func time(_ text: String?) -> Int64?? { text.map { Moment.milliseconds($0) } }
        let from = time(object.validFrom), until = time(object.validUntil)
        guard from != .some(nil), until != .some(nil), (0...100).contains(object.confidence ?? 0) else {
            refuse(.badValue, at: object.id, "valid_from, valid_until or confidence")
            return []
        }
        let parsed = STIXPattern(pattern)
        for reason in parsed.refused { refuse(.pattern, at: object.id, reason) }
        let context = links.context(of: object, source)
        let modified = object.modified.flatMap { Moment.milliseconds($0) }
        let begun = indicators.count
        for found in parsed.subjects {
            let indicator = Indicator(
                found.subject, port: found.port, confidence: UInt8(clamping: object.confidence ?? source.confidence),
                firstSeen: from ?? nil, lastSeen: modified ?? (from ?? nil), expires: until ?? nil, context: context)
            take(indicator, at: object.id)
        }
        // They go where the versions go: to the list, or into a standing feed.
        return removeIndicators(from: begun)
    }
}

/// What the other objects of a bundle say about its indicators.
private struct STIXLinks {
    private var families: [String: String] = [:], techniques: [String: String] = [:]
    private var indicated: [String: [String]] = [:]
    private var lights: [String: TrafficLight] = Self.standardLights

    /// The marking definitions that OASIS fixed for TLP 1 (STIX 2.1 §7.2.1.4) and those of FIRST for TLP 2.
    private static let standardLights: [String: TrafficLight] = [
        "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9": .clear,
        "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da": .green,
        "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82": .amber,
        "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed": .red,
        "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487": .clear,
        "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb": .green,
        "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421": .amber,
        "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003": .amberStrict,
        "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1": .red,
    ]

    init(_ objects: [STIXObject]) {
        for object in objects {
            switch object.type {
            case "malware", "tool", "threat-actor", "intrusion-set", "campaign":
                if let name = object.name { families[object.id] = name }
            case "attack-pattern":
                let reference = object.externalReferences?.first { $0.sourceName == "mitre-attack" }
                if let technique = reference?.externalId { techniques[object.id] = technique }
            case "marking-definition":
                let light = object.definition?.value?.tlp ?? object.name
                if let light = light.flatMap({ TrafficLight(tag: $0) }) { lights[object.id] = light }
            case "relationship" where object.relationshipType == "indicates":
                guard let source = object.sourceRef, let target = object.targetRef else { continue }
                indicated[source, default: []].append(target)
            default: continue
            }
        }
    }

    func context(of object: STIXObject, _ source: FeedSource) -> IndicatorContext {
        let targets = indicated[object.id] ?? []
        let light = (object.objectMarkingRefs ?? []).compactMap { lights[$0] }.max()
        let labels = source.labels + (object.labels ?? []) + (object.indicatorTypes ?? []).filter { $0 != "unknown" }
        return IndicatorContext(
            labels: labels, malwareFamily: targets.lazy.compactMap { families[$0] }.first,
            techniques: targets.compactMap { techniques[$0] }, trafficLight: light ?? source.trafficLight)
    }
}
