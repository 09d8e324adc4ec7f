import FlowModel
import FlowText
import Foundation
import InformationElements
import TestKit
import Testing

@Suite("Elements without a column as text")
struct ExtrasTextTests {
    private func columns(_ extras: [ExtraValue] = [], flags: RecordFlags = []) -> FlowColumns {
        var columns = FlowColumns(), record = FlowRecord()
        record.exporter = columns.intern(exporter(1)) ?? 0
        record.extra = columns.extras.add(extras)
        record.flags = flags
        columns.append(record)
        return columns
    }
    private func exporter(_ last: UInt32, domain: UInt32 = 7) -> ExporterKey {
        ExporterKey(address: IPAddress(v4: 0xC000_0200 + last), observationDomain: domain, exportProtocol: .ipfix)
    }
    /// The members behind those of an empty record.
    private func members(_ columns: FlowColumns, _ registry: ElementRegistry = .standard) throws -> String {
        var out: [UInt8] = []
        FlowTextWriter(registry: registry).ndjson(columns, row: 0, into: &out)
        let text = String(decoding: out, as: UTF8.self)
        _ = try JSONSerialization.jsonObject(with: Data(out))
        let plain = #""octetDeltaCount":0,"packetDeltaCount":0"#
        let rest = try #require(text.range(of: plain))
        return String(text[rest.upperBound...].dropLast(2))
    }
    private func value(_ id: UInt16, _ octets: [UInt8], enterprise: UInt32 = 0) -> ExtraValue {
        ExtraValue(ElementKey(enterprise: enterprise, id: id), octets)
    }

