/// Which detectors there are: one line for each.
import Identity

/// A detector, before there is one for a tenant.
struct DetectorKind: Sendable {
    let name: String
    let rules: [RuleInfo]
    let make: @Sendable (TenantID, DetectorParameters) -> any Detector

    init<Made: Detector>(_ type: Made.Type) {
        name = type.name
        rules = type.rules
        make = { Made(tenant: $0, parameters: $1) }
    }

    /// In the order of snapshots. Detectors know nothing of each other, so findings don't depend on it.
    static let all: [DetectorKind] = [
        DetectorKind(PortScanDetector.self),
        DetectorKind(SummedScanDetector.self),
        DetectorKind(PasswordGuessingDetector.self),
        DetectorKind(FloodDetector.self),
        DetectorKind(ReflectionDetector.self),
        DetectorKind(BeaconDetector.self),
        DetectorKind(DNSTunnelDetector.self),
        DetectorKind(LongConnectionDetector.self),
        DetectorKind(ExfiltrationDetector.self),
        DetectorKind(LateralMovementDetector.self),
        DetectorKind(CarpetBombingDetector.self),
        DetectorKind(DistributedScanDetector.self),
        DetectorKind(SpreadGuessingDetector.self),
        DetectorKind(RogueServiceDetector.self),
        DetectorKind(PolicyDetector.self),
        DetectorKind(ExporterSilenceDetector.self),
        DetectorKind(ThreatIntelligenceDetector.self),
        DetectorKind(NewPlaceDetector.self),
    ]
}

extension DetectorSet {
    /// The detectors that some rules are of, by their names.
    package static func detectors(of rules: Set<String>) -> Set<String> {
        Set(DetectorKind.all.filter { kind in kind.rules.contains { rules.contains($0.id) } }.map(\.name))
    }
    /// Whether a rule tells of something only a while after it was.
    package static func waits(for rule: String) -> Bool { rule == ExporterSilenceDetector.rule.id }
    /// Each detector's rules, in the order of the detectors.
    package static var rulesByDetector: [(detector: String, rules: [RuleInfo])] {
        DetectorKind.all.map { ($0.name, $0.rules) }
    }
}
