import Capture
import Decode
import FlowModel
import Foundation
import TestKit
import Testing
import WireBytes

/// A capture of real exporters' datagrams, and what both sides make of it.
struct WireCapture: CustomTestStringConvertible, Sendable {
    /// Relative to the fixtures' `wire` folder.
    let name: String
    /// Datagram files to be wrapped, for folders that have no capture of their own.
    let parts: [String]
    var testDescription: String { name }

    static let all: [WireCapture] = {
        let captures = Fixtures.files(in: "wire", suffix: ".pcap").map {
            WireCapture(name: String($0.dropFirst("wire/".count)), parts: [])
        }
        // Template files stand before the data files of the same exporter.
        let loose = Fixtures.files(in: "wire", suffix: ".dat").sorted {
            ($0.contains("tpl") ? 0 : 1, $0) < ($1.contains("tpl") ? 0 : 1, $1)
        }
        let folders = Dictionary(grouping: loose) { ($0 as NSString).deletingLastPathComponent }
        return captures
            + folders.keys.sorted().map { folder in
                WireCapture(name: "\(folder.dropFirst("wire/".count))/*.dat", parts: folders[folder] ?? [])
            }
    }()

    func bytes() throws -> [UInt8] {
        guard !parts.isEmpty else { return try Fixtures.bytes("wire/\(name)") }
        // Each exporter has its own address, told from the file's name, so that template numbers don't mix.
        let exporters = Set(parts.map(Self.exporter)).sorted()
        var writer = CaptureWriter(), time: Int64 = 1_700_000_000_000
        for part in parts {
            let number = exporters.firstIndex(of: Self.exporter(part)) ?? 0
            let origin = DatagramOrigin(
                source: IPAddress(v4: 0xC633_6401 + UInt32(number)), sourcePort: 40_000, localPort: 2_055,
                receiveMilliseconds: time)
            writer.append(try Fixtures.bytes(part), from: origin, to: IPAddress(v4: 0xC000_0202))
            time += 1_000
        }
        return writer.bytes
    }
    private static func exporter(_ path: String) -> String {
        (path as NSString).lastPathComponent.replacing(/_?(opt)?(tpl|data).*$/, with: "").replacing(".dat", with: "")
    }

    struct Comparison {
        var findings: [Finding] = []
        /// Records of either side.
        var ours = 0, theirs = 0
    }

    func comparison() throws -> Comparison {
        let bytes = try analysable(try bytes())
        var reader = try CaptureReader(bytes: bytes), decoder = DatagramDecoder(), columns = FlowColumns()
        var ours: [Int: [ComparedRecord]] = [:], ports: [UInt16: String] = [:], frames = FramesByTime()
        while let datagram = try reader.nextReference() {
            let (isSFlow, result) = reader.withPayload(of: datagram) {
                ($0.isSFlow, decoder.decode($0, from: datagram.origin, into: &columns))
            }
            ports[datagram.origin.localPort] = isSFlow ? "sflow" : "cflow"
            frames.add(datagram.frameNumber, at: datagram.origin.receiveMilliseconds)
            for row in result.rows {
                let exporter = columns.exporterKey(ofRow: row), record = columns[row]
                // One that waited for its template belongs to the frame it came in.
                let frame = frames.frame(at: record.receiveMilliseconds) ?? datagram.frameNumber
                ours[frame, default: []].append(ComparedRecord(record, of: exporter.exportProtocol))
            }
        }
        var theirs: [Int: [ComparedRecord]] = [:]
        for (frame, records) in try dissected(bytes, ports: ports) {
            theirs[frames.first(of: frame), default: []] += records
        }
        var comparison = Comparison()
        for frame in Set(ours.keys).union(theirs.keys).sorted() {
            let (own, other) = (ours[frame] ?? [], theirs[frame] ?? [])
            comparison.findings += compare(ours: own, theirs: other, frame: frame)
            comparison.ours += own.count
            comparison.theirs += other.count
        }
        return comparison
    }

