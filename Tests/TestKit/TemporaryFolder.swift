package import Foundation

/// A folder of a test's own, gone with the value's last reference.
package final class TemporaryFolder: Sendable {
    package let url: URL
    package var path: String { url.path }

    package init(_ label: String = "weir-test") throws {
        url = FileManager.default.temporaryDirectory.appendingPathComponent("\(label)-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }
    package func file(_ name: String) -> URL { url.appendingPathComponent(name) }
    deinit { try? FileManager.default.removeItem(at: url) }
}
