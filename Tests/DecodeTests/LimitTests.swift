import Decode
import FlowModel
import Testing

@Suite("Limits") struct LimitTests {
    private func template(_ id: UInt16) -> [UInt8] { Make.set(2, Make.template(id, Make.basic)) }
    private func data(_ id: UInt16) -> [UInt8] { Make.set(id, Make.basicRecord()) }

    @Test("C29 a flood of new exporters is refused by name and pushes out no known one") func exporters() {
        var limits = DecodeLimits()
        limits.exportersMax = 3
        var decoding = Decoding(limits: limits)
        var refused = 0
        for host in UInt32(1)...50 {
            let result = decoding.decode(Make.ipfix([template(256), data(256)]), source: IPAddress(v4: host))
            if result.losses == [.exporterLimit: 1] { refused += 1 }
        }
        #expect(refused == 47 && decoding.columns.count == 3)
        #expect(decoding.decode(Make.ipfix([data(256)]), source: IPAddress(v4: 2)).rows.count == 1)
        // After an hour of silence a place is given on.
        let later = Decoding.received + limits.idleMilliseconds + 1
        let result = decoding.decode(Make.ipfix([template(256), data(256)]), source: IPAddress(v4: 99), at: later)
        #expect(result.rows.count == 1 && decoding.decoder.templateCount == 1)
    }

    /// Found by fuzzing: such a datagram was counted as refused whole, and its sets were decoded later all the same.
    @Test("C29 C9 a set that waits already is not refused with the template that finds no room") func heldThenRefused()
    {
        var limits = DecodeLimits()
        limits.exportersMax = 1
        var decoding = Decoding(limits: limits)
        decoding.decode(Make.ipfix([template(256)]))
        let result = decoding.decode(Make.ipfix([data(256), template(256)]), source: IPAddress(v4: 2))
        #expect(result.setsHeld == 1 && result.losses == [.templateLimit: 1])
        let alone = decoding.decode(Make.ipfix([template(256), data(256)]), source: IPAddress(v4: 3))
        #expect(alone.setsHeld == 0 && alone.losses == [.exporterLimit: 1])
    }

    @Test("C29 one address can't use up all places by inventing domains") func domains() {
        var limits = DecodeLimits()
        limits.domainsPerAddressMax = 2
        var decoding = Decoding(limits: limits)
        for domain in UInt32(1)...20 { decoding.decode(Make.ipfix([template(256)], domain: domain)) }
        #expect(decoding.decoder.templateCount == 2)
        let other = decoding.decode(Make.ipfix([template(256), data(256)]), source: IPAddress(v4: 2))
        #expect(other.rows.count == 1)
    }

    @Test("C29 templates beyond the limit replace the oldest, one a datagram, the rest is counted") func templates() {
        var limits = DecodeLimits()
        limits.templatesPerStreamMax = 4
        var decoding = Decoding(limits: limits)
        for id in UInt16(256)..<260 { decoding.decode(Make.ipfix([template(id)]), at: Int64(id) * 10_000) }
        let result = decoding.decode(
            Make.ipfix((UInt16(300)..<310).map(template)), at: 3_000_000)
        #expect(result.losses == [.templateLimit: 9] && decoding.decoder.templateCount == 4)
        let known = decoding.decode(Make.ipfix((UInt16(256)..<260).map(data)), at: 3_000_000)
        #expect(known.setsHeld == 1 && known.rows.count == 3)
    }

    @Test("C29 too many fields in a template, too many octets of one exporter or of all, are refused by name")
    func octets() {
        var limits = DecodeLimits()
        limits.fieldsPerTemplateMax = 8
        limits.templateOctetsPerExporterMax = 900
        limits.templateOctetsMax = 1_600
        var decoding = Decoding(limits: limits)
        let wide = Make.set(2, Make.template(300, [Field](repeating: (210, 1), count: 9)))
        #expect(decoding.decode(Make.ipfix([wide, template(256), template(257)])).losses == [.templateLimit: 1])
        #expect(decoding.decode(Make.ipfix([template(258)])).losses == [.templateLimit: 1])
        let other = decoding.decode(Make.ipfix([template(256), template(257)]), source: IPAddress(v4: 2))
        #expect(other.losses == [.templateLimit: 1] && decoding.decoder.templateCount == 3)
    }

