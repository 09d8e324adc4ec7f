/// Which rules a tenant has and what state each is in: shared ones and its own from files, those that people put here,
/// and what they decided about each.
///
/// Invariants: a plan is a value of files and decisions alone; whoever asks for a tenant's plan after `changed` gets
/// one that knows the change, and `generation` has grown.
/// Not here: where decisions are kept (`Tenancy`), when the pipeline turns to another plan (`AggregatorPipeline`).
package import Identity
import Synchronization

package enum SigmaState: String, Sendable, CaseIterable {
    /// Kept, and not run.
    case draft
    /// Run and counted; raises nothing.
    case test
    case enabled
    /// Switched off, though it is there.
    case disabled

    var isRun: Bool { self == .test || self == .enabled }
}

/// What a tenant decided about one rule.
package struct SigmaDecision: Equatable, Sendable {
    /// `SigmaMetadata.key` of the document.
    package var key: String
    /// The document itself; nil: it is one of the files', and this is what is otherwise about it.
    package var text: String?
    package var state: SigmaState?
    /// In the place of the rule's own.
    package var level: SigmaLevel?

    package init(key: String, text: String? = nil, state: SigmaState? = nil, level: SigmaLevel? = nil) {
        (self.key, self.text, self.state, self.level) = (key, text, state, level)
    }
}

/// Documents of files.
package struct SigmaFiles: Sendable {
    package var shared: [SigmaDocument] = []
    package var ofTenants: [TenantID: [SigmaDocument]] = [:]
    /// By file: what could not be read.
    package var refusals: [(file: String, refusal: SigmaRefusal)] = []
    package init() {}

    /// - Parameter tenant: nil for all.
    package mutating func add(_ text: String, file: String, of tenant: TenantID?) {
        let parse = SigmaParse(text)
        if let tenant {
            ofTenants[tenant, default: []] += parse.documents
        } else {
            shared += parse.documents
        }
        refusals += parse.refusals.map { (file, $0) }
    }
}

