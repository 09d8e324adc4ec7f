import FilterLanguage
import FlowModel
import InformationElements
import Platform
import TestKit
import Testing

@Suite("Filters mean what the handbook says")
struct FilterMeaningTests {
    private let subject: FilterSubject = {
        var record = FlowRecord()
        record.sourceIPAddress = IPAddress(v4: 0x0A01_0203)
        record.destinationIPAddress = IPAddress(high: 0x2001_0DB8_0000_0000, low: 1)
        record.sourceTransportPort = 40_000
        record.destinationTransportPort = 22
        record.protocolIdentifier = 6
        record.tcpControlBits = 0x02
        record.octetDeltaCount = 3_000
        record.packetDeltaCount = 7
        record.deltaFlowCount = 2
        record.flowStartMilliseconds = 1_000
        record.flowEndMilliseconds = 3_500
        record.ingressInterface = 3
        record.bgpSourceAsNumber = 64_512
        record.ipClassOfService = 0xB8
        record.samplingInterval = 100
        let exporter = ExporterKey(
            address: IPAddress(v4: 0xC000_0201), observationDomain: 7, exportProtocol: .ipfix)
        return FilterSubject(
            record, exporter: exporter, site: "zurich", sensor: "edge",
            extras: [
                ExtraValue(ElementKey(id: 52), [5]), ExtraValue(ElementKey(id: 96), Array("Secure Web".utf8)),
                ExtraValue(ElementKey(id: 276), [1]), ExtraValue(ElementKey(id: 225), [198, 51, 100, 9]),
                ExtraValue(ElementKey(id: 95), [3, 0, 0, 80]), ExtraValue(ElementKey(id: 322), [0, 0, 0, 9]),
            ])
    }()

    @Test(
        "matches",
        arguments: [
            "any", "src ip 10.1.2.3", "ip 10/8", "dst net 2001:db8::/32", "ipv4 and ipv6", "src port 40000", "port 22",
            "not dst port 23", "port > 1023", "tcp", "flags S", "flags S/SA", "flags 0/AR", "not flags A",
            "bytes 3k", "packets 7", "flows 2", "duration 2500", "duration 2.5s", "bps 9600", "pps 2", "bpp 428",
            "in if 3", "if 3", "out if 0", "as 64512", "exporter 192.0.2.1", "domain 7", "site zurich", "sensor edge",
            "via ipfix", "tos 184", "dscp 46", "sampled", "sampling 100", "not summed", "fidelity full",
            "start 1970-01-01T00:00:01", "minimumTTL 5", "minimumTTL in [1-4 5-9]", "has minimumTTL",
            "applicationName \"Secure Web\"", "applicationName ~ \"SECURE\"", "dataRecordsReliability true",
            "postNATSourceIPv4Address 198.51.100.0/24", "applicationId 0x03000050", "not icmp-type 0",
            "observationTimeSeconds 1970-01-01T00:00:09Z", "not direction ingress", "not has userName",
            "port != 23", "port not in [23 24]", "ip != 10.0.0.1", "not userName x",
        ])
    func matches(_ text: String) throws {
        let tree = try FilterParser.parse(text)
        #expect(tree.matches(subject))
        #expect(!FilterExpression.negation(of: tree).matches(subject))
    }

    @Test(
        "doesn't match",
        arguments: [
            "not any", "src ip 10.1.2.4", "dst ip 10.0.0.0/8", "src net ::/0", "next hop ::/0", "next hop 0.0.0.0/0",
            "src port 22", "port != 22", "port not in [22 80]", "udp", "flags A", "flags 0/S", "flags SA/SA",
            "bytes > 3000", "duration < 2500", "bps > 9600", "as 0 and as 1", "site Zurich", "via netflow9",
            "icmp-type 0",
            "direction ingress", "minimumTTL > 5", "userName x", "applicationName ~ webb",
            "dataRecordsReliability false",
            "fidelity host", "fidelity service", "not (port 22 or udp)",
        ])
    func misses(_ text: String) throws {
        let tree = try FilterParser.parse(text)
        #expect(!tree.matches(subject))
    }

    @Test("rates of hostile counters don't trap") func extremes() {
        forAll(runs: 500) { generator, seed in
            let subject = FilterSubject(.any(using: &generator), exporter: self.subject.exporter)
            let tree = AnyFilter.tree(depth: 3, using: &generator)
            let yes = tree.matches(subject), no = FilterExpression.negation(of: tree).matches(subject)
            #expect(yes != no, "SEED=\(seed)")
            for field in NumberField.allCases {
                let value = field.value(of: subject.record, exporter: subject.exporter) ?? 0
                #expect(value <= field.most, "SEED=\(seed) \(field)")
            }
        }
        #expect(NumberField.rate(.max, times: 8_000, per: 1) == .max)
        #expect(NumberField.rate(.max, times: 8_000, per: 8_000) == .max)
        #expect(NumberField.rate(.max, times: 1_000, per: 2_000) == UInt64.max / 2)
    }

    @Test("sets of addresses hold what their networks hold, and no IPv4 address in an IPv6 network") func addressSets()
        throws
    {
        forAll(runs: 2_000) { generator, seed in
            let networks = (0..<4).map { _ in
                let address = AnyFilter.address(&generator)
                return IPNetwork(address, length: Int.random(in: 0...(address.isV4 ? 32 : 128), using: &generator))
            }
            let set = AddressSet(networks)
            let edges = networks.flatMap { [$0.address, $0.last] } + [AnyFilter.address(&generator)]
            for address in edges where !address.isAbsent {
                #expect(set.contains(address) == networks.contains { $0.contains(address) }, "SEED=\(seed) \(address)")
            }
        }
        let all = AddressSet([try #require(IPNetwork("::/0"))])
        #expect(!all.contains(.absent) && !all.contains(IPAddress(v4: 0)) && !all.contains(IPAddress(v4: .max)))
        #expect(all.contains(IPAddress(high: 0, low: 1)) && all.contains(IPAddress(high: .max, low: .max)))
        #expect(AddressSet([try #require(IPNetwork("::"))]).contains(.absent))
    }
}
