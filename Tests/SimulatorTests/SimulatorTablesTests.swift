import Foundation
import Simulator
import TestKit
import Testing

@Suite("The handbook says what the simulator does")
struct SimulatorTablesTests {
    private var page: URL {
        PackageTree.root.appendingPathComponent("Common/Handbook/Handbook.docc/Simulator.md")
    }
    /// The page with the tables between its marks made anew.
    private func rewritten(_ text: String) -> String {
        var tables = MixName.allCases.map { ($0.rawValue, SimulatorTables.services(of: $0)) }
        tables += [
            ("mixes", SimulatorTables.mixes), ("attacks", SimulatorTables.attacks), ("knobs", SimulatorTables.knobs),
        ]
        var text = text
        for (name, table) in tables {
            let begin = "<!-- table \(name) -->\n", end = "\n<!-- end -->"
            guard let from = text.range(of: begin),
                let to = text.range(of: end, range: from.upperBound..<text.endIndex)
            else {
                Issue.record("no table \(name)")
                continue
            }
            text.replaceSubrange(from.upperBound..<to.lowerBound, with: table)
        }
        return text
    }

    @Test("its tables of mixes, services, attacks and knobs are the code's; UPDATE_GOLDEN=1 writes them")
    func tables() throws {
        let text = try String(contentsOf: page, encoding: .utf8), wanted = rewritten(text)
        if ProcessInfo.processInfo.environment["UPDATE_GOLDEN"] == "1" {
            try wanted.write(to: page, atomically: true, encoding: .utf8)
        }
        #expect(text == wanted)
    }

    @Test("each mix's services add up to a thousand conversations in a thousand") func weights() {
        for mix in MixName.allCases {
            let shares = SimulatorTables.services(of: mix).split(separator: "\n").dropFirst(2).compactMap { row in
                Double(row.split(separator: "|")[2].trimmingCharacters(in: CharacterSet(charactersIn: " %")))
            }
            #expect(abs(shares.reduce(0, +) - 100) < 0.001, "\(mix)")
        }
    }
}
