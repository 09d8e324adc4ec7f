internal import FlowModel

/// The mixes and attacks of a run, in steps of time.
struct Traffic: Sendable {
    private let plan: SimulationPlan
    private var mixes: [MixTraffic], attacks: [AttackTraffic]
    private let stepMilliseconds: Int64, steps: Int
    private var stepsDone = 0
    private var mixTurn = 0
    /// Records that are owed, in hundred-thousandths.
    private var credit: Int64 = 0
    private var attackFlows: [FlowRecord] = []
    /// Records seen by all exporters so far.
    private(set) var records: UInt64 = 0
    /// By a right clock, in ms since 1970.
    private(set) var now: Int64

    /// Percent of the busiest hour's traffic in each hour of the day.
    static let diurnalPercent: [Int64] = [
        34, 26, 22, 20, 20, 24, 36, 52, 72, 88, 94, 96, 90, 92, 96, 100, 98, 92, 84, 78, 72, 64, 54, 44,
    ]

    init(_ plan: SimulationPlan, seeds: Dice) {
        self.plan = plan
        let pairs = plan.knobs.pairsDirections
        let usesIPv6 = ![ExportProtocol.netflow1, .netflow5, .netflow7].contains(plan.exportProtocol)
        let options = MixTraffic.Options(
            exporters: max(plan.exporters, 1), activeTimeoutSeconds: plan.activeTimeoutSeconds, usesIPv6: usesIPv6,
            pairsDirections: pairs, recordsPerSecond: plan.recordsPerSecond)
        mixes = plan.scenarios.mixes.enumerated().map { index, name in
            MixTraffic(Mix.named(name).observed(by: plan.knobs), options, dice: seeds.derived(UInt64(10 + index)))
        }
        attacks = plan.scenarios.attacks.map { attack in
            let number = UInt64(Attack.allCases.firstIndex(of: attack) ?? 0)
            return AttackTraffic(
                attack, runSeconds: plan.seconds, startMilliseconds: plan.startMilliseconds,
                dice: seeds.derived(50 + number))
        }
        // Short steps at high rates: a step's datagrams go out at once and must fit a socket's buffer.
        stepMilliseconds = plan.recordsPerSecond > 20_000 ? 1 : 10
        steps = plan.seconds * 1_000 / Int(stepMilliseconds)
        now = plan.startMilliseconds + 1_000
    }

    /// Goes on to the next step; nil at the end of the run.
    mutating func nextStep() -> Int64? {
        guard stepsDone < steps else { return nil }
        stepsDone += 1
        now = plan.startMilliseconds + 1_000 + Int64(stepsDone) * stepMilliseconds
        return now
    }

    /// Calls `body` with each flow that is given up in this step.
    mutating func forEachSighting(_ body: (consuming Sighting) -> Void) {
        let percent = plan.isDiurnal ? Self.diurnalPercent[Int(now / 3_600_000 % 24)] : 100
        if !mixes.isEmpty { credit += Int64(plan.recordsPerSecond) * stepMilliseconds * percent }
        while credit >= 100_000 {
            credit -= 100_000
            mixTurn = mixTurn + 1 < mixes.count ? mixTurn + 1 : 0
            records += 1
            body(mixes[mixTurn].next(at: now))
        }
        guard !attacks.isEmpty else { return }
        // What ended before the current second has been given up; the last step takes what is left.
        let before = stepsDone == steps ? now + 1_000 : now / 1_000 * 1_000 - 1_000
        for index in attacks.indices {
            attackFlows.removeAll(keepingCapacity: true)
            attacks[index].append(before: before, to: &attackFlows)
            export(attackFlows, attacks[index].attack, body)
        }
    }

    /// Attacks from outside pass the edge, exporter 0; what stays inside passes the next.
    private mutating func export(_ flows: [FlowRecord], _ attack: Attack, _ body: (consuming Sighting) -> Void) {
        let exporter = attack == .lateralMovement ? 1 % max(plan.exporters, 1) : 0
        var index = 0
        while index < flows.count {  // ends: each turn adds at least 1
            var seen = Sighting(flows[index], exporter: exporter)
            index += 1
            if plan.knobs.pairsDirections, index < flows.count, flows[index].answers(flows[index - 1]) {
                let answer = flows[index]
                seen.reverse = Sighting.Reverse(
                    octets: answer.octetDeltaCount, packets: answer.packetDeltaCount, flags: answer.tcpControlBits,
                    start: answer.flowStartMilliseconds, end: answer.flowEndMilliseconds)
                index += 1
            }
            records += 1
            body(seen)
        }
    }

    var truth: SimulationTruth {
        var truth = SimulationTruth(plan)
        truth.attacks = attacks.filter { $0.tally.flows > 0 }.map(AttackTruth.init)
        return truth
    }
}

extension FlowRecord {
    fileprivate func answers(_ other: FlowRecord) -> Bool {
        sourceIPAddress == other.destinationIPAddress && destinationIPAddress == other.sourceIPAddress
            && sourceTransportPort == other.destinationTransportPort
            && destinationTransportPort == other.sourceTransportPort
    }
}

extension Mix {
    /// The mix with the shares of what is seen twice that the knobs want.
    func observed(by knobs: SimulationKnobs) -> Mix {
        guard knobs.twoRouters != nil || knobs.bothSides != nil else { return self }
        return Mix(
            services: services, clients: clients, servers: servers, internetHosts: internetHosts, ipv6: ipv6,
            translated: translated, twoRouters: knobs.twoRouters ?? twoRouters, bothSides: knobs.bothSides ?? bothSides,
            long: long, unanswered: unanswered, tagged: tagged, tunneled: tunneled, hasRouting: hasRouting)
    }
}

extension Dice {
    /// Chance of its own for each part, so that a change in one leaves the others' as they were.
    func derived(_ number: UInt64) -> Dice {
        var copy = self
        return Dice(seed: copy.word() ^ (number &* 0xD1B5_4A32_D192_ED03))
    }
}
