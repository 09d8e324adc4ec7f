import Delivery
import HTTP2Client
import Platform
import Ship
import Testing

@Suite("ShipCore decides by hand-made histories")
struct ShipCoreTests {
    private static func batch(_ sequence: UInt64, bytes: Int = 1_000) -> WaitingBatch {
        WaitingBatch(
            key: BatchKey(epoch: Epoch(high: 1, low: 2), sequence: sequence),
            digest: BatchDigest(of: [UInt8(truncatingIfNeeded: sequence)]), byteCount: bytes)
    }
    private static func settings(endpoints: Int = 1) -> ShipSettings {
        ShipSettings(
            endpoints: (0..<endpoints).map { HTTP2Endpoint(host: "aggregator", port: UInt16($0 + 1)) },
            trustDomain: "weir.test", files: TLSFiles(certificate: "", key: "", trust: ""))
    }
    /// A core with an open connection at time 0 and these batches offered and stepped.
    private func open(
        _ batches: [WaitingBatch], endpoints: Int = 1, adjust: (inout ShipSettings) -> Void = { _ in }
    ) -> (core: ShipCore, sent: [BatchKey]) {
        var settings = Self.settings(endpoints: endpoints)
        adjust(&settings)
        var core = ShipCore(settings: settings, seed: 1)
        #expect(core.step(at: .zero) == [.connect(endpoint: 0)])
        core.offer(batches)
        let out = sent(core.connected(at: .zero))
        return (core, out)
    }
    @Test("with another aggregator at hand one that hangs is left within seconds, and ever later if all are slow")
    func hangs() throws {
        let batch = Self.batch(0)
        var (core, out) = open([batch], endpoints: 2), now = Duration.zero
        #expect(out == [batch.key] && core.requestPatience == .seconds(3))
        for patience in [6, 12, 24, 30, 30] {
            let before = core.endpoint
            core.hung(at: now)
            #expect(core.endpoint != before && core.requestPatience == .seconds(patience))
            now = max(now, core.wake(after: now) ?? now)
            #expect(core.step(at: now) == [.connect(endpoint: core.endpoint)])
            #expect(sent(core.connected(at: now)) == [batch.key], "it goes again")
        }
        #expect(core.answered(batch.key, .stored(batch.digest), at: now) == [.release(batch.key)])
        for sequence in UInt64(1)...47 {  // three times sixteen with the one above: three hangs are forgiven
            let next = Self.batch(sequence)
            core.offer([next])
            #expect(sent(core.step(at: now)) == [next.key])
            _ = core.answered(next.key, .stored(next.digest), at: now)
        }
        #expect(core.requestPatience == .seconds(12))
        let (single, _) = open([batch])
        #expect(single.requestPatience == .seconds(30))
    }

    private func sent(_ directives: [ShipCore.Directive]) -> [BatchKey] {
        directives.compactMap { if case .send(let key) = $0 { key } else { nil } }
    }

    @Test("four batches go out, oldest first; each answer with our digest releases one and sends the next")
    func window() {
        let batches = (0..<6).map { Self.batch($0) }
        var (core, out) = open(batches)
        #expect(out == batches[..<4].map(\.key))
        #expect(core.inFlight == 4)
        let next = core.answered(batches[1].key, .stored(batches[1].digest), at: .seconds(1))
        #expect(next == [.release(batches[1].key), .send(batches[4].key)])
        #expect(core.step(at: .seconds(1)) == [])
    }

    @Test("at most 8 MiB are in flight, but a single batch always goes") func byteWindow() {
        let batches = (0..<4).map { Self.batch($0, bytes: 3 << 20) }
        #expect(open(batches).sent == batches[..<2].map(\.key))
        #expect(open([Self.batch(0, bytes: 9 << 20), Self.batch(1)]).sent == [Self.batch(0).key])
    }