/// One tenant's rules.
package struct SigmaPlan: Sendable {
    package enum Origin: String, Sendable, CaseIterable { case shared, file, own }
    package struct Line: Sendable {
        package var document: SigmaDocument
        package let origin: Origin
        package let state: SigmaState
        /// Why it can't be run although it should; empty when it can, or need not.
        package internal(set) var issues: [SigmaIssue] = []
        package internal(set) var notes: [String] = []
        package var key: String { document.metadata.key }
    }
    /// By key.
    package private(set) var lines: [Line] = []
    package let set: SigmaRuleSet

    /// - Parameter usual: the state of files' rules about which nothing was decided. Own ones begin as drafts.
    package init(shared: [SigmaDocument], files: [SigmaDocument], decisions: [SigmaDecision], usual: SigmaState) {
        var lines: [String: Line] = [:]
        let decided = [String: SigmaDecision](decisions.map { ($0.key, $0) }, uniquingKeysWith: { $1 })
        func put(_ document: SigmaDocument, _ origin: Origin) {
            let decision = decided[document.metadata.key]
            guard origin == .own || decision?.text == nil else { return }
            let state = decision?.state ?? (origin == .own ? .draft : usual)
            lines[document.metadata.key] = Line(
                document: document.with(level: decision?.level), origin: origin, state: state)
        }
        for document in shared { put(document, .shared) }
        for document in files { put(document, .file) }
        for decision in decisions {
            guard let text = decision.text, let document = SigmaParse(text).documents.first else { continue }
            put(document, .own)
        }
        var list = lines.values.sorted { $0.key < $1.key }
        let run = list.filter(\.state.isRun)
        set = SigmaRuleSet(
            run.map(\.document), tested: Set(run.filter { $0.state == .test }.map(\.key)))
        let refused = [String?: SigmaRefusal](set.refusals.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        let notes = [String: [String]](
            set.rules.map { ($0.rule.metadata.key, $0.notes) }, uniquingKeysWith: { first, _ in first })
        for place in list.indices where list[place].state.isRun {
            list[place].issues = refused[list[place].key]?.issues ?? []
            list[place].notes = notes[list[place].key] ?? []
        }
        self.lines = list
    }
}

extension SigmaDocument {
    func with(level: SigmaLevel?) -> SigmaDocument {
        guard let level else { return self }
        switch self {
        case .rule(var rule):
            rule.metadata.level = level
            return .rule(rule)
        case .correlation(var correlation):
            correlation.metadata.level = level
            return .correlation(correlation)
        case .filter: return self
        }
    }
}

/// How often a rule matched, and how often it raised a finding or would have.
package struct SigmaCount: Equatable, Sendable {
    package var matches: UInt64, raised: UInt64
    package init(matches: UInt64 = 0, raised: UInt64 = 0) { (self.matches, self.raised) = (matches, raised) }
}

/// The plans of all tenants, shared between the pipeline and whoever changes rules.
package final class SigmaRegister: Sendable {
    private struct State {
        var files: SigmaFiles
        var generation: UInt64 = 1
        var plans: [TenantID: SigmaPlan] = [:]
        var counts: [TenantID: [String: SigmaCount]] = [:]
    }
    private let state: Mutex<State>
    private let usual: SigmaState
    private let decisions: @Sendable (TenantID) throws -> [SigmaDecision]

    /// - Parameter decisions: of a tenant; asked again after each change.
    package init(
        files: SigmaFiles = SigmaFiles(), usual: SigmaState = .enabled,
        decisions: @escaping @Sendable (TenantID) throws -> [SigmaDecision] = { _ in [] }
    ) {
        state = Mutex(State(files: files))
        (self.usual, self.decisions) = (usual, decisions)
    }

    /// Grows with every change of any tenant's rules.
    package var generation: UInt64 { state.withLock { $0.generation } }
    package var refusals: [(file: String, refusal: SigmaRefusal)] { state.withLock { $0.files.refusals } }

    /// - Throws: what `decisions` throws.
    package func plan(of tenant: TenantID) throws -> SigmaPlan {
        let (known, files, generation) = state.withLock { ($0.plans[tenant], $0.files, $0.generation) }
        if let known { return known }
        let plan = SigmaPlan(
            shared: files.shared, files: files.ofTenants[tenant] ?? [], decisions: try decisions(tenant), usual: usual)
        state.withLock { state in
            if state.generation == generation { state.plans[tenant] = plan }
        }
        return plan
    }
    /// What `plan(of:)` would give if `decision` were taken; without changing anything.
    package func plan(of tenant: TenantID, with decision: SigmaDecision) throws -> SigmaPlan {
        let files = state.withLock { $0.files }
        let others = try decisions(tenant).filter { $0.key != decision.key }
        return SigmaPlan(
            shared: files.shared, files: files.ofTenants[tenant] ?? [], decisions: others + [decision], usual: usual)
    }

    /// The tenant's decisions are others now.
    package func changed(_ tenant: TenantID) {
        state.withLock { state in
            state.generation += 1
            state.plans[tenant] = nil
        }
    }
    package func load(_ files: SigmaFiles) {
        state.withLock { state in
            state.generation += 1
            state.plans = [:]
            state.files = files
        }
    }

    /// What has come of a tenant's rules so far.
    package func note(_ fold: SigmaFold) {
        var counts: [String: SigmaCount] = [:]
        for (rule, matches) in zip(fold.rules.rules, fold.matches) {
            counts[rule.rule.metadata.key, default: SigmaCount()].matches = matches
        }
        for (key, raised) in zip(fold.rules.watched, fold.raised) {
            counts[key, default: SigmaCount()].raised = raised
        }
        state.withLock { $0.counts[fold.tenant] = counts }
    }
    package func counts(of tenant: TenantID) -> [String: SigmaCount] { state.withLock { $0.counts[tenant] ?? [:] } }
}
