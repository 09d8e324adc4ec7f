import FlowModel
import Foundation
import Simulator

/// A folder of captures of one behaviour, and what is known of it.
struct LabelledSet {
    let id: String
    /// None: the set is benign.
    let attacks: [KnownAttack]

    /// The captures of exports; the original packets lie beside them under the folder's own name.
    func files(in folder: String) -> [String] {
        for part in ["curated", "flows"] {
            let path = "\(folder)/\(part)/\(id)"
            guard let names = try? FileManager.default.contentsOfDirectory(atPath: path) else { continue }
            return names.filter { $0.hasSuffix(".pcap") && $0 != "\(id).pcap" }.sorted().map { "\(path)/\($0)" }
        }
        return []
    }

    private init(_ id: String, _ rules: [String] = [], attacker: String? = nil, victim: String? = nil) {
        self.id = id
        attacks = rules.isEmpty ? [] : [KnownAttack(rules: rules, attacker: attacker, victim: victim)]
    }

    private static let scans = ["port-scan-vertical", "port-scan-horizontal", "distributed-scan"]

    static let all: [LabelledSet] = [
        LabelledSet(
            "scan-masscan-tcp", ["port-scan-vertical"], attacker: "172.31.15.102", victim: "198.124.152.15"),
        LabelledSet("scan-tiny-vertical", ["port-scan-vertical"], attacker: "192.168.2.154", victim: "192.168.2.22"),
        LabelledSet("scan-slow-445", ["port-scan-horizontal"], attacker: "176.192.150.3"),
        LabelledSet("cic2017-portscan", scans, attacker: "172.16.0.1"),
        LabelledSet("ctu-normal-44-d2", scans.reversed(), victim: "147.32.83.161"),
        LabelledSet("bf-ssh-11", ["password-guessing"], attacker: "192.168.56.1", victim: "192.168.56.103"),
        LabelledSet("bf-ftp-30", ["password-guessing"], attacker: "192.168.56.1", victim: "192.168.56.101"),
        LabelledSet("ddos-amp-isakmp", ["reflection-flood", "flood"], victim: "10.10.10.10"),
        LabelledSet("ddos-ipv6-ext", ["flood"], attacker: "2001:db8:1::2", victim: "2001:db8:1::1"),
        LabelledSet("beacon-ctu-cc1", ["beacon"], attacker: "147.32.80.37", victim: "141.193.213.21"),
        LabelledSet("ctu-230-njrat-cc", ["beacon"], attacker: "192.168.1.115", victim: "41.108.179.197"),
        LabelledSet("dns-tunnel-iodine-small", ["dns-tunnel"], attacker: "10.0.2.30", victim: "10.0.2.20"),
        LabelledSet("long-connection", ["long-connection"], attacker: "192.168.2.186", victim: "192.168.2.21"),
        LabelledSet("neg-http"),
        LabelledSet("cic2017-benign-sample"),
        LabelledSet("ctu-sme-benign-linux"),
        LabelledSet("rita-proxy-1h"),
    ]
}

extension KnownAttack {
    init(rules: [String], attacker: String?, victim: String?) {
        func network(_ text: String?) -> IPNetwork? {
            guard let text else { return nil }
            return IPNetwork(text) ?? IPAddress(text).map { IPNetwork($0, length: $0.isV4 ? 32 : 128) }
        }
        self.init(rules: rules, attacker: network(attacker), victim: network(victim), start: nil)
    }

    /// What the simulator laid over a mix. Forged sources are nobody's; the host that was hit is.
    init(_ truth: AttackTruth) {
        self.init(
            rules: Self.rules(truth.scenario), attacker: truth.isSpoofed ? nil : truth.attacker,
            victim: truth.isSpoofed ? truth.victim : nil)
        start = truth.startMilliseconds
    }
    private static func rules(_ scenario: String) -> [String] {
        switch scenario {
        case "scan-vertical": ["port-scan-vertical"]
        case "scan-horizontal", "scan-slow": ["port-scan-horizontal"]
        case "flood", "flood-syn": ["flood"]
        case "flood-dns", "flood-ntp", "flood-memcached": ["flood", "reflection-flood"]
        default: [scenario]
        }
    }
}
