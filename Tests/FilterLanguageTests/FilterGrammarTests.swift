import FlowModel
import Foundation
import TestKit
import Testing

@testable import FilterLanguage

@Suite("The handbook's grammar is the parser's")
struct FilterGrammarTests {
    /// What stands between double quotes in the page's grammar, comments and the quote itself left out.
    private func documented() throws -> Set<String> {
        let page = PackageTree.root.appendingPathComponent("Common/Handbook/Handbook.docc/FilterLanguage.md")
        let text = try String(contentsOf: page, encoding: .utf8)
        let grammar = try #require(
            text.components(separatedBy: "```ebnf\n").last?.components(separatedBy: "\n```").first)
        return Set(
            grammar.replacingOccurrences(of: #"'"'"#, with: "").matches(of: /"([^"]+)"/).map { String($0.output.1) })
    }

    @Test("each word of the tables is in the grammar, and each word of the grammar in the tables") func words() throws {
        var known = Set(FilterKeyword.byWord.keys).union(FilterKeyword.protocols.keys)
        known.formUnion(FilterKeyword.directions.keys)
        known.formUnion(FilterKeyword.fidelities)
        known.formUnion(FilterKeyword.durationUnits.keys)
        known.formUnion(FilterKeyword.quantityUnits.keys)
        known.formUnion(FilterKeyword.controlBits.map { String($0.letter) })
        known.formUnion(FilterLexer.symbols)
        known.formUnion(["X", "AS", "0x", "true", "false", "/", "-", "@"])
        let documented = try documented()
        #expect(documented.subtracting(known).sorted() == [])
        #expect(known.subtracting(documented).sorted() == [])
    }

    @Test("no word means two things") func oneMeaning() {
        let words = FilterKeyword.table.flatMap(\.words)
        #expect(Set(words).count == words.count)
        #expect(words.filter { FilterKeyword.protocols[$0] != nil } == [])
    }

    @Test("the page's examples are filters") func examples() throws {
        let page = PackageTree.root.appendingPathComponent("Common/Handbook/Handbook.docc/FilterLanguage.md")
        let text = try String(contentsOf: page, encoding: .utf8)
        let block = try #require(text.components(separatedBy: "```\n").dropFirst().first)
        let lines = block.split(separator: "\n").map { $0.components(separatedBy: "    ")[0] }
        #expect(lines.count == 6)
        for line in lines { #expect(throws: Never.self) { try FilterParser.parse(line, names: AnyFilter.names) } }
    }
}
