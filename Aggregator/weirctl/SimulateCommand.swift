import ArgumentParser
import FlowModel
import Foundation
import Simulator

struct SimulateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate", abstract: "Makes test traffic: sites and attacks, the same for the same seed.",
        discussion: """
            weirctl simulate --scenario mixed --protocol ipfix --to 127.0.0.1:4739
            weirctl simulate --scenario office,beacon,dns-tunnel --protocol netflow9 --pcap x.pcap --truth x.json
            weirctl simulate --scenario isp-edge --protocol sflow5 --knob sampling=1:512 --knob loss=0.01 --pcap s.pcap
            weirctl simulate --scenario office --protocol ipfix --knob template-late=10s --to 127.0.0.1:4739/tcp
            weirctl simulate --scenario mixed --protocol packets --pcap p.pcap && softflowd -r p.pcap -n 127.0.0.1:2055
            weirctl simulate --scenario list
            weirctl simulate --knob list

            Sites: office, datacenter, isp-edge, iot. Attacks: scan-vertical, scan-horizontal, scan-slow, \
            password-guessing, flood, flood-syn, flood-dns, flood-ntp, flood-memcached, carpet-bombing, beacon, \
            exfiltration, lateral-movement, dns-tunnel. 'mixed' is the office with four of them, 'attacks' are all.

            To a socket, times are now and a second of traffic takes a second; to a file, times begin at \
            2026-01-01 and are made at once. The last line of output is a JSON object of what was sent.
            """)

    @Option(help: "Sites and attacks, joined by commas; 'list' explains them.") var scenario = "mixed"
    @Option(
        name: .customLong("protocol"),
        help: "netflow1, netflow5, netflow7, netflow9, ipfix, sflow4, sflow5, or packets (with --pcap).")
    var output = "netflow9"
    @Option(help: "Flow records a second of all exporters, attacks on top; 1 to 5000000.") var rate = 200
    @Option(help: "Seconds of traffic, 1 to 86400.") var duration = 60
    @Option(help: "Another seed, another traffic.") var seed: UInt64 = 1
    @Option(help: "Exporters, 1 to 64; some flows are seen by two.") var exporters = 2
    @Option(help: "sFlow: one packet in so many is sampled, 1 to 1000000 (64); for others see --knob sampling=N.")
    var samplingInterval: Int?
    @Option(help: "What goes wrong: NAME or NAME=VALUE, several times; 'list' explains all.") var knob: [String] = []
    @Flag(help: "Let the rate follow the hours of the day (UTC).") var diurnal = false
    @Flag(help: "To a socket: as fast as it goes.") var unpaced = false
    @Option(help: "Send to HOST:PORT, over UDP, or over TCP with /tcp behind it (IPFIX only).") var to: String?
    @Option(help: "Send from this address, further exporters from the ones after it.") var bind: String?
    @Option(help: "Write a capture to this file.") var pcap: String?
    @Option(help: "Write what attacks there were to this file, as JSON.") var truth: String?

    func validate() throws {
        for (name, value, allowed) in [
            ("rate", rate, 1...5_000_000), ("duration", duration, 1...86_400), ("exporters", exporters, 1...64),
            ("sampling-interval", samplingInterval ?? 1, 1...1_000_000),
        ] where !allowed.contains(value) {
            throw ValidationError("--\(name): \(value) is outside \(allowed.lowerBound)...\(allowed.upperBound)")
        }
        if scenario == "list" || knob.contains("list") { return }
        guard (to == nil) != (pcap == nil) else { throw ValidationError("give either --to HOST:PORT or --pcap FILE") }
        if output == "packets", pcap == nil { throw ValidationError("packets go to a file: give --pcap FILE") }
        if let bind, IPAddress(bind) == nil { throw ValidationError("--bind: \(bind) is not a numeric address") }
    }

    func run() throws {
        if scenario == "list" { return listScenarios() }
        if knob.contains("list") { return listKnobs() }
        let target = try to.map(Target.init)
        var plan: SimulationPlan
        do {
            plan = try self.plan(isStream: target?.isStream == true)
        } catch let error as SimulatorError {
            throw Failure.usage("simulate: \(error)")
        }
        if let target {
            try send(plan: &plan, to: target)
        } else if let pcap, plan.exportProtocol == .packets {
            try SimulationFile(pcap).writePackets(of: plan, report)
        } else if let pcap {
            try SimulationFile(pcap).writeExport(of: plan, report)
        }
    }

    private func plan(isStream: Bool) throws -> SimulationPlan {
        guard let exportProtocol = ExportProtocol(name: output) else {
            throw SimulatorError.unknownName(
                output, what: "protocol", allowed: ExportProtocol.allCases.map(\.name).joined(separator: ", "))
        }
        let onlyForDatagrams = ["loss", "duplicates", "reorder", "corrupt", "port-change", "template-every"]
        if isStream, let wrong = knob.first(where: { text in onlyForDatagrams.contains { text.hasPrefix($0) } }) {
            throw Failure.usage("simulate: knob \(wrong): nothing of the kind happens on a TCP connection")
        }
        if isStream, exportProtocol != .ipfix {
            throw Failure.usage("simulate: --to \(to ?? ""): only ipfix goes over TCP, not \(output)")
        }
        var plan = SimulationPlan()
        plan.scenarios = try ScenarioList(parsing: scenario)
        plan.exportProtocol = exportProtocol
        (plan.recordsPerSecond, plan.seconds, plan.seed) = (rate, duration, seed)
        (plan.exporters, plan.isDiurnal, plan.isStream) = (exporters, diurnal, isStream)
        plan.knobs = try SimulationKnobs(parsing: knob, for: exportProtocol)
        let isSFlow = exportProtocol == .sflow4 || exportProtocol == .sflow5
        if isSFlow, let samplingInterval, plan.knobs.sampling == nil { plan.knobs.sampling = UInt32(samplingInterval) }
        return plan
    }

    private func send(plan: inout SimulationPlan, to target: Target) throws {
        // Exporting begins a second after the first flows end: now.
        plan.startMilliseconds = Int64(Date().timeIntervalSince1970 * 1_000) - 1_000
        var sender = SimulationSender(target: target, firstSource: bind.flatMap { IPAddress($0) }, isPaced: !unpaced)
        try sender.run(plan, report)
    }

    private func listScenarios() {
        print(SimulatorTables.mixes, "", SimulatorTables.attacks, separator: "\n")
    }
    private func listKnobs() {
        let rows = KnobList.all.map { knob in
            (knob.example.map { "\(knob.name)=\($0)" } ?? knob.name, knob.requirement, knob.explanation, knob.protocols)
        }
        let width = rows.map(\.0.count).max() ?? 0
        for (name, requirement, explanation, protocols) in rows {
            let only = protocols.count > 5 ? "" : " (" + protocols.map(\.name).joined(separator: ", ") + ")"
            print(
                name.padding(toLength: width + 2, withPad: " ", startingAt: 0)
                    + requirement.padding(toLength: 5, withPad: " ", startingAt: 0) + explanation + only)
        }
    }

    /// Prints what was sent, and writes what is true of it.
    private func report(_ outcome: SimulationOutcome) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        if let truth {
            try replaceFile(truth, with: encoder.encode(outcome.truth) + Data("\n".utf8), isSecret: false)
        }
        print(String(decoding: try encoder.encode(outcome.summary), as: UTF8.self))
    }
}
