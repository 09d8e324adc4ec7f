/// All rules of one tenant that are switched on, made ready: references resolved, filters joined, correlations in the
/// order in which one feeds the next.
///
/// Invariants: every document is either in the set or among the refusals; a correlation is refused with what it refers
/// to. The set is a value and never changes; what of a fold's state can go on under another set is told by
/// `identities`.
package import Detect

package struct SigmaRuleSet: Sendable {
    package private(set) var rules: [CompiledSigmaRule] = []
    package private(set) var correlations: [SigmaCorrelation] = []
    package private(set) var filters: [SigmaFilter] = []
    package private(set) var refusals: [SigmaRefusal] = []
    let matcher: SigmaMatcher
    /// What is counted: one for each rule that raises findings, one for each correlation, in the order of settling.
    private(set) var watches: [SigmaWatch] = []
    /// By rule: the watches that its matches feed, and as which of their inputs.
    private(set) var watchesOfRule: [[SigmaFeed]] = []
    /// By watch, the same for its own matches.
    private(set) var watchesOfWatch: [[SigmaFeed]] = []
    /// Of all that the set is made of.
    package let fingerprint: UInt64
    /// Of each rule and of each watch: all that its state depends on.
    private(set) var ruleIdentities: [UInt64] = [], watchIdentities: [UInt64] = []

    /// - Parameter tested: keys of documents that raise nothing and are counted only.
    package init(_ documents: [SigmaDocument], tested: Set<String> = [], compiler: SigmaCompiler = .init()) {
        var maker = SetMaker(documents, compiler, tested)
        maker.make()
        rules = maker.rules
        correlations = maker.correlations
        filters = maker.filters
        refusals = maker.refusals
        (watches, watchesOfRule, watchesOfWatch) = (maker.watches, maker.watchesOfRule, maker.watchesOfWatch)
        matcher = SigmaMatcher(rules)
        let texts = documents.map(\.yaml)
        let names = compiler.placeholders.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        fingerprint = StableHash.of((texts + names + [""] + tested.sorted()).joined(separator: "\u{0}"))
        identify(StableHash.of(names.joined(separator: "\u{0}")))
    }

    /// Equal for what counts the same things in the same way, whatever else is in the set.
    private mutating func identify(_ placeholders: UInt64) {
        let texts = filters.map { SigmaDocument.filter($0).yaml }
        ruleIdentities = rules.map { rule in
            let joined = zip(filters, texts).filter { rule.filters.contains($0.0.metadata.key) }.map(\.1)
            return StableHash.of(
                ([SigmaDocument.rule(rule.rule).yaml, String(placeholders)] + joined).joined(separator: "\u{0}"))
        }
        var feeds = [[String]](repeating: [], count: watches.count)
        for (rule, list) in watchesOfRule.enumerated() {
            for feed in list { feeds[feed.watch].append("\(feed.input) \(ruleIdentities[rule])") }
        }
        // A watch feeds later ones only.
        for number in watches.indices {
            let watch = watches[number]
            let own = correlations.first { $0.metadata.key == watch.info.id }.map { SigmaDocument.correlation($0).yaml }
            let parts = [watch.info.id, own ?? "", String(watch.raises)] + feeds[number].sorted()
            watchIdentities.append(StableHash.of(parts.joined(separator: "\u{0}")))
            for feed in watchesOfWatch[number] { feeds[feed.watch].append("\(feed.input) \(watchIdentities[number])") }
        }
    }

    /// What is counted, by the key of its document, in the order of `SigmaFold.raised`.
    package var watched: [String] { watches.map(\.info.id) }

    /// What the rules can raise, as findings name it.
    package var infos: [RuleInfo] { watches.filter(\.raises).map(\.info) }
}

/// That a match of one thing is an event of another.
struct SigmaFeed: Sendable {
    let watch: Int, input: Int
}

private struct SetMaker {
    private let compiler: SigmaCompiler
    private var ruleDocuments: [SigmaRule] = [], correlationDocuments: [SigmaCorrelation] = []
    private(set) var rules: [CompiledSigmaRule] = []
    private(set) var correlations: [SigmaCorrelation] = []
    private(set) var filters: [SigmaFilter] = []
    private(set) var refusals: [SigmaRefusal] = []
    private(set) var watches: [SigmaWatch] = []
    private(set) var watchesOfRule: [[SigmaFeed]] = []
    private(set) var watchesOfWatch: [[SigmaFeed]] = []
    /// By id, name and title.
    private var ruleNumbers: [String: Int] = [:], watchNumbers: [String: Int] = [:]
    /// Rules that only feed correlations.
    private var silent: Set<Int> = []
    /// Keys of what raises nothing.
    private let tested: Set<String>

    init(_ documents: [SigmaDocument], _ compiler: SigmaCompiler, _ tested: Set<String>) {
        (self.compiler, self.tested) = (compiler, tested)
        var known: Set<String> = []
        for document in documents.prefix(SigmaLimit.rulesMax) {
            let metadata = document.metadata
            guard known.insert(metadata.key).inserted else {
                refuse(metadata, metadata.place, .document, metadata.key, "`\(metadata.key)` is there twice")
                continue
            }
            switch document {
            case .rule(let rule): ruleDocuments.append(rule)
            case .correlation(let correlation): correlationDocuments.append(correlation)
            case .filter(let filter): filters.append(filter)
            }
        }
        for document in documents.dropFirst(SigmaLimit.rulesMax) {
            let metadata = document.metadata
            refuse(metadata, metadata.place, .limit, "rules", "more than \(SigmaLimit.rulesMax) documents")
        }
    }

