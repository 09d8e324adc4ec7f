package import FlowModel

/// What goes wrong, or otherwise than usual, on the way from the exporter: a knob for each thing that a collector must
/// get right. `KnobList` names and explains them.
package struct SimulationKnobs: Sendable, Equatable {
    package enum Times: String, CaseIterable, Sendable {
        case milliseconds, uptime, seconds, microseconds, nanoseconds, delta
    }
    package enum SamplingForm: String, CaseIterable, Sendable {
        case interval, random, selector, population, interface, record
    }
    package enum Padding: String, CaseIterable, Sendable { case zeros, nonzero }

    // Templates.
    var templateLateMilliseconds: Int64 = 0
    var templateEveryMilliseconds: Int64 = 10_000
    /// The template that is never sent.
    var templateMissing: Slot?
    var templateRedefine = false, domainMix = false, withdrawal = false
    // The way.
    var loss = 0.0, duplicates = 0.0, corrupt = 0.0
    /// Datagrams that may overtake one another; 0 for none.
    var reorder = 0
    // The exporter and its clock.
    var skewMilliseconds: Int64 = 0
    var uptimeWrap = false, sequenceWrap = false, portChange = false, restart = false, natTwoAgents = false
    // Sampling.
    /// 1 for none; nil where the protocol's own default holds (sFlow 64, the rest 1).
    package var sampling: UInt32?
    var samplingForm = SamplingForm.interval
    var samplingChange = false, samplingUnknown = false
    var samplingLateMilliseconds: Int64 = 0
    // Records and sets.
    var times: Times?
    var padding: Padding?
    var biflow = false, variableLength = false, repeatedElements = false, unknownElements = false, unknownSets = false
    var reducedSize = false, bothFamilies = false, icmpElement = false, countWrong = false, firewallEvents = false
    // sFlow.
    var expanded = false
    var headerBytesMax = 128
    var tunnels: Double?
    var fragments = 0.0, extensionHeaders = 0.0
    // What is seen twice.
    var twoRouters: Double?, bothSides: Double?

    package init() {}

    var samplingInterval: UInt32 { sampling ?? 1 }
    /// Whether records hold both directions of a conversation.
    var pairsDirections: Bool { biflow || firewallEvents }

    /// Reads `name` or `name=value`, each named in `KnobList.all`.
    package init(parsing texts: [String], for exportProtocol: ExportProtocol) throws(SimulatorError) {
        for text in texts { try set(text, for: exportProtocol) }
    }

    private mutating func set(_ text: String, for exportProtocol: ExportProtocol) throws(SimulatorError) {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard let knob = KnobList.all.first(where: { $0.name == parts[0] }) else {
            throw .unknownName(
                parts[0], what: "knob", allowed: KnobList.all.map(\.name).joined(separator: ", ") + "; try --knob list")
        }
        guard knob.protocols.contains(exportProtocol) else {
            throw .notApplicable(
                knob: knob.name, exportProtocol: exportProtocol.name,
                allowed: knob.protocols.map(\.name).joined(separator: ", "))
        }
        guard knob.apply(parts.count == 2 ? parts[1] : nil, &self) else {
            throw .badValue(
                knob: knob.name, value: parts.count == 2 ? parts[1] : "", allowed: knob.allowed)
        }
    }
}

/// Readers of knobs' values; nil for what is not one.
enum KnobValue {
    /// `10s`, `500ms`, `+3600s`, `-2h`, `5m`: milliseconds.
    static func duration(_ text: String?) -> Int64? {
        guard let text else { return nil }
        for (unit, factor) in [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)] as [(String, Int64)]
        where text.hasSuffix(unit) {
            guard let number = Int64(text.dropLast(unit.count)), abs(number) <= 1_000_000_000 else { continue }
            return number * factor
        }
        return nil
    }
    /// 0…1.
    static func share(_ text: String?) -> Double? {
        guard let text, let value = Double(text), (0...1).contains(value) else { return nil }
        return value
    }
    /// `1:1000` or `1000`.
    static func ratio(_ text: String?) -> UInt32? {
        guard let text else { return nil }
        let number = text.hasPrefix("1:") ? String(text.dropFirst(2)) : text
        guard let value = UInt32(number), (1...1_000_000).contains(value) else { return nil }
        return value
    }
    static func number(_ text: String?, in range: ClosedRange<Int>) -> Int? {
        guard let text, let value = Int(text), range.contains(value) else { return nil }
        return value
    }
}
