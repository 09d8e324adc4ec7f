import API
import TestKit
import Testing

@Suite("the same question by many at once") struct SharedAnswersTests {
    private struct Wrong: Error {}

    @Test("is worked on once, each gets the answer, and the next begins anew; another key waits for nobody")
    func once() async throws {
        let shared = SharedAnswers<String, Int>(), made = Locked(0)
        for round in 1...3 {
            let answers = try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<20 {
                    group.addTask {
                        try await shared.answer("a") {
                            let number = made.with { made in
                                made += 1
                                return made
                            }
                            try await Task.sleep(for: .milliseconds(200))
                            return number
                        }
                    }
                }
                let other = try await shared.answer("b") { -1 }
                #expect(other == -1)
                return try await group.reduce(into: [Int]()) { $0.append($1) }
            }
            #expect(answers == Array(repeating: round, count: 20))
        }
    }

    @Test("that fails fails for all who wait, and is asked again by the next") func failing() async throws {
        let shared = SharedAnswers<String, Int>(), made = Locked(0)
        let failures = await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<5 {
                group.addTask {
                    do {
                        _ = try await shared.answer("a") {
                            made.with { $0 += 1 }
                            try await Task.sleep(for: .milliseconds(200))
                            throw Wrong()
                        }
                        return false
                    } catch { return error is Wrong }
                }
            }
            return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(failures == 5 && made.with { $0 } == 1)
        let after = try await shared.answer("a") { 7 }
        #expect(after == 7)
    }

    @Test("whose first asker goes away is worked on for the others; who waits and goes away ends at once")
    func calledOff() async throws {
        let shared = SharedAnswers<String, Int>(), begun = Locked(0), mayEnd = Locked(false)
        @Sendable func ask() async throws -> Int {
            try await shared.answer("a") {
                begun.with { $0 += 1 }
                while !mayEnd.with({ $0 }) { try await Task.sleep(for: .milliseconds(5)) }
                return 7
            }
        }
        let first = Task { try await ask() }
        while begun.with({ $0 }) == 0 { try await Task.sleep(for: .milliseconds(5)) }
        let second = Task { try await ask() }, third = Task { try await ask() }
        #expect(await eventually { shared.waitingCount("a") == 2 })
        third.cancel()
        await #expect(throws: CancellationError.self) { try await third.value }
        first.cancel()
        await #expect(throws: CancellationError.self) { try await first.value }
        mayEnd.with { $0 = true }
        let answer = try await second.value
        #expect(answer == 7 && begun.with { $0 } == 2)
    }
}
