import FlowModel
import WireBytes

/// Who gets room, and who gives way.
extension TemplateStore {
    enum Repetition { case unknown, known, confirmed }

    /// Whether the sender sent this very template before. One on probation is on it no more.
    mutating func repeats(_ id: UInt16, _ definition: RawSpan, isOptions: Bool, at place: Place) -> Repetition {
        guard let exporter = place.exporter, let stream = place.stream,
            let slot = exporters[exporter].streams[stream].slot(of: id)
        else { return .unknown }
        let known = exporters[exporter].streams[stream].templates[slot]
        guard known.isOptions == isOptions, known.definition.withBytes({ $0.isEqual(to: definition) })
        else { return .unknown }
        exporters[exporter].streams[stream].templates[slot].lastUsedMilliseconds =
            exporters[exporter].lastHeardMilliseconds
        changedInUse(at: exporters[exporter].lastHeardMilliseconds)
        guard known.isOnProbation else { return .known }
        exporters[exporter].streams[stream].templates[slot].isOnProbation = false
        forgetHints()
        return .confirmed
    }

    //= RFC 7011 §8.4
    /// Keeps a new template, or one in the place of another: from the next set on the new layout holds. When there is
    /// no room for it, the old one is forgotten all the same.
    mutating func learn(
        _ id: UInt16, _ template: Template, of key: ExporterKey, _ origin: DatagramOrigin, _ place: inout Place
    ) -> Lesson {
        guard settle(key, origin, &place) else { return .noRoomForExporter }
        guard let exporter = place.exporter, let stream = place.stream else { return .noRoom }
        if let slot = exporters[exporter].streams[stream].slot(of: id) {
            let old = exporters[exporter].streams[stream].templates[slot]
            exporters[exporter].replaced &+= 1
            let hasRoom = charge(template.cost - old.cost, at: &place)
            guard let exporter = place.exporter else { return .noRoom }
            guard hasRoom else {
                forgetTemplate(exporter, stream, slot)
                return .noRoom
            }
            exporters[exporter].streams[stream].templates[slot] = template
            changed(at: origin.receiveMilliseconds)
            return .replaced
        }
        if exporters[exporter].streams[stream].ids.count >= limits.templatesPerStreamMax {
            guard !place.hasEvicted, let oldest = dispensableTemplate(exporter, stream, origin.receiveMilliseconds)
            else { return .noRoom }
            place.hasEvicted = true
            forgetTemplate(exporter, stream, oldest)
        }
        guard charge(template.cost, at: &place), let exporter = place.exporter else { return .noRoom }
        let slot = exporters[exporter].streams[stream].insertion(of: id)
        exporters[exporter].streams[stream].ids.insert(id, at: slot)
        exporters[exporter].streams[stream].templates.insert(template, at: slot)
        templateCount += 1
        changed(at: origin.receiveMilliseconds)
        return .new
    }

    /// Gives the sender its place. False when there is none for its exporter; the stream may be missing all the same.
    private mutating func settle(_ key: ExporterKey, _ origin: DatagramOrigin, _ place: inout Place) -> Bool {
        if place.exporter == nil {
            guard admit(key, now: origin.receiveMilliseconds) else { return false }
            place.exporter = index[key]
        }
        guard let exporter = place.exporter, place.stream == nil else { return place.exporter != nil }
        if exporters[exporter].streams.count >= limits.streamsPerExporterMax {
            guard let silent = dispensableStream(exporter, origin.receiveMilliseconds) else { return true }
            forgetStream(exporter, silent)
        }
        guard charge(Stream.cost, at: &place), let exporter = place.exporter else { return true }
        let isShared = exporters[exporter].scope == .shared && origin.session == 0
        place.stream = exporters[exporter].streams.count
        exporters[exporter].streams.append(
            Stream(
                sourcePort: isShared ? 0 : origin.sourcePort, localPort: isShared ? 0 : origin.localPort,
                session: origin.session, lastHeardMilliseconds: origin.receiveMilliseconds,
                uptime: place.uptime ?? 0))
        return true
    }

    private mutating func admit(_ key: ExporterKey, now: Int64) -> Bool {
        let isProtected = settings.isProtected(key.address)
        func isRoom() -> Bool {
            if isProtected { return protectedCount < limits.protectedExportersMax }
            return exporters.count - protectedCount < limits.exportersMax
                && domainsOfAddress[key.address, default: 0] < limits.domainsPerAddressMax
                && octetsHeld + Exporter.cost <= limits.templateOctetsMax
        }
        if !isRoom() {
            forgetSilent(now: now, except: key)
            guard isRoom() else { return false }
        }
        index[key] = exporters.count
        domainsOfAddress[key.address, default: 0] += 1
        if isProtected { protectedCount += 1 }
        add(Exporter.cost, isProtected)
        exporters.append(
            Exporter(
                key: key, isProtected: isProtected, scope: settings.scope(of: key.address),
                firstHeardMilliseconds: now, lastHeardMilliseconds: now))
        return true
    }

