import FlowModel
import TestKit

@testable import ReverseNames

/// DNS messages, made by hand.
enum Wire {
    static func word(_ value: Int) -> [UInt8] { [UInt8(value >> 8 & 0xFF), UInt8(value & 0xFF)] }
    static func name(_ text: String) -> [UInt8] {
        text.split(separator: ".").flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) } + [0]
    }
    static func record(_ owner: [UInt8], _ kind: Int, seconds: UInt32 = 600, _ data: [UInt8]) -> [UInt8] {
        let life = word(Int(seconds >> 16)) + word(Int(seconds & 0xFFFF))
        return owner + word(kind) + word(1) + life + word(data.count) + data
    }
    /// The name in the question.
    static let asked: [UInt8] = [0xC0, 12]

    /// An answer to `question`.
    static func answer(
        _ question: [UInt8], flags: Int = 0x8180, answers: [[UInt8]] = [], authorities: [[UInt8]] = []
    ) -> [UInt8] {
        Array(question[0..<2]) + word(flags) + word(1) + word(answers.count) + word(authorities.count) + word(0)
            + question[12...] + answers.joined() + authorities.joined()
    }
}

/// Ends questions as it is told to, at once or when `answerAll` is called.
final class ScriptedTransport: NameTransport {
    typealias Script = @Sendable (_ question: [UInt8], _ server: NameServer) -> NameOutcome
    private struct State {
        var script: Script
        var isHeld = false
        var asked: [(question: [UInt8], server: NameServer)] = []
        var open: [@Sendable () -> Void] = []
    }
    private let state: Locked<State>

    init(_ script: @escaping Script) { state = Locked(State(script: script)) }
    /// Calls everything so.
    convenience init(_ name: String, seconds: UInt32 = 600) {
        self.init { _, _ in .answered(.named(name, seconds: seconds)) }
    }

    var asked: [(question: [UInt8], server: NameServer)] { state.with { $0.asked } }
    func hold() { state.with { $0.isHeld = true } }
    func answerAll() {
        let open = state.with { state in
            defer { state.open = [] }
            return state.open
        }
        for answer in open { answer() }
    }

    func exchange(
        _ question: [UInt8], with server: NameServer, timeout: Duration,
        read: @escaping @Sendable ([UInt8]) -> PointerReply?, done: @escaping @Sendable (NameOutcome) -> Void
    ) {
        let (script, isHeld) = state.with { state in
            state.asked.append((question, server))
            return (state.script, state.isHeld)
        }
        let finish: @Sendable () -> Void = { done(script(question, server)) }
        if isHeld { state.with { $0.open.append(finish) } } else { finish() }
    }
}
