import Foundation
import TestKit
import Testing

@testable import Detect

/// The handbook's page about detectors names what there is.
@Suite("Detectors' cards") struct CardTests {
    private let page: String
    init() throws {
        page = try String(
            contentsOf: PackageTree.root.appendingPathComponent("Common/Handbook/Handbook.docc/Detectors.md"),
            encoding: .utf8)
    }
    private var sections: [Substring] { page.split(separator: "\n## ") }

    @Test("every rule has a card with what it sees, its techniques, its method, its limits and its severity")
    func cards() throws {
        for rule in DetectorSet.rules {
            let card = try #require(
                sections.first { $0.prefix { $0 != "\n" }.contains("`\(rule.id)`") }, "no card of \(rule.id)")
            for row in ["sees", "ATT&CK", "method", "limits", "severity"] {
                #expect(card.contains("\n| \(row) |"), "\(rule.id): no row \"\(row)\"")
            }
            for technique in rule.tactics + rule.techniques {
                #expect(card.contains(technique), "\(rule.id): \(technique) is not on its card")
            }
        }
    }

    @Test("every rule has a row of measured quality, with how soon") func quality() throws {
        let quality = try #require(sections.first { $0.hasPrefix("Quality\n") })
        for rule in DetectorSet.rules {
            let rows = quality.split(separator: "\n").filter { $0.hasPrefix("| `\(rule.id)` |") }
            #expect(!rows.isEmpty, "no measured quality of \(rule.id)")
            // Found, sampled twice, how soon, findings and wrong ones.
            #expect(rows.allSatisfy { $0.contains(" of ") && $0.count { $0 == "|" } >= 7 }, "\(rule.id)")
        }
    }

    @Test("every parameter is named beside its rules") func parameters() throws {
        let parameters = try #require(sections.first { $0.hasPrefix("Parameters\n") })
        for field in Mirror(reflecting: DetectorParameters()).children.compactMap(\.label) {
            #expect(parameters.contains("`\(field)`"), "\(field) is not on the page")
        }
        for field in Mirror(reflecting: FloodUsual()).children.compactMap(\.label) {
            #expect(page.contains("`\(field)`"), "\(field) is not on the page")
        }
    }
}
