package import FlowModel

/// How near the sensor is to its limits, each from 0 to 1.
package struct Pressure: Equatable, Sendable {
    /// Used bytes of the spool over `spool.bytesMax`.
    package var spool: Double
    /// Windows that wait for the spool's thread over how many may: the disk, or sealing, does not keep up.
    package var queue: Double
    /// Processor seconds per second over the cores that this process may use.
    package var processor: Double

    package init(spool: Double = 0, queue: Double = 0, processor: Double = 0) {
        (self.spool, self.queue, self.processor) = (spool, queue, processor)
    }
}

/// How coarse the next window is summed. The nearest limit decides:
///
///     spool      from 80 % per service, from 90 % per pair of hosts; back below 70 % and 80 %
///     queue      from 50 % per service, from 75 %; back below 25 % and 50 %
///     processor  from 95 % per service, one step more each `patience` windows; a step back below 70 %
///
/// The gaps keep it from swinging at an edge.
package struct FidelityControl: Sendable {
    package private(set) var fidelity = Fidelity.full
    private var spool = Fidelity.full, queue = Fidelity.full, processor = Fidelity.full
    private var windowsBusy = 0, windowsCalm = 0
    private static let patience = 3

    package init() {}

    /// - Returns: what the next window is to have.
    package mutating func update(_ pressure: Pressure) -> Fidelity {
        spool = Self.step(spool, pressure.spool, up: (0.80, 0.90), down: (0.70, 0.80))
        queue = Self.step(queue, pressure.queue, up: (0.50, 0.75), down: (0.25, 0.50))
        follow(processor: pressure.processor)
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
    /// A busy second is no reason; several windows in a row are.
    private mutating func follow(processor load: Double) {
        windowsBusy = load >= 0.95 ? windowsBusy + 1 : 0
        windowsCalm = load < 0.70 ? windowsCalm + 1 : 0
        if windowsBusy >= Self.patience {
            processor = processor == .full ? .service : .host
            windowsBusy = 0
        } else if windowsCalm >= Self.patience {
            processor = processor == .host ? .service : .full
            windowsCalm = 0
        }
    }
}
