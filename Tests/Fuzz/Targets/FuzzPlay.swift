import FlowModel
import WireBytes

/// The deeds that an input describes, one after another.
struct FuzzPlay {
    enum Deed {
        case send([UInt8], DatagramOrigin)
        case expire(Int64), endSession(UInt32), restart(Int64), close
    }
    private var tape: Tape
    private var origin = FuzzOrigin()
    private var domain: UInt32 = 1, uptime: UInt32 = 1_000_000, sequence: UInt32 = 0, isIPFIX = true
    private var sets: [UInt8] = []
    private var last: [UInt8] = []
    /// Octets of the next datagram to be changed: where, and to what.
    private var damage: [(at: Int, to: UInt8)] = [], cut: Int?
    /// The datagram handed out is the one before once more.
    private(set) var isRepeat = false

    init(_ input: [UInt8]) { tape = Tape(input) }

    /// The next deed; nil at the input's end.
    mutating func next() -> Deed? {
        isRepeat = false
        while !tape.isOver {  // ends: each turn takes octets
            let choice = tape.u8()
            switch choice & 31 {
            case 0...3: template()
            case 4...9: data()
            case 10: optionsTemplate()
            case 11: withdraw()
            case 12: rawSet()
            case 13...16: return send(message())
            case 17: origin.milliseconds += Int64(tape.u8()) * 100
            case 18: origin.milliseconds += Int64(tape.u8()) * 60_000
            case 19: origin.milliseconds -= Int64(tape.u8()) * 500
            case 20: origin.port = 5_000 + UInt16(tape.u8() & 7)
            case 21: origin.address = 0x0A00_0000 + UInt32(tape.u8() & 15)
            case 22: domain = UInt32(tape.u8() & 3)
            case 23: (uptime, sequence) = (UInt32(tape.u8()) << (tape.u8() & 31), UInt32(tape.u8()))
            case 24: isIPFIX.toggle()
            case 25: damage.append((Int(tape.u16()), tape.u8()))
            case 26: cut = Int(tape.u16())
            case 27:
                isRepeat = true
                return .send(last, origin.value)
            case 28: origin.session = UInt32(tape.u8() & 3)
            case 29: return other()
            case 30: return send(fixed())
            default: return send(sflow())
            }
        }
        guard !sets.isEmpty else { return nil }
        return send(message())
    }

    private mutating func other() -> Deed {
        let choice = tape.u8()
        switch choice & 3 {
        case 0: return .expire(origin.milliseconds)
        case 1: return .endSession(UInt32(choice >> 2 & 3))
        case 2: return .restart(origin.milliseconds)
        default: return .close
        }
    }

    private mutating func send(_ datagram: [UInt8]) -> Deed {
        var datagram = datagram
        for change in damage where change.at < datagram.count { datagram[change.at] = change.to }
        if let cut { datagram = Array(datagram.prefix(cut)) }
        (damage, cut, last) = ([], nil, datagram)
        uptime &+= 1_000
        return .send(datagram, origin.value)
    }

    private mutating func message() -> [UInt8] {
        defer {
            sets = []
            sequence &+= 1
        }
        var bytes: [UInt8] = []
        let seconds = UInt32(truncatingIfNeeded: origin.milliseconds / 1_000)
        bytes.appendBE(isIPFIX ? 10 as UInt16 : 9)
        bytes.appendBE(isIPFIX ? UInt16(truncatingIfNeeded: sets.count + 16) : 1)
        if !isIPFIX { bytes.appendBE(uptime) }
        bytes.appendBE(seconds)
        bytes.appendBE(sequence)
        bytes.appendBE(domain)
        return bytes + sets
    }
    private mutating func appendSet(_ number: UInt16, _ body: [UInt8]) {
        guard sets.count + body.count < 60_000 else { return }
        sets.appendBE(number)
        sets.appendBE(UInt16(truncatingIfNeeded: body.count + 4))
        sets += body
    }
    private mutating func rawSet() {
        let number = tape.u16(), length = Int(tape.u8())
        appendSet(number, tape.take(length))
    }

    // MARK: Templates and data

    /// Six numbers: exporters use few, and a redefinition needs the same one again.
    private mutating func number() -> UInt16 { 256 + UInt16(tape.u8() % 6) }

    private mutating func template() {
        var body: [UInt8] = []
        body.appendBE(number())
        let count = Int(tape.u8() & 15)
        body.appendBE(UInt16(count))
        for _ in 0..<count { appendField(to: &body) }
        appendSet(isIPFIX ? 2 : 0, body)
    }
    private mutating func optionsTemplate() {
        var body: [UInt8] = []
        body.appendBE(number())
        let choice = tape.u8(), scopes = Int(choice & 3), options = Int(choice >> 2 & 7)
        body.appendBE(UInt16(isIPFIX ? scopes + options : 4 * scopes))
        body.appendBE(UInt16(isIPFIX ? scopes : 4 * options))
        for _ in 0..<(scopes + options) { appendField(to: &body) }
        appendSet(isIPFIX ? 3 : 1, body)
    }
    private mutating func appendField(to body: inout [UInt8]) {
        let choice = Int(tape.u8()), how = tape.u8()
        let (id, enterprise, length) = Self.fields[choice % Self.fields.count]
        body.appendBE(enterprise == 0 ? id : id | 0x8000)
        switch how & 15 {
        case 0: body.appendBE(UInt16(how >> 4))
        case 1: body.appendBE(65_535 as UInt16)
        case 2: body.appendBE(UInt16(how >> 4) << 8)
        default: body.appendBE(length)
        }
        if enterprise != 0, isIPFIX { body.appendBE(enterprise) }
    }
    private mutating func withdraw() {
        let choice = tape.u8()
        var body: [UInt8] = []
        body.appendBE(choice & 8 == 0 ? 256 + UInt16(choice % 6) : UInt16(choice & 3))
        body.appendBE(0 as UInt16)
        appendSet(choice & 4 == 0 ? 2 : 3, body)
    }
    private mutating func data() {
        let id = number(), length = Int(tape.u8()), times = Int(tape.u8() & 7)
        let octets = tape.take(min(length, 200))
        appendSet(id, (0...times).flatMap { _ in octets })
    }

