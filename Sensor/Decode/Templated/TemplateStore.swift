import FlowModel
import WireBytes

/// The templates of all exporters.
///
/// A template belongs to {protocol, exporter's address, observation domain} and there to {source port, local port,
/// session} (RFC 7011 §8 makes the transport session part of it). Those of another source port serve when there is
/// no choice between different ones: some exporters send options and data from different ports, or change ports.
/// Invariants: bounded by `DecodeLimits`; an exporter is forgotten only after silence and only for another, a
/// protected one never; octets are never read by a layout that its exporter has replaced.
/// Not here: who gives way to whom (`TemplateStore+Room`), saving (`TemplateStore+Snapshot`).
struct TemplateStore: Sendable {
    /// One transport session: over UDP a pair of ports.
    struct Stream: Sendable {
        let sourcePort: UInt16, localPort: UInt16, session: UInt32
        /// Numbers of the templates, ascending, and the templates in the same order.
        var ids: [UInt16] = []
        var templates: [Template] = []
        var lastHeardMilliseconds: Int64
        var hasServed = false
        var uptime: UInt32 = 0

        static let cost = 160
    }
    struct Exporter: Sendable {
        let key: ExporterKey
        let isProtected: Bool, scope: TemplateScope
        var streams: [Stream] = []
        /// When the exporter itself started, from its options; 0 unknown.
        var systemInitMilliseconds: Int64 = 0
        let firstHeardMilliseconds: Int64
        var lastHeardMilliseconds: Int64
        /// Data was decoded over some time: no flood of random senders does that.
        var hasServed = false
        /// What its streams and templates take.
        var octets = Exporter.cost
        /// Templates that took the place of another layout.
        var replaced: UInt64 = 0

        static let cost = 320
    }
    /// A sender's place in the store; parts are nil until it has taught a template. Good until the store next learns.
    struct Place: Sendable {
        var exporter: Int?, stream: Int?
        /// A sender may push out one template of its own a datagram: finding the oldest is a search.
        var hasEvicted = false
        /// ms since the exporter's start, by the datagram at hand; nil where its header has none.
        var uptime: UInt32?
    }
    struct Found: Sendable {
        let plan: TemplatePlan
        let isBorrowed: Bool, isOnProbation: Bool
        /// Noted as in use: `served` has nothing to do.
        let hasServed: Bool
    }
    enum Lesson { case new, replaced, noRoom, noRoomForExporter }

    let settings: DecodeSettings
    var limits: DecodeLimits { settings.limits }
    var exporters: [Exporter] = []
    var index: [ExporterKey: Int] = [:]
    private var places = PlaceHints()
    private var senders = SenderHints()
    private var recent = PlanHints()
    /// Changes with everything that makes a place or a layout found before another.
    private var generation: UInt32 = 1
    var domainsOfAddress: [IPAddress: Int] = [:]
    /// Octets of the exporters without and with protection.
    var octetsHeld = 0, protectedOctetsHeld = 0, protectedCount = 0
    var hand = 0
    var templateCount = 0
    /// Changes with everything that a snapshot would show, and once an hour while templates are in use.
    var version: UInt64 = 0
    private var versionMilliseconds = Int64.min
    var plans: PlanShelf
    /// What is left of the datagram's share of working layouts out.
    var plansLeft = PlanShelf.costMax
    /// A layout was not worked out for want of that: its data has to wait.
    var hasDeferredPlan = false

    init(settings: DecodeSettings) {
        self.settings = settings
        plans = PlanShelf(fieldsMax: settings.limits.plannedFieldsMax, extras: settings.extras)
    }

    func systemInitMilliseconds(at place: Place) -> Int64 {
        place.exporter.map { exporters[$0].systemInitMilliseconds } ?? 0
    }
    /// Keeps what an options record said about its exporter's clock.
    mutating func learn(_ statement: OptionsPlan.Statement, at place: Place) {
        guard let exporter = place.exporter, statement.systemInitMilliseconds > 0 else { return }
        exporters[exporter].systemInitMilliseconds = statement.systemInitMilliseconds
    }

