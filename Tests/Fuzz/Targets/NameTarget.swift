import FlowModel
import ReverseNames

enum NameTarget {
    static let question = PointerQuestion(IPAddress(v4: 0xC633_6407), number: 0x5EED)

    /// | form :1 | octets |: an answer as it is, or, form odd, what stands behind a right header and question:
    /// | answers :1 | authorities :1 | records |. It is also read without its last octet.
    static func run(_ input: [UInt8]) throws(Violation) {
        var tape = Tape(input)
        let isFramed = tape.u8() & 1 == 1
        let head = isFramed ? Self.head(answers: tape.u8(), authorities: tape.u8()) : []
        let answer = head + tape.take(input.count)
        try check(answer)
        try check(Array(answer.dropLast()))
    }
    static func head(answers: UInt8, authorities: UInt8) -> [UInt8] {
        var head = question.octets
        (head[2], head[3], head[7], head[9]) = (0x81, 0x80, answers, authorities)
        return head
    }

    private static func check(_ answer: [UInt8]) throws(Violation) {
        let reply = question.read(answer)
        try hold(question.read(answer) == reply, "the same octets, another answer")
        guard let reply else { return }
        let octets = question.octets
        try hold(
            answer.count >= 12 && answer.prefix(2) == octets.prefix(2), "an answer to another question is taken")
        guard case .named(let name, let seconds) = reply else { return }
        try hold(seconds <= UInt32(Int32.max), "a name is kept for \(seconds) s")
        try hold((1...253).contains(name.utf8.count), "a name of \(name.utf8.count) octets")
        for label in name.split(separator: ".", omittingEmptySubsequences: false) {
            try hold((1...63).contains(label.utf8.count), "a label of \(label.utf8.count) octets")
            try hold(label.utf8.allSatisfy(isHost), "a host is called \(label)")
        }
    }
    private static func isHost(_ octet: UInt8) -> Bool {
        (0x61...0x7A).contains(octet) || (0x30...0x39).contains(octet) || octet == 0x2D || octet == 0x5F
    }
}
