import Decode
import FlowModel
import Platform
import TestKit
import Testing

@Suite("Sequences") struct SequenceTests {
    let templateSet = Make.set(2, Make.template(256, Make.basic))
    private func records(_ count: Int, _ id: UInt16 = 256) -> [UInt8] {
        Make.set(id, (0..<count).flatMap { _ in Make.basicRecord() })
    }
    /// Sums of what a decoder told.
    private struct Sum {
        var missing: UInt64 = 0, late: UInt64 = 0, restarts = 0, several = 0, unit: SequenceUnit?
        var net: Int64 { Int64(missing) - Int64(late) }
        mutating func add(_ outcome: SequenceOutcome?) {
            guard let outcome else { return }
            missing += outcome.missing
            late += outcome.late
            restarts += outcome.restarted ? 1 : 0
            several += outcome.severalSenders ? 1 : 0
            unit = outcome.unit
        }
    }
    private func netflow9(_ sequence: UInt32, _ uptime: UInt32 = Make.uptime) -> [UInt8] {
        Make.netflow9([], sequence: sequence, uptime: uptime)
    }
    /// Decodes NetFlow v9 datagrams of these numbers, a tenth of a second apart.
    private func run(_ numbers: [UInt32], ports: [UInt16] = [1]) -> Sum {
        var decoding = Decoding(), sum = Sum()
        for (index, number) in numbers.enumerated() {
            let time = Decoding.received + Int64(index) * 100
            sum.add(decoding.decode(netflow9(number), port: ports[index % ports.count], at: time).missing)
        }
        return sum
    }

    //= RFC 3954 §5.1
    @Test("C13 counts missing units, not gap events: NetFlow v9 packets") func packets() {
        let sum = run([10, 11, 15, 16, 116])
        #expect(sum.missing == 3 + 99 && sum.late == 0 && sum.unit == .packets)
    }

    @Test("C13 counts NetFlow v5 flows, by the header's count") func flows() {
        var decoding = Decoding()
        func datagram(_ sequence: UInt32) -> [UInt8] {
            var bytes = Make.netflow5(records: 3)
            bytes.replaceSubrange(16..<20, with: Bytes().u32(sequence).bytes)
            return bytes
        }
        #expect(decoding.decode(datagram(0)).missing == nil)
        #expect(decoding.decode(datagram(3)).missing == nil)
        let gap = decoding.decode(datagram(36)).missing
        #expect(gap?.missing == 30 && gap?.unit == .flows)
    }

    //= RFC 7011 §3.1
    @Test("C13 counts IPFIX data records, those of options included") func ipfixRecords() {
        var decoding = Decoding()
        let options = Make.set(3, Make.optionsTemplate10(300, scopes: [(149, 4)], options: [(34, 4)]))
        let optionsData = Make.set(300, Bytes().u32(7, 10, 7, 10).bytes)
        decoding.decode(Make.ipfix([templateSet, options, optionsData, records(3)], sequence: 100))
        #expect(decoding.decode(Make.ipfix([records(2)], sequence: 105)).missing == nil)
        let gap = decoding.decode(Make.ipfix([records(2)], sequence: 120)).missing
        #expect(gap?.missing == 13 && gap?.unit == .records)
        #expect(decoding.decode(Make.ipfix([templateSet], sequence: 122)).missing == nil)
    }

    @Test("C13 the count wraps at 2^32 without a gap, and a gap across the wrap is as long as it is") func wrap() {
        #expect(run([.max - 1, .max, 0, 1]).missing == 0)
        let sum = run([.max - 1, 3])
        #expect(sum.missing == 4 && sum.restarts == 0)
    }

    @Test("C13 datagrams out of order give back what was counted missing, to the last unit") func reorder() {
        let sum = run([1, 2, 5, 3, 4, 6, 9, 8, 7, 10])
        #expect(sum.missing == 4 && sum.late == 4 && sum.restarts == 0 && sum.several == 0)
        #expect(run([1, 2, 2, 1, 3, 3, 4]).missing == 0)
    }

    @Test("C13 any order within a window and any loss: missing less late is exactly what never came") func anyOrder() {
        forAll(runs: 200) { generator, seed in
            var numbers: [UInt32] = [], lost: Int64 = 0
            let first = UInt32.random(in: 0...UInt32.max, using: &generator)
            for step in UInt32(0)..<300 {
                let isLost = (5..<290).contains(step) && Int.random(in: 0..<10, using: &generator) == 0
                if isLost { lost += 1 } else { numbers.append(first &+ step) }
            }
            for at in stride(from: 3, to: numbers.count - 6, by: 4) where Bool.random(using: &generator) {
                numbers.swapAt(at, at + Int.random(in: 1...3, using: &generator))
            }
            let sum = run(numbers)
            #expect(sum.net == lost && sum.restarts == 0 && sum.several == 0, "SEED=\(seed)")
        }
    }

