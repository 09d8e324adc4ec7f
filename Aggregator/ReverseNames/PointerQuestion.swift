package import FlowModel

/// One question for an address's name, and how answers to it are read (RFC 1035 §4). Answers are untrusted octets:
/// anything may be in them, and reading them ends.
package struct PointerQuestion: Sendable {
    private let number: UInt16
    private let name: WireName

    private enum Kind {
        static let alias: UInt16 = 5, authority: UInt16 = 6, pointer: UInt16 = 12, internet: UInt16 = 1
    }

    /// - Parameter number: by chance, so that nobody can answer who hasn't seen the question (RFC 5452 §4.3).
    package init(_ address: IPAddress, number: UInt16) {
        self.number = number
        name = WireName(reverseOf: address)
    }

    /// The question as a datagram: one question, recursion desired.
    package var octets: [UInt8] {
        func word(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 0xFF)] }
        let header = [number, 0x0100, 1, 0, 0, 0].flatMap(word)
        return header + name.octets + word(Kind.pointer) + word(Kind.internet)
    }

    /// - Returns: nil for what is no answer to this question.
    package func read(_ datagram: [UInt8]) -> PointerReply? {
        var reader = MessageReader(datagram)
        guard let head = try? header(&reader) else { return nil }
        if head.flags & 0x0200 != 0 { return .truncated }
        let code = UInt8(head.flags & 0xF)
        // 3: there is no such name, which is an answer; aliases may lead to it.
        guard code == 0 || code == 3 else { return .failed(code: code) }
        do throws(MessageReader.Malformed) {
            guard head.answers + head.authorities <= Limit.recordsMax else { return .malformed }
            let answers = try records(head.answers, &reader), rest = try records(head.authorities, &reader)
            return reply(answers, rest)
        } catch {
            return .malformed
        }
    }

    private func header(
        _ reader: inout MessageReader
    ) throws(MessageReader.Malformed) -> (flags: UInt16, answers: Int, authorities: Int) {
        let number = try reader.u16(), flags = try reader.u16(), questions = try reader.u16()
        let answers = try reader.u16(), authorities = try reader.u16()
        _ = try reader.u16()
        // An answer (the first bit) to an ordinary question (the next four).
        guard number == self.number, flags & 0xF800 == 0x8000, questions == 1 else { throw MessageReader.Malformed() }
        let asked = try reader.name(), kind = try reader.u16(), family = try reader.u16()
        guard asked == name, kind == Kind.pointer, family == Kind.internet else { throw MessageReader.Malformed() }
        return (flags, Int(answers), Int(authorities))
    }

    private struct Record {
        let owner: WireName, kind: UInt16
        /// In s; of an authority, how long it holds that there is nothing.
        let seconds: UInt32
        /// Of aliases and pointers.
        let target: WireName?
    }

    /// Those of them that matter here.
    private func records(_ count: Int, _ reader: inout MessageReader) throws(MessageReader.Malformed) -> [Record] {
        var found: [Record] = []
        for _ in 0..<count {
            let owner = try reader.name(), kind = try reader.u16(), family = try reader.u16()
            // RFC 2181 §8: one with the first bit is 0.
            let life = try reader.u32(), seconds = life >> 31 == 1 ? 0 : life
            let end = Int(try reader.u16()) + reader.offset
            switch kind {
            case Kind.alias where family == Kind.internet, Kind.pointer where family == Kind.internet:
                let target = try reader.name()
                guard reader.offset == end else { throw MessageReader.Malformed() }
                found.append(Record(owner: owner, kind: kind, seconds: seconds, target: target))
            case Kind.authority where family == Kind.internet:
                _ = try reader.name()
                _ = try reader.name()
                for _ in 0..<4 { _ = try reader.u32() }
                let least = try reader.u32()  // RFC 2308 §5
                guard reader.offset == end else { throw MessageReader.Malformed() }
                found.append(Record(owner: owner, kind: kind, seconds: min(seconds, least), target: nil))
            default:
                try reader.skip(to: end)
            }
        }
        return found
    }

    /// Follows aliases (RFC 2317 has them in the way of networks smaller than /24) to the names.
    private func reply(_ answers: [Record], _ authorities: [Record]) -> PointerReply {
        var owner = name, seconds = UInt32.max
        for _ in 0...Limit.aliasesMax {
            let pointers = answers.filter { $0.kind == Kind.pointer && $0.owner == owner }
            if !pointers.isEmpty {
                seconds = pointers.map(\.seconds).reduce(seconds, min)
                // Servers turn the order: the least is the same each time.
                let texts = pointers.compactMap { $0.target.flatMap(HostName.text) }
                return texts.min().map { .named($0, seconds: seconds) } ?? .unusable(seconds: seconds)
            }
            guard let alias = answers.first(where: { $0.kind == Kind.alias && $0.owner == owner }),
                let target = alias.target
            else { break }
            (owner, seconds) = (target, min(seconds, alias.seconds))
        }
        return .nameless(seconds: authorities.first { $0.kind == Kind.authority }?.seconds)
    }
}
