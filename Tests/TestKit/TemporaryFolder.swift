package import Foundation

/// A folder of a test's own, gone with the value's last reference; `WEIR_KEEP_FOLDERS=1` leaves it for a look.
package final class TemporaryFolder: Sendable {
    package let url: URL
    package var path: String { url.path }

    /// - Parameter inMemory: where the system has a place for that: for tests that sync thousands of times, and whose
    ///   failures are made above the disk.
    package init(_ label: String = "weir-test", inMemory: Bool = false) throws {
        let memory = URL(fileURLWithPath: "/dev/shm", isDirectory: true)
        let isThere = inMemory && FileManager.default.isWritableFile(atPath: memory.path)
        let parent = isThere ? memory : FileManager.default.temporaryDirectory
        url = parent.appendingPathComponent("\(label)-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }
    package func file(_ name: String) -> URL { url.appendingPathComponent(name) }
    deinit {
        guard ProcessInfo.processInfo.environment["WEIR_KEEP_FOLDERS"] == nil else { return }
        try? FileManager.default.removeItem(at: url)
    }
}
