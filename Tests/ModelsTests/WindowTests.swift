import Detect
import FlowModel
import Platform
import TestKit
import Testing

@testable import Models

@Suite("Windows of hosts") struct WindowTests {
    private static let cut = WindowCut(width: Made.width, parameters: DetectorParameters())
    private static func gather(_ records: [FlowRecord], windowsMax: Int = 1_000) -> WindowGatherer {
        var gatherer = WindowGatherer(
            cut: cut, from: Made.start, to: Made.start + Made.week, seed: 3, windowsMax: windowsMax)
        let columns = Made.columns(records)
        gatherer.add(columns, rows: columns.rows)
        return gatherer
    }

    @Test("a window has its sums, its shares and about as many peers as there were") func features() throws {
        let all = Self.gather(Made.sweep(1, at: Made.start + 1_000)).samples()
        let sample = try #require(all.first { $0.host == Made.host(1) })
        let features = sample.features
        #expect(features[.failedShare] == 1 && features[.outsideShare] == 0 && features[.sentShare] == 1)
        #expect(abs(features[.calls] - 9.815) < 0.01 && abs(features[.octetsOut] - 15.27) < 0.01)
        // One mark of 256 stands for 256 * ln(256 / 255) ports: a little more than one.
        #expect(abs(features[.peers] - 9.815) < 0.2 && abs(features[.ports] - 1) < 0.005, "\(features)")
        // Those that were swept did nothing.
        #expect(all.count == 1)
        let busy = try #require(Self.gather(Made.busy(2, at: Made.start + 5_000)).samples().first).features
        #expect(busy[.outsideShare] == 0.8 && busy[.failedShare] == 0.04 && abs(busy[.peers] - 3.8) < 0.25)
        #expect(abs(busy[.octetsIn] - 22.93) < 0.02 && busy[.callsIn] == 0 && abs(busy[.ports] - 2) < 0.1)
    }

    @Test("the order of records changes nothing, nor does it change which hosts find room") func order() {
        var records: [FlowRecord] = []
        for hour in 0..<6 as Range<Int64> {
            for number in 0..<40 {
                records += Made.busy(number, at: Made.start + hour * 3_600_000).dropFirst().prefix(3)
            }
        }
        var generator = SeededGenerator(seed: 5)
        for room in [1_000, 100] {
            let reference = Self.gather(records, windowsMax: room)
            #expect(reference.windowCount <= room && reference.records == records.count)
            for _ in 0..<4 {
                let other = Self.gather(records.shuffled(using: &generator), windowsMax: room)
                #expect(other.samples() == reference.samples() && other.hostsLeftOut == reference.hostsLeftOut)
            }
            let windows = Dictionary(grouping: reference.samples(), by: \.host)
            #expect(windows.values.allSatisfy { $0.count == 6 })
            #expect(windows.count + reference.hostsLeftOut == 40)
            #expect(room == 1_000 ? windows.count == 40 : (1..<40).contains(windows.count))
        }
    }

    @Test("windows at the edges, copies, strangers and clocks that run ahead don't count") func edges() {
        var early = Made.busy(1, at: Made.start - 200_000)[0], ahead = Made.busy(1, at: Made.start + 1_000)[0]
        early.receiveMilliseconds = 0
        ahead.flowEndMilliseconds = Made.start + 5 * Made.width
        var copy = Made.busy(1, at: Made.start + 1_000)[0]
        copy.flags = [.observedElsewhere]
        let strangers = Made.record(IPAddress(v4: 0xC633_6401), IPAddress(v4: 0xC633_6402), at: Made.start + 1_000)
        let samples = Self.gather([early, ahead, copy, strangers]).samples()
        #expect(samples.map(\.window) == [Made.start / Made.width] && samples.first?.features[.calls] == 1)
    }

    @Test("whatever exporters claim, nothing traps") func extremes() {
        forAll(runs: 30) { generator, _ in
            let extremes: [UInt64] = [0, 1, .max, .max - 1, 1 << 63]
            let records = (0..<20).map { _ in
                var record = Made.record(
                    IPAddress(v4: 0x0A00_0001), IPAddress(v4: 0x0A00_0002),
                    at: [100, 0, .min + 100, .max - 1_000, Made.start].randomElement(using: &generator) ?? 0)
                record.octetDeltaCount = extremes.randomElement(using: &generator) ?? 0
                record.packetDeltaCount = extremes.randomElement(using: &generator) ?? 0
                record.deltaFlowCount = .max
                record.samplingInterval = [0, 1, 1e6, .infinity, .nan, -1].randomElement(using: &generator) ?? 0
                record.receiveMilliseconds = [0, .min, .max, Made.start].randomElement(using: &generator) ?? 0
                return record
            }
            for sample in Self.gather(records).samples() {
                #expect(ModelFeature.allCases.allSatisfy { sample.features[$0].isFinite })
            }
        }
    }
}
