import Decode
import FlowModel
import Testing

@Suite("Template scope") struct TemplateScopeTests {
    let templateSet = Make.set(2, Make.template(256, Make.basic))
    let other = Make.set(2, Make.template(256, [(12, 4), (8, 4), (7, 2), (11, 2), (4, 1), (1, 4), (2, 4)]))
    let dataSet = Make.set(256, Make.basicRecord())

    private func decoding(_ scope: TemplateScope) -> Decoding {
        var settings = DecodeSettings()
        settings.scopes[Decoding.exporter] = scope
        return Decoding(settings: settings)
    }

    @Test("C1 an exporter pinned to strict borrows nothing; others still do") func strict() {
        var decoding = decoding(.strict)
        decoding.decode(Make.ipfix([templateSet]), port: 1)
        let result = decoding.decode(Make.ipfix([dataSet]), port: 2)
        #expect(result.rows.isEmpty && result.setsHeld == 1)
        let second = IPAddress(v4: 9)
        decoding.decode(Make.ipfix([templateSet]), port: 1, source: second)
        #expect(decoding.decode(Make.ipfix([dataSet]), port: 2, source: second).rows.count == 1)
        #expect(decoding.record().flags.contains(.templateBorrowed))
    }

    @Test("C1 an exporter pinned to shared has its templates in common, the last definition holds") func shared() {
        var decoding = decoding(.shared)
        decoding.decode(Make.ipfix([templateSet]), port: 1)
        decoding.decode(Make.ipfix([dataSet]), port: 2)
        #expect(decoding.decode(Make.ipfix([other]), port: 3).templatesReplaced == 1)
        decoding.decode(Make.ipfix([dataSet]), port: 1)
        #expect(decoding.records.map(\.sourceIPAddress) == [address("10.0.0.1"), address("10.0.0.2")])
        #expect(decoding.records.allSatisfy { !$0.flags.contains(.templateBorrowed) })
        #expect(decoding.decoder.templateCount == 1)
    }

    @Test("C1 a data set that can't be of a borrowed layout waits instead of being misread") func borrowedUnfit() {
        var decoding = Decoding()
        decoding.decode(Make.ipfix([templateSet]), port: 1)
        let odd = Make.set(256, Make.basicRecord() + [1, 2, 3, 4, 5])
        let result = decoding.decode(Make.ipfix([odd]), port: 2)
        #expect(result.rows.isEmpty && result.setsHeld == 1)
    }

    @Test("C2 a restarted exporter keeps its templates, and one that no longer fits is not used") func restart() {
        var decoding = Decoding()
        let learn = Make.set(0, Make.template(256, Make.basic))
        decoding.decode(Make.netflow9([learn, dataSet], sequence: 500, uptime: 9_000_000))
        // Uptime and sequence begin anew: a restart, no loss.
        let after = decoding.decode(Make.netflow9([dataSet], sequence: 1, uptime: 5_000))
        #expect(after.rows.count == 1 && after.losses.isEmpty)
        #expect(after.missing?.restarted == true && after.missing?.missing == 0)
        let odd = decoding.decode(
            Make.netflow9([Make.set(256, [UInt8](repeating: 7, count: 30))], sequence: 2, uptime: 6_000))
        #expect(odd.rows.isEmpty && odd.setsHeld == 1 && odd.missing == nil)
        #expect(decoding.decode(Make.netflow9([learn], sequence: 3, uptime: 7_000)).templatesConfirmed == 1)
    }

    @Test("C3 each redefinition is counted for its exporter") func churn() {
        var decoding = Decoding()
        for _ in 0..<3 {
            decoding.decode(Make.ipfix([templateSet]))
            decoding.decode(Make.ipfix([other]))
        }
        let key = ExporterKey(address: Decoding.exporter, observationDomain: 7, exportProtocol: .ipfix)
        #expect(decoding.decoder.templateChurn(of: key) == 5)
        #expect(
            decoding.decoder.templateChurn(of: .init(address: .absent, observationDomain: 0, exportProtocol: .ipfix))
                == 0)
    }

    //= RFC 7011 §8.1
    @Test("C4 over TCP a withdrawal takes a template away, alone or with all of its kind") func withdrawal() {
        var decoding = Decoding()
        let options = Make.set(3, Make.optionsTemplate10(300, scopes: [(149, 4)], options: [(34, 4)]))
        let second = Make.set(2, Make.template(257, Make.basic))
        decoding.decode(Make.ipfix([templateSet, second, options]), session: 4)
        #expect(decoding.decoder.templateCount == 3)
        // An options template is withdrawn by four octets, not six (§8.1 figure 9): the next set is read all the same.
        let one = Make.set(2, Bytes().u16(256, 0).bytes), optionsGone = Make.set(3, Bytes().u16(300, 0).bytes)
        let result = decoding.decode(Make.ipfix([one, optionsGone, Make.set(257, Make.basicRecord())]), session: 4)
        #expect(result.templatesWithdrawn == 2 && result.withdrawalsIgnored == 0 && result.rows.count == 1)
        #expect(decoding.decode(Make.ipfix([dataSet]), session: 4).setsHeld == 1)
        let all = decoding.decode(Make.ipfix([Make.set(2, Bytes().u16(2, 0).bytes)]), session: 4)
        #expect(all.templatesWithdrawn == 1 && decoding.decoder.templateCount == 0)
        decoding.decode(Make.ipfix([templateSet, options]), session: 4)
        let allOptions = decoding.decode(Make.ipfix([Make.set(3, Bytes().u16(3, 0).bytes)]), session: 4)
        #expect(allOptions.templatesWithdrawn == 1 && decoding.decoder.templateCount == 1)
    }

    @Test("C4 sessions have templates of their own, which end with them") func sessions() {
        var decoding = Decoding()
        decoding.decode(Make.ipfix([templateSet]), session: 1)
        #expect(decoding.decode(Make.ipfix([dataSet]), session: 2).setsHeld == 1)
        #expect(decoding.decode(Make.ipfix([dataSet])).setsHeld == 1)
        #expect(decoding.decode(Make.ipfix([dataSet]), session: 1).rows.count == 1)
        decoding.decoder.endSession(1)
        #expect(decoding.decoder.templateCount == 0 && decoding.decoder.heldSets == 2)
        decoding.decoder.endSession(2)
        #expect(decoding.decoder.heldSets == 1)
        #expect(decoding.decode(Make.ipfix([dataSet]), session: 1).setsHeld == 1)
        #expect(decoding.decoder.expireHeld(atMilliseconds: 0).map(\.sets) == [1])
    }
}
