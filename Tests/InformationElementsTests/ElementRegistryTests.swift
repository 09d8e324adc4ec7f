import FlowModel
import InformationElements
import Testing

@Suite("The registry of information elements")
struct ElementRegistryTests {
    private let registry = ElementRegistry.standard

    @Test("every number and every name is there once, and no line of the table is skipped")
    func table() {
        #expect(registry.count == 2_026)
        #expect(Set(registry.all.map(\.name)).count == registry.count)
        let iana = Set(registry.all.filter { $0.key.enterprise == 0 && $0.key.id <= 533 }.map(\.key.id))
        // Never assigned, or reserved, in IANA's registry; 65 is FortiOS's use of a number kept for NetFlow v9.
        let gaps = Array(66...69) + [97] + Array(105...127) + [416, 419]
        #expect(Set(1...533).subtracting(iana) == Set(gaps.map { UInt16($0) }))
    }

    @Test(
        "names, types, semantics and units are IANA's",
        arguments: [
            (1, "octetDeltaCount", .unsigned64, .deltaCounter, "octets"),
            (4, "protocolIdentifier", .unsigned8, .identifier, ""),
            (6, "tcpControlBits", .unsigned16, .flags, ""),
            (8, "sourceIPv4Address", .ipv4Address, .default, ""),
            (34, "samplingInterval", .unsigned32, .quantity, "packets"),
            (56, "sourceMacAddress", .macAddress, .default, ""),
            (70, "mplsTopLabelStackSection", .octetArray, .default, ""),
            (96, "applicationName", .string, .default, ""),
            (136, "flowEndReason", .unsigned8, .identifier, ""),
            (148, "flowId", .unsigned64, .identifier, ""),
            (150, "flowStartSeconds", .dateTimeSeconds, .default, "seconds"),
            (153, "flowEndMilliseconds", .dateTimeMilliseconds, .default, "milliseconds"),
            (154, "flowStartMicroseconds", .dateTimeMicroseconds, .default, "microseconds"),
            (157, "flowEndNanoseconds", .dateTimeNanoseconds, .default, "nanoseconds"),
            (206, "isMulticast", .unsigned8, .flags, ""),
            (225, "postNATSourceIPv4Address", .ipv4Address, .default, ""),
            (276, "dataRecordsReliability", .boolean, .default, ""),
            (291, "basicList", .basicList, .list, ""),
            (311, "samplingProbability", .float64, .quantity, ""),
            (323, "observationTimeMilliseconds", .dateTimeMilliseconds, .default, "milliseconds"),
            (351, "layer2SegmentId", .unsigned64, .identifier, ""),
            (495, "srhActiveSegmentIPv6", .ipv6Address, .default, ""),
            (507, "gtpuTEid", .unsigned32, .identifier, ""),
            (520, "tcpOptionsFull", .unsigned256, .flags, ""),
            (533, "pathDelaySumDeltaMicroseconds", .unsigned64, .quantity, "microseconds"),
        ] as [(UInt16, String, ElementType, ElementSemantics, String)])
    func iana(
        _ id: UInt16, _ name: String, _ type: ElementType, _ semantics: ElementSemantics, _ units: String
    ) throws {
        let element = try #require(registry.element(ElementKey(id: id)))
        #expect(element.name == name && element.dataType == type)
        #expect(element.semantics == semantics, "\(name)")
        #expect(element.units == units, "\(name)")
    }

    @Test(
        "enterprises of the field have their elements",
        arguments: [
            (9, 12_235, "ciscoApplicationHttpHost", .octetArray), (9, 12_346, "nvzFlowL4ByteCountIn", .unsigned64),
            (637, 93, "natSubString", .string), (2_636, 137, "juniperCommonProperties", .unsigned64),
            (3_054, 126, "ixiaSrcLatitude", .float32), (5_951, 130, "netscalerHttpReqUrl", .string),
            (6_871, 40, "flowAttributes", .unsigned16), (6_876, 881, "tenantSourceIPv4", .ipv4Address),
            (9_789, 2, "sophosAfcProtocolName", .string), (10_704, 7, "barracudaReasonText", .string),
            (13_745, 106, "plixerEventId", .unsigned32), (15_397, 12, "proceraExternalRtt", .signed32),
            (26_866, 204, "gigamonDnsQueryName", .string), (35_632, 180, "ntopHttpUrl", .string),
            (41_916, 4_321, "viptelaVPNId", .unsigned64), (47_729, 100, "niagaraSslServerNameIndication", .string),
            (0, 56_702, "paloAltoUserId", .string), (0, 8_257, "streamcoreUrl", .string),
        ] as [(UInt32, UInt16, String, ElementType)])
    func enterprises(_ enterprise: UInt32, _ id: UInt16, _ name: String, _ type: ElementType) throws {
        let element = try #require(registry.element(ElementKey(enterprise: enterprise, id: id)))
        #expect(element.name == name && element.dataType == type)
        #expect(registry.element(named: name)?.key == element.key)
    }

