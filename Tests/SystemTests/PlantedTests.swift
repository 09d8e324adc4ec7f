import Foundation
import TestKit
import Testing

@Suite("Planted bugs stay out")
struct PlantedTests {
    @Test("the programs as built hold no planted bug", arguments: ["weir-sensor", "weir-aggregator"])
    func none(program: String) throws {
        let mark = Data("WEIR_PLANTED_BUG".utf8)
        let url = Program.built.appendingPathComponent(program)
        #expect(try Data(contentsOf: url, options: .alwaysMapped).range(of: mark) == nil)
        // This test itself has the mark in it, so a search that finds nothing anywhere would show.
        let own = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath()
        #expect(try Data(contentsOf: own, options: .alwaysMapped).range(of: mark) != nil)
    }
}
