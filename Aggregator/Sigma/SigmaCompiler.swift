/// From a rule to what it means for records; filters are joined to the rules they name.
import FilterLanguage
package import FlowModel

/// A rule that is honoured wholly.
package struct CompiledSigmaRule: Sendable {
    package let rule: SigmaRule
    let source: SigmaSource
    let predicate: SigmaPredicate
    /// What of it can't come true, and what is told approximately: for whoever wrote it.
    package let notes: [String]
    /// The filters that were joined to it.
    package let filters: [String]
    private let program: SigmaProgram
    private let entry: Int32

    fileprivate init(
        _ rule: SigmaRule, _ source: SigmaSource, _ predicate: SigmaPredicate, notes: [String], filters: [String]
    ) {
        (self.rule, self.source, self.predicate) = (rule, source, predicate)
        (self.notes, self.filters) = (notes, filters)
        var program = SigmaProgram()
        entry = program.add(predicate)
        self.program = program
    }

    /// Whether it matches one record; rows that other observers stand for are the caller's to leave out.
    /// - Parameter row: must be below `columns.count`.
    package func matches(_ columns: borrowing FlowColumns, row: Int) -> Bool {
        var sight = RowSight(row: row)
        return program.run(entry, columns, &sight)
    }
}

package struct SigmaCompiler: Sendable {
    /// What `%name%` stands for in values with the modifier `expand`: a tenant's servers and networks.
    package var placeholders: [String: [String]]

    package init(placeholders: [String: [String]] = [:]) { self.placeholders = placeholders }

    /// - Parameter filters: those of them are joined that name the rule and cover its log source.
    /// - Throws: every reason, in the order of the text.
    package func compile(
        _ rule: SigmaRule, filters: [SigmaFilter] = []
    ) throws(SigmaRefusal) -> CompiledSigmaRule {
        var issues = IssueList()
        let (known, reason) = rule.logsource.source()
        if known == nil {
            issues.add(
                rule.logsource.place, .logsource,
                rule.logsource.service ?? rule.logsource.category
                    ?? rule.logsource.product ?? "logsource", "logsource: \(reason)")
        }
        // Without a log source that is known, fields are still looked at: each that is missing is a reason, too.
        var compiler = ItemCompiler(known ?? .zeek(nil), placeholders: placeholders)
        var predicate = Self.predicate(rule.detection, &compiler)
        for filter in filters {
            guard let filtered = Self.predicate(filter.detection, &compiler) else { continue }
            predicate = predicate.map { .and([$0, filtered]) }
        }
        for issue in compiler.issues.issues { issues.add(issue) }
        guard issues.isEmpty, let source = known, var predicate else {
            throw SigmaRefusal(title: rule.metadata.title, id: rule.metadata.key, issues: issues.inOrder)
        }
        var notes = compiler.notes
        if case .zeek(let service?) = source {
            predicate = .and([.test(.number(.service, .init(UInt64(service.rawValue)))), predicate])
            notes.append("`\(service)` is told by its usual ports")
        }
        return CompiledSigmaRule(
            rule, source, predicate.folded, notes: notes, filters: filters.map(\.metadata.key))
    }

    /// Nil, and issues, for what can't be honoured.
    private static func predicate(_ detection: SigmaDetection, _ compiler: inout ItemCompiler) -> SigmaPredicate? {
        var searches: [SigmaPredicate] = [], isWhole = true
        for search in detection.searches {
            guard let predicate = self.predicate(search.selection, &compiler) else {
                isWhole = false
                continue
            }
            searches.append(predicate)
        }
        guard isWhole else { return nil }
        return .or(detection.conditions.map { resolved($0.expression, searches) })
    }

    private static func predicate(_ selection: SigmaSelection, _ compiler: inout ItemCompiler) -> SigmaPredicate? {
        var members: [SigmaPredicate] = [], isWhole = true
        switch selection {
        case .all(let items):
            for item in items {
                guard let predicate = compiler.predicate(item) else {
                    isWhole = false
                    continue
                }
                members.append(predicate)
            }
            return isWhole ? .and(members) : nil
        case .any(let selections):
            for inner in selections {
                guard let predicate = predicate(inner, &compiler) else {
                    isWhole = false
                    continue
                }
                members.append(predicate)
            }
            return isWhole ? .or(members) : nil
        }
    }

    private static func resolved(_ expression: SigmaExpression, _ searches: [SigmaPredicate]) -> SigmaPredicate {
        switch expression {
        case .search(let index): searches[index]
        case .not(let inner): .not(resolved(inner, searches))
        case .and(let members): .and(members.map { resolved($0, searches) })
        case .or(let members): .or(members.map { resolved($0, searches) })
        }
    }
}
