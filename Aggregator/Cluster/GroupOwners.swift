/// Works on as many groups as are this node's part: a pipeline for each, as long as JetStream pins this node to it.
///
/// Invariants: a pipeline whose pin is another's, or that could not ask for longer than a pin lasts, is cancelled and
/// writes nothing on its way out; one that is given up, for another's sake or at the end, writes its checkpoint first.
/// Whose work counts is decided by `JetStreamCheckpoints`, not here.
internal import AggregatorPipeline
internal import FlowLog
package import JetStream
package import Logging
package import Platform
package import ServiceLifecycle
package import Telemetry

package struct GroupOwners: Service {
    private let api: JetStreamAPI, pins: OwnerPins, roster: NodeRoster, groups: Int
    /// Makes the pipeline of a group.
    private let make: @Sendable (Int) throws -> any Service
    private let time: any TimeSource, logger: Logger
    private let owned: Gauge, lost: Counter

    /// - Parameter roster: prepared, as are the pins.
    package init(
        _ api: JetStreamAPI, roster: NodeRoster, groups: Int, time: any TimeSource, registry: MetricRegistry,
        logger: Logger, make: @escaping @Sendable (Int) throws -> any Service
    ) {
        (self.api, self.roster, self.groups, self.make) = (api, roster, groups, make)
        (self.time, self.logger) = (time, logger)
        pins = OwnerPins(api)
        owned = registry.gauge("weir_cluster_groups_owned", help: "Groups of shards that this node works on.")
        lost = registry.counter("weir_cluster_groups_lost_total", help: "Groups that were taken from this node.")
    }

    package func run() async throws {
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { await beat() }
            for group in 0..<groups { tasks.addTask { try await work(on: group) } }
            do {
                for _ in 0..<groups { try await tasks.next() }
            } catch {
                tasks.cancelAll()
                throw error
            }
            tasks.cancelAll()
        }
        await roster.leave()
    }

    private var isOver: Bool { Task.isCancelled || Task.isShuttingDownGracefully }
    /// Ends early at a graceful end.
    private func pause(_ duration: Duration) async {
        try? await cancelWhenGracefulShutdown { try await Task.sleep(for: duration) }
    }

    /// Also while the node drains; then its groups' owner is still here.
    private func beat() async {
        while !Task.isCancelled {
            do { try await roster.beat() } catch {
                logger.debug("No heartbeat.", metadata: ["reason": "\(error)"])
            }
            owned.set(Double(roster.owned.count))
            try? await Task.sleep(for: NodeRoster.beatEvery)
        }
    }

    private func work(on group: Int) async throws {
        while !isOver {
            guard roster.mayTake else {
                await pause(.milliseconds(250))
                continue
            }
            guard case .pinned(let pin) = await pins.ask(group, pin: nil) else {
                await pause(.milliseconds(100))
                continue
            }
            // Two groups may have come at once.
            guard roster.mayTake, !isOver else {
                await pins.release(group)
                continue
            }
            roster.took(group)
            logger.notice("This node owns a group of shards.", metadata: ["group": "\(group)"])
            let end = try await own(group, pin: pin)
            roster.gave(group)
            if end == .lost { lost.add() } else { await pins.release(group) }
            logger.notice(
                "This node gives a group of shards up.", metadata: ["group": "\(group)", "reason": "\(end.rawValue)"])
            await pause(.milliseconds(500))
        }
    }

    private enum End: String {
        case done = "the end", shared = "another node has fewer", lost = "it is another's", fault = "no answer"
    }

    private func own(_ group: Int, pin: String) async throws -> End {
        let pipeline = ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: [.init(service: try make(group), successTerminationBehavior: .gracefullyShutdownGroup)],
                logger: logger))
        return try await withThrowingTaskGroup(of: End.self) { tasks in
            tasks.addTask { try await run(pipeline, of: group) }
            tasks.addTask { await keep(group, pin: pin) }
            var end = try await tasks.next() ?? .done
            if end == .shared {
                await pipeline.triggerGracefulShutdown()
                // The pin lasts a little longer than the last checkpoint takes; if not, the checkpoint is refused.
                let last = try await tasks.next() ?? .done
                if last != .done { end = last }
            }
            tasks.cancelAll()
            return end
        }
    }
    /// - Throws: a fault of this node's own storage: the process is to be started afresh.
    private func run(_ pipeline: ServiceGroup, of group: Int) async throws -> End {
        do {
            try await pipeline.run()
            return .done
        } catch is OwnershipLost {
            return .lost
        } catch {
            if Task.isCancelled || error is CancellationError { return .fault }
            logger.error(
                "Work on a group of shards has failed.", metadata: ["group": "\(group)", "reason": "\(error)"])
            // What was not saved is done again, here or elsewhere.
            guard error is FlowLogError else { throw error }
            return .fault
        }
    }

    /// Asks again and again, so that the pin stays.
    private func keep(_ group: Int, pin: String) async -> End {
        var heard = time.monotonic()
        while !Task.isCancelled {
            switch await pins.ask(group, pin: pin) {
            case .pinned, .nothing: heard = time.monotonic()
            case .lost: return .lost
            case .fault(let reason):
                guard time.monotonic() - heard < OwnerPins.timeout else {
                    logger.warning("A pin can't be kept.", metadata: ["group": "\(group)", "reason": "\(reason)"])
                    return .lost
                }
                try? await Task.sleep(for: .milliseconds(100))
            }
            if roster.shouldGiveUp(group), !Task.isShuttingDownGracefully { return .shared }
        }
        return .done
    }
}
