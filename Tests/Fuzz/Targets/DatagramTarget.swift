import Decode
import FlowModel

/// Datagrams of one protocol: the input as one, then as a run
///
///     | control :1 | length :2 | datagram | …
///
/// where the control octet says from whom, when and how it comes. The version word is set, so that no input is spent on
/// finding it.
struct DatagramTarget {
    /// Which version words; 0 is sFlow, whose version is the word behind.
    let versions: [UInt16]

    func run(_ input: [UInt8]) throws(Violation) {
        var decoder = WatchedDecoder(), origin = FuzzOrigin()
        try decoder.decode(versioned(input), from: origin.value)
        try run(Tape(input), &decoder, &origin)
        try decoder.finish()
        guard input.digest & 7 == 0 else { return }
        var again = WatchedDecoder(), sameOrigin = FuzzOrigin()
        try again.decode(versioned(input), from: sameOrigin.value)
        try run(Tape(input), &again, &sameOrigin)
        try again.finish()
        try hold(again.tally == decoder.tally, "\(decoder.tally) the first time, then \(again.tally)")
    }

    private func run(
        _ input: Tape, _ decoder: inout WatchedDecoder, _ origin: inout FuzzOrigin
    ) throws(Violation) {
        var tape = input
        while !tape.isOver {  // ends: each turn takes octets
            let control = FuzzControl(rawValue: tape.u8()), length = Int(tape.u16())
            origin.turn(control)
            if control.contains(.endsSession) { decoder.decoder.endSession(1) }
            if control.contains(.minute) { decoder.expire(at: origin.milliseconds) }
            try decoder.decode(
                versioned(tape.take(length)), from: origin.value, isRepeat: control.contains(.isRepeat))
        }
    }

    private func versioned(_ bytes: [UInt8]) -> [UInt8] {
        guard bytes.count >= 4 else { return bytes }
        var bytes = bytes
        let version = versions[Int(bytes[0]) % versions.count]
        if version == 0 {
            let sflow: [UInt8] = [5, 5, 4, 2]
            bytes.replaceSubrange(0..<4, with: [0, 0, 0, sflow[Int(bytes[3]) & 3]])
        } else {
            bytes.replaceSubrange(0..<2, with: [UInt8(version >> 8), UInt8(version & 0xFF)])
        }
        return bytes
    }
}

/// How the next datagram comes.
struct FuzzControl: OptionSet {
    let rawValue: UInt8
    static let otherPort = FuzzControl(rawValue: 1), otherAddress = FuzzControl(rawValue: 2)
    static let session = FuzzControl(rawValue: 4), endsSession = FuzzControl(rawValue: 8)
    static let minute = FuzzControl(rawValue: 16), hour = FuzzControl(rawValue: 32)
    static let isRepeat = FuzzControl(rawValue: 64), backwards = FuzzControl(rawValue: 128)
}

/// Where datagrams come from, and when.
struct FuzzOrigin {
    var milliseconds: Int64 = 1_700_000_000_000
    var port: UInt16 = 5_000, address: UInt32 = 0xC000_0201, session: UInt32 = 0

    var value: DatagramOrigin {
        DatagramOrigin(
            source: IPAddress(v4: address), sourcePort: port, localPort: 2_055, receiveMilliseconds: milliseconds,
            session: session)
    }
    mutating func turn(_ control: FuzzControl) {
        port = control.contains(.otherPort) ? 5_001 : 5_000
        address = control.contains(.otherAddress) ? 0xC000_0202 : 0xC000_0201
        session = control.contains(.session) ? 1 : 0
        milliseconds += control.contains(.minute) ? 61_000 : 20
        if control.contains(.hour) { milliseconds += 3_601_000 }
        if control.contains(.backwards) { milliseconds -= 5_000 }
    }
}
