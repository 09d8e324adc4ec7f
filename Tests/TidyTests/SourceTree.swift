import Foundation
import TestKit

/// The project's own text files, as Git knows them: tracked ones, and new ones that are not ignored.
struct SourceTree {
    struct File {
        /// Relative to the package's root.
        let path: String
        let lines: [Substring]
        var isTest: Bool { path.hasPrefix("Tests/") }
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
            let text = try String(contentsOf: PackageTree.root.appendingPathComponent(path), encoding: .utf8)
            return File(path: path, lines: text.split(separator: "\n", omittingEmptySubsequences: false))
        }
    }
}

/// What a line of Swift says to the compiler: without its comment and the contents of its string literals.
func code(_ line: Substring) -> String {
    var out = "", inString = false, escaped = false
    var rest = line[...]
    while let character = rest.first {
        if !inString, rest.hasPrefix("//") { break }
        rest = rest.dropFirst()
        if inString {
            if escaped {
                escaped = false
            } else if character == "\\" {
                escaped = true
            } else if character == "\"" {
                inString = false
            }
        } else if character == "\"" {
            inString = true
        }
        if !inString { out.append(character) }
    }
    return out
}

/// Functions and initializers of a file with the number of lines from their first to their closing brace. Those of a
/// protocol have none.
func functions(in file: SourceTree.File) -> [(line: Int, length: Int)] {
    var found: [(line: Int, length: Int)] = [], open: [(line: Int, depth: Int)] = [], pending: Int?, depth = 0
    var protocolDepth: Int?
    for (index, line) in file.lines.enumerated() {
        let text = code(line)
        if text.firstMatch(of: /^\s*(package |private |fileprivate )?protocol\s/) != nil { protocolDepth = depth }
        if protocolDepth == nil, text.firstMatch(of: /\b(func\s+\S|init[?]?(<.*>)?\(|deinit\b)/) != nil,
            text.firstMatch(of: /\.init\(|self\.init|super\.init|\bcase\b/) == nil, pending == nil
        {
            pending = index
        }
        for character in text {
            if character == "{" {
                depth += 1
                if let start = pending {
                    open.append((start, depth))
                    pending = nil
                }
            } else if character == "}" {
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
