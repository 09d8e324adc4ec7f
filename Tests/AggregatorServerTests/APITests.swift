import API
import Delivery
import FlowModel
import Foundation
import HTTPTypes
import Hummingbird
import Identity
import Ingest
import Telemetry
import Tenancy
import Testing

@Suite("The API")
struct APITests {
    @Test("a tenant's key reads its own flows, sums and incidents") func reads() async throws {
        let world = try await APIWorld()
        let flows = try await world.get("/v1/flows?limit=10", key: world.acmeKey)
        let items = try #require(flows.json["items"] as? [[String: Any]])
        #expect(items.count == 2)
        #expect(Set(items.compactMap { $0["sourceIPv4Address"] as? String }) == ["10.0.0.1", "10.0.0.2"])
        #expect(flows.json["complete"] as? Bool == true)
        let top = try await world.get("/v1/flows/top?by=sourceAddress", key: world.acmeKey)
        let first = try #require((top.json["items"] as? [[String: Any]])?.first)
        #expect(first["key"] as? String == "10.0.0.2")
        #expect(first["octetDeltaCount"] as? Int == 9_000)
        #expect((top.json["total"] as? [String: Any])?["octetDeltaCount"] as? Int == 10_000)
        let incidents = try await world.get("/v1/incidents", key: world.acmeKey)
        #expect((incidents.json["items"] as? [[String: Any]])?.first?["id"] as? String == world.incidentID)
        let one = try await world.get("/v1/incidents/\(world.incidentID)", key: world.acmeKey)
        #expect(one.json["severity"] as? String == "high")
        #expect(one.json["start"] as? String == "2023-11-14T22:13:10.000Z")
    }

    @Test("another tenant's key sees nothing of it, and a foreign id answers exactly as a missing one")
    func isolation() async throws {
        let world = try await APIWorld()
        for uri in ["/v1/flows", "/v1/incidents", "/v1/sensors", "/v1/flows/top"] {
            let answer = try await world.get(uri, key: world.globexKey)
            #expect(answer.status == 200, "\(uri)")
            #expect((answer.json["items"] as? [Any])?.isEmpty == true, "\(uri)")
        }
        let foreign = try await world.get("/v1/incidents/\(world.incidentID)", key: world.globexKey)
        let missing = try await world.get("/v1/incidents/\(String(repeating: "0", count: 32))", key: world.globexKey)
        #expect(foreign.status == 404 && missing.status == 404)
        #expect(NSDictionary(dictionary: foreign.json) == NSDictionary(dictionary: missing.json))
        #expect(foreign.fields == missing.fields)
    }

    @Test("an exporter's ledger closes: decoded is sealed, lost by name, or open; only its own tenant reads it")
    func exporters() async throws {
        let world = try await APIWorld()
        let text = """
            {"version":"0.1.0","fidelity":"full","spool":{"batches":0,"bytes":0,"bytesMax":1},"deadLetters":0,"ledger":[
            {"exporter":"10.0.0.1","observationDomain":7,"exportProtocol":"ipfix","datagramsReceived":9,
            "datagramsDecoded":8,"decoded":{"flows":80,"octets":800,"packets":90},
            "sealed":{"flows":70,"octets":700,"packets":70},"sealedRows":40,"counts":{"malformed":1},
            "records":{"duplicate":{"flows":4,"octets":10,"packets":10},"observed_elsewhere":{"flows":5,"octets":50,
            "packets":7}},"missing":{"units":3,"late":1,"restarts":0},"health":{"firstHeardMilliseconds":1,
            "lastHeardMilliseconds":2,"clockSkewMilliseconds":-9000,"samplingInterval":1000.0,"templatesReplaced":0,
            "issues":["clock_skew"]},"interfaces":[{"ifIndex":7,"octets":[5,6],"packets":[1,2],"errors":[0,0],
            "discards":[0,3]}],"interfacesOmitted":4}],"ledgerOmitted":2}
            """
        let heartbeat = try #require(Heartbeat(json: Array(text.utf8)))
        let sensor = SensorIdentity(tenant: world.acme, site: "hq", name: "edge1")
        world.sources.sensors.heard(heartbeat, from: sensor, at: APIWorld.now)
        let answer = try await world.get("/v1/sensors/hq:edge1/exporters", key: world.acmeKey)
        #expect(answer.status == 200 && answer.json["omitted"] as? Int == 2)
        let item = try #require((answer.json["items"] as? [[String: Any]])?.first)
        #expect(item["open"] as? [String: Int] == ["flows": 1, "octets": 40, "packets": 3])
        #expect((item["missing"] as? [String: Int])?["units"] == 3)
        #expect((item["health"] as? [String: Any])?["issues"] as? [String] == ["clock_skew"])
        let interface = try #require((item["interfaces"] as? [[String: Any]])?.first)
        #expect(interface["ifIndex"] as? Int == 7 && interface["discards"] as? [Int] == [0, 3])
        #expect(item["interfacesOmitted"] as? Int == 4)
        #expect(Heartbeat(json: Array(text.replacing("[5,6]", with: "[5]").utf8)) == nil, "received and sent, or none")
        let listed = try await world.get("/v1/sensors", key: world.acmeKey)
        #expect((listed.json["items"] as? [[String: Any]])?.first?["id"] as? String == "hq:edge1")
        let foreign = try await world.get("/v1/sensors/hq:edge1/exporters", key: world.globexKey)
        let missing = try await world.get("/v1/sensors/hq:edge2/exporters", key: world.acmeKey)
        #expect(foreign.status == 404 && missing.status == 404 && foreign.fields == missing.fields)
        #expect(NSDictionary(dictionary: foreign.json) == NSDictionary(dictionary: missing.json))
    }

