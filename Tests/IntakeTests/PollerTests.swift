import FlowModel
import Foundation
import Platform
import TestKit
import Testing
import WireBytes

@testable import Intake

@Suite("The poller serves all its listeners")
struct PollerTests {
    @Test("every listener's datagrams come out, with its own port, and an idle round returns in time")
    func all() throws {
        let listeners = try (0..<3).map { _ in try UDPListener(address: "127.0.0.1", port: 0, bufferBytes: 1 << 20) }
        for (index, listener) in listeners.enumerated() {
            let sender = try UDPSender(to: listener.port)
            for _ in 0...index { try sender.send([UInt8(index)]) }
        }
        let time = ManualTime(wallMilliseconds: 1_234)
        var poller = Poller(listeners: listeners, receiver: try DatagramReceiver(), time: time)
        var seen: [UInt16: [UInt8]] = [:], times: Set<Int64> = []
        let count = try poller.poll(timeout: .seconds(5)) { bytes, origin, _ in
            seen[origin.localPort, default: []] += bytes.copied()
            times.insert(origin.receiveMilliseconds)
        }
        #expect(count == 6)
        #expect(seen == [listeners[0].port: [0], listeners[1].port: [1, 1], listeners[2].port: [2, 2, 2]])
        #expect(times == [1_234])
        let start = ContinuousClock.now
        let idle = try poller.poll(timeout: .milliseconds(20)) { _, _, _ in }
        #expect(idle == 0)
        #expect(ContinuousClock.now - start >= .milliseconds(20))
        #expect(ContinuousClock.now - start < .seconds(2))
    }

    @Test(
        "a nap lasts until the buffer is half full, 0.5 to 80 ms, and there is none when more is waiting")
    func nap() {
        // 4 MiB are 8 to the kernel and hold about 3,600 datagrams: 1,800 may come during a nap.
        func naps(_ datagramsPerSecond: Int, rounds: Int = 200) -> [Duration] {
            var rule = NapRule(bufferBytes: 4 << 20), now = Duration.zero, pause = Duration.milliseconds(1)
            return (0..<rounds).map { _ in
                now += pause
                let taken = Int((pause / .seconds(1) * Double(datagramsPerSecond)).rounded())
                let nap = rule.nap(taken: taken, isMore: false, now: now)
                pause = max(nap, .microseconds(500))
                return nap
            }
        }
        #expect(naps(2_000).last == .milliseconds(80))
        let usual = naps(40_000).last ?? .zero
        #expect(usual > .milliseconds(43) && usual < .milliseconds(48), "\(usual)")
        let busy = naps(200_000).last ?? .zero
        #expect(busy > .milliseconds(8) && busy < .milliseconds(10), "\(busy)")
        #expect(naps(20_000_000).last == .microseconds(500))
        var rule = NapRule(bufferBytes: 4 << 20)
        #expect(rule.nap(taken: 256, isMore: true, now: .seconds(1)) == .zero, "there is more")
        #expect(rule.nap(taken: 0, isMore: false, now: .seconds(2)) == .zero, "nothing came: the wait is in poll")
    }

    @Test("a burst of 84,000 a second that begins at any time of a nap is noticed before the buffer is full")
    func bursts() {
        for rate in [1, 1_000, 10_000, 20_000, 40_000, 84_000] {
            var rule = NapRule(bufferBytes: 4 << 20), now = Duration.zero, rest = Duration.milliseconds(20)
            for _ in 0..<100 {
                now += rest
                let taken = Int((rest / .seconds(1) * Double(rate)).rounded(.up))
                rest = rule.nap(taken: taken, isMore: false, now: now)
            }
            let idle = rate < 5_000, capacity = Double(8 << 20) / 2_304
            for start in stride(from: 0, to: 80, by: 1.0) where .milliseconds(start) < rest {
                var napped = Duration.zero, fill = 0.0
                while napped < rest {
                    napped += min(rest - napped, rule.part(after: napped))
                    let before = min(napped, .milliseconds(start)) / .seconds(1) * Double(rate)
                    let since = max(napped - .milliseconds(start), .zero) / .seconds(1) * 84_000
                    fill = (before + since) / capacity
                    if napped > .milliseconds(start), rule.isOver(fill: fill, after: napped) { break }
                }
                #expect(fill <= (idle ? 0.45 : 0.9), "\(rate) a second, burst after \(start) ms: \(fill)")
            }
        }
        var rule = NapRule(bufferBytes: 4 << 20)
        _ = rule.nap(taken: 1, isMore: false, now: .zero)
        for _ in 1...9 { _ = rule.nap(taken: 2_000, isMore: false, now: .milliseconds(100)) }
        #expect(!rule.isOver(fill: 0.25, after: .milliseconds(45)), "as much as was expected")
    }

