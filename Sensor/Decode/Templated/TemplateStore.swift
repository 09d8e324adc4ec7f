import FlowModel
import WireBytes

/// A template as it is kept.
struct Template: Sendable {
    enum Body: Sendable { case flows(FlowPlan), options(OptionsPlan) }
    /// Its fields as they came: whether two templates are the same is a comparison of octets.
    let definition: [UInt8]
    let isOptions: Bool
    let fieldCount: Int
    let body: Body
    var lastUsedMilliseconds: Int64 = 0
}

/// The templates of all exporters, and what their options said.
///
/// A template belongs to {protocol, exporter's address, observation domain} and there to {source port, local port}
/// (RFC 7011 §8 makes the transport session part of it). Those of another source port serve when there is no choice
/// between different ones: some exporters send options and data from different ports, or change ports.
/// Invariants: bounded by `DecodeLimits`; an exporter is forgotten only after long silence, and only for another.
struct TemplateStore: Sendable {
    struct DomainKey: Hashable, Sendable {
        var address: IPAddress
        var domain: UInt32
        var exportProtocol: ExportProtocol
    }
    struct Stream: Sendable {
        let sourcePort: UInt16, localPort: UInt16
        var templates: [UInt16: Template] = [:]
        var lastHeardMilliseconds: Int64
    }
    struct Domain: Sendable {
        let key: DomainKey
        var streams: [Stream] = []
        var rates = SamplingRates()
        var systemInitMilliseconds: Int64 = 0
        var lastHeardMilliseconds: Int64
    }
    /// A sender's place in the store; parts are nil until it has taught a template.
    struct Place {
        var domain: Int?, stream: Int?
        /// A sender may push out one template of its own a datagram: finding the oldest is a search.
        var hasEvicted = false
    }
    enum Lesson { case new, replaced, noRoom, noRoomForExporter }

    private let limits: DecodeLimits
    private var domains: [Domain] = []
    private var index: [DomainKey: Int] = [:]
    private var domainsOfAddress: [IPAddress: Int] = [:]
    private var fieldsHeld = 0
    private(set) var templateCount = 0
    /// No search for silent exporters before this time: a flood of new ones must not cost a search each.
    private var nextSweepMilliseconds = Int64.min
    private static let sweepPauseMilliseconds: Int64 = 10_000

    init(limits: DecodeLimits) { self.limits = limits }

    func rates(at place: Place) -> SamplingRates? { place.domain.map { domains[$0].rates } }
    func hasRates(at place: Place) -> Bool { place.domain.map { !domains[$0].rates.isEmpty } ?? false }
    func systemInitMilliseconds(at place: Place) -> Int64 {
        place.domain.map { domains[$0].systemInitMilliseconds } ?? 0
    }

    /// Looks up the sender and notes that it was heard.
    mutating func place(of key: DomainKey, _ origin: DatagramOrigin) -> Place {
        guard let domain = index[key] else { return Place() }
        domains[domain].lastHeardMilliseconds = origin.receiveMilliseconds
        let stream = domains[domain].streams.firstIndex {
            $0.sourcePort == origin.sourcePort && $0.localPort == origin.localPort
        }
        if let stream { domains[domain].streams[stream].lastHeardMilliseconds = origin.receiveMilliseconds }
        return Place(domain: domain, stream: stream)
    }

    /// The template `id` of the sender, or one borrowed from another source port of its exporter when all that
    /// know the number mean the same by it.
    mutating func template(_ id: UInt16, at place: Place) -> (template: Template, isBorrowed: Bool)? {
        guard let domain = place.domain else { return nil }
        if let stream = place.stream {
            let heard = domains[domain].lastHeardMilliseconds
            if let own = domains[domain].streams[stream].templates[id] {
                if heard &- own.lastUsedMilliseconds > 1_000 {
                    domains[domain].streams[stream].templates[id]?.lastUsedMilliseconds = heard
                }
                return (own, false)
            }
        }
        var found: Template?
        for stream in domains[domain].streams {
            guard let other = stream.templates[id] else { continue }
            if let found, found.definition != other.definition || found.isOptions != other.isOptions { return nil }
            found = other
        }
        return found.map { ($0, true) }
    }

    /// Whether the sender sent this very template before.
    func knows(_ id: UInt16, _ definition: RawSpan, isOptions: Bool, at place: Place) -> Bool {
        guard let domain = place.domain, let stream = place.stream,
            let known = domains[domain].streams[stream].templates[id], known.isOptions == isOptions,
            known.definition.count == definition.byteCount
        else { return false }
        for at in known.definition.indices where known.definition[at] != definition.u8(at: at) { return false }
        return true
    }

