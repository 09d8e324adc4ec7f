import Console
import Foundation
import Settings

/// Whether people get the console, and where its pages are.
///
/// - `console.serve` (`true` or `false`, `true`): false leaves the API alone on its port.
/// - `console.folder` (path): the pages. Without it, the first that is there of `console` beside the program,
///   `../share/weir/console` from there, and the source tree that the program was built in; no console if none is.
/// - `console.assets` (path): what `deploy/console-assets` has made, for the map. Without it, `console-assets` at the
///   same places, and `.build` of the source tree; the console works without.
struct ConsoleSettings: Equatable, Sendable {
    let isServed: Bool, folder: String?, assets: String?

    init(_ reader: SettingsReader) throws(SettingError) {
        isServed = try reader.bool("serve", default: true)
        folder = try reader.optionalPath(of: "folder")
        assets = try reader.optionalPath(of: "assets")
    }

    /// Nil: there is no console.
    /// - Throws: `Failure.usage` for a folder that is not the console's.
    func files() throws(Failure) -> ConsoleFiles? {
        guard isServed else { return nil }
        let pages = ["console", "../share/weir/console", "../../../Aggregator/Console/Pages"]
        guard let folder = folder ?? Self.first(of: pages, with: "index.html") else { return nil }
        let others = ["console-assets", "../share/weir/console-assets", "../../../.build/console-assets"]
        do {
            return try ConsoleFiles(folder: folder, assets: assets ?? Self.first(of: others, with: ""))
        } catch { throw .usage("console: \(error)") }
    }

    /// - Parameter places: from the program's folder.
    private static func first(of places: [String], with file: String) -> String? {
        guard let program = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe") else {
            return nil
        }
        let beside = URL(fileURLWithPath: program).deletingLastPathComponent().path
        return places.map { "\(beside)/\($0)" }.first { FileManager.default.fileExists(atPath: "\($0)/\(file)") }
    }
}