    @Test("a nap ends when a buffer fills, and not for what trickles in") func napEnds() throws {
        /// How long the first nap takes when so many datagrams come in it.
        func nap(receiving count: Int) throws -> Duration {
            let listener = try UDPListener(address: "127.0.0.1", port: 0, bufferBytes: 256 << 10)
            var poller = Poller(listeners: [listener], receiver: try DatagramReceiver(), time: SystemTime())
            let port = listener.port
            try UDPSender(to: port).send([1])
            let thread = Thread {
                usleep(1_000)
                guard let sender = try? UDPSender(to: port) else { return }
                for _ in 0..<count { try? sender.send([UInt8](repeating: 2, count: 1_354)) }
            }
            let start = ContinuousClock.now
            thread.start()
            let taken = try poller.poll(timeout: .seconds(5)) { _, _, _ in }
            #expect(taken == 1)
            return ContinuousClock.now - start
        }
        let trickle = try nap(receiving: 1)
        #expect(trickle >= .milliseconds(70))
        let bursts = try (0..<5).map { _ in try nap(receiving: 150) }
        #expect(bursts.min() ?? .zero < .milliseconds(60), "\(bursts)")
    }

    @Test("a socket that fails is left alone for a while; the others go on, and it comes back") func fault() throws {
        let listeners = try (0..<2).map { _ in try UDPListener(address: "127.0.0.1", port: 0, bufferBytes: 1 << 20) }
        let time = ManualTime(), saved = dup(listeners[0].descriptor), null = open("/dev/null", O_RDONLY)
        defer {
            close(saved)
            close(null)
        }
        var poller = Poller(listeners: listeners, receiver: try DatagramReceiver(), time: time)
        dup2(null, listeners[0].descriptor)  // always readable, and no socket
        let sender = try UDPSender(to: listeners[1].port)
        var received = 0, faults = 0
        for _ in 0..<40 {  // 4 s
            try sender.send([1])
            received += try poller.poll(timeout: .zero) { _, _, _ in }
            let found = poller.takeFaults()
            #expect(
                found.allSatisfy { $0 == .receive(port: listeners[0].port, reason: "Socket operation on non-socket") })
            faults += found.count
            time.advance(by: .milliseconds(100))
        }
        #expect(received == 40)
        #expect((3...8).contains(faults), "\(faults): pauses grow")
        dup2(saved, listeners[0].descriptor)
        try UDPSender(to: listeners[0].port).send([2])
        time.advance(by: .seconds(3))
        let back = try poller.poll(timeout: .zero) { bytes, _, _ in #expect(bytes.copied() == [2]) }
        #expect(back == 1)
        #expect(poller.takeFaults() == [])
    }

    @Test("a wake ends a wait at once, also one that comes before it") func wake() throws {
        let listener = try UDPListener(address: "127.0.0.1", port: 0, bufferBytes: 8_192)
        let waker = try Waker()
        var poller = Poller(
            listeners: [listener], receiver: try DatagramReceiver(), waker: waker, time: SystemTime())
        waker.wake()
        let start = ContinuousClock.now
        _ = try poller.poll(timeout: .seconds(30)) { _, _, _ in }
        let thread = Thread {
            usleep(20_000)
            waker.wake()
        }
        thread.start()
        _ = try poller.poll(timeout: .seconds(30)) { _, _, _ in }
        #expect(ContinuousClock.now - start < .seconds(5))
        #expect(ContinuousClock.now - start >= .milliseconds(20))
    }

