package import FlowModel
package import Identity
package import Intelligence
internal import Platform
internal import Programs
internal import Synchronization

/// What enrichers said, until it holds no more.
struct AnnotationCache {
    private struct Entry {
        let annotation: AddressAnnotation?
        let end: Duration
    }
    private struct Question: Hashable {
        let program: ProgramDesk.Key, address: IPAddress
    }
    private var entries: [Question: Entry] = [:]

    static let entriesMax = 100_000, unknownHolds = Duration.seconds(60)

    func isKnown(_ address: IPAddress, by program: ProgramDesk.Key, now: Duration) -> Bool {
        entries[Question(program: program, address: address)].map { $0.end > now } ?? false
    }
    func annotation(of address: IPAddress, by program: ProgramDesk.Key, now: Duration) -> AddressAnnotation? {
        entries[Question(program: program, address: address)].flatMap { $0.end > now ? $0.annotation : nil }
    }
    /// - Parameter annotation: nil: the program knows nothing of it.
    mutating func note(
        _ annotation: AddressAnnotation?, of address: IPAddress, by program: ProgramDesk.Key, now: Duration
    ) {
        if entries.count >= Self.entriesMax {
            entries = entries.filter { $0.value.end > now }
            if entries.count >= Self.entriesMax { entries = [:] }
        }
        let end = now + (annotation?.timeToLive ?? Self.unknownHolds)
        entries[Question(program: program, address: address)] = Entry(annotation: annotation, end: end)
    }
}

extension ProgramDesk {
    package static let addressesMax = 1_000

    /// What the tenant's enrichers know of addresses. Those that nobody has asked about are asked now, and waited for
    /// as long as is allowed; later answers are there for the next question.
    /// - Parameter addresses: at most `addressesMax` are looked at.
    package func annotations(
        of addresses: some Collection<IPAddress>, tenant: TenantID, waitingAtMost limit: Duration
    ) async -> [IPAddress: [AddressOrigin.Annotation]] {
        let addresses = Array(Set(addresses.prefix(Self.addressesMax)))
        guard !addresses.isEmpty, members(of: tenant).contains(where: { $0.kind == .enricher }) else { return [:] }
        let end = time.monotonic() + limit, asked = ask(addresses, of: tenant)
        while !isSettled(asked), time.monotonic() < end {  // ends: at `end`
            do { try await Task.sleep(for: .milliseconds(5)) } catch { break }
        }
        let now = time.monotonic()
        return state.withLock { state in
            var found: [IPAddress: [AddressOrigin.Annotation]] = [:]
            for member in state.members where member.isEnricher(of: tenant) {
                for address in addresses {
                    guard let said = state.annotations.annotation(of: address, by: member.key, now: now) else {
                        continue
                    }
                    found[address, default: []].append(AddressOrigin.Annotation(said, by: member.key.name))
                }
            }
            return found
        }
    }

    /// - Returns: the mark of each question.
    private func ask(_ addresses: [IPAddress], of tenant: TenantID) -> [Key: Int64] {
        let now = time.monotonic()
        return state.withLock { state in
            var asked: [Key: Int64] = [:]
            for index in state.members.indices where state.members[index].isEnricher(of: tenant) {
                let key = state.members[index].key
                let unknown = addresses.filter { !state.annotations.isKnown($0, by: key, now: now) }
                guard !unknown.isEmpty, let runner = state.members[index].runner, let hello = runner.hello else {
                    continue
                }
                let mark = state.members[index].asked + 1
                var batches: [ProgramBatch] = []
                for first in stride(from: 0, to: unknown.count, by: hello.batchRecordsMax) {
                    let some = unknown[first..<min(first + hello.batchRecordsMax, unknown.count)]
                    var batch = ProgramBatch(mark: mark, asking: some)
                    batch.isLast = some.endIndex == unknown.count
                    batches.append(batch)
                }
                guard runner.offer(batches) else { continue }
                state.members[index].asked = mark
                state.questions[key, default: [:]][mark] = unknown
                asked[key] = mark
            }
            return asked
        }
    }
    /// Takes in what enrichers have said, and tells whether these questions are over.
    private func isSettled(_ asked: [Key: Int64]) -> Bool {
        let now = time.monotonic()
        return state.withLock { state in
            for index in state.members.indices where state.members[index].kind == .enricher {
                state.takeAnnotations(index, now: now)
            }
            return state.members.allSatisfy { member in asked[member.key].map { $0 <= member.settled } ?? true }
        }
    }
}

extension ProgramDesk.State {
    fileprivate mutating func takeAnnotations(_ index: Int, now: Duration) {
        let key = members[index].key
        for outcome in members[index].runner?.takeOutcomes() ?? [] {
            if case .answered(let answers, _) = outcome.result {
                for case .annotation(let said) in answers {
                    annotations.note(said, of: said.address, by: key, now: now)
                }
            }
            guard outcome.isLast else { continue }
            members[index].settled = max(members[index].settled, outcome.mark)
            // What was answered without a word about an address is an answer, too.
            guard let unknown = questions[key]?.removeValue(forKey: outcome.mark),
                case .answered = outcome.result
            else { continue }
            for address in unknown where !annotations.isKnown(address, by: key, now: now) {
                annotations.note(nil, of: address, by: key, now: now)
            }
        }
    }
}

extension ProgramDesk.Member {
    fileprivate func isEnricher(of tenant: TenantID) -> Bool { kind == .enricher && key.tenant == tenant }
}

extension AddressOrigin.Annotation {
    fileprivate init(_ said: AddressAnnotation, by program: String) {
        self.init(
            program: program, country: said.country, systemNumber: said.autonomousSystem, name: said.name,
            labels: said.labels)
    }
}
