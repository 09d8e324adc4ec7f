import FlowModel
import Testing

@testable import SensorPipeline

@Suite("The hand-over of sealed batches")
struct HandOverTests {
    private func batch(bytes: Int) -> SealedBatch {
        SealedBatch(body: [UInt8](repeating: 0, count: bytes), rows: 1, tally: Tally(), fidelity: .full, shares: [])
    }

    @Test("what comes within a moment is taken together, in order") func gathers() throws {
        let handOver = try HandOver(bytesMax: 1_000, gathering: .milliseconds(300))
        for bytes in 1...3 { #expect(handOver.offer(batch(bytes: bytes))) }
        let clock = ContinuousClock(), start = clock.now
        let taken = try #require(handOver.next())
        #expect(taken.map(\.body.count) == [1, 2, 3])
        #expect(clock.now - start >= .milliseconds(200))
        #expect(!handOver.isIdle, "the taker has not come back")
    }

    @Test("at a quarter of the room nothing is waited for; beyond the room nothing is taken") func hurries() throws {
        let handOver = try HandOver(bytesMax: 1_000, gathering: .seconds(60))
        #expect(handOver.offer(batch(bytes: 900)) && !handOver.offer(batch(bytes: 101)))
        #expect(handOver.next()?.count == 1)
    }

    @Test("at the end all that waits is taken at once, then there is none") func end() throws {
        let handOver = try HandOver(bytesMax: 1_000, gathering: .seconds(60))
        #expect(handOver.offer(batch(bytes: 1)))
        handOver.end()
        #expect(handOver.next()?.count == 1 && handOver.next() == nil)
        #expect(handOver.isIdle)
    }
}
