internal import Foundation

/// A filter as directories ask it (RFC 7644 §3.4.2.2): `attribute eq value`, several of them with `and` between.
struct SCIMFilter: Sendable, Equatable {
    struct Test: Sendable, Equatable {
        /// In lower case.
        let attribute: String
        let value: SCIMValue
    }
    static let octetsMax = 1_000, testsMax = 8
    let tests: [Test]

    /// - Parameter known: attributes that may be asked for, in lower case.
    init(_ text: String, known: Set<String>) throws(Problem) {
        let wrong = Problem.scim(
            "invalidFilter", "filter: what is known is \(known.sorted().joined(separator: ", ")), with eq and and")
        guard text.utf8.count <= Self.octetsMax else { throw wrong }
        var rest = text[...], tests: [Test] = []
        while true {  // ends: each turn takes a test out of the text
            let attribute = Self.word(&rest).lowercased()
            guard known.contains(attribute), Self.word(&rest).lowercased() == "eq", let value = Self.value(&rest),
                tests.count < Self.testsMax
            else { throw wrong }
            tests.append(Test(attribute: attribute, value: value))
            let next = Self.word(&rest).lowercased()
            if next.isEmpty && rest.isEmpty { break }
            guard next == "and" else { throw wrong }
        }
        self.tests = tests
    }

    func matches(_ value: (String) -> SCIMValue?) -> Bool {
        tests.allSatisfy { test in
            switch (value(test.attribute), test.value) {
            // Names of users and groups are told apart without regard to case, other texts exactly.
            case (.string(let have), .string(let asked)):
                test.attribute == "externalid" || test.attribute == "id"
                    ? have == asked : have.lowercased() == asked.lowercased()
            case (let have, let asked): have == asked
            }
        }
    }

    private static func word(_ rest: inout Substring) -> String {
        rest = rest.drop { $0 == " " }
        let word = rest.prefix { $0 != " " }
        rest = rest.dropFirst(word.count)
        return String(word)
    }
    /// A JSON text, `true` or `false`.
    private static func value(_ rest: inout Substring) -> SCIMValue? {
        rest = rest.drop { $0 == " " }
        guard rest.first == "\"" else { return ["true": .bool(true), "false": .bool(false)][word(&rest).lowercased()] }
        var isEscaped = false, length = 1
        for character in rest.dropFirst() {
            length += 1
            if isEscaped {
                isEscaped = false
            } else if character == "\\" {
                isEscaped = true
            } else if character == "\"" {
                let literal = rest.prefix(length)
                rest = rest.dropFirst(length)
                return (try? JSONDecoder().decode(String.self, from: Data(literal.utf8))).map { .string($0) }
            }
        }
        return nil
    }
}