    @Test("a sensor is asked to send again by its own tenant only") func reship() async throws {
        let world = try await APIWorld()
        let text = """
            {"version":"1","fidelity":"full","spool":{"batches":0,"bytes":0,"bytesMax":1},"deadLetters":0,"ledger":[]}
            """
        let sensor = SensorIdentity(tenant: world.acme, site: "hq", name: "edge1")
        world.sources.sensors.heard(
            try #require(Heartbeat(json: Array(text.utf8))), from: sensor, at: APIWorld.now)
        let path = "/v1/sensors/hq:edge1/reship"
        let others = try await world.ask(.post, path, key: world.globexKey)
        let wrong = try await world.ask(.post, path + "?since=yesterday", key: world.acmeKey)
        #expect(others.status == 404 && wrong.status == 400)
        #expect(world.sources.sensors.reshipRequest(to: sensor, done: nil, at: 5) == nil)
        let asked = try await world.ask(.post, path + "?since=1970-01-01T00:00:02Z", key: world.acmeKey)
        let request = try #require(world.sources.sensors.reshipRequest(to: sensor, done: nil, at: 5))
        #expect(asked.status == 204 && request.sinceMilliseconds == 2_000)
        #expect(world.sources.sensors.reshipRequest(to: sensor, done: request.id, at: 5) == nil)
    }

    @Test("without a good key there is nothing to read, and no reason why", arguments: [nil, "", "weir_", "nonsense"])
    func needsKey(_ key: String?) async throws {
        let world = try await APIWorld()
        for uri in [
            "/v1/flows", "/v1/flows/top", "/v1/incidents", "/v1/incidents/x", "/v1/sensors",
            "/v1/sensors/hq:edge1/exporters",
        ] {
            let answer = try await world.get(uri, key: key)
            #expect(answer.status == 401, "\(uri)")
            #expect(answer.json["type"] as? String == "urn:weir:problem:unauthorized")
            #expect(answer.fields[.contentType] == "application/problem+json")
            #expect(answer.fields[.wwwAuthenticate]?.hasPrefix("Bearer") == true)
        }
    }

    @Test("a revoked key stops at the next request") func revocation() async throws {
        let world = try await APIWorld()
        #expect(try await world.get("/v1/incidents", key: world.acmeKey).status == 200)
        try world.sources.control.revokeKey(id: world.acmeKeyID, by: "test", at: APIWorld.now)
        #expect(try await world.get("/v1/incidents", key: world.acmeKey).status == 401)
    }

    @Test("a key without a scope is told which one") func scopes() async throws {
        let world = try await APIWorld()
        #expect(try await world.get("/v1/incidents", key: world.incidentsOnlyKey).status == 200)
        let refused = try await world.get("/v1/flows", key: world.incidentsOnlyKey)
        #expect(refused.status == 403)
        #expect((refused.json["detail"] as? String)?.contains("flows:read") == true)
    }

    @Test(
        "a wrong parameter is a problem that names it and what is allowed",
        arguments: [
            ("/v1/flows?ip=10.0.0.300", "ip"), ("/v1/flows?limit=0", "limit"), ("/v1/flows?limit=1001", "limit"),
            ("/v1/flows?from=yesterday", "from"),
            ("/v1/flows?from=9999999999-01-01T00:00:00Z", "from"), ("/v1/incidents?to=292277027-01-01T00:00:00Z", "to"),
            ("/v1/flows?port=70000", "port"),
            ("/v1/flows?protocol=xyz", "protocol"),
            ("/v1/flows?cursor=zzz!", "cursor"), ("/v1/flows?misspelt=1", "misspelt"),
            ("/v1/flows?port=1&port=2", "port"),
            ("/v1/flows/top?by=secret", "by"), ("/v1/flows/top?measure=x", "measure"),
            ("/v1/incidents?severity=huge", "severity"), ("/v1/incidents?cursor=x", "cursor"),
            ("/v1/sensors?tenant=globex", "tenant"),
        ])
    func parameters(_ uri: String, _ name: String) async throws {
        let world = try await APIWorld()
        let answer = try await world.get(uri, key: world.acmeKey)
        #expect(answer.status == 400)
        #expect(answer.json["type"] as? String == "urn:weir:problem:bad-parameter")
        #expect((answer.json["detail"] as? String)?.hasPrefix("\(name): ") == true, "\(answer.json)")
    }

    @Test("filters narrow: address, network, port, protocol, time") func filters() async throws {
        let world = try await APIWorld()
        let wanted = [
            ("ip=10.0.0.1", 1), ("source=10.0.0.0/8", 2), ("destination=10.0.0.0/8", 0), ("ip=198.51.100.7", 2),
            ("port=443", 2), ("port=80", 0), ("protocol=tcp", 2), ("protocol=17", 0), ("from=\(APIWorld.now)", 0),
            ("to=2023-11-14T22:13:18.500Z", 2), ("to=2023-11-14T22:13:17Z", 0),
        ]
        for (query, count) in wanted {
            let answer = try await world.get("/v1/flows?\(query)", key: world.acmeKey)
            #expect((answer.json["items"] as? [Any])?.count == count, "\(query)")
        }
    }

    @Test("pages follow each other without a gap or a repeat") func paging() async throws {
        let world = try await APIWorld()
        let first = try await world.get("/v1/flows?limit=1", key: world.acmeKey)
        let next = try #require(first.json["next"] as? String)
        let second = try await world.get("/v1/flows?limit=1&cursor=\(next)", key: world.acmeKey)
        let sources = [first, second].compactMap {
            ($0.json["items"] as? [[String: Any]])?.first?["sourceIPv4Address"] as? String
        }
        #expect(Set(sources) == ["10.0.0.1", "10.0.0.2"])
    }

    @Test("health, readiness, metrics and the description need no key; unknown paths are problems") func open()
        async throws
    {
        let world = try await APIWorld()
        for uri in ["/livez", "/healthz", "/readyz", "/metrics", "/openapi.json"] {
            let answer = try await world.get(uri, key: nil)
            #expect(answer.status == 200, "\(uri)")
            #expect(answer.fields[.xContentTypeOptions] == "nosniff", "\(uri)")
        }
        let lost = try await world.get("/v2/anything", key: world.acmeKey)
        #expect(lost.status == 404)
        #expect(lost.json["type"] as? String == "urn:weir:problem:not-found")
        #expect(lost.fields[.cacheControl] == "no-store")
    }

    @Test("who asks verbosely is told of each need, and 503 when one is missing") func dependencies()
        async throws
    {
        let world = try await APIWorld()
        func page(_ uri: String, _ checks: [HealthCheck]) async throws -> (status: Int, text: String) {
            var sources = world.sources
            sources.checks = { checks }
            let answer = try await world.ask(.get, uri, key: nil, of: sources)
            return (answer.status, String(decoding: answer.octets, as: UTF8.self))
        }
        let lame = [HealthCheck("log"), HealthCheck("disk", problem: "3 % free", isNeeded: false)]
        let well = try await page("/healthz?verbose", lame)
        #expect(well.status == 200)
        #expect(well.text == "[+]log ok\n[~]disk failed: 3 % free\nhealthy\n")
        let lost = [HealthCheck("log", problem: "does not answer")]
        let ill = try await page("/healthz?verbose=1", lost)
        #expect(ill.status == 503)
        #expect(ill.text == "[-]log failed: does not answer\nnot healthy\n")
        let asked = try await page("/healthz", lost)
        #expect(asked.status == 200 && asked.text == "alive\n")
    }

    @Test("openapi.json has exactly the router's routes") func description() async throws {
        let world = try await APIWorld()
        let served = try await world.get("/openapi.json", key: nil).json
        let paths = try #require(served["paths"] as? [String: [String: Any]])
        let described = Set(paths.flatMap { path, methods in methods.keys.map { "\($0.uppercased()) \(path)" } })
        let routes = Set(try apiRouter(world.sources).routes.map { "\($0.method.rawValue) \($0.path)" })
        #expect(described == routes)
        let ids = paths.values.flatMap { $0.values }.compactMap { ($0 as? [String: Any])?["operationId"] as? String }
        #expect(Set(ids).count == routes.count)
    }
}
