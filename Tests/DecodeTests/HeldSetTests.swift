import Decode
import FlowModel
import Testing

@Suite("Held sets") struct HeldSetTests {
    let templateSet = Make.set(2, Make.template(256, Make.basic))
    let start = Decoding.received
    private func data(_ octets: UInt32, _ id: UInt16 = 256) -> [UInt8] {
        Make.set(id, Make.basicRecord(octets: octets))
    }
    private let key = ExporterKey(address: Decoding.exporter, observationDomain: 7, exportProtocol: .ipfix)

    @Test("C9 data sets wait for their template and are then decoded in order, with their own times, none lost")
    func replay() {
        var decoding = Decoding()
        for number in UInt32(0)..<5 {
            let result = decoding.decode(Make.ipfix([data(number)], sequence: number), at: start + Int64(number))
            #expect(result.setsHeld == 1 && result.losses.isEmpty && result.rows.isEmpty)
            #expect(result.exporter == key)
        }
        let result = decoding.decode(Make.ipfix([templateSet, data(99)], sequence: 5), at: start + 1_000)
        #expect(result.rows == 0..<6 && result.setsReplayed == 5 && result.missing == nil)
        #expect(decoding.records.map(\.octetDeltaCount) == [99, 0, 1, 2, 3, 4])
        #expect(decoding.records.map(\.receiveMilliseconds) == [start + 1_000] + (0..<5).map { start + $0 })
        #expect(decoding.records.map { $0.flags.contains(.held) } == [false] + [Bool](repeating: true, count: 5))
        #expect(decoding.decoder.heldSets == 0 && decoding.decoder.expireHeld(atMilliseconds: .max).isEmpty)
    }

    @Test("C9 a template that frees more than a datagram may cost has the rest decoded later, in order, none lost")
    func inPortions() {
        var decoding = Decoding(), order: [UInt64] = []
        let count = UInt32(600)
        for number in 0..<count { decoding.decode(Make.ipfix([data(number)], sequence: number)) }
        let first = decoding.decode(Make.ipfix([templateSet], sequence: count))
        #expect((1...64).contains(first.setsReplayed) && first.rows.count == first.setsReplayed)
        let second = decoding.decode(Make.ipfix([data(count)], sequence: count))
        #expect((1...64).contains(second.setsReplayed) && second.setsHeld == 0)
        var replayed = first.setsReplayed + second.setsReplayed
        while let result = decoding.decoder.replayHeld(into: &decoding.columns) {
            #expect(result.rows.count == result.setsReplayed && result.exporter == key && result.setsReplayed <= 64)
            replayed += result.setsReplayed
        }
        #expect(replayed == Int(count) && decoding.decoder.heldSets == 0)
        order = decoding.records.filter { $0.flags.contains(.held) }.map(\.octetDeltaCount)
        #expect(order == (0..<UInt64(count)).map { $0 })
        #expect(decoding.decoder.expireHeld(atMilliseconds: .max).isEmpty)
    }

    @Test("C9 C29 layouts beyond what a datagram may cost wait, and their sets are decoded with the next ones")
    func manyLayouts() {
        var decoding = Decoding()
        let sets = (UInt16(256)..<296).flatMap { id in
            [Make.set(2, Make.template(id, Make.basic + [(id + 200, 1)])), Make.set(id, Make.basicRecord() + [1])]
        }
        let result = decoding.decode(Make.ipfix(sets))
        #expect(result.templatesLearned == 40 && (1...12).contains(result.rows.count - result.setsReplayed))
        #expect(result.rows.count + decoding.decoder.heldSets == 40 && result.losses.isEmpty)
        while decoding.decoder.replayHeld(into: &decoding.columns) != nil {}
        #expect(decoding.columns.count == 40 && decoding.decoder.heldSets == 0)
    }

    @Test("C9 sets of templates that did not come stay where they are while others are decoded") func others() {
        var decoding = Decoding()
        for number in UInt32(0)..<300 {
            decoding.decode(Make.ipfix([data(number, number % 2 == 0 ? 256 : 512)], sequence: number))
        }
        decoding.decode(Make.ipfix([templateSet], sequence: 300))
        while decoding.decoder.replayHeld(into: &decoding.columns) != nil {}
        #expect(decoding.records.map(\.octetDeltaCount) == (0..<150).map { 2 * $0 })
        #expect(decoding.decoder.heldSets == 150)
        decoding.decode(Make.ipfix([Make.set(2, Make.template(512, Make.basic))], sequence: 300))
        while decoding.decoder.replayHeld(into: &decoding.columns) != nil {}
        #expect(decoding.records.map(\.octetDeltaCount).suffix(150) == (0..<150).map { 2 * $0 + 1 }[...])
    }

    @Test("C9 a held set of NetFlow v9 keeps the uptime it came with, so that its times are right") func uptime() {
        var decoding = Decoding()
        let fields: [Field] = Make.basic + [(22, 4), (21, 4)]
        let record = Bytes(Make.basicRecord()).u32(Make.uptime - 5_000, Make.uptime - 1_000).bytes
        decoding.decode(Make.netflow9([Make.set(256, record)]))
        decoding.decode(
            Make.netflow9([Make.set(0, Make.template(256, fields))], sequence: 2, uptime: Make.uptime + 60_000))
        #expect(decoding.record().flowStartMilliseconds == Make.exportMilliseconds - 5_000)
        #expect(decoding.record().flowEndMilliseconds == Make.exportMilliseconds - 1_000)
    }

