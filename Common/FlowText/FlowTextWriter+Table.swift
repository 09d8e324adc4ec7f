package import FlowModel

/// Aligned columns for a terminal: when, how long, who with whom, how much. Widths fit most IPv4 records into 120
/// columns; a longer value pushes its own line to the right and is never cut.
extension FlowTextWriter {
    private enum Width {
        static let start = 23, duration = 8, name = 5, end = 21, flags = 6, packets = 7, octets = 10
    }

    package func tableHeader(into out: inout [UInt8]) {
        out.appendLeft("START (UTC)", Width.start)
        out.appendRight("SECONDS", Width.duration)
        out.append(Ascii.space)
        out.appendLeft("PROTO", Width.name)
        out.appendLeft("SOURCE", Width.end)
        out.appendLeft("DESTINATION", Width.end)
        out.appendLeft("FLAGS", Width.flags)
        out.appendRight("PACKETS", Width.packets)
        out.append(Ascii.space)
        out.appendRight("OCTETS", Width.octets)
        out.append(contentsOf: " EXPORTER\n".utf8)
    }

    /// One line. `row` must be below `columns.count`.
    package func table(_ columns: FlowColumns, row: Int, into out: inout [UInt8]) {
        let record = columns[row]
        out.appendLeft(UTCText.text(milliseconds: record.flowStartMilliseconds), Width.start)
        let (duration, overflow) = record.flowEndMilliseconds.subtractingReportingOverflow(record.flowStartMilliseconds)
        out.appendRight(overflow ? "?" : UTCText.seconds(milliseconds: duration), Width.duration)
        out.append(Ascii.space)
        out.appendLeft(Self.protocolName(record.protocolIdentifier), Width.name)
        out.appendLeft(Self.end(record.sourceIPAddress, record.sourcePortIfAny, record), Width.end)
        out.appendLeft(Self.destination(record), Width.end)
        out.appendLeft(Self.flags(record.tcpControlBits), Width.flags)
        out.appendRight(String(record.packetDeltaCount), Width.packets)
        out.append(Ascii.space)
        out.appendRight(String(record.octetDeltaCount), Width.octets)
        out.append(Ascii.space)
        out.appendAddress(columns.exporterKey(ofRow: row).address)
        out.append(Ascii.lineFeed)
    }

    private static func end(_ address: IPAddress, _ port: UInt16?, _ record: FlowRecord) -> String {
        guard !address.isAbsent else { return port.map { "-:\($0)" } ?? "-" }
        guard let port else { return address.description }
        return address.isV4 ? "\(address):\(port)" : "[\(address)]:\(port)"
    }
    /// ICMP has its type and code where others have a port.
    private static func destination(_ record: FlowRecord) -> String {
        let text = end(record.destinationIPAddress, record.destinationPortIfAny, record)
        guard IPProtocol.isICMP(record.protocolIdentifier) else { return text }
        return "\(text) \(record.destinationTransportPort >> 8)/\(record.destinationTransportPort & 0xFF)"
    }
    private static func protocolName(_ number: UInt8) -> String {
        switch number {
        case IPProtocol.icmp: "icmp"
        case IPProtocol.tcp: "tcp"
        case IPProtocol.udp: "udp"
        case IPProtocol.icmpv6: "icmp6"
        case 47: "gre"
        case 50: "esp"
        case 132: "sctp"
        default: String(number)
        }
    }
    /// The control bits as letters in the order of the TCP header, dots for those not set (RFC 9293 §3.1).
    private static func flags(_ bits: UInt16) -> String {
        guard bits != 0 else { return "" }
        let letters: [(UInt16, Character)] = [(32, "U"), (16, "A"), (8, "P"), (4, "R"), (2, "S"), (1, "F")]
        return String(letters.map { bits & $0.0 == 0 ? "." : $0.1 })
    }
}

/// Points in time and spans as people read them, without Foundation.
package enum UTCText {
    /// `2023-11-14 22:13:20.123`; the bare number for years that are no four digits.
    package static func text(milliseconds: Int64) -> String {
        guard (0..<253_402_300_800_000).contains(milliseconds) else { return String(milliseconds) }
        let (days, rest) = Int(milliseconds).quotientAndRemainder(dividingBy: 86_400_000)
        let (year, month, day) = date(daysSince1970: days)
        var out: [UInt8] = []
        for (value, digits, separator) in [
            (year, 4, "-"), (month, 2, "-"), (day, 2, " "), (rest / 3_600_000, 2, ":"), (rest / 60_000 % 60, 2, ":"),
            (rest / 1_000 % 60, 2, "."), (rest % 1_000, 3, ""),
        ] {
            out.appendDecimal(value, digits: digits)
            out.append(contentsOf: separator.utf8)
        }
        return String(decoding: out, as: UTF8.self)
    }

    /// `12.345`.
    package static func seconds(milliseconds: Int64) -> String {
        var out: [UInt8] = milliseconds < 0 ? [UInt8(ascii: "-")] : []
        let (seconds, rest) = milliseconds.magnitude.quotientAndRemainder(dividingBy: 1_000)
        out.appendDecimal(seconds)
        out.append(Ascii.dot)
        out.appendDecimal(Int(rest), digits: 3)
        return String(decoding: out, as: UTF8.self)
    }

    /// The Gregorian date of a day since 1970, by eras of 400 years that begin on 1 March (Hinnant, "chrono-compatible
    /// low-level date algorithms").
    private static func date(daysSince1970 days: Int) -> (year: Int, month: Int, day: Int) {
        let shifted = days + 719_468
        let (era, dayOfEra) = shifted.quotientAndRemainder(dividingBy: 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        return (year, month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
    }
}

extension Array where Element == UInt8 {
    /// At least one space follows.
    fileprivate mutating func appendLeft(_ text: String, _ width: Int) {
        append(contentsOf: text.utf8)
        append(contentsOf: repeatElement(Ascii.space, count: Swift.max(width - text.utf8.count, 0) + 1))
    }
    fileprivate mutating func appendRight(_ text: String, _ width: Int) {
        append(contentsOf: repeatElement(Ascii.space, count: Swift.max(width - text.utf8.count, 0)))
        append(contentsOf: text.utf8)
    }
}
