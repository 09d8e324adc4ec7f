/// `FlowModel`'s numbers as literals: for every record they are asked some dozen times, and a constant of another
/// module costs a call each. A test holds them together.
enum Bit {
    static var fin: UInt16 { 0x01 }
    static var syn: UInt16 { 0x02 }
    static var rst: UInt16 { 0x04 }
    static var psh: UInt16 { 0x08 }
    static var ack: UInt16 { 0x10 }

    static var icmp: UInt8 { 1 }
    static var tcp: UInt8 { 6 }
    static var udp: UInt8 { 17 }
    static var icmpv6: UInt8 { 58 }

    static var timesEstimated: UInt8 { 1 << 0 }
    static var portsSummed: UInt8 { 1 << 3 }
    static var denied: UInt8 { 1 << 4 }
    static var observedElsewhere: UInt8 { 1 << 7 }
}

/// The number of the window that a time lies in, for times that mostly lie in one: a division is the slowest thing
/// there is to do with a number. Holds nothing that a result depends on.
struct WindowClock: Sendable {
    private let width: Int64
    private var start: Int64 = 0, number: Int64 = 0

    init(width: Int64) { self.width = max(width, 1) }

    /// - Parameter time: in ms, 0 or later.
    @inline(__always)
    mutating func number(of time: Int64) -> Int64 {
        if UInt64(bitPattern: time &- start) < UInt64(width) { return number }
        number = epoch(of: time, width: width)
        start = number * width
        return number
    }
}