    @Test("C29 C3 a redefinition that finds no room ends the old layout all the same") func noRoomForChange() {
        var limits = DecodeLimits()
        limits.templateOctetsPerExporterMax = 720
        var decoding = Decoding(limits: limits)
        #expect(decoding.decode(Make.ipfix([template(256), data(256)])).rows.count == 1)
        let long = Make.set(2, Make.template(256, Make.basic + [Field](repeating: (210, 1), count: 60)))
        #expect(decoding.decode(Make.ipfix([long])).losses == [.templateLimit: 1])
        let after = decoding.decode(Make.ipfix([data(256)]))
        #expect(after.rows.isEmpty && after.setsHeld == 1 && decoding.decoder.templateCount == 0)
    }

    @Test("C29 an exporter that changes its port with every datagram keeps a bounded number of them") func streams() {
        var limits = DecodeLimits()
        limits.streamsPerExporterMax = 3
        var decoding = Decoding(limits: limits)
        for port in UInt16(1)...40 {
            decoding.decode(Make.ipfix([template(256), data(256)]), port: port, at: Int64(port))
        }
        #expect(decoding.decoder.templateCount == 3 && decoding.columns.count == 40)
    }

    @Test("C29 D16 a datagram of tiny records, sets or templates makes no more work than one of honest records")
    func work() {
        let tiny = Make.set(2, Make.template(256, [(4, 1)]) + Make.template(257, [(82, 65_535)]))
        // Records with lengths of their own count twice.
        for (id, octet, most) in [(UInt16(256), UInt8(6), 256), (257, 0, 128)] {
            var decoding = Decoding()
            decoding.decode(Make.ipfix([tiny]))
            let result = decoding.decode(Make.ipfix([Make.set(id, [UInt8](repeating: octet, count: 1_400))]))
            #expect(result.rows.count == most && result.losses == [.badSet: 1], "\(id)")
            #expect(result.sequence?.isExact == false)
        }
        // 2,416 octets: a set for every 24 of them, and as many templates.
        var decoding = Decoding()
        decoding.decode(Make.ipfix([Make.set(2, Make.template(256, [(8, 4)]))]))
        let sets = [[UInt8]](repeating: Make.set(256, [10, 0, 0, 1]), count: 300)
        let result = decoding.decode(Make.ipfix(sets))
        #expect(result.rows.count == 100 && result.losses == [.badSet: 1])
        let many = Make.set(2, (UInt16(300)..<600).flatMap { Make.template($0, [(8, 4)]) })
        let taught = decoding.decode(Make.ipfix([many]))
        #expect(taught.templatesLearned == 100 && taught.losses == [.templateLimit: 1])
        // Sent again, the rest is learned; a session, which sends them once, may bring all.
        #expect(decoding.decode(Make.ipfix([many])).templatesLearned == 100)
        #expect(decoding.decode(Make.ipfix([many]), session: 1).templatesLearned == 300)
    }

    @Test("C29 a datagram of sFlow with more samples than it has room for whole ones is read as far as 64, and counts")
    func samples() {
        var decoding = Decoding()
        let empty = SFlow.sample(99, [])
        let all = decoding.decode(SFlow.datagram([[UInt8]](repeating: empty, count: 64)))
        #expect(all.samplesSkipped == 64 && all.losses.isEmpty)
        let many = decoding.decode(SFlow.datagram([[UInt8]](repeating: empty, count: 180)))
        #expect(many.samplesSkipped == 64 && many.losses == [.badSet: 1])
        // As many as fit of the smallest useful size are read whatever the datagram's length.
        let small = SFlow.sample(99, [UInt8](repeating: 0, count: 32))
        let long = decoding.decode(SFlow.datagram([[UInt8]](repeating: small, count: 200)))
        #expect(long.samplesSkipped == 200 && long.losses.isEmpty)
    }

    @Test("an empty data set is nothing, with a template or without") func emptySet() {
        var decoding = Decoding()
        let result = decoding.decode(Make.ipfix([Make.set(256, []), template(256), Make.set(256, []), data(256)]))
        #expect(result.rows.count == 1 && result.losses.isEmpty && result.setsHeld == 0)
        #expect(result.sequence?.isExact == true)
    }
}
