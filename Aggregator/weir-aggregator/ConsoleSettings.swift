import Console
import Foundation
import Settings

/// Whether people get the console, and where its pages are.
///
/// - `console.serve` (`true` or `false`, `true`): false leaves the API alone on its port.
/// - `console.folder` (path): the pages. Without it, the first that is there of `console` beside the program,
///   `../share/weir/console` from there, and the source tree that the program was built in; no console if none is.
struct ConsoleSettings: Equatable, Sendable {
    let isServed: Bool, folder: String?

    init(_ reader: SettingsReader) throws(SettingError) {
        isServed = try reader.bool("serve", default: true)
        folder = try reader.optionalPath(of: "folder")
    }

    /// Nil: there is no console.
    /// - Throws: `Failure.usage` for a folder that is not the console's.
    func files() throws(Failure) -> ConsoleFiles? {
        guard isServed, let folder = folder ?? Self.usualFolder() else { return nil }
        do { return try ConsoleFiles(folder: folder) } catch { throw .usage("console.folder: \(error)") }
    }

    private static func usualFolder() -> String? {
        guard let program = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe") else {
            return nil
        }
        let beside = URL(fileURLWithPath: program).deletingLastPathComponent().path
        let places = ["console", "../share/weir/console", "../../../Aggregator/Console/Pages"]
        return places.map { "\(beside)/\($0)" }.first { FileManager.default.fileExists(atPath: $0 + "/index.html") }
    }
}
