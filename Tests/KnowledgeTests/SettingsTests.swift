import Detect
import Enrichment
import FlowModel
import Foundation
import Identity
import Intelligence
import Knowledge
import Settings
import TestKit
import Testing

struct IPAddressText {
    let address: IPAddress?
    init(_ text: String) { address = IPAddress(text) }
}

@Suite("Settings of feeds, networks and policies") struct KnowledgeSettingsTests {
    @Test("everything that can be said is read") func everything() throws {
        let world = try World()
        let settings = try world.settings(
            """
            intelligence:
              huntHistory: false
              egress:
                allow: [10.1.0.0/16]
                ports: [443, 8080]
                plain: true
              feeds:
                - name: c2
                  file: c2.csv
                  format: table
                  weight: 0.9
                  confidence: 80
                  lifetime: never
                  labels: [c2]
                  trafficLight: amber
                  columns:
                    value: ip
                    port: dport
                    separator: ";"
            tenants:
              - name: acme
                networks:
                  - network: 10.0.0.0/8
                    name: Zurich
                    tags: [office, ch]
                  - network: 2001:db8::/32
                policies:
                  - name: guests
                    from: [10.9.0.0/16]
                    to: [10.0.0.0/16]
                  - name: no-telnet
                    ports: [23, 2323-2324]
                    protocol: tcp
                    severity: high
            """)
        let feed = try #require(settings.feeds.first)
        #expect(feed.source.weight == 0.9 && feed.source.lifetimeDays == nil && feed.source.trafficLight == .amber)
        #expect(feed.columns?.others == ["port": "dport"] && feed.columns?.separator == ";")
        #expect(feed.place == .file(world.folder.file("c2.csv").path))
        #expect(settings.egress.allowed == [IPNetwork("10.1.0.0/16")] && settings.egress.ports == [443, 8_080])
        #expect(settings.egress.allowsPlain && !settings.huntsHistory)
        let parameters = settings.parameters[world.acme]
        #expect(parameters.ownNetworks.map { "\($0)" } == ["10.0.0.0/8", "2001:db8::/32"])
        #expect(parameters.policies.map(\.name) == ["guests", "no-telnet"])
        #expect(parameters.policies[1].ports == [23...23, 2_323...2_324] && parameters.policies[1].transport == 6)
        #expect(parameters.policies[1].severity == .high)
        #expect(settings.parameters[world.globex] == DetectorParameters())
        #expect(settings.tenants[world.acme]?.networks.first?.tags == ["office", "ch"])
    }

    @Test(
        "what is wrong is named, with what to do",
        arguments: [
            (
                "intelligence:\n  feeds:\n    - name: a\n",
                "intelligence.feeds[0].file: missing; a feed has a file or a url"
            ),
            (
                "intelligence:\n  feeds:\n    - name: a\n      file: a\n      url: https://b\n",
                "intelligence.feeds[0].url: there is a file, too"
            ),
            ("intelligence:\n  feeds:\n    - name: a\n      url: ftp://b\n", "intelligence.feeds[0].url: is not https"),
            (
                "intelligence:\n  feeds:\n    - name: a\n      file: a\n      weight: 2\n",
                "intelligence.feeds[0].weight: 2 is outside 0.0...1.0"
            ),
            (
                "intelligence:\n  feeds:\n    - name: a\n      file: a\n    - name: a\n      file: b\n",
                "intelligence.feeds[1].name: \"a\" is there twice"
            ),
            (
                "intelligence:\n  feeds:\n    - name: a\n      url: https://a/\n      format: taxii\n",
                "intelligence.feeds[0].collection: missing"
            ),
            (
                "intelligence:\n  feeds:\n    - name: a\n      file: a\ntenants:\n  - name: acme\n    intelligence:\n"
                    + "      feeds:\n        - name: a\n          file: b\n",
                "tenants[0].intelligence.feeds: \"a\" is the name of a shared feed"
            ),
            ("intelligence:\n  scoring: none.json\n", "intelligence.scoring: "),
            ("tenants:\n  - name: ACME\n", "tenants[0].name: \"ACME\" is not a tenant's name"),
            (
                "tenants:\n  - name: acme\n    networks:\n      - network: 10.0.0.0/33\n",
                "tenants[0].networks[0].network: \"10.0.0.0/33\" is not a network"
            ),
            (
                "tenants:\n  - name: acme\n    policies:\n      - name: all\n",
                "tenants[0].policies[0].name: \"all\" would forbid everything"
            ),
            (
                "tenants:\n  - name: acme\n    policies:\n      - name: p\n        ports: [9-1]\n",
                "tenants[0].policies[0].ports: \"9-1\" is not a port"
            ),
            ("enrichment:\n  lists: [nowhere]\n", "enrichment.lists: "),
            ("intelligence:\n  fedes: 1\n", "intelligence.fedes: unknown key; did you mean intelligence.feeds?"),
        ])
    func errors(_ yaml: String, _ message: String) throws {
        let world = try World()
        let error = #expect(throws: SettingError.self) { _ = try world.settings(yaml) }
        #expect("\(try #require(error))".hasPrefix(message), "\(String(describing: error))")
    }