    private mutating func refuse(
        _ metadata: SigmaMetadata, _ place: SigmaPlace, _ subject: SigmaIssue.Subject, _ name: String, _ reason: String
    ) {
        refusals.append(
            SigmaRefusal(
                title: metadata.title, id: metadata.key, issues: [SigmaIssue(place, subject, name, reason)]))
    }

    mutating func make() {
        checkFilters()
        for rule in ruleDocuments { compile(rule) }
        watchesOfRule = [[SigmaFeed]](repeating: [], count: rules.count)
        link(correlationDocuments)
        for number in rules.indices where !silent.contains(number) { watch(rule: number) }
    }

    /// In rounds: what refers to nothing that still waits is ready.
    private mutating func link(_ documents: [SigmaCorrelation]) {
        var waiting = documents
        while !waiting.isEmpty {  // ends: each turn leaves fewer, or none
            let open = Set(waiting.flatMap { keys($0.metadata) })
            let ready = waiting.filter { correlation in !correlation.rules.contains { open.contains($0.key) } }
            waiting.removeAll { correlation in correlation.rules.contains { open.contains($0.key) } == false }
            for correlation in ready { add(correlation) }
            guard ready.isEmpty else { continue }
            for correlation in waiting {
                refuse(
                    correlation.metadata, correlation.place, .correlation, "rules",
                    "the correlations refer to each other in a circle")
            }
            waiting = []
        }
    }

    private func keys(_ metadata: SigmaMetadata) -> [String] {
        [metadata.id, metadata.name, metadata.title].compactMap { $0 }
    }
    /// A filter that is for nothing is refused, so that nobody believes it works.
    private mutating func checkFilters() {
        var used: [SigmaFilter] = []
        for filter in filters {
            guard ruleDocuments.contains(where: { applies(filter, to: $0) }) else {
                refuse(
                    filter.metadata, filter.rules?.first?.place ?? filter.metadata.place, .filter, "rules",
                    "the filter is for no rule that is here and has its log source")
                continue
            }
            used.append(filter)
        }
        filters = used
    }
    private func applies(_ filter: SigmaFilter, to rule: SigmaRule) -> Bool {
        guard filter.logsource.covers(rule.logsource) else { return false }
        guard let wanted = filter.rules else { return true }
        return keys(rule.metadata).contains { key in wanted.contains { $0.key == key } }
    }

    private mutating func compile(_ rule: SigmaRule) {
        do throws(SigmaRefusal) {
            let compiled = try compiler.compile(rule, filters: filters.filter { applies($0, to: rule) })
            for key in keys(rule.metadata) where ruleNumbers[key] == nil { ruleNumbers[key] = rules.count }
            rules.append(compiled)
        } catch {
            refusals.append(error)
        }
    }

    private mutating func add(_ correlation: SigmaCorrelation) {
        var inputs: [SigmaWatch.Input] = [], origins: [(rule: Int?, watch: Int?)] = []
        do throws(SigmaIssue) {
            for reference in correlation.rules {
                if let number = ruleNumbers[reference.key] {
                    let rule = rules[number]
                    inputs.append(
                        try .init(correlation, reference, source: rule.source, predicate: rule.predicate))
                    origins.append((number, nil))
                } else if let number = watchNumbers[reference.key] {
                    inputs.append(try .init(correlation, reference, watch: watches[number]))
                    origins.append((nil, number))
                } else {
                    throw SigmaIssue(
                        reference.place, .correlation, reference.key,
                        "`\(reference.key)` is no rule that is here and could be compiled")
                }
            }
            try SigmaWatch.check(correlation, inputs)
        } catch {
            refusals.append(
                SigmaRefusal(title: correlation.metadata.title, id: correlation.metadata.key, issues: [error]))
            return
        }
        let number = append(SigmaWatch(correlation, inputs))
        for (input, origin) in origins.enumerated() {
            let feed = SigmaFeed(watch: number, input: input)
            if let rule = origin.rule { watchesOfRule[rule].append(feed) }
            if let watch = origin.watch { watchesOfWatch[watch].append(feed) }
            guard !correlation.generates else { continue }
            if let rule = origin.rule { silent.insert(rule) }
            if let watch = origin.watch { watches[watch].raises = false }
        }
        for key in keys(correlation.metadata) where watchNumbers[key] == nil { watchNumbers[key] = number }
        correlations.append(correlation)
    }

    private mutating func watch(rule number: Int) {
        let watch = append(SigmaWatch(rules[number]))
        watchesOfRule[number].append(SigmaFeed(watch: watch, input: 0))
    }
    private mutating func append(_ watch: SigmaWatch) -> Int {
        watches.append(watch)
        if tested.contains(watch.info.id) { watches[watches.count - 1].raises = false }
        watchesOfWatch.append([])
        return watches.count - 1
    }
}
