package import FlowModel

/// All knobs: names, values, protocols, and the requirement of the collector's that each tries.
package enum KnobList {
    package struct Knob: Sendable {
        package let name: String
        /// What may stand behind the `=`; empty when nothing may.
        package let allowed: String
        /// A value that works, for examples and tests; nil for knobs without one.
        package let example: String?
        /// Which of the collector's requirements it tries (C9 …).
        package let requirement: String
        /// One line for people.
        package let explanation: String
        package let protocols: [ExportProtocol]
        /// Sets the knob; false when the value is not allowed.
        let apply: @Sendable (String?, inout SimulationKnobs) -> Bool
    }

    package static let all: [Knob] = templates + way + exporter + sampling + records + sFlow + sightings

    static let any = ExportProtocol.allCases.filter { $0 != .packets }
    static let templated: [ExportProtocol] = [.netflow9, .ipfix], ipfix: [ExportProtocol] = [.ipfix]
    static let samples: [ExportProtocol] = [.sflow4, .sflow5]
    private static let uptimed: [ExportProtocol] = [.netflow1, .netflow5, .netflow7, .netflow9]
    private static let counted: [ExportProtocol] = any.filter { $0 != .netflow1 }
    private static let flowMeters: [ExportProtocol] = any.filter { !samples.contains($0) }

    static func flag(
        _ name: String, _ requirement: String, _ protocols: [ExportProtocol],
        _ path: any WritableKeyPath<SimulationKnobs, Bool> & Sendable, _ explanation: String
    ) -> Knob {
        Knob(
            name: name, allowed: "given without a value", example: nil, requirement: requirement,
            explanation: explanation, protocols: protocols
        ) { value, knobs in
            guard value == nil else { return false }
            knobs[keyPath: path] = true
            return true
        }
    }
    static func valued<Value>(
        _ name: String, _ example: String, _ requirement: String, _ protocols: [ExportProtocol],
        _ path: any WritableKeyPath<SimulationKnobs, Value> & Sendable, _ allowed: String, _ explanation: String,
        _ read: @escaping @Sendable (String?) -> Value?
    ) -> Knob {
        Knob(
            name: name, allowed: allowed, example: example, requirement: requirement, explanation: explanation,
            protocols: protocols
        ) { text, knobs in
            guard let value = read(text) else { return false }
            knobs[keyPath: path] = value
            return true
        }
    }
    static func choice<Value: RawRepresentable & CaseIterable>(
        _ type: Value.Type
    ) -> String where Value.RawValue == String {
        "one of " + type.allCases.map(\.rawValue).joined(separator: ", ")
    }

    static let duration = "a duration such as 10s, 500ms, 5m or 2h"
    static let share = "a share, 0 to 1"

    private static let templates = [
        valued(
            "template-late", "10s", "C9", templated, \.templateLateMilliseconds, duration,
            "templates and options come so long after the first data",
            { KnobValue.duration($0).flatMap { $0 >= 0 ? $0 : nil } }),
        valued(
            "template-every", "2s", "C9", templated, \.templateEveryMilliseconds, duration,
            "templates and options are sent again so often (usually 10s)",
            { KnobValue.duration($0).flatMap { $0 > 0 ? $0 : nil } }),
        valued(
            "template-missing", "v6", "C9", templated, \.templateMissing, "v4, v6 or translated",
            "the template of these records is never sent",
            { text in Slot(name: text).map { Slot?.some($0) } }),
        flag(
            "template-redefine", "C3", templated, \.templateRedefine,
            "halfway, template 256 gets its fields in another order"),
        flag(
            "domain-mix", "C1", templated, \.domainMix,
            "each exporter has two observation domains that use 256 for different layouts"),
        flag(
            "withdrawal", "C4", ipfix, \.withdrawal,
            "halfway, template 256 is withdrawn (over TCP it is defined anew at once; over UDP the data simply go on)"),
    ]
    private static let way = [
        valued("loss", "0.01", "C13", any, \.loss, share, "this share of datagrams is lost", KnobValue.share),
        valued(
            "duplicates", "0.02", "C13", any, \.duplicates, share, "this share of datagrams comes twice",
            KnobValue.share),
        valued(
            "reorder", "8", "C13", any, \.reorder, "a number of datagrams, 1 to 1000",
            "a tenth of the datagrams comes late, by up to so many places", { KnobValue.number($0, in: 1...1_000) }),
        valued(
            "corrupt", "0.001", "C5", any, \.corrupt, share, "this share of datagrams has one octet changed",
            KnobValue.share),
    ]
    private static let exporter = [
        valued(
            "skew", "+3600s", "C17", any, \.skewMilliseconds, "a duration, + or -, such as +3600s",
            "the exporters' clocks are so far ahead", KnobValue.duration),
        flag(
            "uptime-wrap", "C15", uptimed, \.uptimeWrap,
            "halfway, the exporters' uptime passes 2^32 ms (49.7 days)"),
        flag("sequence-wrap", "C13", counted, \.sequenceWrap, "sequence numbers begin shortly before 2^32"),
        flag(
            "port-change", "C2", any, \.portChange,
            "halfway, exporters send from another source port; templates come at their usual time"),
        flag(
            "restart", "C2", any, \.restart,
            "halfway, exporters restart: uptime and sequence numbers begin anew, templates come first"),
        flag(
            "nat-two-agents", "C24", any, \.natTwoAgents,
            "all exporters send from one address, and have one observation domain (sFlow: agents of their own)"),
    ]
    private static let sampling = [
        valued(
            "sampling", "1:100", "C10", any, \.sampling, "1:N or N, 1 to 1000000",
            "exporters look at one packet in N (sFlow: usually 1:64) and say so, where the protocol can",
            { text in KnobValue.ratio(text).map { UInt32?.some($0) } }),
        valued(
            "sampling-form", "selector", "C11", templated, \.samplingForm, choice(SimulationKnobs.SamplingForm.self),
            "how the rate is told: elements 34, 48/50, 302/305/306, 309/310, scoped by interface, or in each record",
            { $0.flatMap(SimulationKnobs.SamplingForm.init(rawValue:)) }),
        flag("sampling-change", "C10", any, \.samplingChange, "halfway, N doubles"),
        flag("sampling-unknown", "C10", flowMeters, \.samplingUnknown, "nobody says that there is sampling"),
        valued(
            "sampling-late", "5s", "C10", templated, \.samplingLateMilliseconds, duration,
            "the rate is told so long after the first data",
            { KnobValue.duration($0).flatMap { $0 >= 0 ? $0 : nil } }),
    ]
}
