package import Telemetry

extension BatchKey {
    /// The batch's trace, which needs nothing but its key: sensor, log, pipeline and incidents are in the same.
    package var trace: TraceContext { TraceContext(epoch: (epoch.high, epoch.low), sequence: sequence) }
    /// The step in it that `name` is: `seal` at the top, then `ship`, `ingest`, `detect`, `store` and `incident`.
    package func step(_ name: String) -> TraceContext { name == "seal" ? trace : trace.step(name) }
}
