package import FlowModel

/// What is to be simulated: everything that the bytes depend on.
package struct SimulationPlan: Sendable {
    package var scenarios = ScenarioList()
    package var exportProtocol = ExportProtocol.netflow9
    /// Flow records a second that the mixes' exporters make together; attacks come on top. For sFlow: flows a second,
    /// of whose packets samples are taken.
    package var recordsPerSecond = 200
    package var seconds = 60
    /// When the first flows end, in ms since 1970 UTC. Exporting begins a second later.
    package var startMilliseconds: Int64 = 1_767_225_600_000
    package var seed: UInt64 = 1
    /// 1...64.
    package var exporters = 2
    package var knobs = SimulationKnobs()
    /// Whether the rate follows the hours of the day (UTC); `recordsPerSecond` is then that of the busiest.
    package var isDiurnal = false
    /// Whether messages go over a connection, where templates are sent once (IPFIX only).
    package var isStream = false

    package init() {}

    /// How long a cache keeps a flow that goes on: a minute; less in short runs, so that they have such flows, too; a
    /// second for sFlow, which has no cache.
    package var activeTimeoutSeconds: Int {
        exportProtocol == .sflow4 || exportProtocol == .sflow5 ? 1 : min(max(seconds / 6, 1), 60)
    }
}

/// An exporter as the collector meets it.
package struct SimulatedExporter: Sendable, Hashable {
    /// Its own address, in captures also the datagrams' source.
    package var address: IPAddress
    package var sourcePort: UInt16
}

/// A run of the simulator: asked step by step for datagrams, it hands them over in the order of time.
package struct Simulation: Sendable {
    package let plan: SimulationPlan
    package let exporters: [SimulatedExporter]
    private var traffic: Traffic
    private var encoders: [ExportEncoder]
    private var network: Network
    private var made = DatagramBatch(), madeTally = DatagramTally(), madeDatagrams: UInt64 = 0
    private var perExporter: [SimulationSummary.Exporter]
    private var sentTally = DatagramTally(), sentDatagrams: UInt64 = 0, sentBytes: UInt64 = 0
    private var isFinished = false

    package init(_ plan: SimulationPlan) {
        self.plan = plan
        let seeds = Dice(seed: plan.seed)
        traffic = Traffic(plan, seeds: seeds)
        exporters = (0..<max(plan.exporters, 1)).map { index in
            // 192.0.2.254 and down; behind a translator they have one address and ports of their own.
            let last = plan.knobs.natTwoAgents ? 0 : UInt32(index)
            return SimulatedExporter(address: IPAddress(v4: 0xC000_02FE - last), sourcePort: UInt16(40_000 + index))
        }
        encoders = Self.encoders(plan, exporters.count, seeds: seeds)
        network = Network(plan.knobs, dice: seeds.derived(3))
        perExporter = exporters.map { SimulationSummary.Exporter(address: $0.address.description) }
    }

    /// One for each exporter, or two where each has two domains.
    private static func encoders(_ plan: SimulationPlan, _ exporters: Int, seeds: Dice) -> [ExportEncoder] {
        let start = plan.startMilliseconds + 1_000, halfway = start + Int64(plan.seconds) * 500
        let mix = plan.scenarios.mixes.first.map(Mix.named)
        return (0..<exporters).flatMap { index in
            (0..<(plan.knobs.domainMix ? 2 : 1)).map { half in
                let own = UInt32(plan.knobs.natTwoAgents ? 1 : index + 1)
                let identity = ExportEncoder.Identity(
                    exporter: index, domain: own + UInt32(half * 100), agent: IPAddress(v4: 0xC000_02FE - UInt32(index))
                )
                var encoder = ExportEncoder(
                    plan.exportProtocol, identity, plan.knobs, start: start, halfway: halfway, mix: mix,
                    isStream: plan.isStream, dice: seeds.derived(UInt64(100 + index * 2 + half)))
                if half == 1 {
                    for slot in encoder.layouts.indices { encoder.layouts[slot].fields.reverse() }
                }
                return encoder
            }
        }
    }

    /// Fills `batch` with the datagrams of the next step.
    /// - Returns: false when the run is over, and `batch` empty.
    package mutating func step(into batch: inout DatagramBatch) -> Bool {
        batch.removeAll()
        guard !isFinished else { return false }
        made.removeAll()
        let now = traffic.nextStep()
        if let now {
            send(at: now)
        } else {
            finish()
        }
        let time = now ?? traffic.now
        (made.dueMilliseconds, batch.dueMilliseconds) = (time, time)
        for item in made.items { madeTally += item.tally }
        madeDatagrams += UInt64(made.items.count)
        if network.isPerfect {
            swap(&made, &batch)
        } else {
            network.pass(made, to: &batch)
            if isFinished { network.finish(to: &batch) }
        }
        account(for: batch)
        return true
    }
    private mutating func send(at now: Int64) {
        traffic.forEachSighting { seen in
            let half = plan.knobs.domainMix ? Int(seen.flow.sourceIPAddress.low & 1) : 0
            let index = seen.exporter * (plan.knobs.domainMix ? 2 : 1) + half
            encoders[index].append(seen, at: now, into: &made)
        }
        for index in encoders.indices { encoders[index].advance(to: now, into: &made) }
    }
    private mutating func finish() {
        for index in encoders.indices { encoders[index].flushAll(traffic.now, into: &made) }
        isFinished = true
    }
    private mutating func account(for batch: DatagramBatch) {
        for item in batch.items {
            sentTally += item.tally
            sentBytes += UInt64(item.range.count)
            perExporter[item.exporter].datagrams += 1
            perExporter[item.exporter].carried += item.tally
        }
        sentDatagrams += UInt64(batch.items.count)
    }

    /// Records of the mixes and attacks so far, of all exporters: what the rate is about.
    package var recordsSeen: UInt64 { traffic.records }
    package var progressSeconds: Int { Int((traffic.now - plan.startMilliseconds) / 1_000) }

    /// What has been sent so far, to the datagram.
    package var summary: SimulationSummary {
        var summary = SimulationSummary(plan)
        (summary.datagrams, summary.payloadOctets, summary.carried) = (sentDatagrams, sentBytes, sentTally)
        (summary.made, summary.madeDatagrams) = (madeTally, madeDatagrams)
        (summary.lost, summary.lostDatagrams) = (network.lost, network.lostDatagrams)
        (summary.doubled, summary.doubledDatagrams) = (network.doubled, network.doubledDatagrams)
        (summary.corruptDatagrams, summary.lateDatagrams) = (network.corruptDatagrams, network.lateDatagrams)
        summary.flowsSeen = traffic.records
        summary.flowsUnsampled = encoders.reduce(0) { $0 + $1.omitted.unsampled }
        summary.flowsUnsupported = encoders.reduce(0) { $0 + $1.omitted.unsupported }
        summary.exporters = perExporter
        return summary
    }
    /// What attacks there have been so far: what a detector should find, and nothing else.
    package var truth: SimulationTruth { traffic.truth }
}
