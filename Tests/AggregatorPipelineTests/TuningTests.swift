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
}