    /// What fills columns, options, firewall events, biflows and extras: number, enterprise, usual length.
    private static let fields: [(UInt16, UInt32, UInt16)] = [
        (8, 0, 4), (12, 0, 4), (7, 0, 2), (11, 0, 2), (4, 0, 1), (1, 0, 4), (2, 0, 8), (27, 0, 16), (28, 0, 16),
        (21, 0, 4), (22, 0, 4), (152, 0, 8), (153, 0, 8), (150, 0, 4), (151, 0, 4), (154, 0, 8), (155, 0, 8),
        (156, 0, 8), (157, 0, 8), (158, 0, 4), (159, 0, 4), (160, 0, 8), (60, 0, 1), (61, 0, 1), (10, 0, 4),
        (14, 0, 4), (34, 0, 4), (35, 0, 1), (48, 0, 1), (49, 0, 1), (50, 0, 4), (302, 0, 8), (305, 0, 4),
        (306, 0, 4), (309, 0, 4), (310, 0, 4), (233, 0, 1), (230, 0, 1), (231, 0, 8), (232, 0, 8), (298, 0, 8),
        (299, 0, 8), (85, 0, 8), (86, 0, 8), (23, 0, 4), (24, 0, 4), (148, 0, 8), (323, 0, 8), (210, 0, 3),
        (82, 0, 65_535), (95, 0, 4), (371, 0, 65_535), (32, 0, 2), (139, 0, 2), (176, 0, 1), (177, 0, 1),
        (1, 29_305, 8), (2, 29_305, 8), (8, 29_305, 4), (7, 29_305, 2), (85, 29_305, 8), (880, 6_876, 1),
        (1, 9, 65_535), (33_002, 0, 2), (40_005, 0, 1), (225, 0, 4), (226, 0, 4), (227, 0, 2), (239, 0, 1),
        (130, 0, 4), (144, 0, 4), (141, 0, 4), (145, 0, 2), (346, 0, 4), (304, 0, 2),
    ]

    // MARK: The other protocols

    private mutating func fixed() -> [UInt8] {
        let version = [UInt16(1), 5, 7][Int(tape.u8()) % 3], count = Int(tape.u8() & 31)
        var bytes: [UInt8] = []
        bytes.appendBE(version)
        bytes.appendBE(UInt16(count))
        bytes.appendBE(uptime)
        bytes.appendBE(UInt32(truncatingIfNeeded: origin.milliseconds / 1_000))
        bytes.appendBE(UInt32(0))
        if version != 1 {
            bytes.appendBE(sequence)
            bytes.appendBE(UInt32(domain) << 16 | UInt32(tape.u16()))
        }
        sequence &+= UInt32(count)
        let record = tape.take(52)
        for _ in 0..<count { bytes += record }
        return bytes
    }

    private mutating func sflow() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.appendBE(5 as UInt32)
        bytes.appendBE(1 as UInt32)
        bytes.appendBE(UInt32(0x0A01_0000) | UInt32(tape.u8() & 3))
        bytes.appendBE(domain)
        bytes.appendBE(sequence)
        bytes.appendBE(uptime)
        let samples = Int(tape.u8() & 3)
        bytes.appendBE(UInt32(samples))
        sequence &+= 1
        for _ in 0..<samples { appendSample(to: &bytes) }
        return bytes
    }
    private mutating func appendSample(to bytes: inout [UInt8]) {
        let format = UInt32(1 + tape.u8() % 5), number = tape.u8(), records = Int(tape.u8() & 3)
        var body: [UInt8] = []
        body.appendBE(UInt32(number))
        body.appendBE(UInt32(tape.u8() & 3))
        if format == 3 || format == 4 { body.appendBE(UInt32(tape.u8() & 3)) }
        if format == 1 || format == 3 {
            body.appendBE(UInt32(tape.u16()))
            body.appendBE(UInt32(number) &* UInt32(tape.u16()))
            body.appendBE(UInt32(tape.u8()))
            for _ in 0..<(format == 3 ? 4 : 2) { body.appendBE(UInt32(tape.u8() & 3) << 30 | UInt32(tape.u8())) }
        }
        body.appendBE(UInt32(records))
        for _ in 0..<records {
            let kind = tape.u8(), content = tape.take(Int(tape.u8()) & 0x7C)
            body.appendBE(kind & 0x80 == 0 ? UInt32(kind & 7) : 1_000 + UInt32(kind & 63))
            body.appendBE(UInt32(content.count))
            body += content
        }
        bytes.appendBE(format)
        bytes.appendBE(UInt32(body.count))
        bytes += body
    }
}
