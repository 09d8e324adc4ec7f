import BatchFormat
import Capture
import Decode
import FlowModel
import Intake
import PacketHeader
import WireBytes

enum PacketTarget {
    /// The first octet chooses the link; the rest is the packet, also cut off where the last octet says.
    static func run(_ input: [UInt8]) throws(Violation) {
        guard let first = input.first, let last = input.last else { return }
        let links = PacketLink.allCases, link = links[Int(first) % links.count], packet = Array(input.dropFirst())
        try check(packet, link)
        try check(Array(packet.prefix(Int(last))), link)
    }
    private static func check(_ packet: [UInt8], _ link: PacketLink) throws(Violation) {
        let summary = packet.withBytes { PacketSummary($0, link: link) }
        var reader = PacketReader()
        packet.withBytes { reader.read($0, link: .ethernet) }
        packet.withBytes { reader.read($0, link: link) }
        try hold(reader.summary == summary, "a reader that was used before reads another packet")
        try hold(Int(summary.labelCount) <= PacketSummary.labelsMax, "\(summary.labelCount) labels")
        let labelsEnd = Int(summary.labelsAt) + 4 * Int(summary.labelCount)
        try hold(summary.labelCount == 0 || labelsEnd <= packet.count, "labels end at \(labelsEnd)")
        try hold([0, 4, 6].contains(summary.outer.version), "IP version \(summary.outer.version)")
        try hold([0, 4, 6].contains(summary.inner.version), "inner IP version \(summary.inner.version)")
        try hold(!summary.hasInner || summary.tunnelDepth > 0, "an inner header without a tunnel")
        try hold(Int(summary.tunnelDepth) <= PacketSummary.layersMax, "\(summary.tunnelDepth) tunnels")
        for keys in [summary.outer, summary.inner] where keys.fragment == .later {
            try hold(keys.sourcePort == 0 && keys.destinationPort == 0, "a later fragment with ports")
        }
        for index in 0..<Int(summary.labelCount) + 1 {
            _ = packet.withBytes { summary.labelStackSection(index, of: $0) }
        }
    }
}

enum CaptureTarget {
    static func run(_ input: [UInt8]) throws(Violation) {
        guard var reader = try? CaptureReader(bytes: input) else { return }
        var datagrams = 0, isDamaged = false
        while datagrams <= input.count {  // ends: a frame has octets of its own
            do throws(CaptureError) {
                guard let found = try reader.nextReference() else { break }
                let payload = found.payload
                datagrams += 1
                guard payload.lowerBound >= 0, payload.upperBound <= input.count else {
                    throw .damaged(reason: "the payload \(payload) lies outside", offset: -1)
                }
            } catch {
                if case .damaged(let reason, -1) = error { throw Violation(description: reason) }
                isDamaged = true
                break
            }
        }
        try hold(datagrams <= input.count / 16, "\(datagrams) datagrams of \(input.count) octets")
        let skipped = reader.skipped.values.reduce(0, +)
        let rest = isDamaged || reader.skipped[.truncated] != nil ? 1 : 0
        try hold(
            abs(reader.frames - datagrams - skipped) <= rest,
            "\(reader.frames) frames, \(datagrams) datagrams, \(reader.skipped)")
        try hold((try? reader.nextReference()) == nil, "a capture goes on after its end")
    }
}

enum FramerTarget {
    /// | length :1 | octets | … are the pieces in which a stream comes.
    static func run(_ input: [UInt8]) throws(Violation) {
        var tape = Tape(input), whole: [UInt8] = [], cut = MessageFramer(), cutMessages: [[UInt8]] = []
        var fault: MessageFramer.Fault?
        while !tape.isOver, fault == nil {
            let piece = tape.take(Int(tape.u8()) + 1)
            whole += piece
            do throws(MessageFramer.Fault) {
                try piece.withBytes { span throws(MessageFramer.Fault) in
                    try cut.feed(span) { cutMessages.append($0.copied()) }
                }
            } catch {
                fault = error
            }
        }
        var once = MessageFramer(), messages: [[UInt8]] = [], onceFault: MessageFramer.Fault?
        do throws(MessageFramer.Fault) {
            try whole.withBytes { span throws(MessageFramer.Fault) in
                try once.feed(span) { messages.append($0.copied()) }
            }
        } catch {
            onceFault = error
        }
        try hold(messages == cutMessages, "\(messages.count) messages whole, \(cutMessages.count) in pieces")
        try hold(fault == onceFault, "\(String(describing: fault)) in pieces, \(String(describing: onceFault)) whole")
        let rest = cut.takePart()
        try hold(rest.count < MessageFramer.messageBytesMax, "\(rest.count) octets kept")
        for message in messages {
            try hold(message.count >= 16 && message[0] == 0 && message[1] == 10, "no message: \(message.prefix(4))")
            try hold(Int(message[2]) << 8 | Int(message[3]) == message.count, "a message of another length")
        }
        guard fault == nil else { return }
        try hold(messages.flatMap { $0 } + rest == whole, "octets are lost between messages")
    }
}

enum SnapshotTarget {
    /// Saved templates are a snapshot without its checksum, which is set here.
    static func run(_ input: [UInt8]) throws(Violation) {
        try check(input)
        var summed = input
        if summed.count >= 14 { summed.replaceSubrange(0..<10, with: Array("WEIRTMPL".utf8) + [1, 0]) }
        summed.appendLE(summed.withBytes { CRC32C.checksum($0) })
        try check(summed)
    }
    private static func check(_ bytes: [UInt8]) throws(Violation) {
        let now: Int64 = 1_700_000_000_000
        var decoder = DatagramDecoder()
        guard let report = try? decoder.restore(bytes, now: now) else {
            return try hold(decoder.templateCount == 0, "a bad snapshot left \(decoder.templateCount) templates")
        }
        try hold(report.restored == decoder.templateCount, "\(report), \(decoder.templateCount) templates")
        let saved = decoder.snapshot()
        var again = DatagramDecoder()
        let second: SnapshotReport
        do throws(SnapshotFault) {
            second = try again.restore(saved, now: now)
        } catch {
            throw Violation(description: "its own snapshot is refused: \(error)")
        }
        try hold(second == SnapshotReport(restored: report.restored), "\(report), then \(second)")
        try hold(again.snapshot() == saved, "a snapshot of a snapshot is another")
    }
}
