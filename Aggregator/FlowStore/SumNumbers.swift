internal import FlowModel
internal import SegmentFormat

/// Keys, numbered by first use. What is not found in `probesMax` places counts as new, so that nobody who makes hashes
/// collide can make this slow: a key may have several numbers.
struct SumNumbers {
    /// By number.
    private(set) var keys: [UInt64] = []
    /// key, number + 1
    private var slots = [SIMD2<UInt64>](repeating: .zero, count: 1 << 10)
    var count: Int { keys.count }
    private static let probesMax = 24

    mutating func removeAll() {
        keys.removeAll(keepingCapacity: true)
        for slot in slots.indices { slots[slot] = .zero }
    }
    @inline(__always)
    mutating func number(of key: UInt64) -> UInt32 {
        let held = slots[Self.place(key, slots.count)]
        if held.x == key, held.y != 0 { return UInt32(truncatingIfNeeded: held.y &- 1) }
        return find(key)
    }
    @inline(never)
    private mutating func find(_ key: UInt64) -> UInt32 {
        if 2 * count >= slots.count { makeRoom() }
        var place = Self.place(key, slots.count), probes = 0
        while slots[place].y != 0, probes < Self.probesMax {  // ends: probes grow
            if slots[place].x == key { return UInt32(truncatingIfNeeded: slots[place].y &- 1) }
            (place, probes) = ((place + 1) & (slots.count - 1), probes + 1)
        }
        keys.append(key)
        slots[place] = SIMD2(key, UInt64(count))
        return UInt32(truncatingIfNeeded: count - 1)
    }
    private mutating func makeRoom() {
        slots = [SIMD2<UInt64>](repeating: .zero, count: 2 * slots.count)
        for (number, key) in keys.enumerated() {
            var place = Self.place(key, slots.count), probes = 0
            while slots[place].y != 0, probes < Self.probesMax {  // ends: probes grow
                (place, probes) = ((place + 1) & (slots.count - 1), probes + 1)
            }
            slots[place] = SIMD2(key, UInt64(number + 1))
        }
    }
    @inline(__always)
    private static func place(_ key: UInt64, _ size: Int) -> Int {
        Int(
            truncatingIfNeeded: ConversationHash.fold(key ^ 0xA076_1D64_78BD_642F, 0xE703_7ED1_A0B4_28DB) &>> 16)
            & (size &- 1)
    }
}

/// Numbers of exporters' interfaces, by first use. Most exporters are few and number their interfaces from 1 on: of
/// these it takes one look and no hash.
struct InterfaceNumbers {
    private var numbers = SumNumbers()
    /// By exporter and interface: number + 1.
    private var near = [UInt32](repeating: 0, count: nearExporters << nearBits)
    private static let nearExporters = 32, nearBits = 11
    /// exporter << 32 | interface
    var keys: [UInt64] { numbers.keys }
    var count: Int { numbers.count }

    mutating func removeAll() {
        for key in numbers.keys {
            if let place = Self.place(UInt32(truncatingIfNeeded: key >> 32), UInt32(truncatingIfNeeded: key)) {
                near[place] = 0
            }
        }
        numbers.removeAll()
    }

    /// Of each row the numbers of both interfaces. All columns are as long.
    mutating func find(
        _ exporters: Span<UInt32>, _ ingress: Span<UInt32>, _ egress: Span<UInt32>, ins inArray: inout [UInt32],
        outs outArray: inout [UInt32]
    ) {
        var ins = inArray.mutableSpan, outs = outArray.mutableSpan, isAll = true
        let nearArray = self.near, near = nearArray.span, mask: UInt32 = 1 << UInt32(Self.nearBits) - 1
        for index in exporters.indices {
            let exporter = exporters[index], one = ingress[index], two = egress[index]
            let first = (exporter & UInt32(Self.nearExporters - 1)) &<< UInt32(Self.nearBits)
            let numberIn = near[Int(first | one & mask)], numberOut = near[Int(first | two & mask)]
            ins[index] = numberIn &- 1
            outs[index] = numberOut &- 1
            let isNear = exporter < UInt32(Self.nearExporters) && one | two <= mask
            isAll = isAll && isNear && numberIn != 0 && numberOut != 0
        }
        guard !isAll else { return }
        for index in exporters.indices {
            ins[index] = number(exporters[index], ingress[index])
            outs[index] = number(exporters[index], egress[index])
        }
    }
    private mutating func number(_ exporter: UInt32, _ interface: UInt32) -> UInt32 {
        let place = Self.place(exporter, interface)
        if let place, near[place] != 0 { return near[place] - 1 }
        let number = numbers.number(of: UInt64(exporter) << 32 | UInt64(interface))
        if let place { near[place] = number + 1 }
        return number
    }
    private static func place(_ exporter: UInt32, _ interface: UInt32) -> Int? {
        guard exporter < UInt32(nearExporters), interface < 1 << UInt32(nearBits) else { return nil }
        return Int(exporter << UInt32(nearBits) | interface)
    }
}
