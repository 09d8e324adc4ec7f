import FlowModel
import Identity
import Platform
import Testing

@testable import Programs

/// A session driven by hand: what the program says, when, and what comes of it.
struct Dialogue {
    var session: ProgramSession
    var now = Duration.seconds(100)
    private(set) var hellos: [ProgramHello] = []
    private(set) var outcomes: [ProgramOutcome] = []
    private(set) var logs: [ProgramLog] = []
    private(set) var heard: [String] = []

    static let hello = #"{"type":"hello","protocol":1,"kind":"detector","name":"d","rules":[{"id":"r","title":"R"}]}"#

    init(_ kind: ProgramKind = .detector, state: String? = nil) throws {
        session = ProgramSession(try Self.program(kind), state: state, now: now)
        listen()
    }
    static func program(_ kind: ProgramKind, command: [String] = ["/bin/true"]) throws -> ProgramDescription {
        ProgramDescription(
            name: "d", kind: kind, tenant: try #require(TenantID("acme")), command: command)
    }
    static func greeted(_ kind: ProgramKind = .detector) throws -> Dialogue {
        var dialogue = try Dialogue(kind)
        let line = #"{"type":"hello","protocol":1,"kind":"\#(kind.rawValue)","name":"d"}"#
        dialogue.say(kind == .detector ? hello : line)
        return dialogue
    }

    mutating func say(_ lines: String...) {
        for line in lines { session.receive(Array((line + "\n").utf8)[...], now: now) }
        collect()
    }
    mutating func say(octets: [UInt8]) {
        session.receive(octets[...], now: now)
        collect()
    }
    mutating func offer(_ records: Int = 0, mark: Int64 = 1) {
        let octets = (0..<records).flatMap { Array("{\"octetDeltaCount\":\($0)}\n".utf8) }
        session.offer(ProgramBatch(mark: mark, records: records, octets: octets), now: now)
        listen()
        collect()
    }
    mutating func wait(_ span: Duration) {
        now += span
        session.tick(now: now)
        collect()
    }
    mutating func listen() {
        let octets = session.pendingOutput
        heard += String(decoding: octets, as: UTF8.self).split(separator: "\n").map(String.init)
        session.wrote(octets.count)
    }
    mutating func collect() {
        for event in session.takeEvents() {
            switch event {
            case .hello(let hello): hellos.append(hello)
            case .settled(let outcome): outcomes.append(outcome)
            case .log(let log): logs.append(log)
            }
        }
    }
    /// Answers of the outcome; nil when it was lost.
    func answers(_ index: Int) -> [ProgramAnswer]? {
        guard index < outcomes.count, case .answered(let answers, _) = outcomes[index].result else { return nil }
        return answers
    }
    func loss(_ index: Int) -> ProgramFault? {
        guard index < outcomes.count, case .lost(let fault) = outcomes[index].result else { return nil }
        return fault
    }
}

func finding(batch: Int = 1, rule: String = "r", key: String = "", more: String = "") -> String {
    #"{"type":"finding","batch":\#(batch),"rule":"\#(rule)","severity":"high","title":"many","entities":"#
        + #"[{"address":"192.0.2.1","role":"attacker"}],"windowStart":1000,"start":1000,"end":2000,"observed":9,"#
        + #""threshold":3,"unit":"hosts","key":"\#(key)"\#(more)}"#
}
