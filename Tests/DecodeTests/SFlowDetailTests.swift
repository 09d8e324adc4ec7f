import Decode
import FlowModel
import Testing

/// What samples have that no column holds: tunnels, labels, translations, reasons.
@Suite("sFlow, beside the columns") struct SFlowDetailTests {
    /// The extras of the one sample made of `records`, by element.
    private func extras(
        _ records: [[UInt8]], settings: DecodeSettings = .init(), output: UInt32 = 4
    ) -> (FlowRecord, [ElementKey: [UInt8]]) {
        var decoding = Decoding()
        decoding.decoder = DatagramDecoder(settings: settings)
        decoding.decode(SFlow.datagram([SFlow.flow(records, output: output)]))
        let record = decoding.record()
        let values = decoding.columns.extras.values(at: record.extra)
        return (record, Dictionary(values.map { ($0.element, $0.octets) }) { first, _ in first })
    }
    private func iana(_ id: UInt16) -> ElementKey { ElementKey(id: id) }
    private func tenant(_ id: UInt16) -> ElementKey { ElementKey(enterprise: 6_876, id: id) }
    private let plain = SFlow.header(SFlow.ethernet(0x0800, SFlow.ipv4(6, SFlow.tcp)))

    @Test("C26 of a tunnel the columns have the outer header, the extras the inner one and the network's number")
    func tunnel() {
        let (record, values) = extras([SFlow.header(SFlow.vxlan)])
        #expect(record.sourceIPAddress == address("10.0.0.1") && record.protocolIdentifier == 17)
        #expect(record.destinationTransportPort == 4_789)
        #expect(
            values == [
                iana(351): [1, 0, 0, 0, 0, 0x12, 0x34, 0x56], tenant(880): [6], tenant(881): [172, 16, 0, 1],
                tenant(882): [172, 16, 0, 2], tenant(886): [0x9C, 0x40], tenant(887): [1, 0xBB],
            ])
        let inner = SFlow.ipv6(17, SFlow.udp(53, []))
        let (_, six) = extras([SFlow.header(SFlow.ethernet(0x0800, SFlow.ipv4(41, inner)))])
        #expect(six[tenant(883)]?.last == 1 && six[tenant(884)]?.last == 2 && six[tenant(880)] == [17])
        #expect(six[iana(351)] == nil && six[tenant(881)] == nil)
    }

    @Test("C26 labels and the inner VLAN are kept, each label as its stack entry has it") func labels() {
        let stack = Bytes().u32(16 << 12 | 64, 17 << 12 | 0x100 | 64).raw(SFlow.ipv4(6, SFlow.tcp)).bytes
        let (record, values) = extras([SFlow.header(SFlow.ethernet(0x8847, tags: [100, 200], stack))])
        #expect(record.vlanId == 100 && record.destinationTransportPort == 443)
        #expect(values == [iana(245): [0, 200], iana(70): [0, 1, 0], iana(71): [0, 1, 0x11]])
        let told = SFlow.sample(1006, Bytes().u32(1, 0x0A00_00FE, 2, 16 << 12, 17 << 12 | 0x100, 0).bytes)
        let (routed, others) = extras([plain, told])
        #expect(
            others == [iana(70): [0, 1, 0], iana(71): [0, 1, 0x11]] && routed.ipNextHopAddress == address("10.0.0.254"))
    }

    @Test("C26 tags that were stripped before the header was taken are the outer ones") func stripped() {
        let tagged = SFlow.header(SFlow.ethernet(0x0800, tags: [30], SFlow.ipv4(6, SFlow.tcp)))
        let (one, inner) = extras([tagged, SFlow.sample(1012, Bytes().u32(1, 0x88A8_000A).bytes)])
        #expect(one.vlanId == 10 && inner == [iana(245): [0, 30]])
        let (two, both) = extras([plain, SFlow.sample(1012, Bytes().u32(2, 0x88A8_000A, 0x8100_0014).bytes)])
        #expect(two.vlanId == 10 && both == [iana(245): [0, 20]])
        let (none, nothing) = extras([plain, SFlow.sample(1012, Bytes().u32(.max, 0x88A8_000A).bytes)])
        #expect(none.vlanId == 0 && nothing.isEmpty)
    }

    @Test(
        "C25 a discarded packet has the reason as its forwarding status; a policy's word is marked as a denial",
        arguments: [
            (258, 130, true), (9, 130, true), (0, 131, false), (257, 137, false), (260, 139, false), (262, 133, false),
            (256, 128, false), (335, 140, false), (99_999, 128, false),
        ])
    func discarded(_ reason: Int, _ status: Int, _ isDenied: Bool) {
        let (record, values) = extras([plain], output: 0x4000_0000 | UInt32(reason))
        #expect(values == [iana(89): [UInt8(status)]] && record.egressInterface == 0)
        #expect(record.flags.contains(.denied) == isDenied && record.octetDeltaCount == 1_518)
        let body = Bytes().u32(7, 0, 3, 0, 3, 4, UInt32(reason), 1).raw(plain).bytes
        var decoding = Decoding()
        let result = decoding.decode(SFlow.datagram([SFlow.sample(5, body)]))
        #expect(result.discardedPackets == 1 && result.rows.count == 1 && result.losses.isEmpty)
        #expect(decoding.record().samplingInterval == 1 && decoding.record().ingressInterface == 3)
        #expect(decoding.record().egressInterface == 4 && decoding.record().flags.contains(.denied) == isDenied)
        #expect(decoding.columns.extras.value(of: iana(89), at: decoding.record().extra) == [UInt8(status)])
    }

    @Test("C25 translations, users, URLs, neighbours, circuits and overlay networks are kept under their elements")
    func others() {
        let path = Bytes().u32(1, 0x0A00_00FD, 65_000, 65_001, 65_002, 1, 2, 2, 65_003, 65_004, 0, 0).bytes
        let (record, values) = extras([
            plain, SFlow.sample(1001, Bytes().u32(300, 0, 301, 0).bytes), SFlow.sample(1003, path),
            SFlow.sample(1004, Bytes().u32(106, 5).raw(Array("alice".utf8) + [0, 0, 0]).u32(106, 0).bytes),
            SFlow.sample(1005, Bytes().u32(2, 2).raw([47, 97, 0, 0]).u32(3).raw(Array("w.x".utf8) + [0]).bytes),
            SFlow.sample(1007, Bytes().u32(1, 0xCB00_7101, 2).v6("2001:db8::9").bytes),
            SFlow.sample(1020, Bytes().u32(1_024, 8_080).bytes),
            SFlow.sample(1009, Bytes().u32(3).raw([118, 99, 49, 0]).u32(77, 0).bytes),
            SFlow.sample(1030, Bytes().u32(0xABCDE).bytes),
        ])
        #expect(record.vlanId == 300 && record.bgpSourceAsNumber == 65_001 && record.bgpDestinationAsNumber == 65_004)
        #expect(values[iana(59)] == [1, 45] && values[iana(128)] == [0, 0, 0xFD, 0xEB])
        #expect(values[iana(129)] == [0, 0, 0xFD, 0xEA] && values[iana(371)] == Array("alice".utf8))
        #expect(values[iana(461)] == Array("/a".utf8) && values[iana(460)] == Array("w.x".utf8))
        #expect(values[iana(225)] == [203, 0, 113, 1] && values[iana(282)]?.last == 9)
        #expect(values[iana(227)] == [4, 0] && values[iana(228)] == [0x1F, 0x90])
        #expect(values[iana(249)] == [0, 0, 0, 77] && values[iana(351)] == [1, 0, 0, 0, 0, 0x0A, 0xBC, 0xDE])
        #expect(values.count == 12)
    }

    @Test("MAC addresses, time to live and length are kept when asked for, by the setting or by name") func link() {
        #expect(extras([plain]).1.isEmpty)
        var settings = DecodeSettings()
        settings.sflow.keepsLinkDetails = true
        let mac = [UInt8](repeating: 0xAA, count: 6)
        #expect(
            extras([plain], settings: settings).1
                == [iana(56): mac, iana(80): mac, iana(192): [64], iana(224): [0, 0, 0, 40]])
        settings = DecodeSettings()
        settings.extras = .only([iana(192)])
        #expect(extras([SFlow.header(SFlow.vxlan)], settings: settings).1 == [iana(192): [64]])
        settings.extras = .none
        #expect(extras([SFlow.header(SFlow.vxlan)], settings: settings).1.isEmpty)
    }

    @Test("D8 D13 D16 details cut off or with lengths that lie are left out, and nothing traps") func hostile() {
        let records: [[UInt8]] = [
            SFlow.sample(1004, Bytes().u32(106, .max, 1).bytes), SFlow.sample(1005, Bytes().u32(1, 4_000).bytes),
            SFlow.sample(1006, Bytes().u32(1, 1, .max, 1).bytes), SFlow.sample(1006, Bytes().u32(9).bytes),
            SFlow.sample(1007, Bytes().u32(1, 1).bytes), SFlow.sample(1009, Bytes().u32(8, 1).bytes),
            SFlow.sample(1012, Bytes().u32(4, 1).bytes), SFlow.sample(1020, [1, 2]), SFlow.sample(1029, [1]),
            SFlow.sample(1003, Bytes().u32(1, 1, 2, 3, 4, 9, 2, .max).bytes),
        ]
        let (record, values) = extras([plain] + records)
        #expect(values.isEmpty || Set(values.keys).isSubset(of: [iana(129)]))
        #expect(record.destinationTransportPort == 443)
        let whole = SFlow.datagram([
            SFlow.flow([
                SFlow.header(SFlow.vxlan),
                SFlow.sample(1004, Bytes().u32(106, 3).raw([65, 66, 67, 0]).u32(0, 0).bytes),
                SFlow.sample(1006, Bytes().u32(1, 1, 2, 16 << 12, 17 << 12, 0).bytes),
            ])
        ])
        for length in 0...whole.count {
            var decoding = Decoding()
            let result = decoding.decode(Array(whole.prefix(length)))
            #expect(result.rows.count <= 1 && (length == whole.count || !result.losses.isEmpty), "\(length)")
        }
        var decoding = Decoding()
        for at in whole.indices {
            for value: UInt8 in [0, 1, 0x7F, 0xFF] {
                var bytes = whole
                bytes[at] = value
                let result = decoding.decode(bytes)
                #expect(result.rows.count <= 1 || at < 4, "\(at) \(value)")  // another version
            }
        }
    }
}
