/// Traffic that looks like a site's, and attacks on it, as the datagrams that exporters of any protocol would send, or
/// as packets.
///
/// Invariants: the same plan gives the same bytes on every machine; addresses are from the documentation and
/// benchmark ranges (RFC 5737, RFC 3849, RFC 2544) and 10.0.0.0/8, so nothing simulated can be taken for somebody
/// real; memory does not grow with the duration. The encoders share no code with the decoder: tests compare the two.
/// Not here: sending and clocks (`weirctl simulate`), files (`Capture`).
package struct ScenarioList: Sendable, Equatable {
    /// Ordinary traffic; several share the rate evenly.
    package var mixes: [MixName] = []
    package var attacks: [Attack] = []

    package init(mixes: [MixName] = [], attacks: [Attack] = []) {
        (self.mixes, self.attacks) = (mixes, attacks)
    }

    /// Reads `office,beacon`: mixes, attacks, and `mixed` (the office with a vertical and a horizontal scan, password
    /// guessing and a flood) or `attacks` (all of them). The order says nothing; a name twice counts once.
    package init(parsing text: String) throws(SimulatorError) {
        for name in text.split(separator: ",", omittingEmptySubsequences: false) {
            if let mix = MixName(rawValue: String(name)) {
                mixes.append(mix)
            } else if let attack = Attack(rawValue: String(name)) {
                attacks.append(attack)
            } else if name == "mixed" {
                mixes.append(.office)
                attacks += [.scanVertical, .scanHorizontal, .passwordGuessing, .flood]
            } else if name == "attacks" {
                attacks += Attack.allCases
            } else {
                throw .unknownName(
                    String(name), what: "scenario", allowed: Self.names.joined(separator: ", "))
            }
        }
        mixes = MixName.allCases.filter(mixes.contains)
        attacks = Attack.allCases.filter(attacks.contains)
    }

    /// All names that can be given.
    package static var names: [String] {
        MixName.allCases.map(\.rawValue) + ["mixed", "attacks"] + Attack.allCases.map(\.rawValue)
    }
}

/// Why a plan can't be read: always the caller's command line.
package enum SimulatorError: Error, Equatable, Sendable {
    case unknownName(String, what: String, allowed: String)
    /// A knob's value is not what it takes.
    case badValue(knob: String, value: String, allowed: String)
    /// The protocol has nothing that the knob could change.
    case notApplicable(knob: String, exportProtocol: String, allowed: String)
}

extension SimulatorError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .unknownName(let name, let what, let allowed): "\(what) '\(name)' is unknown; there are: \(allowed)"
        case .badValue(let knob, let value, let allowed): "knob \(knob): '\(value)' is not \(allowed)"
        case .notApplicable(let knob, let exportProtocol, let allowed):
            "knob \(knob) means nothing in \(exportProtocol), only in \(allowed)"
        }
    }
}