    //= RFC 5103 §6.1
    @Test("enterprise 29305 reverses IANA's elements, bit 14 CERT's")
    func reverse() throws {
        let octets = try #require(registry.element(ElementKey(enterprise: 29_305, id: 1)))
        #expect(octets.name == "reverseOctetDeltaCount" && octets.dataType == .unsigned64 && octets.units == "octets")
        #expect(registry.element(named: "reverseOctetDeltaCount")?.key == octets.key)
        let flags = try #require(registry.element(ElementKey(enterprise: 6_871, id: 0x4000 + 14)))
        #expect(flags.name == "reverseInitialTCPFlags")
        #expect(registry.element(named: "reverseInitialTCPFlags")?.key == flags.key)
        #expect(registry.element(ElementKey(enterprise: 29_305, id: 105)) == nil)
        #expect(registry.element(named: "reverse") == nil)
    }

    @Test(
        "NetFlow v9's numbers with the enterprise bit are Cisco's, or ntop's",
        arguments: [
            (33_002, "ciscoFwExtEvent"), (40_001, "ciscoXlateSourceIPv4Address"), (40_005, "ciscoFwEvent"),
            (42_060, "ciscoConnectionServerCounterResponses"), (45_003, "ciscoApplicationHttpHost"),
            (57_590, "ntopL7Proto"), (57_652, "ntopHttpUrl"), (56_701, "paloAltoAppId"),
        ] as [(UInt16, String)])
    func netFlow9(_ id: UInt16, _ name: String) {
        #expect(registry.element(ElementKey(id: id))?.name == name)
        #expect(registry.element(ElementKey(id: id))?.key == ElementKey(id: id))
        // As a collector forwards them that has no place for them in IPFIX.
        #expect(registry.element(ElementKey(enterprise: .max, id: id & 0x7FFF))?.name == name)
    }

    @Test("what nobody knows has a name too, and is found by it")
    func unknown() {
        let key = ElementKey(enterprise: 4_242, id: 7)
        #expect(registry.element(key) == nil)
        let unknown = registry.information(key)
        #expect(unknown.name == "e4242id7" && unknown.dataType == .octetArray)
        #expect(registry.element(named: "e4242id7")?.key == key)
        for name in ["e4242id", "eid7", "e04242id7", "e1id65536", "e4294967296id1", "", "e", "id", "e1idid2", "e-1id2"]
        {
            #expect(registry.element(named: name) == nil, "\(name)")
        }
        #expect(registry.information(ElementKey(id: 97)).name == "e0id97")
    }

    @Test("names lead to every number under which the element may come")
    func keysOfNames() throws {
        let keys = try registry.keys(named: ["ciscoFwExtEvent", "ntopL7Proto", "flowEndReason", "e4242id7"])
        #expect(
            keys == [
                ElementKey(enterprise: 9, id: 234), ElementKey(id: 33_002), ElementKey(enterprise: .max, id: 234),
                ElementKey(enterprise: 35_632, id: 118), ElementKey(id: 57_590),
                ElementKey(enterprise: .max, id: 57_590 - 32_768), ElementKey(id: 136),
                ElementKey(enterprise: .max - 1, id: 136), ElementKey(enterprise: 4_242, id: 7),
            ])
        #expect(throws: ElementError(index: 1, problem: "flowid is not the name of an element; flowId is")) {
            try registry.keys(named: ["flowId", "flowid"])
        }
        #expect(throws: ElementError(index: 0, problem: "nothing is not the name of an element")) {
            try registry.keys(named: [""])
        }
    }

    @Test("added elements come first, may redefine numbers, and never share a name")
    func adding() throws {
        let own = InformationElement(ElementKey(enterprise: 4_242, id: 7), "siteRack", .unsigned16)
        let redefined = InformationElement(ElementKey(enterprise: 9, id: 12_235), "siteHost", .string)
        let more = try registry.adding([own, redefined])
        #expect(more.element(own.key) == own && more.element(named: "siteRack") == own)
        #expect(more.element(redefined.key)?.name == "siteHost")
        #expect(more.count == registry.count + 1 && registry.element(own.key) == nil)
        let freed = InformationElement(ElementKey(enterprise: 4_242, id: 8), "ciscoApplicationHttpHost", .string)
        #expect(try registry.adding([redefined, freed]).element(named: "ciscoApplicationHttpHost") == freed)
        #expect(throws: ElementError(index: 1, problem: "element 7 of enterprise 4242 is there twice")) {
            try registry.adding([own, own])
        }
        #expect(throws: ElementError(index: 0, problem: "name: octetDeltaCount is the name of element 1")) {
            try registry.adding([InformationElement(ElementKey(id: 600), "octetDeltaCount", .unsigned8)])
        }
    }
}