    @Test("late and doubled answers are ignored") func late() {
        let batch = Self.batch(0)
        var (core, _) = open([batch])
        #expect(core.answered(batch.key, .stored(batch.digest), at: .zero) == [.release(batch.key)])
        #expect(core.answered(batch.key, .stored(batch.digest), at: .zero) == [])
        #expect(core.answered(Self.batch(9).key, .conflict, at: .zero) == [])
    }

    @Test("a conflict and a refusal go to the dead letters with the reason, at once") func refused() {
        let batches = [Self.batch(0), Self.batch(1)]
        var (core, _) = open(batches)
        #expect(
            core.answered(batches[0].key, .conflict, at: .zero)
                == [.deadLetter(batches[0].key, reason: "conflict: the key is taken by other bytes")])
        #expect(
            core.answered(batches[1].key, .refused(status: 422, reason: "column 3"), at: .zero)
                == [.deadLetter(batches[1].key, reason: "refused with 422: column 3")])
        #expect(core.known == [])
    }

    @Test("an answer with another digest is tried five times, never released, then set aside") func strangeDigest() {
        let batch = Self.batch(0), other = BatchDigest(of: [9, 9])
        var (core, _) = open([batch])
        var now = Duration.zero, tries = 0
        for _ in 0..<10 {
            tries += 1
            let directives = core.answered(batch.key, .stored(other), at: now)
            #expect(!directives.contains(.release(batch.key)))
            if case .deadLetter(batch.key, let reason)? = directives.first {
                #expect(reason.contains("5 times"))
                break
            }
            now = core.wake(after: now) ?? now
            let again = directives + core.step(at: now)
            #expect(sent(again) == [batch.key])
        }
        #expect(tries == 5)
    }

    @Test("503 with Retry-After stops everything until then; afterwards one batch goes first") func hold() {
        let batches = (0..<6).map { Self.batch($0) }
        var (core, _) = open(batches)
        #expect(core.answered(batches[0].key, .busy(status: 503, after: .seconds(20)), at: .seconds(1)) == [])
        for batch in batches[1..<4] {
            #expect(core.answered(batch.key, .busy(status: 503, after: nil), at: .seconds(1)) == [])
        }
        guard let wake = core.wake(after: .seconds(1)) else {
            Issue.record("nothing would ever be sent again")
            return
        }
        #expect(wake >= .seconds(21))
        #expect(wake <= .seconds(22))
        #expect(core.step(at: wake - .milliseconds(1)) == [])
        #expect(core.step(at: wake) == [.send(batches[0].key)])
        let more = core.answered(batches[0].key, .stored(batches[0].digest), at: wake)
        #expect(sent(more) == [batches[1].key, batches[2].key])
    }

    @Test("a batch that alone gets 500 backs off alone, by full jitter from 0.5 s to 60 s; others go on")
    func backOff() {
        let bad = Self.batch(0), good = Self.batch(1)
        var (core, _) = open([bad, good])
        var now = Duration.zero, longest = Duration.zero
        #expect(core.answered(bad.key, .busy(status: 500, after: nil), at: now) == [])
        #expect(core.answered(good.key, .stored(good.digest), at: now) == [.release(good.key)])
        for failure in 0..<200 {
            let until = core.wake(after: now) ?? now
            let bound = min(Duration.milliseconds(500) * (1 << min(failure, 16)), .seconds(60))
            #expect(until - now <= bound)
            longest = max(longest, until - now)
            now = until
            _ = core.step(at: now)
            #expect(core.answered(bad.key, .busy(status: 500, after: nil), at: now).allSatisfy { $0 == .send(bad.key) })
        }
        #expect(longest > .seconds(50))
    }

    @Test("endpoints take turns; after a full round of failures there is a pause that grows") func rotation() {
        var core = ShipCore(settings: Self.settings(endpoints: 2), seed: 3)
        var tried: [Int] = [], now = Duration.zero, pauses: [Duration] = []
        for _ in 0..<20 {
            for case .connect(let endpoint) in core.step(at: now) { tried.append(endpoint) }
            core.connectFailed(at: now)
            let until = core.wake(after: now) ?? now
            pauses.append(until - now)
            now = until
        }
        #expect(tried == (0..<20).map { $0 % 2 })
        #expect(stride(from: 0, to: 20, by: 2).allSatisfy { pauses[$0] == .zero })
        #expect(pauses[1] <= .milliseconds(500))
        #expect(pauses.max() ?? .zero > .seconds(5))
        #expect(pauses.allSatisfy { $0 <= .seconds(60) })
    }

    @Test("a lost connection sends its batches again, on the next endpoint, one at first") func connectionLost() {
        let batches = (0..<3).map { Self.batch($0) }
        var (core, _) = open(batches, endpoints: 2)
        core.connectionLost(at: .seconds(1))
        #expect(core.inFlight == 0)
        #expect(core.step(at: .seconds(1)) == [.connect(endpoint: 1)])
        #expect(core.connected(at: .seconds(1)) == [.send(batches[0].key)])
        #expect(core.answered(batches[0].key, .stored(batches[0].digest), at: .seconds(2)).count == 3)
    }

    @Test("GOAWAY: nothing new is sent, answers still count, then the same endpoint is called again") func retire() {
        let batches = (0..<6).map { Self.batch($0) }
        var (core, out) = open(batches, endpoints: 2)
        #expect(core.retire(at: .zero) == [])
        for key in out.dropLast() {
            let digest = core.digest(of: key)
            #expect(digest.map { core.answered(key, .stored($0), at: .zero) } == [.release(key)])
        }
        guard let last = out.last, let digest = core.digest(of: last) else {
            Issue.record("nothing was sent")
            return
        }
        #expect(core.answered(last, .stored(digest), at: .zero) == [.release(last), .disconnect])
        #expect(core.step(at: .zero) == [.connect(endpoint: 0)])
    }

    @Test("a server that only says GOAWAY is a failure, not a tight loop") func onlyGoAway() {
        var (core, _) = open([])
        var now = Duration.zero
        for _ in 0..<10 {
            #expect(core.retire(at: now) == [.disconnect])
            now = core.wake(after: now) ?? now
            #expect(core.step(at: now) == [.connect(endpoint: 0)])
            _ = core.connected(at: now)
        }
        #expect(now > .seconds(2))
    }

    @Test("stopping sends nothing new, waits for what is in flight, then ends") func stop() {
        let batches = (0..<5).map { Self.batch($0) }
        var (core, _) = open(Array(batches[..<1]))
        #expect(core.stop(at: .zero) == [])
        core.offer(batches)
        #expect(core.step(at: .zero) == [])
        #expect(core.appetite == 0)
        #expect(core.answered(batches[0].key, .stored(batches[0].digest), at: .zero).last == .disconnect)
        #expect(core.isStopped)
        var idle = ShipCore(settings: Self.settings(), seed: 1)
        #expect(idle.stop(at: .zero) == [])
        #expect(idle.isStopped)
    }

    @Test("new certificates retire an open connection and end the wait of a closed one") func identity() {
        var (core, _) = open([])
        #expect(core.identityChanged(at: .zero) == [.disconnect])
        var down = ShipCore(settings: Self.settings(), seed: 5)
        for _ in 0..<9 {
            _ = down.step(at: down.wake(after: .zero) ?? .zero)
            down.connectFailed(at: down.wake(after: .zero) ?? .seconds(100))
        }
        #expect(down.identityChanged(at: .seconds(7)) == [])
        #expect(down.step(at: .seconds(7)).count == 1)
    }

    @Test("only an aggregator of our trust domain is taken for one") func peers() {
        func refusal(_ name: String) -> String? { ShipSettings.refusal(of: name, trustDomain: "weir.test") }
        #expect(refusal("spiffe://weir.test/aggregator/a1") == nil)
        #expect(refusal("spiffe://other.test/aggregator/a1")?.contains("trust domain") == true)
        #expect(refusal("spiffe://weir.test/tenant/t/site/s/sensor/n")?.contains("no aggregator") == true)
        #expect(refusal("https://weir.test/") != nil)
    }
}
