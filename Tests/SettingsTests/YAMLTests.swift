import Settings
import TestKit
import Testing

/// Reads `text` as `sensor.yaml`.
func read(
    _ text: String, overrides: [String] = [], environment: [String: String] = [:]
) throws -> SettingsReader {
    try SettingsReader(
        text: [UInt8](text.utf8), file: "conf/sensor.yaml", overrides: overrides, environment: { environment[$0] })
}

/// The error's text, or what came instead of an error.
func refusal(_ text: String, _ body: (SettingsReader) throws -> Void = { _ in }) -> String {
    do {
        let reader = try read(text)
        try body(reader)
        return "accepted"
    } catch {
        return "\(error)"
    }
}

@Suite("The subset of YAML")
struct YAMLTests {
    @Test("maps, lists, lists of maps, quotes and comments") func all() throws {
        let reader = try read(
            """
            ---
            # a comment
            name: plain text # and a comment
            single: 'it''s # no comment'
            double: "tab\\t quote\\" \\u00e9"
            "quoted-key": http://example.org/#anchor
            flow: [a, 'b, c', "d]", [::1]  ]
            """.replacing(", [::1]  ", with: ",")
                + """

                listen:
                    addresses:
                    - "[::]:2055"
                    - 0.0.0.0:2055   # ports
                tenants:
                  - name: one
                    keys: [x]
                  -
                    name: two
                empty: []
                """)
        #expect(try reader.string("name") == "plain text")
        #expect(try reader.string("single") == "it's # no comment")
        #expect(try reader.string("double") == "tab\t quote\" é")
        #expect(try reader.string("quoted-key") == "http://example.org/#anchor")
        #expect(try reader.strings("flow", default: nil) == ["a", "b, c", "d]"])
        #expect(try reader.scoped(to: "listen").strings("addresses", default: nil) == ["[::]:2055", "0.0.0.0:2055"])
        let tenants = try reader.elements(of: "tenants")
        #expect(try tenants.map { try $0.string("name") } == ["one", "two"])
        #expect(try tenants.map { try $0.strings("keys", default: []) } == [["x"], []])
        #expect(try reader.strings("empty", default: ["no"]) == [])
        #expect(try reader.elements(of: "absent").isEmpty)
        try reader.checkAllUsed()
    }

    @Test(
        "what YAML has and Weir has not is refused with its line",
        arguments: [
            ("a: &x 1", "an anchor is not supported; quote the value if it is meant as text (conf/sensor.yaml:1)"),
            ("a: 1\nb: *x", "an alias is not supported; quote the value if it is meant as text (conf/sensor.yaml:2)"),
            ("a: !!int 1", "a tag is not supported; quote the value if it is meant as text (conf/sensor.yaml:1)"),
            (
                "a: |\n  x",
                "a block scalar is not supported; quote the value if it is meant as text (conf/sensor.yaml:1)"
            ),
            ("a: {b: 1}", "a flow map is not supported; quote the value if it is meant as text (conf/sensor.yaml:1)"),
            ("a: 1\n---\nb: 2", "more than one document (conf/sensor.yaml:2)"),
            ("a: 1\n\ta: 2", "a tab in the indentation; use spaces (conf/sensor.yaml:2)"),
            ("a: 1\na: 2", "a is given twice (conf/sensor.yaml:2)"),
            ("a:\n  b: 1\n    c: 2", "indented more than the line above (conf/sensor.yaml:3)"),
            ("  a: 1\nb: 2", "indented less than the first line (conf/sensor.yaml:2)"),
            ("a: 1\n- b", "a list item among keys (conf/sensor.yaml:2)"),
            ("a: [1, 2", "a list without its ']' on the same line (conf/sensor.yaml:1)"),
            ("a: [::]:2055", "a value that ends in ':'; quote it (conf/sensor.yaml:1)"),
            ("a: [x]:2055", "text after ']' (quote a value that begins with '[') (conf/sensor.yaml:1)"),
            ("a: 'x", "a quoted text without its closing quote on the same line (conf/sensor.yaml:1)"),
            ("a: 'x' y", "text after the closing quote (conf/sensor.yaml:1)"),
            ("a: b: c", "': ' inside a value; quote it (conf/sensor.yaml:1)"),
            ("just text", "expected 'key: value' (conf/sensor.yaml:1)"),
            ("- a", "expected 'key: value' (conf/sensor.yaml:1)"),
            ("a.b: 1", "expected 'key: value' (conf/sensor.yaml:1)"),
            ("'a.b': 1", "a.b is not a key: letters, digits, _ and - only (conf/sensor.yaml:1)"),
            ("a:\n  -\nb: 1", "a list item without a value (conf/sensor.yaml:2)"),
            (String(repeating: "- ", count: 40) + "a", "nested deeper than 16 (conf/sensor.yaml:1)"),
        ])
    func refused(text: String, error: String) {
        #expect(refusal(text) == error)
    }

    @Test("any text is read or refused, never trapped on") func hostile() throws {
        let alphabet = [UInt8]("a1:-#[]{}'\",\\ \n\t&*!|>%@`.u\u{0}é~".utf8)
        var accepted = 0, refused = 0
        forAll(runs: 3_000) { generator, _ in
            let length = Int.random(in: 0..<60, using: &generator)
            let text = (0..<length).map { _ in alphabet[Int.random(in: alphabet.indices, using: &generator)] }
            do {
                let reader = try SettingsReader(text: text, file: "x")
                _ = try reader.strings("a", default: [])
                for element in try reader.elements(of: "1") { _ = try element.bool("a", default: true) }
                try reader.checkAllUsed()
                accepted += 1
            } catch {
                refused += 1
            }
        }
        #expect(refused > 0 && accepted > 0)
    }

    @Test("a lot of nothing much is refused") func large() {
        let bracket = String(repeating: "[", count: 200_000)
        #expect(refusal("a: \(bracket)").hasSuffix("(conf/sensor.yaml:1)"))
        #expect(refusal(String(repeating: "a: 1\n", count: 400_000)) == "longer than 1 MiB (conf/sensor.yaml:1)")
    }
}
