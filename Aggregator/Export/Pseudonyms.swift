package import FlowModel
package import InformationElements

/// Prefix-preserving pseudonyms of addresses: Crypto-PAn (Xu, Fan, Ammar, Moon, "Prefix-Preserving IP Address
/// Anonymization", ICNP 2002), for IPv4 and, in the same way over 128 bits, for IPv6.
///
/// Two addresses that share their first n bits have pseudonyms that share exactly their first n bits. The same key
/// gives the same pseudonyms, and whoever has it can undo them: it is a secret. Pseudonyms are no anonymity: who knows
/// some addresses of a network, or sends telling traffic into it, learns others.
/// Not to be shared between threads.
package final class Pseudonyms {
    private let cipher: BlockCipher
    private let pad: [UInt8]
    private var known: [IPAddress: IPAddress] = [:]
    private static let knownMax = 1 << 16

    package static let keyOctets = 32

    /// - Parameter key: 32 octets; the first half is the cipher's key, the second makes the padding. Nil for others.
    package init?(key: [UInt8]) {
        guard key.count == Self.keyOctets, let cipher = BlockCipher(key: Array(key[..<16])) else { return nil }
        self.cipher = cipher
        pad = cipher.encrypt(Array(key[16...]))
    }

    /// The key of one tenant, so that tenants' pseudonyms can't be compared.
    /// - Parameter secret: the aggregator's own, of any length.
    package static func key(secret: [UInt8], tenant: String) -> [UInt8] {
        messageCode(Array("weir pseudonyms 1 \(tenant)".utf8), key: secret)
    }

    /// An address's pseudonym, of the same family. The absent address stays absent.
    package func pseudonym(of address: IPAddress) -> IPAddress {
        guard !address.isAbsent else { return address }
        if let found = known[address] { return found }
        let pseudonym = compute(address)
        if known.count >= Self.knownMax { known.removeAll(keepingCapacity: true) }
        known[address] = pseudonym
        return pseudonym
    }

    /// Bit n of the pseudonym is bit n of the address, turned over or not by a function of the n bits before it: the
    /// first bit of AES over those n bits and the padding's rest. All blocks are known at the start, so all are
    /// encrypted at once.
    private func compute(_ address: IPAddress) -> IPAddress {
        var octets: [UInt8] = []
        octets.append(address)
        let bits = octets.count * 8
        var blocks: [UInt8] = []
        blocks.reserveCapacity(bits * BlockCipher.blockOctets)
        for bit in 0..<bits { appendBlock(octets, bit, to: &blocks) }
        let encrypted = cipher.encrypt(blocks)
        for bit in 0..<bits {
            octets[bit / 8] ^= (encrypted[bit * BlockCipher.blockOctets] >> 7) << (7 - UInt8(bit % 8))
        }
        let pseudonym = IPAddress(octets: octets) ?? .absent
        // One IPv6 pseudonym in 2^96 looks like an IPv4 address, and one like no address; they are let through.
        return pseudonym
    }

    /// The first `bits` bits of `octets`, and the padding's rest.
    private func appendBlock(_ octets: [UInt8], _ bits: Int, to blocks: inout [UInt8]) {
        let whole = bits / 8, mask = UInt8(truncatingIfNeeded: 0xFF00 >> (bits % 8))
        blocks.append(contentsOf: octets[..<whole])
        blocks.append(octets[whole] & mask | pad[whole] & ~mask)
        blocks.append(contentsOf: pad[(whole + 1)...])
    }

    // MARK: Networks, and the way back

    package func pseudonym(of network: IPNetwork) -> IPNetwork {
        IPNetwork(compute(network.address), length: network.length)
    }
    /// The network whose pseudonym this is.
    package func original(of network: IPNetwork) -> IPNetwork {
        IPNetwork(undo(network.address), length: network.length)
    }

    /// Bit by bit, as each depends on the address's own bits before it.
    private func undo(_ pseudonym: IPAddress) -> IPAddress {
        var octets: [UInt8] = []
        octets.append(pseudonym)
        for bit in 0..<octets.count * 8 {
            var block: [UInt8] = []
            appendBlock(octets, bit, to: &block)
            octets[bit / 8] ^= (cipher.encrypt(block)[0] >> 7) << (7 - UInt8(bit % 8))
        }
        return IPAddress(octets: octets) ?? .absent
    }
}

extension FlowColumns {
    /// The same rows with pseudonyms for all addresses, the exporters' too. Of the elements without a column addresses
    /// become pseudonyms and numbers and times stay; MAC addresses, texts, octets and lists, which may name people or
    /// hold addresses, are dropped.
    package func pseudonymized(with pseudonyms: Pseudonyms, registry: ElementRegistry = .standard) -> FlowColumns {
        var result = FlowColumns(capacity: count)
        let translated = exporters.map { key in
            var key = key
            key.address = pseudonyms.pseudonym(of: key.address)
            return result.intern(key) ?? 0
        }
        for row in rows {
            var record = self[row]
            record.sourceIPAddress = pseudonyms.pseudonym(of: record.sourceIPAddress)
            record.destinationIPAddress = pseudonyms.pseudonym(of: record.destinationIPAddress)
            record.ipNextHopAddress = pseudonyms.pseudonym(of: record.ipNextHopAddress)
            record.exporter = translated[Int(record.exporter)]
            let harmless = extras.values(at: record.extra).compactMap { Self.harmless($0, pseudonyms, registry) }
            record.extra = result.extras.add(harmless)
            record.observers = result.observerSets.copy(record.observers, from: observerSets, translated)
            record.sketch = result.sketches.copy(record.sketch, from: sketches)
            result.append(record)
        }
        return result
    }

    private static func harmless(
        _ value: ExtraValue, _ pseudonyms: Pseudonyms, _ registry: ElementRegistry
    ) -> ExtraValue? {
        switch registry.information(value.element).dataType {
        case .ipv4Address, .ipv6Address:
            guard let address = IPAddress(octets: value.octets) else { return nil }
            var octets: [UInt8] = []
            // An IPv4 address in 16 octets comes back in 4, which readers of the element take as well.
            octets.append(pseudonyms.pseudonym(of: address))
            return ExtraValue(value.element, octets)
        case .unsigned8, .unsigned16, .unsigned32, .unsigned64, .signed8, .signed16, .signed32, .signed64, .float32,
            .float64, .boolean, .dateTimeSeconds, .dateTimeMilliseconds, .dateTimeMicroseconds, .dateTimeNanoseconds:
            // A number of more octets than any number has could hold anything.
            return value.octets.count <= 8 ? value : nil
        case .octetArray, .macAddress, .string, .unsigned256, .basicList, .subTemplateList, .subTemplateMultiList:
            return nil
        }
    }
}