    func exporter(of key: ExporterKey) -> Int? {
        if let hint = places[key], hint < exporters.count, exporters[hint].key == key { return hint }
        return index[key]
    }

    /// Looks up the sender and notes that it was heard.
    /// - Parameter uptime: ms since the exporter's start; nil where the header has none.
    @inline(__always)
    mutating func place(of key: ExporterKey, _ origin: DatagramOrigin, uptime: UInt32?) -> Place {
        guard let (exporter, stream) = senders.place(of: key, origin, generation) else {
            return searchedPlace(of: key, origin, uptime: uptime)
        }
        exporters[exporter].lastHeardMilliseconds = origin.receiveMilliseconds
        heard(exporter, stream, at: origin.receiveMilliseconds, uptime: uptime)
        return Place(exporter: exporter, stream: stream, uptime: uptime)
    }
    private mutating func searchedPlace(
        of key: ExporterKey, _ origin: DatagramOrigin, uptime: UInt32?
    ) -> Place {
        guard let exporter = exporter(of: key) else { return Place(uptime: uptime) }
        places[key] = exporter
        exporters[exporter].lastHeardMilliseconds = origin.receiveMilliseconds
        let stream = exporters[exporter].stream(of: origin)
        if let stream {
            senders.remember(key, origin, generation, exporter, stream)
            heard(exporter, stream, at: origin.receiveMilliseconds, uptime: uptime)
        }
        return Place(exporter: exporter, stream: stream, uptime: uptime)
    }
    /// After a restart of the exporter the same number may mean another layout: its templates are on probation.
    @inline(__always)
    private mutating func heard(_ exporter: Int, _ stream: Int, at now: Int64, uptime: UInt32?) {
        exporters[exporter].streams[stream].lastHeardMilliseconds = now
        guard let uptime else { return }
        let before = exporters[exporter].streams[stream].uptime
        exporters[exporter].streams[stream].uptime = uptime
        guard uptime < before, Uptime.hasRestarted(from: before, to: uptime) else { return }
        for slot in exporters[exporter].streams[stream].templates.indices {
            exporters[exporter].streams[stream].templates[slot].isOnProbation = true
        }
        forgetHints()
    }
    /// Looks up the sender of a datagram of earlier.
    func place(of key: ExporterKey, _ origin: DatagramOrigin) -> Place {
        guard let exporter = exporter(of: key) else { return Place() }
        return Place(exporter: exporter, stream: exporters[exporter].stream(of: origin))
    }

    /// The layout of the sender's template `id`, or of one borrowed from another source port of its exporter when all
    /// that know the number mean the same by it.
    @inline(__always)
    mutating func plan(_ id: UInt16, at place: Place, session: UInt32, now: Int64) -> Found? {
        guard let exporter = place.exporter else { return nil }
        if let stream = place.stream, let found = recent.found(id, exporter, stream, generation, now) {
            return found
        }
        return searchedPlan(id, at: place, exporter, session: session)
    }

    private mutating func searchedPlan(
        _ id: UInt16, at place: Place, _ exporter: Int, session: UInt32
    ) -> Found? {
        if let stream = place.stream, let slot = exporters[exporter].streams[stream].slot(of: id) {
            guard let found = found(exporter, stream, slot, isBorrowed: false) else { return nil }
            let used = exporters[exporter].streams[stream].templates[slot].lastUsedMilliseconds
            recent.remember(found, id, exporter, stream, generation, used)
            return found
        }
        guard session == 0, exporters[exporter].scope == .borrow else { return nil }
        var match: (stream: Int, slot: Int)?
        for (number, stream) in exporters[exporter].streams.enumerated() where stream.session == 0 {
            guard let slot = stream.slot(of: id) else { continue }
            if let match {
                let first = exporters[exporter].streams[match.stream].templates[match.slot]
                let other = stream.templates[slot]
                if first.isOptions != other.isOptions || first.definition != other.definition { return nil }
            } else {
                match = (number, slot)
            }
        }
        return match.flatMap { found(exporter, $0.stream, $0.slot, isBorrowed: true) }
    }

