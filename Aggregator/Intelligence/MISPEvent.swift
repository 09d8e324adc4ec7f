/// Events and attributes of MISP in its JSON format (draft-dulaunoy-misp-core-format), and its warning lists.
import FlowModel

private struct MISPDocument: Decodable {
    struct Response: Decodable {
        var events = Lossy<MISPWrapped>(), attributes = Lossy<MISPAttribute>()
        enum CodingKeys: String, CodingKey { case attributes = "Attribute" }
        init(from decoder: any Decoder) throws {
            if let list = try? decoder.singleValueContainer().decode(Lossy<MISPWrapped>.self) {
                events = list
            } else {
                attributes = try decoder.container(keyedBy: CodingKeys.self).decode(
                    Lossy<MISPAttribute>.self, forKey: .attributes)
            }
        }
    }
    /// An event by itself, an answer of events, or an answer of attributes.
    var event: MISPEvent?
    var response: Response?
    enum CodingKeys: String, CodingKey {
        case event = "Event"
        case response
    }
}
private struct MISPWrapped: Decodable {
    var event: MISPEvent
    enum CodingKeys: String, CodingKey { case event = "Event" }
}
private struct MISPTag: Decodable { var name: String }
private struct MISPObject: Decodable {
    var attributes: Lossy<MISPAttribute>?, deleted: LooseText?
    enum CodingKeys: String, CodingKey {
        case attributes = "Attribute"
        case deleted
    }
}
private struct MISPEvent: Decodable {
    var attributes: Lossy<MISPAttribute>?
    var objects: Lossy<MISPObject>?
    var tags: Lossy<MISPTag>?
    enum CodingKeys: String, CodingKey {
        case attributes = "Attribute"
        case objects = "Object"
        case tags = "Tag"
    }
}
private struct MISPAttribute: Decodable {
    var uuid: String?
    var type: String, value: String
    var toIds, deleted, timestamp, firstSeen, lastSeen: LooseText?
    var tags: Lossy<MISPTag>?

    enum CodingKeys: String, CodingKey {
        case uuid, type, value, toIds, deleted, timestamp, firstSeen, lastSeen
        case tags = "Tag"
    }
    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        type = try container.decode(String.self, forKey: .type)
        value = try container.decode(LooseText.self, forKey: .value).text
        uuid = try? container.decode(String.self, forKey: .uuid)
        func loose(_ key: CodingKeys) -> LooseText? { try? container.decode(LooseText.self, forKey: key) }
        (toIds, deleted, timestamp) = (loose(.toIds), loose(.deleted), loose(.timestamp))
        (firstSeen, lastSeen) = (loose(.firstSeen), loose(.lastSeen))
        tags = try? container.decode(Lossy<MISPTag>.self, forKey: .tags)
    }
}

extension FeedRead {
    /// Reads an event, or an answer of MISP's REST searches for events or for attributes.
    /// - Returns: false when it is neither; the refusals say so.
    @discardableResult package mutating func readMISP(_ octets: [UInt8]) -> Bool {
        guard let document = document(octets, as: MISPDocument.self) else { return false }
        guard document.event != nil || document.response != nil else {
            refuse(.malformed, at: "document", "neither Event nor response")
            return false
        }
        if let event = document.event { take(event) }
        guard let response = document.response else { return true }
        note(response.events, "response")
        for wrapped in response.events.elements { take(wrapped.event) }
        take(response.attributes, tags: [])
        return true
    }

    private mutating func take(_ event: MISPEvent) {
        let tags = (event.tags?.elements ?? []).map(\.name)
        if let attributes = event.attributes { take(attributes, tags: tags) }
        guard let objects = event.objects else { return }
        note(objects, "Object")
        for object in objects.elements {
            guard let attributes = object.attributes else { continue }
            guard object.deleted?.isTrue != true else {
                for attribute in attributes.elements { refuse(.deleted, at: attribute.place) }
                continue
            }
            take(attributes, tags: tags)
        }
    }

    private mutating func take(_ attributes: Lossy<MISPAttribute>, tags: [String]) {
        note(attributes, "Attribute")
        for attribute in attributes.elements { take(attribute, tags: tags) }
    }

