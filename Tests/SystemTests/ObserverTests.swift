import Foundation
import TestKit
import Testing

/// Two exporters that see the same conversations, the whole way from their datagrams to the API.
@Suite("Flows that two exporters saw", .serialized)
struct ObserverTests {
    private static let merging = ["--set", "dedupe.mode=merge", "--set", "dedupe.preferred=127.0.0.1"]

    private func sums(_ value: Any?) -> [String: Int] { value as? [String: Int] ?? [:] }
    private func sum(_ rows: [[String: Any]], _ key: String) -> Int {
        rows.reduce(0) { $0 + ($1[key] as? Int ?? 0) }
    }
    private func ledgers(_ site: Site) throws -> [String: [String: Any]] {
        let id = try #require(try site.get("acme", "/v1/sensors").first(in: "items")?["id"] as? String)
        let items = try site.get("acme", "/v1/sensors/\(id)/exporters")["items"] as? [[String: Any]] ?? []
        return Dictionary(items.map { ($0["exporter"] as? String ?? "", $0) }, uniquingKeysWith: { a, _ in a })
    }

    @Test("each flow is stored once and names the other exporter, and both ledgers close") func merged() throws {
        let site = try Site("observers")
        try site.startAggregator()
        try site.wait("the aggregator's start") { site.isReady() }
        try site.startSensor(Self.merging)
        try site.wait("the sensor's heartbeat") { try !site.rows("acme", ["sensors"]).isEmpty }
        let first = try Exporter(to: site.udpPort), second = try Exporter(to: site.udpPort, from: 2)
        var source = FlowSource(seed: 21)
        for _ in 0..<20 {
            let datagram = source.datagram()
            first.send(datagram)
            second.send(datagram)
        }
        try site.wait("both ledgers at rest") {
            let ledgers = try ledgers(site)
            return ["127.0.0.1", "127.0.0.2"].allSatisfy {
                sums(ledgers[$0]?["decoded"])["flows"] == source.flows && sums(ledgers[$0]?["open"])["flows"] == 0
            }
        }
        try checkLedgers(try ledgers(site), source)
        let top = ["flows", "top", "--by", "protocolIdentifier", "--limit", "10"]
        try site.wait("all flows in the store") { sum(try site.rows("acme", top), "deltaFlowCount") >= source.flows }
        try checkStore(site, source, try site.rows("acme", top))
        #expect(site.stop(site.sensor) == 0)
        #expect(site.stop(site.aggregator) == 0)
    }

    private func checkLedgers(_ ledgers: [String: [String: Any]], _ source: FlowSource) throws {
        let kept = try #require(ledgers["127.0.0.1"]), other = try #require(ledgers["127.0.0.2"])
        let all = ["flows": source.flows, "octets": source.octets, "packets": source.packets]
        let none = ["flows": 0, "octets": 0, "packets": 0]
        #expect(sums(kept["sealed"]) == all && sums(kept["open"]) == none)
        #expect(sums(other["sealed"]) == none && sums(other["open"]) == none)
        #expect(sums((other["records"] as? [String: Any])?["observed_elsewhere"]) == all)
        #expect((kept["records"] as? [String: Any])?["observed_elsewhere"] == nil)
    }

    private func checkStore(_ site: Site, _ source: FlowSource, _ top: [[String: Any]]) throws {
        #expect(sum(top, "deltaFlowCount") == source.flows)
        #expect(sum(top, "octetDeltaCount") == source.octets && sum(top, "packetDeltaCount") == source.packets)
        let flows = try site.get("acme", "/v1/flows?limit=1000")["items"] as? [[String: Any]] ?? []
        #expect(flows.count == source.flows)
        #expect(flows.allSatisfy { $0["exporterIPv4Address"] as? String == "127.0.0.1" })
        // A flow whose second record comes in the window after its own was shipped can't be told of it any more.
        let named = flows.filter { ($0["observedBy"] as? [String]) == ["127.0.0.2"] }
        #expect(named.count + flows.count { $0["observedBy"] == nil } == flows.count)
        #expect(named.count > source.flows / 2, "\(named.count) of \(source.flows)")
    }
}

extension [String: Any] {
    fileprivate func first(in key: String) -> [String: Any]? { (self[key] as? [[String: Any]])?.first }
}