    private mutating func found(_ exporter: Int, _ stream: Int, _ slot: Int, isBorrowed: Bool)
        -> Found?
    {
        let now = exporters[exporter].lastHeardMilliseconds
        if now &- exporters[exporter].streams[stream].templates[slot].lastUsedMilliseconds > 1_000 {
            exporters[exporter].streams[stream].templates[slot].lastUsedMilliseconds = now
            changedInUse(at: now)
        }
        // One that was heard of a moment ago has served once it is older: what is found is looked up anew by then.
        let isSettled = exporters[exporter].hasServed || age(of: exporter) < Self.servedMilliseconds
        let hasServed = isSettled && exporters[exporter].streams[stream].templates[slot].hasServed
        guard
            let plan = exporters[exporter].streams[stream].templates[slot].plan
                ?? planned(exporter, stream, slot)
        else { return nil }
        let isOnProbation = exporters[exporter].streams[stream].templates[slot].isOnProbation
        return Found(plan: plan, isBorrowed: isBorrowed, isOnProbation: isOnProbation, hasServed: hasServed)
    }

    /// First use of a template: works its layout out.
    private mutating func planned(_ exporter: Int, _ stream: Int, _ slot: Int) -> TemplatePlan? {
        guard plansLeft > 0 else {
            hasDeferredPlan = true
            return nil
        }
        if plans.isFull {
            plans.removeAll()
            for exporter in exporters.indices { exporters[exporter].forgetPlans() }
        }
        let isNetFlow9 = exporters[exporter].key.exportProtocol == .netflow9
        let template = exporters[exporter].streams[stream].templates[slot]
        guard let plan = plans.plan(for: template, isNetFlow9: isNetFlow9, &plansLeft) else {
            return nil
        }
        exporters[exporter].streams[stream].templates[slot].plan = plan
        return plan
    }

    /// A data set had whole records of the template: its sender is real, as far as can be told.
    mutating func served(_ id: UInt16, at place: Place) {
        guard let exporter = place.exporter else { return }
        if age(of: exporter) >= Self.servedMilliseconds, !exporters[exporter].hasServed {
            exporters[exporter].hasServed = true
            forgetHints()
        }
        guard let stream = place.stream, let slot = exporters[exporter].streams[stream].slot(of: id),
            !exporters[exporter].streams[stream].templates[slot].hasServed
        else { return }
        exporters[exporter].streams[stream].hasServed = true
        exporters[exporter].streams[stream].templates[slot].hasServed = true
        forgetHints()
    }
    private static let servedMilliseconds: Int64 = 10_000
    private func age(of exporter: Int) -> Int64 {
        exporters[exporter].lastHeardMilliseconds &- exporters[exporter].firstHeardMilliseconds
    }

    /// What was found before is to be looked up anew.
    mutating func forgetHints() { generation &+= 1 }

    /// Notes in `version` that templates are in use, so that saved ones don't look older than they are.
    mutating func changedInUse(at now: Int64) {
        if now > versionMilliseconds, now &- 3_600_000 > versionMilliseconds { changed(at: now) }
    }
    mutating func changed(at now: Int64) {
        forgetHints()
        versionMilliseconds = now
        version &+= 1
    }
}

extension TemplateStore.Exporter {
    @inline(__always)
    func stream(of origin: DatagramOrigin) -> Int? {
        let isShared = scope == .shared && origin.session == 0
        for number in streams.indices {
            guard streams[number].session == origin.session else { continue }
            if isShared { return number }
            if streams[number].sourcePort == origin.sourcePort,
                streams[number].localPort == origin.localPort
            {
                return number
            }
        }
        return nil
    }
    fileprivate mutating func forgetPlans() {
        for stream in streams.indices {
            for slot in streams[stream].templates.indices { streams[stream].templates[slot].plan = nil }
        }
    }
}

extension TemplateStore.Stream {
    @inline(__always)
    func slot(of id: UInt16) -> Int? {
        let place = insertion(of: id)
        return place < ids.count && ids[place] == id ? place : nil
    }
    /// Where `id` is among the numbers, or would have to be.
    @inline(__always)
    func insertion(of id: UInt16) -> Int {
        var low = 0
        var high = ids.count
        while low < high {  // ends: the range halves
            let middle = (low + high) / 2
            if ids[middle] < id { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
