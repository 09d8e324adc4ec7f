package import FlowModel
package import Platform
internal import Synchronization
package import Telemetry

/// Names of addresses for who looks at them: what is kept at once, and what is not is asked for now and waited for as
/// long as allowed; later answers are there for the next who looks.
package final class NameDesk: Sendable {
    private struct State {
        var cache: NameCache
        var rate: QuestionRate
        var open: Set<IPAddress> = []
        /// The server that answered last: the next question is put to it first.
        var preferred = 0
    }
    private let settings: NameSettings
    private let transport: any NameTransport
    private let time: any TimeSource
    private let chance: @Sendable () -> UInt16
    private let metrics: NameMetrics
    private let state: Mutex<State>

    package static let wait = Duration.milliseconds(500)

    /// - Parameter chance: what nobody can foresee: questions are numbered by it.
    package init(
        _ settings: NameSettings, transport: any NameTransport, time: any TimeSource, registry: MetricRegistry,
        chance: @escaping @Sendable () -> UInt16
    ) {
        (self.settings, self.transport, self.time, self.chance) = (settings, transport, time, chance)
        metrics = NameMetrics(registry)
        let first = State(
            cache: NameCache(entriesMax: settings.entriesMax), rate: QuestionRate(perSecond: settings.perSecond))
        state = Mutex(first)
        registry.beforeEachPage { [weak self] in self?.countKept() }
    }
    private func countKept() { metrics.kept.set(Double(state.withLock { $0.cache.count })) }

    /// The names that are known when all is answered, or `limit` is over.
    /// - Parameter addresses: the first `Limit.addressesMax` are asked about.
    package func names(
        of addresses: some Sequence<IPAddress>, waitingAtMost limit: Duration = NameDesk.wait
    ) async -> [IPAddress: String] {
        guard settings.isEnabled else { return [:] }
        let wanted = Array(Set(addresses.lazy.filter(mayAsk).prefix(Limit.addressesMax)))
        let end = time.monotonic() + limit
        for address in begin(wanted) { ask(address, attempt: 0) }
        while isOpen(wanted), time.monotonic() < end {  // ends: at `end`
            do { try await Task.sleep(for: .milliseconds(5)) } catch { break }
        }
        let now = time.monotonic()
        return state.withLock { state in
            var names: [IPAddress: String] = [:]
            for address in wanted {
                if case .some(.some(let name)) = state.cache.name(of: address, now: now) { names[address] = name }
            }
            return names
        }
    }
    private func isOpen(_ addresses: [IPAddress]) -> Bool {
        state.withLock { state in !state.open.isEmpty && addresses.contains { state.open.contains($0) } }
    }
    private func mayAsk(_ address: IPAddress) -> Bool {
        !address.isNowhere && (settings.asksPrivate || !address.isInside)
    }

    /// - Returns: those to be asked about now: not known, not under way, and within what may be asked.
    private func begin(_ addresses: [IPAddress]) -> [IPAddress] {
        let now = time.monotonic()
        return state.withLock { state in
            addresses.filter { address in
                guard state.cache.name(of: address, now: now) == nil, !state.open.contains(address) else {
                    return false
                }
                guard state.open.count < Limit.openMax else {
                    metrics.refusedBusy.add()
                    return false
                }
                guard state.rate.take(now: now) else {
                    metrics.refusedRate.add()
                    return false
                }
                state.open.insert(address)
                return true
            }
        }
    }

    private func ask(_ address: IPAddress, attempt: Int) {
        let question = PointerQuestion(address, number: chance())
        let place = state.withLock { ($0.preferred + attempt) % max(settings.servers.count, 1) }
        guard place < settings.servers.count else { return close(address, nil, keep: settings.absent.lowerBound) }
        metrics.questions.add()
        let strays = metrics.strays
        transport.exchange(question.octets, with: settings.servers[place], timeout: settings.timeout) { datagram in
            let reply = question.read(datagram)
            if reply == nil { strays.add() }
            return reply
        } done: { [weak self] outcome in
            self?.take(outcome, of: address, from: place, attempt: attempt)
        }
    }

    private func take(_ outcome: NameOutcome, of address: IPAddress, from place: Int, attempt: Int) {
        metrics.note(outcome)
        switch outcome {
        case .answered(.named(let name, let seconds)):
            state.withLock { $0.preferred = place }
            close(address, name, keep: Self.clamped(seconds, settings.keep))
        case .answered(.unusable(let seconds)):
            state.withLock { $0.preferred = place }
            close(address, nil, keep: Self.clamped(seconds, settings.absent))
        case .answered(.nameless(let seconds)):
            state.withLock { $0.preferred = place }
            close(address, nil, keep: seconds.map { Self.clamped($0, settings.absent) } ?? settings.absent.lowerBound)
        case .answered(.failed), .answered(.truncated), .answered(.malformed), .timedOut, .unreachable:
            let now = time.monotonic()
            guard attempt + 1 < settings.servers.count, state.withLock({ $0.rate.take(now: now) }) else {
                return close(address, nil, keep: settings.absent.lowerBound)
            }
            ask(address, attempt: attempt + 1)
        }
    }
    private static func clamped(_ seconds: UInt32, _ range: ClosedRange<Duration>) -> Duration {
        min(max(.seconds(Int64(seconds)), range.lowerBound), range.upperBound)
    }
    private func close(_ address: IPAddress, _ name: String?, keep: Duration) {
        let end = time.monotonic() + keep
        state.withLock { state in
            state.cache.note(name, of: address, until: end)
            state.open.remove(address)
        }
    }
}