    @Test("scoring rules come from a file, and a wrong one is named") func scoring() throws {
        let world = try World()
        try world.write("rules.json", #"{"halfLifeDays":7,"reportMin":20}"#)
        let rules = try world.settings("intelligence:\n  scoring: rules.json\n").scoring
        #expect(rules.halfLifeDays == 7 && rules.reportMin == 20 && rules.highMin == ScoreRules().highMin)
        try world.write("rules.json", #"{"ageFactorMin":7}"#)
        let error = #expect(throws: SettingError.self) {
            _ = try world.settings("intelligence:\n  scoring: rules.json\n")
        }
        #expect("\(try #require(error))".contains("ageFactorMin must be in 0...1"))
    }
}

@Suite("Settings of detectors") struct DetectorSettingsTests {
    @Test("everybody's limits, and a tenant's own before them; what is off is the tenant's word if it has one")
    func layers() throws {
        let world = try World()
        let parameters = try world.settings(
            """
            detectors:
              scanPortsMin: 12
              scanWindow: 2h
              guessVariationMax: 0.2
              floodUsual:
                days: 4
              off: [new-*]
            tenants:
              - name: acme
                networks:
                  - network: 10.0.0.0/8
                detectors:
                  scanPortsMin: 30
                  silence: 1h
                  off: [beacon]
              - name: initech
            """
        ).parameters
        let acme = parameters[world.acme], others = parameters[world.globex]
        #expect(acme.scanPortsMin == 30 && others.scanPortsMin == 12)
        #expect(acme.scanWindowMilliseconds == 7_200_000 && others.scanWindowMilliseconds == 7_200_000)
        #expect(acme.silenceMilliseconds == 3_600_000 && others.silenceMilliseconds == 900_000)
        #expect(acme.guessVariationMax == 0.2 && others.floodUsual.days == 4)
        #expect(acme.off == ["beacon"] && others.off == ["new-country", "new-network", "new-system"])
        #expect(acme.ownNetworks.count == 1 && others.ownNetworks.isEmpty)
        #expect(parameters[try #require(TenantID("initech"))] == others)
    }

    @Test(
        "what is wrong is named, with what is allowed",
        arguments: [
            ("detectors:\n  scanPortsMin: 1\n", "detectors.scanPortsMin: 1 is outside 2...4096"),
            ("detectors:\n  scanWindow: 5\n", "detectors.scanWindow: 5 is not a duration"),
            ("detectors:\n  scanWindow: 3d\n", "detectors.scanWindow: 3d is outside 1m...1d"),
            ("detectors:\n  floodUsual:\n    days: 9\n", "detectors.floodUsual.days: 9 is outside 1...7"),
            (
                "tenants:\n  - name: acme\n    detectors:\n      beaconScoreMin: 2\n",
                "tenants[0].detectors.beaconScoreMin: 2 is outside 0.1...1"
            ),
            ("detectors:\n  off: [becon]\n", "detectors.off: \"becon\" is no built-in rule: port-scan-vertical"),
        ])
    func wrong(yaml: String, expected: String) throws {
        let world = try World()
        let error = try #require(throws: SettingError.self) { try world.settings(yaml) }
        #expect("\(error)".hasPrefix(expected), "\(error)")
    }
}
