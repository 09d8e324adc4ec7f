import FlowModel
import Identity
import Platform
import TestKit
import Testing

@testable import Detect

@Suite("Tables of fingerprints") struct FingerprintTests {
    private func hashes(_ count: Int, seed: UInt64 = 3) -> [UInt64] {
        var generator = SeededGenerator(seed: seed)
        return (0..<count).map { _ in UInt64.random(in: .min ... .max, using: &generator) }
    }

    @Test("what was put in is found while there is room, with its payload, flag and number, also after growing")
    func kept() {
        var table = FingerprintTable<FloodCell>(entriesMax: 100_000)
        let keys = hashes(10_000)
        for (index, key) in keys.enumerated() {
            let (place, isNew) = table.place(of: key)
            #expect(isNew)
            table[place].packets = Double(index)
            if index.isMultiple(of: 3) { table.setFlag(place, to: true) }
        }
        #expect(table.evictions == 0)
        for (index, key) in keys.enumerated() {
            let (place, isNew) = table.place(of: key)
            #expect(!isNew && table[place].packets == Double(index))
            #expect(table.isFlagged(place) == index.isMultiple(of: 3))
        }
        #expect(hashes(1_000, seed: 4).allSatisfy { table.find($0) == nil })
    }

    @Test("a number for each key stays at its largest") func numbers() {
        var table = FingerprintTable<NoPayload>(entriesMax: 64)
        for _ in 0..<20_000 { table.increment(0x1234_5678_9ABC_0000) }
        #expect(table.count(0x1234_5678_9ABC_0000) == 16_383)
        #expect(table.count(0x9999_5678_9ABC_0000) == 0)
    }

    @Test("a full table drops what was not touched, counts it, and never holds more") func full() {
        var table = FingerprintTable<NoPayload>(entriesMax: 512)
        let kept: [UInt64] = hashes(32), strangers = hashes(20_000, seed: 5)
        for (index, stranger) in strangers.enumerated() {
            if index.isMultiple(of: 50) { for key in kept { _ = table.place(of: key) } }
            _ = table.place(of: stranger)
        }
        #expect(strangers.count(where: { table.find($0) != nil }) <= 512)
        #expect(table.evictions > 19_000)
        #expect(kept.count(where: { table.find($0) != nil }) >= 30)
    }

    @Test("keys of one set cost each other their places, and no more") func oneSet() {
        var table = FingerprintTable<NoPayload>(entriesMax: 512)
        for number in UInt64(1)...10_000 { _ = table.place(of: number << 32 | 7 << 16) }
        #expect((UInt64(1)...10_000).count(where: { table.find($0 << 32 | 7 << 16) != nil }) == 8)
    }

    @Test("a snapshot is the table; damaged ones are refused") func snapshots() throws {
        var table = FingerprintTable<LoneCall>(entriesMax: 256)
        for key in hashes(1_000) { _ = table.place(of: key) }
        var writer = SnapshotWriter()
        table.save(to: &writer)
        let bytes = writer.finish()
        var reader = try SnapshotReader(bytes), other = FingerprintTable<LoneCall>(entriesMax: 256)
        try other.restore(from: &reader)
        try reader.finish()
        var again = SnapshotWriter()
        other.save(to: &again)
        #expect(again.finish() == bytes && other.evictions == table.evictions)
        for key in hashes(500, seed: 9) { #expect(table.place(of: key) == other.place(of: key)) }
        var small = FingerprintTable<LoneCall>(entriesMax: 8), second = try SnapshotReader(bytes)
        #expect(throws: SnapshotError.damaged) { try small.restore(from: &second) }
    }

    @Test("cells that no record can have made are refused") func unsound() throws {
        var table = FingerprintTable<FloodCell>(entriesMax: 64)
        let place = table.place(of: 0x1234_5678_9ABC_0000).place
        table[place].packets = .nan
        var writer = SnapshotWriter()
        table.save(to: &writer)
        var reader = try SnapshotReader(writer.finish())
        #expect(throws: SnapshotError.damaged) { try table.restore(from: &reader) }
    }

    @Test("hashes of hosts differ by tenant and by every word of the key") func keys() throws {
        let one = KeyHash(try Traffic.tenant("acme")), other = KeyHash(try Traffic.tenant("globex"))
        let host = one.host(Traffic.host), peer = one.host(Traffic.client)
        #expect(host != other.host(Traffic.host) && host != peer)
        let all = [
            one.of(host, peer, detail: 0, epoch: 0), one.of(peer, host, detail: 0, epoch: 0),
            one.of(host, peer, detail: 1, epoch: 0), one.of(host, peer, detail: 0, epoch: 1),
            one.of(host, detail: 0, epoch: 0), one.of(host, detail: 1, epoch: 0), one.of(host, detail: 0, epoch: 1),
        ]
        #expect(Set(all).count == all.count)
    }

    @Test("the literals are FlowModel's numbers") func literals() {
        #expect(
            [Bit.fin, Bit.syn, Bit.rst, Bit.psh, Bit.ack] == [
                TCPFlag.fin, TCPFlag.syn, TCPFlag.rst, TCPFlag.psh, TCPFlag.ack,
            ])
        #expect(
            [Bit.icmp, Bit.tcp, Bit.udp, Bit.icmpv6] == [
                IPProtocol.icmp, IPProtocol.tcp, IPProtocol.udp, IPProtocol.icmpv6,
            ])
        let flags: [RecordFlags] = [.timesEstimated, .portsSummed, .denied, .observedElsewhere]
        #expect(flags.map(\.rawValue) == [Bit.timesEstimated, Bit.portsSummed, Bit.denied, Bit.observedElsewhere])
    }

    @Test("own networks are those that were set, in either family; without any, private addresses are") func networks()
        throws
    {
        let texts = ["192.0.2.0/24", "2001:db8:7::/48", "10.9.0.0/16"]
        let networks = texts.compactMap { IPNetwork($0) }
        #expect(networks.count == 3)
        let own = OwnNetworks(networks), none = OwnNetworks([])
        var parameters = DetectorParameters()
        parameters.ownNetworks = networks
        for text in ["192.0.2.9", "192.0.3.9", "2001:db8:7::1", "2001:db8:8::1", "10.9.1.1", "10.8.1.1", "::1"] {
            let address = try #require(IPAddress(text))
            #expect(own.isInside(address) == parameters.isInside(address), "\(text)")
            #expect(none.isInside(address) == DetectorParameters().isInside(address), "\(text)")
        }
    }
}