/// What the desk says about itself.
struct NameMetrics: Sendable {
    let questions, refusedRate, refusedBusy, strays: Counter
    let kept: Gauge
    private let answers: [String: Counter]
    private static let results = [
        "named", "nameless", "unusable", "failed", "truncated", "malformed", "timed-out", "unreachable",
    ]

    init(_ registry: MetricRegistry) {
        questions = registry.counter("weir_names_questions_total", help: "Questions for names put to resolvers.")
        func refused(_ reason: String) -> Counter {
            registry.counter(
                "weir_names_refused_total", help: "Addresses that were looked at and not asked about.",
                labels: ["reason": reason])
        }
        (refusedRate, refusedBusy) = (refused("rate"), refused("busy"))
        strays = registry.counter(
            "weir_names_strays_total", help: "Datagrams that were no answer to the question: late, or forged.")
        kept = registry.gauge("weir_names_kept", help: "Addresses whose answer is kept.")
        answers = Dictionary(
            uniqueKeysWithValues: Self.results.map { result in
                (
                    result,
                    registry.counter(
                        "weir_names_answers_total", help: "How questions for names ended.", labels: ["result": result])
                )
            })
    }
    func note(_ outcome: NameOutcome) {
        let result =
            switch outcome {
            case .answered(.named): "named"
            case .answered(.nameless): "nameless"
            case .answered(.unusable): "unusable"
            case .answered(.failed): "failed"
            case .answered(.truncated): "truncated"
            case .answered(.malformed): "malformed"
            case .timedOut: "timed-out"
            case .unreachable: "unreachable"
            }
        answers[result]?.add()
    }
}

extension IPAddress {
    /// No host's: none, this one's own, a group's, or of one link.
    fileprivate var isNowhere: Bool {
        guard !isAbsent else { return true }
        if isV4 {
            return v4 >> 24 == 0 || v4 >> 24 == 127 || v4 >> 28 >= 14 || v4 >> 16 == 0xA9FE
        }
        return self == IPAddress(high: 0, low: 1) || high >> 56 == 0xFF || high >> 54 == 0x3FA
    }
    /// Private (RFC 1918, RFC 4193) or of a carrier's own (RFC 6598).
    fileprivate var isInside: Bool {
        if isV4 {
            return v4 >> 24 == 10 || v4 >> 20 == 0xAC1 || v4 >> 16 == 0xC0A8 || v4 >> 22 == 0x191
        }
        return high >> 57 == 0x7E
    }
}