    private mutating func take(_ attribute: MISPAttribute, tags: [String]) {
        let place = attribute.place
        guard attribute.deleted?.isTrue != true else { return refuse(.deleted, at: place) }
        guard attribute.isAddress else { return refuse(.otherKind, at: place, attribute.type) }
        guard attribute.toIds?.isTrue == true else { return refuse(.notForDetection, at: place) }
        guard let (subject, port) = attribute.subject else {
            return refuse(.notAnIndicator, at: place, attribute.value)
        }
        let facts = MISPTags(tags + (attribute.tags?.elements ?? []).map(\.name))
        let seen = attribute.lastSeen?.moment ?? attribute.timestamp?.moment
        let context = IndicatorContext(
            labels: source.labels + facts.labels, malwareFamily: facts.family, techniques: facts.techniques,
            trafficLight: facts.trafficLight ?? source.trafficLight)
        let indicator = Indicator(
            subject, port: port, confidence: facts.confidence ?? defaultConfidence,
            firstSeen: attribute.firstSeen?.moment, lastSeen: seen, context: context)
        take(indicator, at: place)
    }
}

extension LooseText {
    fileprivate var isTrue: Bool { text == "1" || text == "true" }
    fileprivate var moment: Int64? { Moment.milliseconds(text) }
}

extension MISPAttribute {
    fileprivate var place: String { uuid ?? "\(type) \(value)" }
    fileprivate var isAddress: Bool {
        ["ip-src", "ip-dst", "ip-src|port", "ip-dst|port", "domain|ip", "AS"].contains(type)
    }
    fileprivate var subject: (IndicatorSubject, port: UInt16)? {
        let parts = value.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
        switch type {
        case "AS":
            return IndicatorSubject.systemNumber(value, prefixNeeded: false).map { (.autonomousSystem($0), 0) }
        case "domain|ip":
            return parts.count == 2 ? endpoint(parts[1]) : nil
        case "ip-src|port", "ip-dst|port":
            // Older events have a colon where the format has a bar.
            guard parts.count == 2 else { return parts.count == 1 ? endpoint(value) : nil }
            guard let network = IPNetwork(parts[0]), let port = portNumber(parts[1]) else { return nil }
            // The port of a source that attacked is one of its clients': it says nothing about the next contact.
            return (.network(network), type == "ip-dst|port" ? port : 0)
        default:
            return IPNetwork(value).map { (.network($0), 0) }
        }
    }
}

/// What tags say: taxonomies (`tlp:green`, `misp:confidence-level="usually-confident"`) and galaxies
/// (`misp-galaxy:mitre-attack-pattern="Web Protocols - T1071.001"`). All others are labels.
private struct MISPTags {
    var labels: [String] = [], family: String?, techniques: [String] = []
    var trafficLight: TrafficLight?, confidence: UInt8?

    private static let levels: [String: UInt8] = [
        "completely-confident": 100, "usually-confident": 75, "fairly-confident": 50, "rarely-confident": 25,
        "unconfident": 0,
    ]
    private static let familyGalaxies = [
        "malpedia", "tool", "ransomware", "botnet", "banker", "stealer", "rat", "mitre-malware", "mitre-tool",
        "threat-actor",
    ]

    init(_ tags: [String]) {
        for tag in tags {
            if tag.lowercased().hasPrefix("tlp:") {
                trafficLight = [trafficLight, TrafficLight(tag: tag)].compactMap { $0 }.max()
                continue
            }
            let name = tag.prefix { $0 != "=" }, value = tag.dropFirst(name.count + 1).filter { $0 != "\"" }
            if name == "misp:confidence-level" {
                confidence = Self.levels[value] ?? confidence
            } else if name.hasPrefix("misp-galaxy:"), !value.isEmpty {
                take(galaxy: String(name.dropFirst("misp-galaxy:".count)), value)
            } else if !tag.isEmpty {
                labels.append(tag)
            }
        }
    }
    private mutating func take(galaxy: String, _ value: String) {
        if galaxy == "mitre-attack-pattern" {
            let technique = value.split(separator: " ").last.map(String.init) ?? ""
            if technique.hasPrefix("T") { techniques.append(technique) }
        } else if Self.familyGalaxies.contains(galaxy) {
            family = family ?? value
        } else {
            labels.append(value)
        }
    }
}
