package import Foundation

/// A folder of a test's own, gone with the value's last reference; `WEIR_KEEP_FOLDERS=1` leaves it for a look.
package final class TemporaryFolder: Sendable {
    package let url: URL
    package var path: String { url.path }

    package init(_ label: String = "weir-test") throws {
        url = FileManager.default.temporaryDirectory.appendingPathComponent("\(label)-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }
    package func file(_ name: String) -> URL { url.appendingPathComponent(name) }
    deinit {
        guard ProcessInfo.processInfo.environment["WEIR_KEEP_FOLDERS"] == nil else { return }
        try? FileManager.default.removeItem(at: url)
    }
}
