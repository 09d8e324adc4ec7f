package import FlowModel

/// How near the sensor is to its limits, each from 0 to 1.
package struct Pressure: Equatable, Sendable {
    /// Used bytes of the spool over `spool.bytesMax`.
    package var spool: Double
    /// Octets of batches that wait for the spool's thread over how many may: the disk does not keep up.
    package var queue: Double
    /// Processor seconds per second over the cores that this process may use; nil when there is no new measurement.
    package var processor: Double?

    package init(spool: Double = 0, queue: Double = 0, processor: Double? = nil) {
        (self.spool, self.queue, self.processor) = (spool, queue, processor)
    }
}

/// How coarse the next window is summed. The nearest limit decides:
///
///     spool      from 80 % per service, from 90 % per pair of hosts; back below 70 % and 80 %
///     queue      from 50 % per service, from 75 %; back below 25 % and 50 %
///     processor  from 95 % per service, a step more each `patience` seconds; a step back below 70 %
///
/// The gaps keep it from swinging at an edge.
package struct FidelityControl: Sendable {
    package private(set) var fidelity = Fidelity.full
    private var spool = Fidelity.full, queue = Fidelity.full, processor = Fidelity.full
    private var secondsBusy = 0, secondsCalm = 0
    private static let patience = 3

    package init() {}

    /// - Returns: what the next window is to have.
    package mutating func update(_ pressure: Pressure) -> Fidelity {
        spool = Self.step(spool, pressure.spool, up: (0.80, 0.90), down: (0.70, 0.80))
        queue = Self.step(queue, pressure.queue, up: (0.50, 0.75), down: (0.25, 0.50))
        if let load = pressure.processor { follow(processor: load) }
        fidelity = max(spool, queue, processor)
        return fidelity
    }
    private static func step(
        _ now: Fidelity, _ fraction: Double, up: (Double, Double), down: (Double, Double)
    ) -> Fidelity {
        if fraction >= up.1 { return .host }
        switch now {
        case .full: return fraction >= up.0 ? .service : .full
        case .service: return fraction < down.0 ? .full : .service
        case .host: return fraction < down.0 ? .full : fraction < down.1 ? .service : .host
        }
    }
    /// A busy second is no reason; several in a row are.
    private mutating func follow(processor load: Double) {
        secondsBusy = load >= 0.95 ? secondsBusy + 1 : 0
        secondsCalm = load < 0.70 ? secondsCalm + 1 : 0
        if secondsBusy >= Self.patience {
            processor = processor == .full ? .service : .host
            secondsBusy = 0
        } else if secondsCalm >= Self.patience {
            processor = processor == .host ? .service : .full
            secondsCalm = 0
        }
    }
}