    @Test("C13 a restart is no loss, whether the uptime tells it or only the number does") func restart() {
        var decoding = Decoding()
        decoding.decode(netflow9(4_000_000, 90_000_000))
        let told = decoding.decode(netflow9(4_000_050, 2_000)).missing
        #expect(told?.restarted == true && told?.missing == 0)
        #expect(decoding.decode(netflow9(4_000_051, 3_000)).missing == nil)
        let sum = run([5_000_000, 5_000_001, 1, 2, 3])
        #expect(sum.missing == 0 && sum.restarts == 1 && sum.several == 0)
    }

    @Test("C13 a leap that the exporter can't have sent in the time is no loss of billions") func leap() {
        let sum = run([1, 2, 3, 2_000_000_003, 2_000_000_004])
        #expect(sum.missing == 0 && sum.restarts == 1)
        // After an hour of silence a gap may be as long as the exporter is fast.
        var decoding = Decoding(), time = Decoding.received
        for number in UInt32(0)..<200 {
            decoding.decode(netflow9(number), at: time)
            time += 10
        }
        let silence = decoding.decode(netflow9(360_199), at: time + 3_600_000).missing
        #expect(silence?.missing == 359_999 && silence?.restarted == false)
    }

    @Test("C13 an exporter that changes its port goes on with its sequence; one port's gap is counted on the next")
    func ports() {
        #expect(run([1, 2, 3, 4, 5, 6, 7, 8], ports: [1, 2]).net == 0)
        let sum = run([1, 2, 5, 6, 7, 8], ports: [1, 2])
        #expect(sum.missing == 2 && sum.several == 0)
    }

    @Test("C13 several senders behind one address and domain are told once, and then kept apart by their ports")
    func several() {
        // Three processes, far apart; the second loses 7.
        var numbers: [UInt32] = []
        for step in UInt32(0)..<40 {
            numbers += [100 + step, 500_000_000 + step + (step > 20 ? 7 : 0), 3_000_000_000 + step]
        }
        let sum = run(numbers, ports: [1, 2, 3])
        #expect(sum.missing == 7 && sum.late == 0 && sum.several == 1)
    }

    @Test("C13 several senders on one port, near or far apart, count as nothing missing in the end") func threads() {
        for distance in [UInt32(5_000), 70_000, 2_000_000_000] {
            var numbers: [UInt32] = []
            for step in UInt32(0)..<60 { numbers += [100 + step, 100 + distance + step] }
            let sum = run(numbers)
            #expect(sum.net == 0 && sum.several == 1 && sum.restarts <= 2, "\(distance)")
        }
    }

    @Test("C14 sets without a template are no gap: what they held is known when they are read") func unread() {
        var decoding = Decoding(), sum = Sum()
        sum.add(decoding.decode(Make.ipfix([records(4)], sequence: 0)).missing)
        sum.add(decoding.decode(Make.ipfix([records(5)], sequence: 4)).missing)
        // 3 records between the second and this one never came.
        sum.add(decoding.decode(Make.ipfix([records(2)], sequence: 12)).missing)
        #expect(sum.missing == 0)
        let result = decoding.decode(Make.ipfix([templateSet, records(1)], sequence: 14))
        #expect(result.setsReplayed == 3 && result.missing?.missing == 3)
        #expect(decoding.decode(Make.ipfix([records(1)], sequence: 15)).missing == nil)
    }

    @Test("C14 a set and its template in one datagram, template last, is no gap either") func unreadInOne() {
        var decoding = Decoding()
        #expect(decoding.decode(Make.ipfix([records(4), templateSet], sequence: 0)).missing == nil)
        #expect(decoding.columns.count == 4)
        #expect(decoding.decode(Make.ipfix([records(1)], sequence: 4)).missing == nil)
        #expect(decoding.decode(Make.ipfix([records(1)], sequence: 7)).missing?.missing == 2)
    }

    @Test("C14 sets that never can be read are lost by name, not missing as well") func neverRead() {
        var decoding = Decoding(), sum = Sum()
        decoding.decode(Make.ipfix([templateSet, records(1)], sequence: 0))
        sum.add(decoding.decode(Make.ipfix([records(5, 300)], sequence: 1)).missing)
        sum.add(decoding.decode(Make.ipfix([records(1)], sequence: 6)).missing)
        #expect(decoding.decoder.expireHeld(atMilliseconds: .max).map(\.sets) == [1])
        sum.add(decoding.decode(Make.ipfix([Bytes().u16(256, 3_000).bytes], sequence: 7)).missing)
        sum.add(decoding.decode(Make.ipfix([records(1)], sequence: 20)).missing)
        #expect(sum.missing == 0)
        #expect(decoding.decode(Make.ipfix([records(1)], sequence: 30)).missing?.missing == 9)
    }

    @Test("C29 a flood of senders does not end the accounting of those known") func flood() {
        var limits = DecodeLimits()
        limits.sequencesMax = 100
        var decoding = Decoding(limits: limits)
        for number in UInt32(0)..<20 { decoding.decode(netflow9(number)) }
        for host in UInt32(1)...5_000 {
            decoding.decode(netflow9(host), source: IPAddress(v4: host), at: Decoding.received + Int64(host) * 100)
        }
        #expect(decoding.decode(netflow9(30), at: Decoding.received + 600_000).missing?.missing == 10)
    }
}
