import FlowModel

// What a search in the template store found last, so that the next datagram and set of the same sender need none. All
// are guesses: a key and the store's generation tell whether they still hold.

/// Where exporters were found, by their key: to be checked against the key itself.
struct PlaceHints: Sendable {
    private var slots = [Int32](repeating: -1, count: 256)

    subscript(key: ExporterKey) -> Int? {
        @inline(__always) get {
            let found = slots[key.hint]
            return found >= 0 ? Int(found) : nil
        }
        @inline(__always) set { slots[key.hint] = Int32(truncatingIfNeeded: newValue ?? -1) }
    }
}

/// Where senders were found.
struct SenderHints: Sendable {
    private struct Hint: Sendable {
        var key = ExporterKey(address: .absent, observationDomain: 0, exportProtocol: .packets)
        var sourcePort: UInt16 = 0, localPort: UInt16 = 0
        var session: UInt32 = 0, generation: UInt32 = 0
        var exporter: Int32 = 0, stream: Int32 = 0
    }
    private var hints = [Hint](repeating: Hint(), count: 256)

    @inline(__always)
    private func slot(_ key: ExporterKey, _ origin: DatagramOrigin) -> Int {
        (key.hint &+ Int(origin.sourcePort)) & 255
    }

    @inline(__always)
    func place(
        of key: ExporterKey, _ origin: DatagramOrigin, _ generation: UInt32
    ) -> (exporter: Int, stream: Int)? {
        let hint = hints[slot(key, origin)]
        guard hint.generation == generation, hint.sourcePort == origin.sourcePort,
            hint.localPort == origin.localPort, hint.session == origin.session, hint.key == key
        else { return nil }
        return (Int(hint.exporter), Int(hint.stream))
    }
    mutating func remember(
        _ key: ExporterKey, _ origin: DatagramOrigin, _ generation: UInt32, _ exporter: Int, _ stream: Int
    ) {
        hints[slot(key, origin)] = Hint(
            key: key, sourcePort: origin.sourcePort, localPort: origin.localPort, session: origin.session,
            generation: generation, exporter: Int32(truncatingIfNeeded: exporter),
            stream: Int32(truncatingIfNeeded: stream))
    }
}

/// Which layouts senders used last.
struct PlanHints: Sendable {
    private struct Hint: Sendable {
        var id: UInt16 = 0
        var generation: UInt32 = 0
        var exporter: Int32 = 0, stream: Int32 = 0
        var usedMilliseconds: Int64 = 0
        var found: TemplateStore.Found?
    }
    private var hints = [Hint](repeating: Hint(), count: 256)

    @inline(__always)
    private func slot(_ id: UInt16, _ exporter: Int, _ stream: Int) -> Int {
        (Int(id) &+ exporter &* 17 &+ stream &* 5) & 255
    }

    /// - Parameter now: in ms; a template's use is to be noted every second, so a hint is good for no longer.
    @inline(__always)
    func found(
        _ id: UInt16, _ exporter: Int, _ stream: Int, _ generation: UInt32, _ now: Int64
    ) -> TemplateStore.Found? {
        let slot = slot(id, exporter, stream)
        guard hints[slot].generation == generation, hints[slot].id == id, Int(hints[slot].exporter) == exporter,
            Int(hints[slot].stream) == stream, now &- hints[slot].usedMilliseconds <= 1_000
        else { return nil }
        return hints[slot].found
    }
    mutating func remember(
        _ found: TemplateStore.Found, _ id: UInt16, _ exporter: Int, _ stream: Int, _ generation: UInt32, _ used: Int64
    ) {
        hints[slot(id, exporter, stream)] = Hint(
            id: id, generation: generation, exporter: Int32(truncatingIfNeeded: exporter),
            stream: Int32(truncatingIfNeeded: stream), usedMilliseconds: used, found: found)
    }
}

extension ExporterKey {
    /// A number below 256 that is mostly its own.
    @inline(__always)
    fileprivate var hint: Int {
        let mixed = (address.low ^ address.high &* 3 ^ UInt64(observationDomain) << 24) &* 0x9E37_79B9_7F4A_7C15
        return Int(truncatingIfNeeded: mixed >> 56)
    }
}
