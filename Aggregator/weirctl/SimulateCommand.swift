import ArgumentParser
import Capture
import FlowModel
import Foundation
import Simulator

extension Scenario: ExpressibleByArgument {}

struct SimulateCommand: ParsableCommand {
    /// What is made: an exporter's datagrams, or the packets that an exporter would meter.
    enum Output: String, CaseIterable, ExpressibleByArgument {
        case netflow5, netflow9, ipfix, sflow5, packets
    }

    static let configuration = CommandConfiguration(
        commandName: "simulate", abstract: "Makes test traffic: an office and attacks, the same for the same seed.",
        discussion: """
            weirctl simulate --scenario mixed --protocol ipfix --to 127.0.0.1:4739
            weirctl simulate --scenario flood --protocol netflow9 --pcap flood.pcap
            weirctl simulate --scenario mixed --protocol packets --pcap p.pcap && softflowd -r p.pcap -n 127.0.0.1:2055

            To a socket, times are now and a second of traffic takes a second; to a file, times begin at \
            2026-01-01 and are made at once.
            """)

    @Option(help: "office, scan-vertical, scan-horizontal, password-guessing, flood or mixed.") var scenario = Scenario
        .mixed
    @Option(name: .customLong("protocol"), help: "netflow5, netflow9, ipfix, sflow5, or packets (with --pcap).")
    var output = Output.netflow9
    @Option(help: "The office's flow records a second, 2 to 1000000.") var rate = 200
    @Option(help: "Seconds of traffic, 1 to 86400.") var duration = 60
    @Option(help: "Another seed, another traffic.") var seed: UInt64 = 1
    @Option(help: "sFlow: one packet in so many is sampled, 1 to 1000000.") var samplingInterval = 1
    @Option(help: "Send to this address, HOST:PORT with a numeric host.") var to: String?
    @Option(help: "Write a capture to this file.") var pcap: String?

    private static let fileStartMilliseconds: Int64 = 1_767_225_600_000  // 2026-01-01T00:00:00Z

    func validate() throws {
        for (name, value, allowed) in [
            ("rate", rate, 2...1_000_000), ("duration", duration, 1...86_400),
            ("sampling-interval", samplingInterval, 1...1_000_000),
        ] where !allowed.contains(value) {
            throw ValidationError("--\(name): \(value) is outside \(allowed.lowerBound)...\(allowed.upperBound)")
        }
        guard (to == nil) != (pcap == nil) else { throw ValidationError("give either --to HOST:PORT or --pcap FILE") }
        if output == .packets, pcap == nil { throw ValidationError("packets go to a file: give --pcap FILE") }
    }

    func run() throws {
        if output == .packets {
            try writePackets()
        } else if let to {
            try send(to: to)
        } else {
            try writeExport()
        }
    }

    private func flows(from start: Int64) -> FlowGenerator {
        FlowGenerator(
            scenario: scenario, flowsPerSecond: rate, seconds: duration, startMilliseconds: start, seed: seed,
            usesIPv6: output != .netflow5)
    }
    private func encoder(from start: Int64) throws -> ExportEncoder {
        guard let exportProtocol = ExportProtocol(name: output.rawValue) else {
            throw Failure.usage("--protocol: \(output.rawValue) is no export protocol")
        }
        return ExportEncoder(
            exportProtocol, bootMilliseconds: start - 3_600_000, samplingInterval: UInt32(samplingInterval))
    }

    private func writeExport() throws {
        let start = Self.fileStartMilliseconds
        var flows = flows(from: start), encoder = try encoder(from: start), writer = CaptureWriter()
        let collector = IPAddress(v4: 0xC000_02FD), exporter = IPAddress(v4: 0xC000_02FE)
        let port: UInt16 = [.ipfix: 4_739, .sflow5: 6_343][output] ?? 2_055
        for second in 0..<duration {
            let sentAt = start + Int64(second + 1) * 1_000
            for payload in encoder.datagrams(for: flows.flows(inSecond: second), exportMilliseconds: sentAt) {
                let origin = DatagramOrigin(
                    source: exporter, sourcePort: 40_000, localPort: port, receiveMilliseconds: sentAt)
                writer.append(payload, from: origin, to: collector)
            }
        }
        try write(writer.bytes)
    }
    private func writePackets() throws {
        var flows = flows(from: Self.fileStartMilliseconds), writer = PacketWriter()
        for second in 0..<duration {
            for flow in flows.flows(inSecond: second) { writer.append(flow) }
        }
        try write(writer.finish())
    }
    private func write(_ bytes: [UInt8]) throws {
        try replaceFile(pcap ?? "", with: Data(bytes), isSecret: false)
    }

    private func send(to address: String) throws {
        let socket = try UDPSender(to: address)
        let start = Int64(Date().timeIntervalSince1970 * 1_000)
        var flows = flows(from: start), encoder = try encoder(from: start)
        for second in 0..<duration {
            let due = start + Int64(second + 1) * 1_000
            let wait = due - Int64(Date().timeIntervalSince1970 * 1_000)
            if wait > 0 { Thread.sleep(forTimeInterval: Double(wait) / 1_000) }
            let datagrams = encoder.datagrams(for: flows.flows(inSecond: second), exportMilliseconds: due)
            for (index, payload) in datagrams.enumerated() {
                socket.send(payload)
                // A second's datagrams at once would overrun a small socket buffer; real exporters spread them too.
                if index % 16 == 15 { Thread.sleep(forTimeInterval: 0.002) }
            }
            if standardErrorIsTerminal, second % 2 == 1 { complain("\(second + 1) of \(duration) s sent") }
        }
    }
}
