import Foundation
import Intake
import Platform
import Synchronization
import TestKit
import Testing

/// What receiving costs. `WEIR_MEASURE=1 swift test -c release --filter IntakeCostTests` prints the handbook's figures.
@Suite("Receiving is cheap", .serialized)
struct IntakeCostTests {
    static let isMeasuring = ProcessInfo.processInfo.environment["WEIR_MEASURE"] != nil

    /// Processor time of the calling thread, user and system, in microseconds.
    private static func threadMicroseconds() -> Double {
        var usage = rusage()
        getrusage(1, &usage)  // RUSAGE_THREAD, which Glibc's module lacks
        let seconds = usage.ru_utime.tv_sec + usage.ru_stime.tv_sec
        return Double(seconds) * 1e6 + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec)
    }
    /// Sends `count` datagrams of 1,354 octets at `rate` a second, in bursts of a millisecond.
    private static func send(_ count: Int, rate: Int, to port: UInt16) throws {
        let sender = try UDPSender(to: port), datagram = [UInt8](repeating: 7, count: 1_354)
        let start = ContinuousClock.now
        for index in 0..<count {
            if index % max(rate / 1_000, 1) == 0 {
                let due = start + .microseconds(index * 1_000_000 / rate), wait = due - ContinuousClock.now
                if wait > .zero { usleep(UInt32(clamping: wait.components.attoseconds / 1_000_000_000_000)) }
            }
            try sender.send(datagram)
        }
    }
    private func cost(rate: Int, count: Int, batchMax: Int = 256) throws -> (microseconds: Double, rounds: Int) {
        let listener = try UDPListener(address: "127.0.0.1", port: 0, bufferBytes: 8 << 20)
        var poller = Poller(
            listeners: [listener], receiver: try DatagramReceiver(batchMax: batchMax), time: SystemTime())
        let port = listener.port
        let thread = Thread { try? Self.send(count, rate: rate, to: port) }
        thread.start()
        var received = try poller.poll(timeout: .seconds(10)) { _, _, _ in }, rounds = 0
        let before = Self.threadMicroseconds(), start = received
        let deadline = ContinuousClock.now + .seconds(20)
        while received + Int(poller.takeKernelDrops(exact: true)) < count, ContinuousClock.now < deadline {
            received += try poller.poll(timeout: .milliseconds(100)) { _, _, _ in }
            rounds += 1
        }
        return ((Self.threadMicroseconds() - before) / Double(max(received - start, 1)), rounds)
    }

    @Test("at 20,000 datagrams a second naps gather many in each system call") func naps() throws {
        let (microseconds, rounds) = try cost(rate: 20_000, count: 10_000)
        #expect(rounds < 2_500, "\(rounds) rounds for 10,000 datagrams")
        #expect(microseconds < 50)
    }

    @Test("the handbook's figures", .enabled(if: isMeasuring, "set WEIR_MEASURE=1"), arguments: [20_000, 100_000])
    func figures(_ rate: Int) throws {
        for batchMax in [64, 256, 1_024] {
            var all: [Double] = []
            for _ in 0..<5 { all.append(try cost(rate: rate, count: rate, batchMax: batchMax).microseconds) }
            let median = all.sorted()[2]
            print("rate=\(rate) batch=\(batchMax) microseconds=\((median * 100).rounded() / 100)")
            #expect(median < 50)
        }
    }
}
