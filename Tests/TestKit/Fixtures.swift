package import Foundation

/// Captures that are not part of the project: found by `WEIR_FIXTURES`, by default beside the checkout. Tests that
/// need them are switched off, visibly, where they are absent: `@Test(.enabled(if: Fixtures.present, Fixtures.why))`.
package enum Fixtures {
    package static let root: URL = {
        if let path = ProcessInfo.processInfo.environment["WEIR_FIXTURES"] { return URL(fileURLWithPath: path) }
        return PackageTree.root.appendingPathComponent("../shared/fixtures").standardizedFileURL
    }()
    package static let present = FileManager.default.fileExists(atPath: root.appendingPathComponent("wire").path)
    package static let why = "set WEIR_FIXTURES to the folder that holds wire/ and attacks/"

    /// The bytes of the file at `path`, relative to the fixtures' folder.
    package static func bytes(_ path: String) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: root.appendingPathComponent(path)))
    }
    /// All files below `folder` whose names end in `suffix`, sorted, relative to the fixtures' folder.
    package static func files(in folder: String, suffix: String) -> [String] {
        let base = root.appendingPathComponent(folder)
        guard let names = FileManager.default.enumerator(atPath: base.path) else { return [] }
        return names.compactMap { $0 as? String }.filter { $0.hasSuffix(suffix) }.map { "\(folder)/\($0)" }.sorted()
    }
}

/// The checkout that the tests were built from.
package enum PackageTree {
    package static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
}

/// The project's own small captures and files, each with its origin in `Corpus/README.md`.
package enum Corpus {
    package static func bytes(_ name: String) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: PackageTree.root.appendingPathComponent("Tests/TestKit/Corpus/\(name)")))
    }
}