    @Test("C9 a template serves the sets of other ports that may borrow it, and no other exporter's") func scope() {
        var decoding = Decoding()
        decoding.decode(Make.ipfix([data(1)]), port: 1)
        decoding.decode(Make.ipfix([data(2)], domain: 8), port: 1)
        decoding.decode(Make.ipfix([data(3)]), source: IPAddress(v4: 9))
        let result = decoding.decode(Make.ipfix([templateSet]), port: 2)
        #expect(result.setsReplayed == 1 && decoding.record().octetDeltaCount == 1)
        #expect(decoding.record().flags.isSuperset(of: [.held, .templateBorrowed]))
        #expect(decoding.decoder.heldSets == 2)
    }

    @Test("C9 C10 a rate told in the datagram that brings the template is known to the sets that waited") func rates() {
        var decoding = Decoding()
        decoding.decode(Make.ipfix([data(1)]))
        let options = Make.set(3, Make.optionsTemplate10(300, scopes: [(149, 4)], options: [(34, 4)]))
        decoding.decode(Make.ipfix([templateSet, options, Make.set(300, Bytes().u32(7, 64).bytes)], sequence: 1))
        #expect(decoding.record().samplingInterval == 64)
    }

    @Test("C9 what waits too long is lost, by exporter and template, and not before") func age() {
        var decoding = Decoding()
        decoding.decode(Make.ipfix([data(1), data(2, 300)]), at: start)
        decoding.decode(Make.ipfix([data(1)]), at: start + 200_000)
        #expect(decoding.decoder.expireHeld(atMilliseconds: start + 299_999).isEmpty)
        let lost = decoding.decoder.expireHeld(atMilliseconds: start + 300_000)
        #expect(
            Set(lost.map(\.template)) == [256, 300] && lost.allSatisfy { $0.exporter == key && $0.sets == 1 })
        #expect(decoding.decoder.expireHeld(atMilliseconds: start + 300_000).isEmpty && decoding.decoder.heldSets == 1)
        #expect(decoding.decoder.expireHeld(atMilliseconds: .max).map(\.sets) == [1])
    }

    @Test("C9 every set is decoded, waits, or is counted as lost, whatever the limits") func accounted() {
        for (octets, sets) in [(1 << 20, 10), (1_500, 1_000), (0, 10), (4_000, 3)] {
            var limits = DecodeLimits()
            limits.heldOctetsPerExporterMax = octets
            limits.heldSetsPerExporterMax = sets
            limits.heldOctetsMax = 6_000
            limits.heldSetsMax = 40
            var decoding = Decoding(limits: limits), lostAtOnce: UInt64 = 0
            for number in UInt32(0)..<300 {
                let source = IPAddress(v4: 1 + number % 3)
                let result = decoding.decode(Make.ipfix([data(number)]), source: source, at: start + Int64(number))
                lostAtOnce += result.losses[.noTemplate, default: 0]
            }
            var replayed = 0
            for host in UInt32(1)...2 {
                replayed += decoding.decode(Make.ipfix([templateSet]), source: IPAddress(v4: host)).setsReplayed
            }
            let waiting = UInt64(decoding.decoder.heldSets)
            let pushedOut = decoding.decoder.expireHeld(atMilliseconds: 0).reduce(0) { $0 + $1.sets }
            #expect(lostAtOnce + UInt64(replayed) + waiting + pushedOut == 300, "\(octets) \(sets)")
            #expect(decoding.columns.count == replayed && (octets == 0 || replayed > 0))
            #expect(waiting <= 20 && waiting <= sets)
        }
    }

    @Test("C9 C29 strangers share one half of the room: those known keep theirs through a flood") func strangers() {
        var limits = DecodeLimits()
        limits.heldSetsMax = 100
        var decoding = Decoding(limits: limits)
        decoding.decode(Make.ipfix([Make.set(2, Make.template(300, Make.basic))]))
        for number in UInt32(0)..<30 { decoding.decode(Make.ipfix([data(number)], sequence: number)) }
        for host in UInt32(1)...500 { decoding.decode(Make.ipfix([data(1)]), source: IPAddress(v4: host)) }
        #expect(decoding.decoder.heldSets <= 80)
        #expect(decoding.decode(Make.ipfix([templateSet], sequence: 30)).setsReplayed == 30)
    }

    @Test("C9 a repeated datagram leaves nothing waiting, so that its records can't come twice") func repeats() {
        var decoding = Decoding()
        decoding.decode(Make.ipfix([data(1)]))
        let again = decoding.decode(Make.ipfix([data(1)]), isRepeat: true)
        #expect(again.setsHeld == 0 && again.losses == [.noTemplate: 1] && again.missing == nil)
        #expect(decoding.decode(Make.ipfix([templateSet], sequence: 1)).setsReplayed == 1)
    }

    @Test("C3 C9 a set that waited is read by the definition that came after it, never by one that was replaced")
    func redefined() {
        var decoding = Decoding()
        decoding.decode(Make.ipfix([Make.set(256, Bytes().u32(0x0A00_0009, 77).bytes)]))
        let short = Make.set(2, Make.template(256, [(8, 4), (1, 4)]))
        let result = decoding.decode(Make.ipfix([templateSet, short]))
        #expect(result.setsReplayed == 1 && decoding.record().octetDeltaCount == 77)
    }
}