    /// What the analyser makes of the same bytes.
    private func dissected(_ bytes: [UInt8], ports: [UInt16: String]) throws -> [Int: [ComparedRecord]] {
        let folder = try TemporaryFolder("weir-conformance"), file = folder.file("capture.pcap")
        try Data(bytes).write(to: file)
        let dissectors = ports.sorted { $0.key < $1.key }.flatMap { ["-d", "udp.port==\($0.key),\($0.value)"] }
        let outcome = try Program.run(
            "tshark", ["-n", "-2", "-r", file.path, "-T", "pdml"] + dissectors, environment: ["TZ": "UTC"])
        return try Dissection(pdml: outcome.output).records
    }

    /// The capture in a form that the analyser can read in one go: the same datagrams, where needed wrapped anew.
    ///
    /// It has one dissector for a port, so sFlow beside others on one port gets a port of its own. It knows templates
    /// by their number whatever the version, so each version of a sender gets an address. And of two layouts under one
    /// number it keeps the first, where RFC 7011 §8.4 wants the last, be the first one that the decoder refuses (a
    /// capture put together of test vectors is full of them); so a sender gets another address from there on.
    private func analysable(_ bytes: [UInt8]) throws -> [UInt8] {
        var reader = try CaptureReader(bytes: bytes), decoder = DatagramDecoder(), columns = FlowColumns()
        var writer = CaptureWriter(), aliases = Aliases(), ports: [UInt16: Set<Bool>] = [:]
        while let datagram = try reader.nextDatagram() {
            let (isSFlow, version) = datagram.payload.withBytes { ($0.isSFlow, $0.versionWord) }
            ports[datagram.origin.localPort, default: []].insert(isSFlow)
            var origin = datagram.origin
            origin.source = aliases.address(of: datagram.origin.source, version)
            let learned = datagram.payload.withBytes { decoder.decode($0, from: origin, into: &columns) }
            let isRefused = learned.losses[.badTemplate] != nil || learned.withdrawalsIgnored > 0
            if learned.templatesReplaced > 0 || isRefused {
                aliases.renew(datagram.origin.source, version)
                if learned.templatesReplaced > 0 {
                    origin.source = aliases.address(of: datagram.origin.source, version)
                    _ = datagram.payload.withBytes { decoder.decode($0, from: origin, into: &columns) }
                }
            }
            origin.localPort = isSFlow ? 6_343 : 2_055
            writer.append(datagram.payload, from: origin, to: datagram.destination)
        }
        return aliases.count == 0 && ports.values.allSatisfy { $0.count == 1 } ? bytes : writer.bytes
    }
}

/// Frames of one moment are compared as one: of a record that waited only the moment is known.
private struct FramesByTime {
    private var byTime: [Int64: Int] = [:], firsts: [Int: Int] = [:]

    mutating func add(_ frame: Int, at milliseconds: Int64) {
        let first = byTime[milliseconds] ?? frame
        byTime[milliseconds] = first
        firsts[frame] = first
    }
    func frame(at milliseconds: Int64) -> Int? { byTime[milliseconds] }
    func first(of frame: Int) -> Int { firsts[frame] ?? frame }
}

/// Which address stands for a sender at the moment.
private struct Aliases {
    private struct Sender: Hashable {
        let address: IPAddress, version: UInt16
    }
    private var current: [Sender: IPAddress] = [:], known: Set<IPAddress> = []
    private(set) var count: UInt32 = 0

    /// The first version that a sender uses keeps its own address.
    mutating func address(of source: IPAddress, _ version: UInt16) -> IPAddress {
        if let alias = current[Sender(address: source, version: version)] { return alias }
        guard known.insert(source).inserted else {
            renew(source, version)
            return address(of: source, version)
        }
        current[Sender(address: source, version: version)] = source
        return source
    }
    mutating func renew(_ source: IPAddress, _ version: UInt16) {
        count += 1
        current[Sender(address: source, version: version)] = IPAddress(v4: 0xC612_0000 + count)  // 198.18.0.0/15
    }
}

extension RawSpan {
    /// sFlow's version is a word of four octets, the others' one of two.
    fileprivate var isSFlow: Bool { byteCount >= 4 && be32(at: 0) == 5 }
    fileprivate var versionWord: UInt16 { byteCount >= 2 ? be16(at: 0) : 0 }
}
