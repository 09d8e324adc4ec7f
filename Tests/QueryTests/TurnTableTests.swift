import Identity
import Query
import TestKit
import Testing

@Suite("whose question works next") struct TurnTableTests {
    private static let quiet = TenantID("globex"), noisy = TenantID("acme"), third = TenantID("initech")

    @Test("beside 20 clients with heavy questions, a tenant's small ones take at most 1.5 times what they take alone")
    func noisyNeighbour() throws {
        let quiet = try #require(Self.quiet), noisy = try #require(Self.noisy)
        var alone = Cores(2), beside = Cores(2)
        let small = Client(tenant: quiet, blocks: 20, pause: 50)
        let heavy = (0..<20).map { _ in Client(tenant: noisy, blocks: 400, pause: 0) }
        alone.run([small], milliseconds: 20_000)
        beside.run([small] + heavy, milliseconds: 20_000)
        let before = alone.taken(by: quiet), after = beside.taken(by: quiet)
        #expect(before.count > 200 && after.count > 200)
        #expect(after.worst <= before.worst * 3 / 2, "\(before.worst) and \(after.worst) ms")
        // And what the small ones leave is the other's: nothing stands still.
        #expect(beside.worked == 2 * 20_000, "\(beside.worked) of \(2 * 20_000) ms")
        #expect(beside.taken(by: noisy).count >= (2 * 20_000 - after.count * 20) / 400 - 20)
    }

    @Test("two who ask for all there is get a half each, however many questions each has")
    func halves() throws {
        let quiet = try #require(Self.quiet), noisy = try #require(Self.noisy)
        var cores = Cores(2)
        let few = (0..<2).map { _ in Client(tenant: quiet, blocks: 100, pause: 0) }
        cores.run(few + (0..<30).map { _ in Client(tenant: noisy, blocks: 100, pause: 0) }, milliseconds: 10_000)
        let share = Double(cores.taken(by: quiet).count) / Double(cores.taken(by: noisy).count)
        #expect(share > 0.9 && share < 1.1, "\(share)")
    }

    @Test("a short question of the same tenant does not wait for the end of long ones, and those end")
    func sameTenant() throws {
        let tenant = try #require(Self.noisy)
        var cores = Cores(2)
        let long = (0..<2).map { _ in Client(tenant: tenant, blocks: 5_000, pause: 0) }
        cores.run(long + [Client(tenant: tenant, blocks: 10, pause: 100)], milliseconds: 40_000)
        let short = cores.taken(by: tenant).filter { $0 < 2_500 }
        #expect(short.count > 50 && short.worst <= 450, "\(short.count), \(short.worst) ms")
        #expect(cores.taken(by: tenant).count { $0 >= 5_000 } >= 6)
    }

    @Test("who was away saves nothing up, and the table forgets who is gone") func noCredit() throws {
        let quiet = try #require(Self.quiet), noisy = try #require(Self.noisy)
        var cores = Cores(1)
        cores.run([Client(tenant: noisy, blocks: 50, pause: 0)], milliseconds: 10_000)
        // From here on both ask for all there is: who was away gets a half, not the ten seconds before.
        cores.run(
            [Client(tenant: quiet, blocks: 50, pause: 0), Client(tenant: noisy, blocks: 50, pause: 0)],
            milliseconds: 2_000)
        let late = cores.taken(by: quiet).count
        #expect(late >= 18 && late <= 22, "\(late) of 40")
    }

