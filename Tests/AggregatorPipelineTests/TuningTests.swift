import Detect
import FlowLog
import Foundation
import Identity
import Incidents
import TestKit
import Testing

@testable import AggregatorPipeline

@Suite("Detectors' limits in the pipeline") struct TuningPipelineTests {
    @Test("a tenant's own limit counts for it alone; another one later goes on with what was counted")
    func tenants() async throws {
        let world = try World(), acme = try #require(TenantID("acme"))
        var tuning = DetectorTuning()
        #expect(tuning.set("scanPortsMin", 30) == nil)
        let own = tuning.applied(to: DetectorParameters())
        let strict = TenantParameters(own: [acme: own]), traffic = try World.traffic()
        var node = try world.open()
        // Seven batches of each tenant: 28 ports, of which acme wants thirty.
        for batch in traffic.prefix(14) { _ = try await node.log.append(batch) }
        try await world.pipeline(node, parameters: strict).drain()
        var result = try await World.result(node)
        #expect(result.incidents["acme"]?.isEmpty != false)
        #expect(result.incidents["globex"]?.first?.findings.first?.evidence.threshold == 8)
        try node.log.close()
        try node.incidents.close()
        node = try world.open()
        for batch in traffic[14..<16] { _ = try await node.log.append(batch) }
        try await world.pipeline(node).drain()
        result = try await World.result(node)
        let evidence = try #require(result.incidents["acme"]?.first?.findings.first?.evidence)
        // Seven batches before the change and one after it.
        #expect(evidence.threshold == 8 && evidence.observed == 32)
    }

    @Test("what a tenant's people change counts from the next batches on, with what was counted, also after a kill")
    func live() async throws {
        for isKilled in [false, true] {
            let world = try World(), acme = try #require(TenantID("acme")), traffic = try World.traffic()
            var tuning = DetectorTuning()
            #expect(tuning.setForTenant("scanPortsMin", 30) == nil)
            let limits = LiveParameters(TenantParameters(), own: [acme: tuning])
            var node = try world.open()
            for batch in traffic.prefix(14) { _ = try await node.log.append(batch) }
            var run = try await PipelineRun(try world.pipeline(node, limits: limits))
            while try await run.takeGroup() {}
            #expect(try await World.result(node).incidents["acme"]?.isEmpty != false)
            // Taken back: everybody's limit of eight holds.
            limits.set(DetectorTuning(), of: acme)
            if isKilled {
                try node.log.close()
                try node.incidents.close()
                node = try world.open()
                run = try await PipelineRun(try world.pipeline(node, limits: limits))
            }
            for batch in traffic[14..<16] { _ = try await node.log.append(batch) }
            while try await run.takeGroup() {}
            let result = try await World.result(node)
            let evidence = try #require(result.incidents["acme"]?.first?.findings.first?.evidence)
            #expect(evidence.threshold == 8 && evidence.observed == 32, "killed: \(isKilled)")
            #expect(result.incidents["globex"]?.first?.findings.first?.evidence.threshold == 8)
        }
    }
}
