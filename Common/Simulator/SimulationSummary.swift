internal import FlowModel

/// What a run has sent, to the datagram: to be compared with what a collector counts. JSON keys are the properties'
/// names.
package struct SimulationSummary: Codable, Sendable, Equatable {
    package var scenarios: [String], exportProtocol: String, seed: UInt64
    package var recordsPerSecond: Int, seconds: Int
    /// Sent: after loss and doubling on the way.
    package var datagrams: UInt64 = 0, payloadOctets: UInt64 = 0
    package var carried = DatagramTally()
    /// Made by the exporters; sent = made - lost + doubled.
    package var madeDatagrams: UInt64 = 0, made = DatagramTally()
    package var lostDatagrams: UInt64 = 0, lost = DatagramTally()
    package var doubledDatagrams: UInt64 = 0, doubled = DatagramTally()
    package var corruptDatagrams: UInt64 = 0, lateDatagrams: UInt64 = 0
    /// Sightings of flows by exporters; of these, those without a sampled packet, and those for which the protocol
    /// has no place, became no record. (sFlow makes many samples of one, firewall events two or three.)
    package var flowsSeen: UInt64 = 0, flowsUnsampled: UInt64 = 0, flowsUnsupported: UInt64 = 0
    package var exporters: [Exporter] = []

    package struct Exporter: Codable, Sendable, Equatable {
        package var address: String
        package var datagrams: UInt64 = 0
        package var carried = DatagramTally()
        init(address: String) { self.address = address }
    }

    init(_ plan: SimulationPlan) {
        scenarios = plan.scenarios.mixes.map(\.rawValue) + plan.scenarios.attacks.map(\.rawValue)
        (exportProtocol, seed) = (plan.exportProtocol.name, plan.seed)
        (recordsPerSecond, seconds) = (plan.recordsPerSecond, plan.seconds)
    }
}

/// The attacks that took place: what a detector should find, and nothing else. Counted on the link, before sampling,
/// loss and the like.
package struct SimulationTruth: Codable, Sendable, Equatable {
    package var scenarios: [String], seed: UInt64
    /// Of the whole run, in ms since 1970 UTC.
    package var startMilliseconds: Int64, endMilliseconds: Int64
    package var attacks: [AttackTruth] = []

    init(_ plan: SimulationPlan) {
        scenarios = plan.scenarios.mixes.map(\.rawValue) + plan.scenarios.attacks.map(\.rawValue)
        seed = plan.seed
        startMilliseconds = plan.startMilliseconds
        endMilliseconds = plan.startMilliseconds + Int64(plan.seconds + 1) * 1_000
    }
}

package struct AttackTruth: Codable, Sendable, Equatable {
    package var scenario: String
    /// Numbers of ATT&CK.
    package var technique: String, tactic: String
    /// Addresses, or networks (`198.18.0.0/23`) when there are many.
    package var attacker: String, victim: String
    /// Whether the attacker's addresses are forged or those of misused third parties.
    package var isSpoofed: Bool
    /// At the attacked end; empty when there are too many to list.
    package var ports: [UInt16]
    /// From the first to the last flow, in ms since 1970 UTC.
    package var startMilliseconds: Int64, endMilliseconds: Int64
    /// Both directions, one sighting each.
    package var flows: UInt64, octets: UInt64, packets: UInt64

    init(_ traffic: AttackTraffic) {
        let attack = traffic.attack
        (scenario, technique, tactic) = (attack.rawValue, attack.technique, attack.tactic)
        let (from, to) = (attack.attacker, attack.victim)
        attacker = from.length == 32 ? from.address.description : from.description
        victim = to.length == 32 ? to.address.description : to.description
        (isSpoofed, ports) = (attack.isSpoofed, attack.ports)
        (startMilliseconds, endMilliseconds) = (traffic.firstMilliseconds, traffic.lastMilliseconds)
        (flows, octets, packets) = (traffic.tally.flows, traffic.tally.octets, traffic.tally.packets)
    }
}
