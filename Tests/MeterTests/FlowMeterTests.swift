import FlowModel
import Foundation
import Meter
import TestKit
import Testing
import WireBytes

private let exporter = ExporterKey(address: IPAddress(v4: 0x7F00_0001), observationDomain: 3, exportProtocol: .packets)

/// An Ethernet frame with an IPv4 packet of a TCP or UDP header and `payload` octets.
private func frame(
    from source: UInt32 = 1, to destination: UInt32 = 2, ports: (UInt16, UInt16) = (50_000, 443), number: UInt8 = 6,
    flags: UInt8 = 0x10, payload: Int = 100
) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 12)
    bytes.appendBE(UInt16(0x0800))
    let header = number == 6 ? 20 : 8
    bytes += [0x45, 0]
    bytes.appendBE(UInt16(20 + header + payload))
    bytes += [0, 0, 0, 0, 64, number, 0, 0]
    bytes.appendBE(source)
    bytes.appendBE(destination)
    bytes.appendBE(ports.0)
    bytes.appendBE(ports.1)
    bytes += number == 6 ? [0, 0, 0, 0, 0, 0, 0, 0, 0x50, flags, 0, 0, 0, 0, 0, 0] : [0, 0, 0, 0]
    return bytes + [UInt8](repeating: 0, count: payload)
}

extension FlowMeter {
    fileprivate mutating func take(_ bytes: [UInt8], at now: Int64, into columns: inout FlowColumns) {
        bytes.withBytes {
            take($0, length: bytes.count, vlan: 0, isOutgoing: false, atMilliseconds: now, into: &columns)
        }
    }
}

@Suite("Packets become flow records")
struct FlowMeterTests {
    @Test("packets of one flow become one record, once it is silent") func oneFlow() {
        var meter = FlowMeter(exporter: exporter, interface: 7), columns = FlowColumns()
        for (index, flags) in ([0x02, 0x10, 0x18] as [UInt8]).enumerated() {
            meter.take(frame(flags: flags), at: 1_000 + Int64(index) * 100, into: &columns)
        }
        meter.sweep(atMilliseconds: 10_000, into: &columns)
        #expect(columns.count == 0 && meter.openFlows == 1)
        meter.sweep(atMilliseconds: 20_000, into: &columns)
        #expect(columns.count == 1 && meter.openFlows == 0)
        let record = columns[0]
        #expect(record.octetDeltaCount == 3 * 140 && record.packetDeltaCount == 3 && record.tcpControlBits == 0x1A)
        #expect(record.flowStartMilliseconds == 1_000 && record.flowEndMilliseconds == 1_200)
        #expect(record.ingressInterface == 7 && record.egressInterface == 0 && record.flowDirection == 0)
        #expect(record.samplingInterval == 1 && columns.exporterKey(ofRow: 0) == exporter)
        #expect(record.sourceTransportPort == 50_000 && record.protocolIdentifier == 6)
    }

    @Test("a flow that goes on is reported every minute, and no packet twice") func active() {
        var meter = FlowMeter(exporter: exporter, interface: 7), columns = FlowColumns()
        for second in 0..<200 {
            meter.take(frame(), at: Int64(second) * 1_000, into: &columns)
            meter.sweep(atMilliseconds: Int64(second) * 1_000, into: &columns)
        }
        #expect(columns.count == 3)
        meter.sweep(atMilliseconds: .max, into: &columns)
        #expect(columns.count == 4 && columns.tally.packets == 200)
    }

    @Test("when there is one flow too many the older half ends early, and nothing is lost") func full() {
        var limits = FlowMeter.Limits()
        limits.flowsMax = 100
        var meter = FlowMeter(exporter: exporter, interface: 7, limits: limits), columns = FlowColumns()
        for number in 0..<1_000 {
            meter.take(frame(from: UInt32(number)), at: Int64(number), into: &columns)
            #expect(meter.openFlows <= 100)
        }
        meter.sweep(atMilliseconds: .max, into: &columns)
        #expect(columns.tally.packets == 1_000 && columns.tally.octets == 140_000)
    }

    @Test("what has no IP header is counted and not metered; a packet cut off anywhere does no harm") func odd() {
        var meter = FlowMeter(exporter: exporter, interface: 7), columns = FlowColumns()
        let whole = frame()
        for length in 0...whole.count { meter.take(Array(whole.prefix(length)), at: 5, into: &columns) }
        let counted = UInt64(whole.count + 1) - meter.packetsWithoutIP
        meter.sweep(atMilliseconds: .max, into: &columns)
        #expect(columns.tally.packets == counted && meter.packetsWithoutIP >= 14)
    }

    @Test(
        "a real interface: datagrams sent over loopback are metered, to the packet",
        .enabled(if: getuid() == 0, "packets of an interface need CAP_NET_RAW")) func loopback() throws
    {
        var ring = try PacketRing(interface: "lo", bytes: 4 << 20)
        var meter = FlowMeter(exporter: exporter, interface: ring.index), columns = FlowColumns()
        let sender = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        defer { close(sender) }
        var to = sockaddr_in()
        to.sin_family = sa_family_t(AF_INET)
        to.sin_port = UInt16(9).bigEndian
        to.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let connected = withUnsafePointer(to: &to) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(sender, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        #expect(connected == 0)
        let payload = [UInt8](repeating: 7, count: 123)
        // Nobody listens there: every other call returns the refusal of the one before.
        let sent = UInt64((0..<80).count { _ in send(sender, payload, payload.count, 0) == payload.count })
        #expect(sent >= 40)
        let deadline = Date(timeIntervalSinceNow: 10)
        var packets: UInt64 = 0
        while packets < 2 * sent, Date() < deadline {
            _ = ring.take(waitingAtMost: 200) { frame, facts in
                meter.take(
                    frame, length: facts.length, vlan: facts.vlan, isOutgoing: facts.isOutgoing,
                    atMilliseconds: facts.milliseconds, into: &columns)
            }
            var now = FlowColumns(), copy = meter
            copy.sweep(atMilliseconds: .max, into: &now)
            packets = Self.ours(now).packets
        }
        meter.sweep(atMilliseconds: .max, into: &columns)
        // Loopback shows each packet twice: going out and coming in.
        #expect(Self.ours(columns) == Tally(flows: 2, octets: 2 * sent * 151, packets: 2 * sent))
        #expect(ring.takeDrops() == 0)
    }
    private static func ours(_ columns: FlowColumns) -> Tally {
        columns.rows.map { columns[$0] }.filter { $0.protocolIdentifier == 17 && $0.destinationTransportPort == 9 }
            .reduce(into: Tally()) { $0 += $1.tally }
    }

    @Test("an interface that isn't there is named") func absent() {
        let error = #expect(throws: MeterError.self) { _ = try PacketRing(interface: "weir-none") }
        #expect(error?.interface == "weir-none")
    }
}