    //= RFC 7011 §8.4
    /// Keeps a new template, or one in the place of another: from the next set on the new layout holds.
    mutating func learn(
        _ id: UInt16, _ template: Template, key: DomainKey, _ origin: DatagramOrigin, _ place: inout Place
    ) -> Lesson {
        guard let (domain, stream) = settle(key, origin, &place) else { return .noRoomForExporter }
        let known = domains[domain].streams[stream].templates[id]
        let fieldsFreed = known?.fieldCount ?? 0
        guard fieldsHeld - fieldsFreed + template.fieldCount <= limits.fieldsMax else { return .noRoom }
        if known == nil, domains[domain].streams[stream].templates.count >= limits.templatesPerStreamMax {
            guard !place.hasEvicted else { return .noRoom }
            place.hasEvicted = true
            forgetOldestTemplate(domain, stream)
        }
        var template = template
        template.lastUsedMilliseconds = origin.receiveMilliseconds
        domains[domain].streams[stream].templates[id] = template
        fieldsHeld += template.fieldCount - fieldsFreed
        if known == nil { templateCount += 1 }
        return known == nil ? .new : .replaced
    }

    /// Keeps what an options record said about its exporter.
    mutating func learn(_ statement: OptionsPlan.Statement, at place: Place) {
        guard let domain = place.domain else { return }
        if statement.systemInitMilliseconds > 0 {
            domains[domain].systemInitMilliseconds = statement.systemInitMilliseconds
        }
        let interval = statement.interval
        guard interval > 0 else { return }
        domains[domain].rates.learn(interval, for: statement.scope, limit: limits.samplersPerExporterMax)
    }
}

extension TemplateStore {
    private mutating func settle(
        _ key: DomainKey, _ origin: DatagramOrigin, _ place: inout Place
    ) -> (domain: Int, stream: Int)? {
        if place.domain == nil {
            guard makeRoom(for: key, now: origin.receiveMilliseconds) else { return nil }
            index[key] = domains.count
            domainsOfAddress[key.address, default: 0] += 1
            place.domain = domains.count
            domains.append(Domain(key: key, lastHeardMilliseconds: origin.receiveMilliseconds))
        }
        guard let domain = place.domain else { return nil }
        if let stream = place.stream { return (domain, stream) }
        if domains[domain].streams.count >= limits.streamsPerExporterMax {
            let oldest = domains[domain].streams.indices.min {
                domains[domain].streams[$0].lastHeardMilliseconds < domains[domain].streams[$1].lastHeardMilliseconds
            }
            if let oldest { forget(domains[domain].streams.remove(at: oldest)) }
        }
        place.stream = domains[domain].streams.count
        domains[domain].streams.append(
            Stream(
                sourcePort: origin.sourcePort, localPort: origin.localPort,
                lastHeardMilliseconds: origin.receiveMilliseconds))
        return (domain, domains[domain].streams.count - 1)
    }

    private mutating func makeRoom(for key: DomainKey, now: Int64) -> Bool {
        func isRoom() -> Bool {
            domains.count < limits.exportersMax
                && domainsOfAddress[key.address, default: 0] < limits.domainsPerAddressMax
        }
        if isRoom() { return true }
        guard now >= nextSweepMilliseconds else { return false }
        nextSweepMilliseconds = now &+ Self.sweepPauseMilliseconds
        let kept = domains.filter { now &- $0.lastHeardMilliseconds < limits.idleMilliseconds }
        for domain in domains where now &- domain.lastHeardMilliseconds >= limits.idleMilliseconds {
            for stream in domain.streams { forget(stream) }
        }
        domains = kept
        (index, domainsOfAddress) = ([:], [:])
        for (slot, domain) in domains.enumerated() {
            index[domain.key] = slot
            domainsOfAddress[domain.key.address, default: 0] += 1
        }
        return isRoom()
    }

    private mutating func forget(_ stream: Stream) {
        templateCount -= stream.templates.count
        fieldsHeld -= stream.templates.values.reduce(0) { $0 + $1.fieldCount }
    }

    private mutating func forgetOldestTemplate(_ domain: Int, _ stream: Int) {
        let oldest = domains[domain].streams[stream].templates.min {
            $0.value.lastUsedMilliseconds < $1.value.lastUsedMilliseconds
        }
        guard let oldest else { return }
        domains[domain].streams[stream].templates[oldest.key] = nil
        fieldsHeld -= oldest.value.fieldCount
        templateCount -= 1
    }
}