    //= RFC 7373 §4.4
    @Test(
        "each type has its own kind of JSON value",
        arguments: [
            (0, 231, [0, 0, 1, 0], #","initiatorOctets":256"#),
            (0, 434, [0xFF, 0xFE], #","mibObjectValueInteger":-2"#),
            (0, 311, [0x3F, 0xC0, 0, 0], #","samplingProbability":1.5"#),
            (0, 311, [0x7F, 0xC0, 0, 0], #","samplingProbability":"NaN""#),
            (0, 311, [0xFF, 0x80, 0, 0], #","samplingProbability":"-inf""#),
            (0, 276, [1], #","dataRecordsReliability":true"#), (0, 276, [9], #","dataRecordsReliability":"09""#),
            (0, 56, [0, 0x1B, 0xAF, 0, 0, 1], #","sourceMacAddress":"00:1b:af:00:00:01""#),
            (0, 225, [10, 0, 0, 1], #","postNATSourceIPv4Address":"10.0.0.1""#),
            (0, 323, [0, 0, 1, 0x8B, 0xCF, 0xE5, 0x68, 0], #","observationTimeMilliseconds":1700000000000"#),
            (0, 70, [0, 0x01, 0xF1], #","mplsTopLabelStackSection":"0001f1""#),
            (0, 96, [0x68, 0x74, 0x74, 0x70, 0, 0], #","applicationName":"http""#), (0, 371, [], #","userName":"""#),
            (6_876, 881, [172, 16, 0, 9], #","tenantSourceIPv4":"172.16.0.9""#),
            (4_242, 9, [0xAB], #","e4242id9":"ab""#), (29_305, 5, [3], #","reverseIpClassOfService":3"#),
            (0, 484, [255, 0x01, 0xE3, 0, 4, 0, 0, 0, 1, 0, 0, 0, 2], #","bgpSourceCommunityList":[1,2]"#),
        ] as [(UInt32, UInt16, [UInt8], String)])
    func kinds(_ enterprise: UInt32, _ id: UInt16, _ octets: [UInt8], _ want: String) throws {
        let key = ElementKey(enterprise: enterprise, id: id)
        #expect(try members(columns([ExtraValue(key, octets)])) == want)
    }

    @Test("elements that come more than once are an array, in the order of the record")
    func repeated() throws {
        let labels = columns([value(346, [0, 0, 0, 1]), value(95, [3, 0, 53]), value(346, [0, 0, 0, 2])])
        #expect(try members(labels) == #","privateEnterpriseNumber":[1,2],"applicationId":"030035""#)
    }

    @Test("an element that a column's member has the name of gets _2, so that no member is there twice")
    func fixedName() throws {
        let text = try members(columns([value(7, [0, 80]), value(7, [0, 81]), value(225, [1, 2, 3, 4])]))
        #expect(text == #","sourceTransportPort_2":[80,81],"postNATSourceIPv4Address":"1.2.3.4""#)
        // Every member that a record with everything has is known as one of a column.
        var record = FlowRecord.full, all = FlowColumns()
        for isV6 in [false, true] {
            if isV6 { record.sourceIPAddress = IPAddress(high: 1, low: 1) }
            if isV6 { record.destinationIPAddress = IPAddress(high: 1, low: 1) }
            if isV6 { record.ipNextHopAddress = IPAddress(high: 1, low: 1) }
            for number in [IPProtocol.tcp, IPProtocol.icmp, IPProtocol.icmpv6] {
                record.protocolIdentifier = number
                let address = isV6 ? IPAddress(high: 1, low: 1) : IPAddress(v4: 1)
                let key = ExporterKey(address: address, observationDomain: 1, exportProtocol: .ipfix)
                record.exporter = all.intern(key) ?? 0
                all.append(record)
            }
        }
        for row in all.rows {
            var out: [UInt8] = []
            FlowTextWriter.json(all, row: row, into: &out)
            let object = try #require(try JSONSerialization.jsonObject(with: Data(out)) as? [String: Any])
            for name in object.keys {
                guard let element = ElementRegistry.standard.element(named: name) else { continue }
                let doubled = try members(columns([ExtraValue(element.key, [0, 0, 0, 1])]))
                #expect(doubled.hasPrefix(",\"\(name)_2\":"), "\(name)")
            }
        }
    }

    @Test("padding and values without octets are left out")
    func absent() throws {
        #expect(try members(columns([value(210, [0, 0]), value(231, []), value(80, [])])) == "")
    }

    @Test("strings can't break out of their line, their quotes or a terminal")
    func strings() throws {
        let hostile = "a\"b\\c\n\u{1B}[2J\u{7F}\u{85}\u{2028}é\u{1F600}"
        let found = try members(columns([value(371, Array(hostile.utf8))]))
        #expect(
            found == #","userName":"a\"b\\c\u000a\u001b[2J\u007f\u0085\u2028é"# + "\u{1F600}\"")
        var out: [UInt8] = []
        FlowTextWriter.json(columns([value(371, Array(hostile.utf8))]), row: 0, into: &out)
        let object = try JSONSerialization.jsonObject(with: Data(out)) as? [String: Any]
        #expect(object?["userName"] as? String == hostile)
    }

    @Test("flags, other observers and estimates have members of their own, only where they are")
    func rarities() throws {
        #expect(try members(columns()) == "")
        #expect(
            try members(columns(flags: [.denied, .timesClamped, .held]))
                == #","recordFlags":["timesClamped","held","denied"]"#)
        var all = columns()
        let others = [exporter(2), exporter(3), exporter(2, domain: 9)].compactMap { all.intern($0) }
        var pair = DistinctPair()
        for port in 0..<5 { pair.ports.insert(UInt64(port)) }
        pair.peers.insert(1)
        all.observers[0] = all.observerSets.place(of: others)
        all.sketch[0] = all.sketches.add(pair)
        #expect(
            try members(all)
                == #","observedBy":["192.0.2.2","192.0.2.3"],"distinctPorts":5,"distinctPeers":1"#)
    }

    @Test("every flag has a name")
    func flagNames() throws {
        let text = try members(columns(flags: RecordFlags(rawValue: .max)))
        #expect(text.split(separator: ",").count == 8)
    }

    @Test("a site's own elements print by its file")
    func ownElements() throws {
        let own = InformationElement(ElementKey(enterprise: 4_242, id: 9), "siteRack", .unsigned16)
        let registry = try ElementRegistry.standard.adding([own])
        #expect(try members(columns([value(9, [1, 0], enterprise: 4_242)]), registry) == #","siteRack":256"#)
    }

    @Test("any elements with any octets make one line of valid JSON with each member once")
    func anyExtras() throws {
        try forAll(runs: 150) { generator, seed in
            let known = ElementRegistry.standard.all
            var extras: [ExtraValue] = []
            for _ in 0..<Int.random(in: 0...40, using: &generator) {
                let isKnown = Bool.random(using: &generator)
                let key =
                    isKnown
                    ? known[Int.random(in: known.indices, using: &generator)].key
                    : ElementKey(enterprise: UInt32.random(in: 0...3, using: &generator), id: generator.next())
                let count = Int.random(in: 0...20, using: &generator)
                extras.append(ExtraValue(key, (0..<count).map { _ in generator.next() }))
            }
            let text = try members(columns(extras))
            #expect(!text.contains("\n"), "SEED=\(seed)")
            let names = text.matches(of: /[,{]"([A-Za-z][A-Za-z0-9_-]*)":/).map { String($0.output.1) }
            #expect(Set(names).count == names.count, "SEED=\(seed)")
        }
    }
}

extension FlowRecord {
    /// A record with a value in each field.
    fileprivate static var full: FlowRecord {
        var record = FlowRecord()
        record.sourceIPAddress = IPAddress(v4: 1)
        record.destinationIPAddress = IPAddress(v4: 2)
        record.ipNextHopAddress = IPAddress(v4: 3)
        (record.octetDeltaCount, record.packetDeltaCount, record.deltaFlowCount) = (1, 1, 2)
        (record.exportMilliseconds, record.receiveMilliseconds) = (1, 1)
        (record.sourceTransportPort, record.destinationTransportPort) = (1, 2)
        (record.tcpControlBits, record.ipClassOfService) = (1, 1)
        (record.ingressInterface, record.egressInterface) = (1, 2)
        (record.bgpSourceAsNumber, record.bgpDestinationAsNumber) = (1, 2)
        (record.sourceIPPrefixLength, record.destinationIPPrefixLength) = (24, 8)
        (record.vlanId, record.flowDirection, record.samplingInterval) = (1, 1, 1)
        return record
    }
}
