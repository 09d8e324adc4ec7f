import Decode
import FlowModel
import Testing

@Suite("A set of networks") struct NetworkSetTests {
    @Test("an address is in it when one of its networks has it, of either family and any length") func contains() {
        let texts = ["10.0.0.0/8", "10.1.2.3", "192.0.2.0/24", "198.51.100.0/24", "2001:db8::/32"]
        let networks = texts.compactMap { IPNetwork($0) }, set = NetworkSet(networks)
        #expect(networks.count == texts.count)
        for text in ["10.255.0.1", "192.0.2.255", "198.51.100.0", "2001:db8:ffff::1", "11.0.0.1", "192.0.3.0"] {
            #expect(set.contains(address(text)) == networks.contains { $0.contains(address(text)) }, "\(text)")
        }
        #expect(set.contains(address("192.0.2.9")) && !set.contains(address("2001:db9::")))
        #expect(!NetworkSet([]).contains(address("10.0.0.1")))
        #expect(NetworkSet([IPNetwork("0.0.0.0/0")].compactMap { $0 }).contains(address("203.0.113.7")))
    }
}
