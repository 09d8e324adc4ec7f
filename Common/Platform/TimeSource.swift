/// The seams to the outside: time and chance come in by `init`, so that logic can be replayed. Real ones are made by
/// executables only.

/// Two clocks: one that people and certificates go by and that may jump, one that only goes forward.
package protocol TimeSource: Sendable {
    /// In ms since 1970 UTC. May jump either way; never used for order, expiry or retries.
    func wallMilliseconds() -> Int64
    /// Since an arbitrary start; never falls.
    func monotonic() -> Duration
}
