import BatchFormat
import Capture
import Decode
import FlowModel
import Platform
import ReverseNames
import WireBytes

/// Inputs to begin with: what is right, the faults that other collectors had (D1–D16), what was found once, and the
/// datagrams of captures.
package struct FuzzSeed: Sendable {
    package let name: String
    package let target: FuzzTarget
    package let bytes: [UInt8]

    init(_ name: String, _ target: FuzzTarget, _ bytes: [UInt8]) {
        (self.name, self.target, self.bytes) = (name, target, bytes)
    }
}

package enum FuzzSeeds {
    package static let all: [FuzzSeed] =
        TemplatedSeeds.all + SampledSeeds.all + readers + snapshots + batches + segments + sequences + sigma + names
        + found
    package static func all(for target: FuzzTarget) -> [FuzzSeed] { all.filter { $0.target == target } }

    /// What the fuzzers found, as a run of octets each; a find stays here when it is fixed.
    static var found: [FuzzSeed] {
        let empty = WireBuilder().u8(2, 0, 0).u32(1).zeros(22).u8(31), wire = TemplatedWire(isIPFIX: true)
        let waiting = wire.message([wire.set(256, TemplatedWire.record), wire.template(256, TemplatedWire.basic)])
        return [
            // Further elements that are all zeros were sealed and did not open.
            FuzzSeed("found-elements-of-zeros", .batch, empty.bytes),
            // A place in a table of 64 was taken from more bits than it has.
            FuzzSeed(
                "found-agents-table", .sflow, run([SampledSeeds.usual, SampledSeeds.usual], control: .otherAddress)),
            // A datagram with a set that waits was counted as refused whole.
            FuzzSeed("found-held-and-refused", .ipfix, run([waiting, waiting], control: .otherAddress)),
        ]
    }

    /// | control :1 | length :2 | datagram | …, as `DatagramTarget` reads them.
    static func run(_ datagrams: [[UInt8]], control: FuzzControl = []) -> [UInt8] {
        datagrams.reduce(WireBuilder()) { $0.u8(control.rawValue).u16(UInt16($1.count)).raw($1) }.bytes
    }

    /// Changes of a sound segment, and rows that are made of octets.
    private static var segments: [FuzzSeed] {
        let noise = (0..<900).map { UInt8(truncatingIfNeeded: $0 &* 151 &+ $0 >> 3) }
        return [
            FuzzSeed("segment-turns", .segment, WireBuilder().u8(2, 12, 0, 0, 7, 12, 0, 9, 255).bytes),
            FuzzSeed("segment-numbers", .segment, [2] + (0..<30).flatMap { [UInt8($0), 0, UInt8($0 &* 7), 255] }),
            FuzzSeed("segment-head", .segment, WireBuilder().u8(2, 255, 0, 3, 1, 255, 0, 80, 128).bytes),
            FuzzSeed("segment-rows", .segment, [3, 7] + noise),
            FuzzSeed("segment-rows-all-different", .segment, [3, 255] + noise),
        ]
    }

    /// A rule, a correlation of it and a filter for it; a rule with one of each kind of value; a few lines of YAML that
    /// stand for many.
    private static var sigma: [FuzzSeed] {
        let rule = """
            title: a
            name: a
            logsource: {category: firewall}
            detection:
                one: {dst_port|gte: 22, src_ip|cidr: 10.0.0.0/8}
                two: [{src_ip|startswith: '2001:'}, {bytes: null}]
                condition: 1 of them and not (one and two)
            """
        let correlation = """
            title: b
            correlation:
                {type: value_count, rules: [a], group-by: [src_ip], timespan: 5m, condition: {field: dst_ip, gte: 2}}
            """
        let filter = """
            title: c
            logsource: {category: firewall}
            filter: {rules: any, own: {proto: udp}, condition: not own}
            """
        let values = """
            title: d
            logsource: {product: zeek, service: conn}
            detection:
                s:
                    id.orig_h|re: '^1[0-9]{1,2}\\.'
                    id.resp_h|contains|all: ['.', '7']
                    conn_state|neq: S0
                    ts|hour|lt: 13
                    id.orig_h|fieldref|neq: id.resp_h
                condition: [s, not s]
            """
        let texts = [
            ("rule", rule), ("all", [rule, correlation, filter].joined(separator: "\n---\n")), ("values", values),
            ("aliases", "a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]\n"), ("depth", String(repeating: "[", count: 400)),
        ]
        return (texts + sigmaFound).map { FuzzSeed("sigma-\($0.0)", .sigma, Array($0.1.utf8)) }
    }

    /// Rules that were written and read again as others, or refused without a reason.
    private static var sigmaFound: [(String, String)] {
        func rule(_ more: String, source: String = "", search: String = "{dst_port: 22}") -> String {
            "title: d\n\(more)logsource: {category: firewall\(source)}\ndetection:\n"
                + "    s: \(search)\n    condition: s\n"
        }
        return [
            // Keys of nobody's, whose values have quotation marks, or can't be written without.
            ("found-quoted", rule("x: \"abc\"\n", source: ", k: 'v'")), ("found-dashes", rule("x: ---y\n")),
            ("found-lines", rule("x: a\n\n  b\n")),
            // A field without a name, and a map without fields.
            ("found-nameless", rule("", search: "[{'': [a]}, {dst_port: 1}]")),
            ("found-empty", rule("", search: "{}\n    t: {dst_port: 1}")),
            // What escapes hid looks like an anchor and an alias when it is written without them.
            ("found-hidden-alias", rule(#"description: "\n&a and\n*b""# + "\n")),
        ]
    }

    // MARK: Other readers

    private static var readers: [FuzzSeed] {
        let whole = TemplatedWire(isIPFIX: true).message([])
        let stream = WireBuilder().u8(9).raw(Array(whole.prefix(10))).u8(40).raw(Array(whole.dropFirst(10)) + whole)
        return [
            FuzzSeed("pcap", .capture, capture()),
            FuzzSeed("D15-pcap-record-larger-than-file", .capture, patched(capture(), at: 32, 0xFFFF_FFFF)),
            FuzzSeed("D15-pcap-record-of-nothing", .capture, patched(capture(), at: 32, 0)),
            FuzzSeed("D13-pcap-cut-in-header", .capture, Array(capture().prefix(30))),
            FuzzSeed("pcapng", .capture, pcapng()),
            FuzzSeed("D15-pcapng-block-length", .capture, patched(pcapng(), at: 32, 0xFFFF_FFF0)),
            FuzzSeed("D15-pcapng-block-of-nothing", .capture, patched(pcapng(), at: 32, 0)),
            FuzzSeed("stream", .framer, stream.bytes),
            FuzzSeed("D15-stream-length-below-header", .framer, WireBuilder().u8(20).u16(10, 15).zeros(20).bytes),
            FuzzSeed("D15-stream-length-of-all", .framer, WireBuilder().u8(20).u16(10, 65_535).zeros(40).bytes),
        ]
    }
    /// A name, one by way of an alias, none with the zone's word for it; pointers that lead round and ahead.
    private static var names: [FuzzSeed] {
        // The question's name is at octet 12; `host` and what follows it elsewhere are told by a pointer there.
        let asked = WireBuilder().u16(0xC00C), end = UInt16(NameTarget.question.octets.count)
        let host = WireBuilder().u8(4).raw(Array("host".utf8)).u8(7).raw(Array("example".utf8)).u8(0).bytes
        func record(_ owner: WireBuilder, _ kind: UInt16, _ data: [UInt8]) -> [UInt8] {
            owner.u16(kind, 1).u32(600).u16(UInt16(data.count)).raw(data).bytes
        }
        func answer(_ answers: UInt8, _ authorities: UInt8, _ records: [UInt8]...) -> [UInt8] {
            [1, answers, authorities] + records.flatMap { $0 }
        }
        let alias = WireBuilder().raw(host), zone = host + host + WireBuilder().u32(1, 2, 3, 4, 60).bytes
        return [
            FuzzSeed("name", .names, answer(1, 0, record(asked, 12, host))),
            FuzzSeed("name-by-alias", .names, answer(2, 0, record(asked, 5, host), record(alias, 12, host))),
            FuzzSeed("no-name", .names, answer(0, 1, record(asked, 6, zone))),
            FuzzSeed("name-round", .names, answer(1, 0, record(asked, 12, [0xC0, UInt8(end) + 12]))),
            FuzzSeed("name-ahead", .names, answer(1, 0, record(asked, 12, [0xFF, 0xFF]))),
            FuzzSeed("name-plain", .names, [0] + NameTarget.head(answers: 1, authorities: 0) + record(asked, 12, host)),
        ]
    }
    private static func patched(_ bytes: [UInt8], at offset: Int, _ value: UInt32) -> [UInt8] {
        Array(bytes[..<offset]) + WireBuilder().u32(value).bytes + Array(bytes[(offset + 4)...])
    }
    private static func capture() -> [UInt8] {
        var writer = CaptureWriter(), origin = FuzzOrigin()
        for payload in [TemplatedSeeds.usual(isIPFIX: true), SampledSeeds.usual] {
            writer.append(payload, from: origin.value, to: IPAddress(v4: 1))
            origin.turn(.otherPort)
        }
        return writer.bytes
    }
    private static func pcapng() -> [UInt8] {
        let packet = Array(capture().dropFirst(40)), length = UInt32(packet.count), block = 32 + (length + 3) / 4 * 4
        return WireBuilder().u32(0x0A0D_0D0A, 28, 0x1A2B_3C4D, 0x0001_0000, .max, .max, 28).u32(
            1, 20, 0x0001_0000, 0, 20
        )
        .u32(6, block, 0, 0x0005_0000, 0, length, length).raw(packet).zeros(Int(block - 32 - length)).u32(block).bytes
    }

    private static var snapshots: [FuzzSeed] {
        var decoder = DatagramDecoder(), columns = FlowColumns()
        for isIPFIX in [true, false] {
            _ = TemplatedSeeds.usual(isIPFIX: isIPFIX).withBytes {
                decoder.decode($0, from: FuzzOrigin().value, into: &columns)
            }
        }
        let saved = Array(decoder.snapshot().dropLast(4))
        return [
            FuzzSeed("snapshot", .snapshot, saved),
            FuzzSeed("D15-snapshot-exporters", .snapshot, Array(saved[..<10]) + [255, 255, 255, 255] + saved[14...]),
            FuzzSeed("D15-snapshot-streams", .snapshot, Array(saved[..<36]) + [255, 255] + saved[38...]),
            FuzzSeed("D13-snapshot-cut", .snapshot, Array(saved.dropLast())),
        ]
    }

    private static var batches: [FuzzSeed] {
        var generator = SeededGenerator(seed: 1), columns = FlowColumns(), decoder = DatagramDecoder()
        let noise = (0..<900).map { _ in UInt8.random(in: 0...255, using: &generator) }
        for datagram in [TemplatedSeeds.usual(isIPFIX: true), SampledSeeds.usual] {
            _ = datagram.withBytes { decoder.decode($0, from: FuzzOrigin().value, into: &columns) }
        }
        var encoder = BatchEncoder()
        let sealed = (try? encoder.encode(columns, fidelity: .full)) ?? []
        var many = sealed
        if many.count > 12 { many[10] = 255 }
        return [
            FuzzSeed("batch", .batch, [0] + sealed), FuzzSeed("batch-summed", .batch, [1] + sealed),
            FuzzSeed("D15-batch-rows", .batch, [1] + many), FuzzSeed("batch-rows", .batch, [2, 3, 7] + noise),
            FuzzSeed("batch-few-values", .batch, [2, 1, 0] + noise.map { $0 & 3 }),
        ]
    }

    /// Every deed once, then at random, each run with its own leaning.
    private static var sequences: [FuzzSeed] {
        (0..<24).map { number in
            var generator = SeededGenerator(seed: UInt64(number)), bytes: [UInt8] = []
            for deed in UInt8(0)..<32 {
                bytes += [deed] + (0..<8).map { _ in UInt8.random(in: 0...255, using: &generator) }
            }
            for _ in 0..<(number * 20) { bytes.append(UInt8.random(in: 0...255, using: &generator)) }
            return FuzzSeed("sequence-\(number)", .sequence, bytes)
        }
    }

    // MARK: Captures

    /// The datagrams of a capture that are of the target's protocol, in runs as `DatagramTarget` reads them; of its
    /// first datagrams the packets for `.packet`; the capture itself for `.capture` when it is small.
    package static func of(capture bytes: [UInt8], for target: FuzzTarget) -> [[UInt8]] {
        if target == .capture { return bytes.count <= 65_000 ? [bytes] : [Array(bytes.prefix(20_000))] }
        guard var reader = try? CaptureReader(bytes: bytes) else { return [] }
        var runs: [[UInt8]] = [[]], packets: [[UInt8]] = [], seen = 0
        while seen < 400, let found = try? reader.nextDatagram() {  // ends: at the capture's end
            let payload = found.payload
            seen += 1
            if target == .packet, seen <= 20 { packets.append([0] + bytes[max(0, 40)..<min(bytes.count, 200)]) }
            guard payload.count >= 4, versions(target).contains(payload[1]), payload[0] == 0 else { continue }
            if runs[runs.count - 1].count + payload.count > 8_000 { runs.append([]) }
            runs[runs.count - 1] += run([payload])
        }
        return target == .packet ? Array(Set(packets)) : runs.filter { !$0.isEmpty }.prefix(8).map { $0 }
    }
    private static func versions(_ target: FuzzTarget) -> [UInt8] {
        switch target {
        case .netflow: [1, 5, 7]
        case .netflow9: [9]
        case .ipfix: [10]
        case .sflow: [0]
        default: []
        }
    }
}
