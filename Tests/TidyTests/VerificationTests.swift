import Foundation
import TestKit
import Testing

/// The handbook's sheet of OWASP's ASVS 5.0.0, levels 1 and 2.
@Suite("The sheet of the verification standard") struct VerificationTests {
    private struct Row {
        let id: String, verdict: String, links: String
    }
    private let rows: [Row], text: String

    init() throws {
        let file = PackageTree.root.appendingPathComponent("Common/Handbook/Handbook.docc/Verification.md")
        text = try String(contentsOf: file, encoding: .utf8)
        rows = text.split(separator: "\n").compactMap { line in
            let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            guard cells.count == 5, cells[0].first?.isNumber == true else { return nil }
            return Row(id: cells[0], verdict: cells[3], links: cells[4])
        }
    }

    /// How many requirements each section of the standard has at levels 1 and 2; those of level 3 alone are left out of
    /// the sheet.
    private static let sections = [
        "1.1": 2, "1.2": 9, "1.3": 11, "1.4": 3, "1.5": 2, "2.1": 3, "2.2": 3, "2.3": 4, "2.4": 1, "3.2": 2, "3.3": 4,
        "3.4": 6, "3.5": 5, "3.7": 2, "4.1": 3, "4.2": 1, "4.3": 2, "4.4": 4, "5.1": 1, "5.2": 3, "5.3": 2, "5.4": 3,
        "6.1": 3, "6.2": 12, "6.3": 4, "6.4": 4, "6.5": 5, "6.6": 3, "6.8": 4, "7.1": 3, "7.2": 4, "7.3": 2, "7.4": 5,
        "7.5": 2, "7.6": 2, "8.1": 2, "8.2": 3, "8.3": 1, "8.4": 1, "9.1": 3, "9.2": 4, "10.1": 2, "10.2": 2, "10.3": 4,
        "10.4": 11, "10.5": 5, "10.6": 2, "10.7": 3, "11.1": 2, "11.2": 3, "11.3": 3, "11.4": 4, "11.5": 1, "11.6": 1,
        "12.1": 3, "12.2": 2, "12.3": 4, "13.1": 1, "13.2": 5, "13.3": 2, "13.4": 5, "14.1": 2, "14.2": 4, "14.3": 3,
        "15.1": 3, "15.2": 3, "15.3": 7, "16.1": 1, "16.2": 5, "16.3": 4, "16.4": 3, "16.5": 3, "17.1": 1, "17.2": 4,
        "17.3": 2,
    ]

    @Test("the sheet has each requirement of levels 1 and 2 once, with a verdict, and says how many of each")
    func whole() {
        #expect(Set(rows.map(\.id)).count == rows.count)
        let found = Dictionary(grouping: rows) { row in
            row.id.split(separator: ".").prefix(2).joined(separator: ".")
        }.mapValues(\.count)
        #expect(found == Self.sections)
        var counts: [String: Int] = [:]
        for row in rows { counts[row.verdict, default: 0] += 1 }
        #expect(Set(counts.keys) == ["met", "partly", "not met", "absent"])
        let sum =
            "Of \(rows.count) requirements \(counts["met"] ?? 0) are met, \(counts["partly"] ?? 0) partly, "
            + "\(counts["not met"] ?? 0) not, and \(counts["absent"] ?? 0) are about what is absent."
        #expect(text.contains(sum))
    }

    @Test("each row of the sheet names a test, an attack or a page that there is") func links() throws {
        let tests = SourceTree.Names(under: "Tests", endings: ["swift"])
        let attacks = SourceTree.Names(under: "Tests/Security", endings: ["py"])
        for row in rows {
            var count = 0
            for link in row.links.matches(of: /"([^"]+)"/) {
                #expect(tests.holds("\"\(link.1)\""), "\(row.id): no test \"\(link.1)\"")
                count += 1
            }
            for link in row.links.matches(of: /`security: (\w+)`/) {
                #expect(attacks.holds("def \(link.1)("), "\(row.id): no attack \(link.1)")
                count += 1
            }
            for link in row.links.matches(of: /<doc:(\w+)>/) {
                let page = "Common/Handbook/Handbook.docc/\(link.1).md"
                #expect(
                    FileManager.default.fileExists(atPath: PackageTree.root.appendingPathComponent(page).path),
                    "\(row.id): no page \(link.1)")
                count += 1
            }
            #expect(count > 0, "\(row.id) links nothing")
        }
    }
}

extension SourceTree {
    /// The text of some of the tree's files, for names that are to be in it.
    struct Names {
        private let text: Data

        init(under folder: String, endings: Set<String>) {
            let root = PackageTree.root.appendingPathComponent(folder)
            var all = Data()
            let found = FileManager.default.enumerator(at: root, includingPropertiesForKeys: nil)
            while let file = found?.nextObject() as? URL {  // ends: a folder has so many files
                guard endings.contains(file.pathExtension), let octets = try? Data(contentsOf: file) else { continue }
                all.append(octets)
            }
            text = all
        }
        func holds(_ name: String) -> Bool { text.range(of: Data(name.utf8)) != nil }
    }
}
