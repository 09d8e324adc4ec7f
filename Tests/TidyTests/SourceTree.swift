import Foundation
import TestKit

/// The project's own text files, as Git knows them: tracked ones, and new ones that are not ignored.
struct SourceTree {
    struct File {
        /// Relative to the package's root.
        let path: String
        let lines: [Substring]
        var isTest: Bool { path.hasPrefix("Tests/") }
        private let octets: [UInt8]

        init(path: String, text: String) {
            self.path = path
            lines = text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map(Substring.init)
            octets = Array(text.utf8)
        }

        func contains(_ text: String) -> Bool { octets.contains(text) }

        /// The lines, counted from 0, that hold any of `texts`: a search of bytes, so that patterns, which are slow,
        /// are held against few lines only.
        func lines(holding texts: [String]) -> [Int] {
            let places = texts.flatMap { octets.places(of: $0) }.sorted()
            guard !places.isEmpty else { return [] }
            var found: [Int] = [], next = places.startIndex, end = -1
            for (index, line) in lines.enumerated() {
                end += line.utf8.count + 1
                if places[next] < end { found.append(index) }
                while next < places.endIndex, places[next] < end { next += 1 }
                if next == places.endIndex { break }
            }
            return found
        }
    }
    let paths: [String]
    let swift: [File]

    static let shared = Result { try SourceTree() }

    private init() throws {
        let listed = try Program.run(
            "git", ["-C", PackageTree.root.path, "ls-files", "-co", "--exclude-standard", "--deduplicate"])
        let names = listed.text.split(separator: "\n").map(String.init)
        paths = names.filter {
            FileManager.default.fileExists(atPath: PackageTree.root.appendingPathComponent($0).path)
        }
        swift = try paths.filter { $0.hasSuffix(".swift") }.map { path in
            File(
                path: path, text: try String(contentsOf: PackageTree.root.appendingPathComponent(path), encoding: .utf8)
            )
        }
    }
}

/// What a line of Swift says to the compiler: without its comment and the contents of its string literals.
func code(_ line: Substring) -> String { String(decoding: codeOctets(line), as: UTF8.self) }

func codeOctets(_ line: Substring) -> [UInt8] {
    let octets = Array(line.utf8), quote = UInt8(ascii: "\""), slash = UInt8(ascii: "/")
    guard octets.contains(quote) || octets.contains(slash) else { return octets }
    var out: [UInt8] = [], inString = false, escaped = false
    out.reserveCapacity(octets.count)
    for (index, octet) in octets.enumerated() {
        if inString {
            if escaped {
                escaped = false
            } else if octet == UInt8(ascii: "\\") {
                escaped = true
            } else if octet == quote {
                inString = false
            }
        } else if octet == quote {
            inString = true
        } else if octet == slash, index + 1 < octets.count, octets[index + 1] == slash {
            break
        }
        if !inString { out.append(octet) }
    }
    return out
}

/// What a declaration looks like: made once, since a literal is compiled wherever it is come by.
struct Declarations {
    private let protocols = /^\s*(package |private |fileprivate )?protocol\s/
    private let functions = /\b(func\s+\S|init[?]?(<.*>)?\(|deinit\b)/
    private let calls = /\.init\(|self\.init|super\.init|\bcase\b/

    /// Each line with one holds one of these.
    static let words = ["func", "init(", "init?", "init<", "deinit", "protocol"]
    func isProtocol(_ text: String) -> Bool { text.firstMatch(of: protocols) != nil }
    func isFunction(_ text: String) -> Bool {
        text.firstMatch(of: functions) != nil && text.firstMatch(of: calls) == nil
    }
}

/// Functions and initializers of a file with the number of lines from their first to their closing brace. Those of a
/// protocol have none.
func functions(
    in file: SourceTree.File, by declarations: Declarations = Declarations()
) -> [(line: Int, length: Int)] {
    var found: [(line: Int, length: Int)] = [], open: [(line: Int, depth: Int)] = [], pending: Int?, depth = 0
    var protocolDepth: Int?
    let worded = Set(file.lines(holding: Declarations.words))
    let braced = Set(file.lines(holding: ["{", "}"]))
    for index in worded.union(braced).sorted() {
        let octets = codeOctets(file.lines[index])
        if worded.contains(index) {
            let text = String(decoding: octets, as: UTF8.self)
            if declarations.isProtocol(text) { protocolDepth = depth }
            if protocolDepth == nil, pending == nil, declarations.isFunction(text) { pending = index }
        }
        for octet in octets {
            if octet == UInt8(ascii: "{") {
                depth += 1
                if let start = pending {
                    open.append((start, depth))
                    pending = nil
                }
            } else if octet == UInt8(ascii: "}") {
                if let last = open.last, last.depth == depth {
                    found.append((last.line + 1, index - last.line + 1))
                    open.removeLast()
                }
                depth -= 1
                if protocolDepth == depth { protocolDepth = nil }
            }
        }
    }
    return found
}