    @Test("no more work, wait or have begun than the limits say, whatever comes") func bounds() throws {
        let tenants = [try #require(Self.quiet), try #require(Self.noisy), try #require(Self.third)]
        forAll(runs: 50) { random, seed in
            let limits = TurnTable.Limits(atOnce: 2, ofTenant: Int.random(in: 1...2, using: &random), waitingMax: 8)
            var table = TurnTable(limits), now = Duration.zero, here: [UInt64: Bool] = [:], id: UInt64 = 0
            for _ in 0..<2_000 {
                now += .microseconds(Int.random(in: 0...50_000, using: &random))
                let someone = here.keys.sorted().randomElement(using: &random)
                var next: UInt64?
                switch (Int.random(in: 0..<4, using: &random), someone) {
                case (0, _), (_, nil):
                    id += 1
                    let tenant = tenants[Int.random(in: 0..<3, using: &random)]
                    let admission = table.arrive(id, of: tenant, at: now)
                    if admission != .never { here[id] = admission == .now }
                case (1, let one?) where here[one] == false:
                    let gaveUp = table.giveUp(one)
                    #expect(gaveUp, "SEED=\(seed)")
                    here[one] = nil
                case (1, let one?):
                    next = table.leave(one, at: now)
                    here[one] = nil
                case (_, let one?) where here[one] == true:
                    let (goesOn, other) = table.mayGoOn(one, at: now)
                    // Who stops stops for somebody.
                    #expect(goesOn == (other == nil), "SEED=\(seed)")
                    (here[one], next) = (goesOn, other)
                default: break
                }
                if let next {
                    #expect(here[next] == false, "SEED=\(seed)")
                    here[next] = true
                }
                let working = here.values.count { $0 }
                #expect(table.workingCount == working && working <= 2, "SEED=\(seed)")
                #expect(table.begun <= limits.begunMax, "SEED=\(seed)")
                #expect(table.waitingCount <= limits.waitingMax + limits.begunMax, "SEED=\(seed)")
                #expect(table.waitingCount == here.count - working, "SEED=\(seed)")
            }
        }
    }
}

extension [Int] {
    fileprivate var worst: Int { self.max() ?? 0 }
}

/// Who asks again `pause` ms after each answer, for what takes `blocks` ms of work.
private struct Client {
    let tenant: TenantID, blocks: Int, pause: Int
}

/// Cores that work on what a table lets in, a millisecond at a time.
private struct Cores {
    private var table: TurnTable
    private let count: Int
    private var now = 0, ids: UInt64 = 0
    /// ms of work that were done.
    private(set) var worked = 0
    private var answers: [TenantID: [Int]] = [:]

    init(_ count: Int) {
        self.count = count
        table = TurnTable(TurnTable.Limits(atOnce: count, ofTenant: count, waitingMax: 64))
    }

    /// How long answers took, in ms.
    func taken(by tenant: TenantID) -> [Int] { answers[tenant] ?? [] }

    /// Runs so long, and throws away what is under way then.
    mutating func run(_ clients: [Client], milliseconds: Int) {
        var due = clients.map { _ in now }, asked: [UInt64: (client: Int, began: Int, left: Int)] = [:]
        var working: [UInt64] = []
        for _ in 0..<milliseconds {
            for (number, client) in clients.enumerated() where due[number] == now {
                ids += 1
                asked[ids] = (number, now, client.blocks)
                if table.arrive(ids, of: client.tenant, at: .milliseconds(now)) == .now { working.append(ids) }
            }
            now += 1
            worked += working.count
            for id in working {
                guard let one = asked[id] else { continue }
                asked[id]?.left -= 1
                let client = clients[one.client]
                if one.left == 1 {
                    answers[client.tenant, default: []].append(now - one.began)
                    (asked[id], due[one.client]) = (nil, now + client.pause)
                    working.removeAll { $0 == id }
                    if let next = table.leave(id, at: .milliseconds(now)) { working.append(next) }
                } else {
                    let (goesOn, next) = table.mayGoOn(id, at: .milliseconds(now))
                    if !goesOn { working.removeAll { $0 == id } }
                    if let next { working.append(next) }
                }
            }
        }
        for id in asked.keys.sorted() where !table.giveUp(id) {
            // Who is let in by this is called off as well.
            _ = table.leave(id, at: .milliseconds(now))
        }
    }
}
