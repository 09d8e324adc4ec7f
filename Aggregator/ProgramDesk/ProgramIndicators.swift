internal import Foundation
internal import Identity
internal import Intelligence
package import Knowledge
internal import Logging
package import Platform
internal import Programs
internal import Synchronization

/// What one provider of intelligence says at present, and the file that the tenant's feed reads it from.
struct IndicatorBook {
    /// By port.
    private var entries: [IndicatorSubject: [UInt16: Indicator]] = [:]
    private(set) var count = 0

    mutating func take(_ answers: [ProgramAnswer], isComplete: Bool) {
        if isComplete { (entries, count) = ([:], 0) }
        for answer in answers {
            switch answer {
            case .indicator(let indicator):
                let isNew = entries[indicator.subject]?[indicator.port] == nil
                guard !isNew || count < Limit.indicatorsMax else { continue }
                entries[indicator.subject, default: [:]][indicator.port] = indicator
                count += isNew ? 1 : 0
            case .retraction(let subject): count -= entries.removeValue(forKey: subject)?.count ?? 0
            case .finding, .annotation: continue
            }
        }
    }

    static let columns = ["value", "port", "confidence", "expires", "labels", "malwareFamily", "techniques"]

    /// A table as `FeedSettings.Format.table` reads it: the same indicators give the same octets.
    var table: [UInt8] {
        var lines = [Self.columns.joined(separator: ",")]
        for indicator in entries.values.flatMap(\.values) {
            let context = indicator.context
            // Seconds below 13 digits, as a feed's times are read.
            let expires = indicator.expires.map { $0 >= 1_000_000_000_000 ? $0 : $0 / 1_000 }
            lines.append(
                [
                    indicator.subject.description, indicator.port == 0 ? "" : String(indicator.port),
                    String(indicator.confidence), expires.map { String($0) } ?? "", list(context.labels),
                    quoted(context.malwareFamily ?? ""), list(context.techniques),
                ].joined(separator: ","))
        }
        return Array((lines[0] + "\n" + lines.dropFirst().sorted().map { $0 + "\n" }.joined()).utf8)
    }
    private func list(_ words: [String]) -> String {
        quoted(words.map { $0.replacingOccurrences(of: ";", with: ",") }.joined(separator: ";"))
    }
    private func quoted(_ text: String) -> String {
        text.isEmpty ? "" : "\"\(text.replacingOccurrences(of: "\"", with: "\"\""))\""
    }
}

extension ProgramSettings {
    /// Gives each provider of intelligence a feed of its tenant: a table that is written when it has said something.
    /// - Parameter folder: of the tables.
    package func addFeeds(to knowledge: inout KnowledgeSettings, folder: String) {
        for program in programs where program.description.kind == .intelligence {
            var source = FeedSource(name: Self.feedName(program.description))
            source.weight = program.weight
            var feed = FeedSettings(
                source, at: .file(Self.tablePath(program.description, folder: folder)), format: .table)
            feed.columns = TableColumns(
                value: "value",
                others: [
                    .port: "port", .confidence: "confidence", .expires: "expires", .labels: "labels",
                    .malwareFamily: "malwareFamily", .techniques: "techniques",
                ])
            knowledge.tenants[program.description.tenant, default: TenantKnowledge()].feeds.append(feed)
        }
    }
    static func feedName(_ program: ProgramDescription) -> String { "program.\(program.name)" }
    static func tablePath(_ program: ProgramDescription, folder: String) -> String {
        "\(folder)/\(program.tenant.rawValue).\(program.name).csv"
    }
    /// Makes an empty table for those that have said nothing yet, so that their feeds are there.
    package func makeTables(folder: String) throws(SystemError) {
        guard programs.contains(where: { $0.description.kind == .intelligence }) else { return }
        try makeFolders(folder)
        for program in programs where program.description.kind == .intelligence {
            let path = Self.tablePath(program.description, folder: folder)
            if fileStatus(path) == nil { try makeFile(path, with: IndicatorBook().table) }
        }
    }
}

extension ProgramDesk {
    /// Asks providers of intelligence whose time has come, and writes down what the others have said.
    /// - Parameter folder: of the tables.
    func refreshIndicators(folder: String) {
        let now = time.monotonic()
        let changed = state.withLock { state in
            var changed: [(ProgramDescription, [UInt8])] = []
            for index in state.members.indices where state.members[index].kind == .intelligence {
                if state.takeIndicators(index, now: now), let book = state.indicators[state.members[index].key] {
                    changed.append((state.members[index].program.description, book.table))
                }
                state.askForIndicators(index, now: now)
            }
            return changed
        }
        for (program, table) in changed {
            let path = ProgramSettings.tablePath(program, folder: folder)
            do throws(SystemError) {
                try placeFile(path, with: table, draft: "\(path).part", replacing: true)
            } catch {
                logger.error(
                    "What a program says can't be kept.", metadata: ["file": "\(path)", "reason": "\(error)"])
            }
        }
    }
}

extension ProgramDesk.State {
    /// - Returns: whether there was an answer.
    fileprivate mutating func takeIndicators(_ index: Int, now: Duration) -> Bool {
        var isNew = false
        for outcome in members[index].runner?.takeOutcomes() ?? [] {
            members[index].settled = max(members[index].settled, outcome.mark)
            guard case .answered(let answers, let isComplete) = outcome.result else {
                // Without an answer it is asked again soon.
                members[index].due = min(members[index].due, now + .seconds(60))
                continue
            }
            guard isComplete || !answers.isEmpty else { continue }
            indicators[members[index].key, default: IndicatorBook()].take(answers, isComplete: isComplete)
            isNew = true
        }
        return isNew
    }
    fileprivate mutating func askForIndicators(_ index: Int, now: Duration) {
        let member = members[index]
        guard member.asked == member.settled, now >= member.due, let runner = member.runner, runner.hello != nil,
            runner.offer([ProgramBatch(mark: member.asked + 1)])
        else { return }
        members[index].asked += 1
        members[index].due = now + member.program.refresh
    }
}