    @Test("what the kernel dropped is told once: in the round that follows it, exactly when asked") func drops()
        throws
    {
        let listener = try UDPListener(address: "127.0.0.1", port: 0, bufferBytes: 8_192)
        let sender = try UDPSender(to: listener.port)
        var poller = Poller(listeners: [listener], receiver: try DatagramReceiver(), time: ManualTime())
        var received = 0, told: [UInt64] = []
        for _ in 0..<3 {
            for _ in 0..<200 { try sender.send([UInt8](repeating: 1, count: 1_000)) }
            received += try poller.poll(timeout: .zero) { _, _, _ in }
            told.append(poller.takeKernelDrops(exact: false))
        }
        #expect(told[0] > 0)
        #expect(told[1] > 0)
        #expect(told[2] > 0)
        told.append(poller.takeKernelDrops(exact: true))
        #expect(received + Int(told.reduce(0, +)) == 600)
        #expect(poller.takeKernelDrops(exact: true) == 0)
        // What was told is not told again by the round that follows.
        for _ in 0..<200 { try sender.send([UInt8](repeating: 1, count: 1_000)) }
        told.append(poller.takeKernelDrops(exact: true))
        #expect(told[4] > 0)
        let older = try poller.poll(timeout: .zero) { _, _, _ in }
        #expect(older > 0)
        #expect(poller.takeKernelDrops(exact: false) == 0)
        #expect(poller.takeKernelDrops(exact: true) == 0)
        // What was dropped on a socket that goes is told once more, and only once.
        for _ in 0..<200 { try sender.send([UInt8](repeating: 1, count: 1_000)) }
        let before = try listener.kernelDrops()
        poller.replace(listeners: [])
        let last = poller.takeKernelDrops(exact: false)
        #expect(last > 0)
        #expect(told.reduce(last, +) == UInt64(before))
        #expect(poller.takeKernelDrops(exact: true) == 0)
    }

    @Test("datagrams and streams come out of the same rounds") func streams() throws {
        let listener = try UDPListener(address: "127.0.0.1", port: 0, bufferBytes: 1 << 20)
        let port = try StreamListener(address: "127.0.0.1", port: 0)
        let server = try StreamServer(listeners: [port], numbers: SessionNumbers(), time: SystemTime())
        var poller = Poller(
            listeners: [listener], receiver: try DatagramReceiver(), streams: server, time: SystemTime())
        let client = try TCPClient(to: port.port), sender = try UDPSender(to: listener.port)
        client.send(message(fill: 1) + message(fill: 2))
        try sender.send([5])
        var sessions: [UInt32] = []
        let end = ContinuousClock.now + .seconds(5)
        while sessions.count < 3, ContinuousClock.now < end {
            _ = try poller.poll(timeout: .milliseconds(200)) { _, origin, _ in sessions.append(origin.session) }
        }
        #expect(sessions.sorted() == [0, 1, 1])
        client.finish()
        var events = poller.takeStreamEvents()
        while events.count < 2, ContinuousClock.now < end {
            _ = try poller.poll(timeout: .milliseconds(200)) { _, _, _ in }
            events += poller.takeStreamEvents()
        }
        guard case .opened(let peer, false, nil)? = events.first else { Issue.record("\(events)"); return }
        #expect(events.last == .ended(peer, .closed))
    }

    @Test("the kernel's own receive time comes with each datagram where it is asked for") func kernelTimes() throws {
        let listener = try UDPListener(
            address: "127.0.0.1", port: 0, bufferBytes: 1 << 20, wantsKernelTimes: true)
        let sender = try UDPSender(to: listener.port)
        var receiver = try DatagramReceiver(), isOwn = false
        // The kernel begins to take times a moment after the first socket of the machine asks; until then it gives the
        // time of the reading.
        for _ in 0..<50 where !isOwn {
            let before = SystemTime().wallMilliseconds()
            try sender.send([1])
            usleep(20_000)
            try sender.send([2])
            var times: [Int64] = []
            _ = try receiver.take(from: listener, at: 5) { _, origin, _ in times.append(origin.receiveMilliseconds) }
            #expect(times.count == 2)
            #expect(times.allSatisfy { (before - 2...before + 10_000).contains($0) })
            isOwn = times[1] - times[0] >= 19
        }
        #expect(isOwn)
    }
}
