package import FlowModel

/// Something about an exporter that an operator should know, and which built-in detectors see less because of it. The
/// raw value is its name in heartbeats and metrics.
package enum HealthIssue: String, CaseIterable, Sendable {
    case silent
    case clockSkew = "clock_skew"
    case templateChurn = "template_churn"
    case samplingChanged = "sampling_changed"
    case samplingUnknown = "sampling_unknown"
    case samplingHidesSinglePackets = "sampling_hides_single_packets"
    case noTCPControlBits = "no_tcp_control_bits"
    case noPorts = "no_ports"
    case noPackets = "no_packets"
    case noFlowTimes = "no_flow_times"
    case unitsMissing = "units_missing"
    case severalSenders = "several_senders"

    /// What it means and what to do.
    package var advice: String {
        switch self {
        case .silent: "nothing has come for much longer than usual: is the exporter up, and its way here?"
        case .clockSkew: "its clock is off by more than 5 s: set it by NTP; times are stored as sent"
        case .templateChurn: "it gives its templates new layouts again and again: restarts, or two senders in one"
        case .samplingChanged: "its sampling rate has changed: volumes before and after compare only when scaled"
        case .samplingUnknown: "it doesn't tell its sampling rate: set decode.sampling for it if it samples"
        case .samplingHidesSinglePackets:
            "it samples so coarsely that scans of single packets can't be seen in its records"
        case .noTCPControlBits: "its TCP records have no flags: SYN floods and refused connections can't be told"
        case .noPorts: "its records have no ports: scans and services can't be told"
        case .noPackets: "its records count no packets: packet floods can't be told"
        case .noFlowTimes: "its records have no start and end: rates are blurred to the export interval"
        case .unitsMissing: "sequence numbers tell of lost exports: look for drops on the way or at the exporter"
        case .severalSenders: "several senders share its address and domain: give each a domain of its own"
        }
    }
    /// The detectors' rules that see less.
    package var affects: [String] {
        switch self {
        case .silent, .unitsMissing: ["all"]
        case .samplingHidesSinglePackets: ["port-scan-vertical", "port-scan-horizontal", "password-guessing"]
        case .noTCPControlBits: ["port-scan-vertical", "port-scan-horizontal", "password-guessing"]
        case .noPorts: ["port-scan-vertical", "password-guessing", "reflection-flood"]
        case .noPackets, .samplingUnknown, .samplingChanged: ["flood", "reflection-flood"]
        case .noFlowTimes, .clockSkew: ["flood"]
        case .templateChurn, .severalSenders: []
        }
    }
}

extension ExporterHealth {
    private static let recordsEnough: UInt64 = 64
    private static let silentMillisecondsMin: Int64 = 60_000

    /// What is wrong now, in the order of `HealthIssue`.
    /// - Parameters:
    ///   - now: by the sensor's clock, in ms since 1970 UTC.
    ///   - missing: of the same exporter's ledger.
    package func issues(atMilliseconds now: Int64, missing: MissingUnits) -> [HealthIssue] {
        var found: [HealthIssue] = []
        if isSilent(atMilliseconds: now) { found.append(.silent) }
        if let skew = skew.milliseconds, skew.magnitude > 5_000 { found.append(.clockSkew) }
        if templatesReplaced >= 3 { found.append(.templateChurn) }
        if samplingChanges > 0 { found.append(.samplingChanged) }
        if recordsSeen >= Self.recordsEnough { found += missingEvidence }
        if missing.units > 0 { found.append(.unitsMissing) }
        if missing.hasSeveralSenders { found.append(.severalSenders) }
        return found
    }
    /// For ten times as long as it usually is, and for a minute at least.
    private func isSilent(atMilliseconds now: Int64) -> Bool {
        let patience = max(Self.silentMillisecondsMin, Int64(min(10 * meanGapMilliseconds, 86_400_000)))
        return lastHeardMilliseconds != 0 && now &- lastHeardMilliseconds > patience
    }
    private var missingEvidence: [HealthIssue] {
        var found: [HealthIssue] = []
        if samplingInterval == 0 { found.append(.samplingUnknown) }
        if samplingInterval >= 100 { found.append(.samplingHidesSinglePackets) }
        if evidence.contains(.tcp), !evidence.contains(.tcpControlBits) { found.append(.noTCPControlBits) }
        if !evidence.contains(.ports) { found.append(.noPorts) }
        if !evidence.contains(.packets) { found.append(.noPackets) }
        if !evidence.contains(.times) { found.append(.noFlowTimes) }
        return found
    }
}
