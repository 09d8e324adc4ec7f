import Console
import Foundation
import Settings

/// Where Swagger UI is: `api.docs`, a folder that `deploy/api-docs` made. Without it, `api-docs` beside the program,
/// `../share/weir/api-docs` from there, and `.build` of the source tree that the program was built in.
struct DocsSettings: Equatable, Sendable {
    let folder: String?

    init(_ reader: SettingsReader) throws(SettingError) { folder = try reader.optionalPath(of: "docs") }

    /// Nil: `/docs/` says how to get it.
    /// - Throws: `Failure.usage` for a folder that was named and is another.
    func files() throws(Failure) -> DocsFiles? {
        if let folder {
            do { return try DocsFiles(folder: folder) } catch { throw .usage("api.docs: \(error)") }
        }
        guard let program = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe") else {
            return nil
        }
        let beside = URL(fileURLWithPath: program).deletingLastPathComponent().path
        let places = ["api-docs", "../share/weir/api-docs", "../../../.build/api-docs"]
        return places.lazy.compactMap { try? DocsFiles(folder: "\(beside)/\($0)") }.first
    }
}