    /// Takes `octets` more for the exporter, if there is room or it can be made. Making it can move the exporter.
    private mutating func charge(_ octets: Int, at place: inout Place) -> Bool {
        guard let exporter = place.exporter else { return false }
        let isProtected = exporters[exporter].isProtected, key = exporters[exporter].key
        guard octets <= 0 || exporters[exporter].octets + octets <= limits.templateOctetsPerExporterMax
        else { return false }
        func fits() -> Bool {
            isProtected
                ? protectedOctetsHeld + octets <= limits.protectedTemplateOctetsMax
                : octetsHeld + octets <= limits.templateOctetsMax
        }
        if octets > 0, !fits() {
            if !isProtected { forgetSilent(now: exporters[exporter].lastHeardMilliseconds, except: key) }
            place.exporter = index[key]
            guard fits() else { return false }
        }
        guard let exporter = place.exporter else { return false }
        exporters[exporter].octets += octets
        add(octets, isProtected)
        return true
    }
    private mutating func add(_ octets: Int, _ isProtected: Bool) {
        if isProtected { protectedOctetsHeld += octets } else { octetsHeld += octets }
    }

    // MARK: Giving way

    /// Forgets those of the next few exporters that have been silent for long enough: a flood of new ones must not
    /// cost a search each.
    private mutating func forgetSilent(now: Int64, except key: ExporterKey) {
        for _ in 0..<8 where !exporters.isEmpty {
            hand = hand + 1 < exporters.count ? hand + 1 : 0
            let candidate = exporters[hand]
            let patience = candidate.hasServed ? limits.idleMilliseconds : limits.newcomerIdleMilliseconds
            guard !candidate.isProtected, candidate.key != key,
                now &- candidate.lastHeardMilliseconds >= patience
            else { continue }
            forgetExporter(hand)
        }
    }

    private mutating func forgetExporter(_ slot: Int) {
        let gone = exporters[slot]
        templateCount -= gone.streams.reduce(0) { $0 + $1.ids.count }
        add(-gone.octets, gone.isProtected)
        if gone.isProtected { protectedCount -= 1 }
        index[gone.key] = nil
        let siblings = domainsOfAddress[gone.key.address, default: 1] - 1
        domainsOfAddress[gone.key.address] = siblings > 0 ? siblings : nil
        let last = exporters.removeLast()
        if slot < exporters.count {
            exporters[slot] = last
            index[last.key] = slot
        }
        forgetHints()
        version &+= 1
    }

    /// The source port that is silent for longest, if it may go: of a protected exporter none that could still be taken
    /// back from a saved state.
    private func dispensableStream(_ exporter: Int, _ now: Int64) -> Int? {
        let streams = exporters[exporter].streams
        let isProtected = exporters[exporter].isProtected
        func mayGo(_ stream: Stream) -> Bool {
            if isProtected { return now &- stream.lastHeardMilliseconds >= limits.templateAgeMaxMilliseconds }
            let patience = stream.hasServed ? limits.idleMilliseconds : limits.newcomerIdleMilliseconds
            return now &- stream.lastHeardMilliseconds >= patience
        }
        return streams.indices.filter { mayGo(streams[$0]) }.min {
            (streams[$0].hasServed ? 1 : 0, streams[$0].lastHeardMilliseconds)
                < (streams[$1].hasServed ? 1 : 0, streams[$1].lastHeardMilliseconds)
        }
    }
    private mutating func forgetStream(_ exporter: Int, _ stream: Int) {
        let gone = exporters[exporter].streams.remove(at: stream)
        let octets = gone.templates.reduce(Stream.cost) { $0 + $1.cost }
        exporters[exporter].octets -= octets
        add(-octets, exporters[exporter].isProtected)
        templateCount -= gone.ids.count
        forgetHints()
        version &+= 1
    }

    /// Of templates that no data ever used the oldest, else one long out of use.
    private func dispensableTemplate(_ exporter: Int, _ stream: Int, _ now: Int64) -> Int? {
        let templates = exporters[exporter].streams[stream].templates, isProtected = exporters[exporter].isProtected
        let idle = isProtected ? limits.templateAgeMaxMilliseconds : limits.idleMilliseconds
        return templates.indices.filter {
            let silence = now &- templates[$0].lastUsedMilliseconds
            return silence >= idle || (!templates[$0].hasServed && !isProtected)
        }.min { templates[$0].lastUsedMilliseconds < templates[$1].lastUsedMilliseconds }
    }
    private mutating func forgetTemplate(_ exporter: Int, _ stream: Int, _ slot: Int) {
        exporters[exporter].streams[stream].ids.remove(at: slot)
        let octets = exporters[exporter].streams[stream].templates.remove(at: slot).cost
        exporters[exporter].octets -= octets
        add(-octets, exporters[exporter].isProtected)
        templateCount -= 1
        forgetHints()
        version &+= 1
    }

    // MARK: Sessions

    //= RFC 7011 §8.1
    /// Takes away a template of the sender's, or with no `id` all of its templates, or of its options templates.
    /// Returns how many there were.
    mutating func withdraw(_ id: UInt16?, isOptions: Bool, at place: Place) -> Int {
        guard let exporter = place.exporter, let stream = place.stream else { return 0 }
        if let id {
            guard let slot = exporters[exporter].streams[stream].slot(of: id),
                exporters[exporter].streams[stream].templates[slot].isOptions == isOptions
            else { return 0 }
            forgetTemplate(exporter, stream, slot)
            return 1
        }
        let slots = exporters[exporter].streams[stream].templates.indices.filter {
            exporters[exporter].streams[stream].templates[$0].isOptions == isOptions
        }
        for slot in slots.reversed() { forgetTemplate(exporter, stream, slot) }
        return slots.count
    }

    /// Forgets what a connection taught: it is over.
    mutating func endSession(_ session: UInt32) {
        guard session != 0 else { return }
        for exporter in exporters.indices {
            while let stream = exporters[exporter].streams.firstIndex(where: { $0.session == session }) {
                forgetStream(exporter, stream)  // ends: one stream less each turn
            }
        }
    }
}
