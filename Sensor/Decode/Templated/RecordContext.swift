/// What the records of one set have in common, from the message header and from options.
struct RecordContext {
    /// Index of the exporter in the columns.
    var exporter: UInt32
    /// In ms since 1970 UTC, by the sensor's clock.
    var receiveMilliseconds: Int64
    /// In ms since 1970 UTC, by the exporter's clock.
    var exportMilliseconds: Int64 = 0
    /// The exporter's time since its start in ms, modulo 2^32, when the header has it (NetFlow v5 and v9).
    var uptime: UInt32?
    /// When the exporter started, in ms since 1970 UTC, from options; 0 unknown.
    var systemInitMilliseconds: Int64 = 0
    /// The template was learned from another source port.
    var isBorrowed = false

    init(exporter: UInt32, receiveMilliseconds: Int64) {
        self.exporter = exporter
        self.receiveMilliseconds = receiveMilliseconds
    }

    /// The moment `uptimeThen` (ms since the exporter's start) as ms since 1970 UTC, or 0 when the start is unknown.
    @inline(__always)
    func moment(atUptime uptimeThen: UInt32) -> Int64 {
        if let uptime { return Self.moment(atUptime: uptimeThen, export: exportMilliseconds, uptime: uptime) }
        return systemInitMilliseconds == 0 ? 0 : systemInitMilliseconds &+ Int64(uptimeThen)
    }

    /// The difference is taken modulo 2^32 and as a signed number: right across the wrap of the uptime after 49.7 days,
    /// and a flow that ends just after the header was written is just after it, not 49.7 days before.
    @inline(__always)
    static func moment(atUptime uptimeThen: UInt32, export: Int64, uptime: UInt32) -> Int64 {
        export &- Int64(Int32(bitPattern: uptime &- uptimeThen))
    }

    //= RFC 7011 §6.1.10
    /// NTP's 64-bit time in ms since 1970 UTC; 0, which stands for "unknown", stays 0.
    @inline(__always)
    static func milliseconds(ntp: UInt64) -> Int64 {
        if ntp == 0 { return 0 }
        let seconds = Int64(ntp >> 32), fraction = ntp & 0xFFFF_FFFF
        // Seconds count from 1900 and wrap in 2036: what lies before 1970 is of the next era.
        let era: Int64 = seconds < ntpTo1970Seconds ? 1 << 32 : 0
        return (seconds + era - ntpTo1970Seconds) * 1_000 + Int64((fraction * 1_000) >> 32)
    }
    private static let ntpTo1970Seconds: Int64 = 2_208_988_800
}
