import Foundation
import Testing

@testable import Models

@Suite("Arithmetic that is the same everywhere") struct NumbersTests {
    @Test("logarithms and powers are those of the library, to nine digits") func close() {
        for value in [1e-300, 0.001, 0.5, 1, 1.000_001, 1.5, 2, 3, 10, 1e6, 1.8e19, 1e300] {
            #expect(abs(Numbers.log2(value) - log2(value)) < 1e-9, "\(value)")
        }
        for value in [0, 0.001, 0.5, 0.999, 1, 1.5, 2, 10.25, 60, 900] {
            #expect(abs(Numbers.halved(value) / exp2(-value) - 1) < 1e-9, "\(value)")
        }
        #expect(Numbers.log2(0) == 0 && Numbers.log2(-1) == 0 && Numbers.log2(.infinity) == 0)
        #expect(Numbers.halved(-5) == 1 && Numbers.halved(.infinity) >= 0 && Numbers.halved(1e9) < 1e-300)
    }

    @Test("a quantile is the value of the nearest rank") func quantiles() {
        let values: [Float] = [1, 2, 3, 4]
        #expect([0, 0.25, 0.5, 0.51, 1].map { Numbers.quantile($0, of: values) } == [1, 1, 2, 3, 4])
        #expect(Numbers.quantile(0.5, of: [Float]()) == 0)
    }

    @Test("a seed gives the numbers that it always gave") func seeds() {
        var numbers = SeededNumbers(seed: 42)
        // The first outputs of SplitMix64 for this seed.
        #expect(numbers.next() == 13_679_457_532_755_275_413 && numbers.next() == 2_949_826_092_126_892_291)
        #expect((0..<1_000).allSatisfy { _ in (0..<7).contains(numbers.below(7)) })
        #expect((0..<1_000).allSatisfy { _ in (0..<1).contains(numbers.share()) })
    }
}
