/// 64 bits that stand for a conversation's 5-tuple: made once per row where the key is hashed anyway, used again by
/// whatever asks "the same conversation?".
///
/// Three multiply-and-fold steps as in wyhash. Every operand is mixed with a secret of its own, so without the seed
/// neither collisions nor zero products can be made from outside. Source and destination are not exchangeable: the
/// way back is another conversation.
package enum ConversationHash {
    /// - Parameters:
    ///   - ports: source port << 16 | destination port; for ICMP type << 8 | code in the destination's place.
    ///   - seed: secret; the same for all rows that are compared.
    @inlinable @inline(__always)
    package static func of(
        sourceHigh: UInt64, sourceLow: UInt64, destinationHigh: UInt64, destinationLow: UInt64, ports: UInt32,
        protocolIdentifier: UInt8, seed: UInt64
    ) -> UInt64 {
        let a = fold(sourceLow ^ secret(seed, 1), destinationLow ^ secret(seed, 2))
        let b = fold(sourceHigh ^ secret(seed, 3), destinationHigh ^ secret(seed, 4))
        let transport = UInt64(ports) << 8 | UInt64(protocolIdentifier)
        return fold(a ^ transport ^ secret(seed, 5), b ^ secret(seed, 6))
    }

    /// The hash of one row of columns.
    @inlinable @inline(__always)
    package static func of(_ columns: FlowColumns, _ row: Int, seed: UInt64) -> UInt64 {
        of(
            sourceHigh: columns.sourceHigh[row], sourceLow: columns.sourceLow[row],
            destinationHigh: columns.destinationHigh[row], destinationLow: columns.destinationLow[row],
            ports: UInt32(columns.sourceTransportPort[row]) << 16 | UInt32(columns.destinationTransportPort[row]),
            protocolIdentifier: columns.protocolIdentifier[row], seed: seed)
    }

    /// Multiplies two words to 128 bits and folds the halves: each bit of both reaches each bit of the result.
    @inlinable @inline(__always)
    package static func fold(_ a: UInt64, _ b: UInt64) -> UInt64 {
        let product = a.multipliedFullWidth(by: b)
        return product.high ^ product.low
    }
    /// The `number`th word of SplitMix64 from `seed`: the same for all rows, so it is computed before a loop.
    @inlinable @inline(__always)
    static func secret(_ seed: UInt64, _ number: UInt64) -> UInt64 {
        var bits = seed &+ number &* 0x9E37_79B9_7F4A_7C15
        bits = (bits ^ bits >> 30) &* 0xBF58_476D_1CE4_E5B9
        bits = (bits ^ bits >> 27) &* 0x94D0_49BB_1331_11EB
        return bits ^ bits >> 31
    }
}

extension FlowColumns {
    /// Writes the hash of each of `rows` to its row's place in `hashes`, which has room for them.
    package func hashConversations(_ rows: Range<Int>, seed: UInt64, into hashes: inout [UInt64]) {
        let sourceHigh = self.sourceHigh.span.extracting(rows), sourceLow = self.sourceLow.span.extracting(rows)
        let destinationHigh = self.destinationHigh.span.extracting(rows)
        let destinationLow = self.destinationLow.span.extracting(rows)
        let sourcePort = sourceTransportPort.span.extracting(rows)
        let destinationPort = destinationTransportPort.span.extracting(rows)
        let number = protocolIdentifier.span.extracting(rows), first = rows.lowerBound
        var hashes = hashes.mutableSpan
        for row in 0..<number.count {
            hashes[first &+ row] = ConversationHash.of(
                sourceHigh: sourceHigh[row], sourceLow: sourceLow[row], destinationHigh: destinationHigh[row],
                destinationLow: destinationLow[row],
                ports: UInt32(sourcePort[row]) << 16 | UInt32(destinationPort[row]), protocolIdentifier: number[row],
                seed: seed)
        }
    }
}
