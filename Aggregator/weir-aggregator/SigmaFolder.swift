import Foundation
import Identity
import Logging
import Platform
import ServiceLifecycle
import Sigma

/// The folder of rule files: `*.yml` and `*.yaml` in it are all tenants', those in a folder named after a tenant are
/// that tenant's. Read again when a file comes, goes or changes.
struct SigmaFolder: Service {
    let path: String, register: SigmaRegister, logger: Logger
    private static let lookInterval = Duration.seconds(10), filesMax = 4_096, bytesMax = 1 << 20

    /// What tells whether a file has changed.
    private struct Sight: Hashable { let path: String, bytes: Int, changed: Date }

    func run() async throws {
        var known = sights()
        while !Task.isShuttingDownGracefully {
            do {
                try await cancelWhenGracefulShutdown { try await Task.sleep(for: Self.lookInterval) }
            } catch { return }
            let now = sights()
            guard now != known else { continue }
            known = now
            register.load(read())
            announce()
        }
    }

    /// All files; those that can't be read, or are too many, are among the refusals by what they lack.
    func read() -> SigmaFiles {
        var files = SigmaFiles()
        for sight in sights() {
            let parts = sight.path.split(separator: "/")
            let tenant = parts.count == 2 ? TenantID(String(parts[0])) : nil
            guard parts.count == 1 || tenant != nil else {
                logger.warning("A folder of rules is no tenant's.", metadata: ["folder": "\(parts[0])"])
                continue
            }
            do {
                let octets = try readFile("\(path)/\(sight.path)", bytesMax: Self.bytesMax)
                files.add(String(decoding: octets, as: UTF8.self), file: sight.path, of: tenant)
            } catch {
                logger.error(
                    "A file of rules can't be read.", metadata: ["file": "\(sight.path)", "reason": "\(error)"])
            }
        }
        return files
    }

    /// What of the files is not used, one line each.
    func announce() {
        for (file, refusal) in register.refusals {
            logger.warning(
                "A rule is refused.",
                metadata: [
                    "file": "\(file)", "rule": "\(refusal.title)",
                    "reason": "\(refusal.issues.map(\.description).joined(separator: "; "))",
                ])
        }
    }

    private func sights() -> [Sight] {
        let folder = URL(fileURLWithPath: path, isDirectory: true)
        func contents(_ folder: URL) -> [URL] {
            (try? FileManager.default.contentsOfDirectory(
                at: folder, includingPropertiesForKeys: [.isDirectoryKey, .fileSizeKey, .contentModificationDateKey]))
                ?? []
        }
        var found: [Sight] = []
        func add(_ file: URL, _ name: String) {
            guard ["yml", "yaml"].contains(file.pathExtension.lowercased()) else { return }
            let values = try? file.resourceValues(forKeys: [.fileSizeKey, .contentModificationDateKey])
            found.append(
                Sight(
                    path: name, bytes: values?.fileSize ?? 0, changed: values?.contentModificationDate ?? .distantPast))
        }
        for entry in contents(folder) {
            let isFolder = (try? entry.resourceValues(forKeys: [.isDirectoryKey]))?.isDirectory ?? false
            if isFolder {
                for file in contents(entry) { add(file, "\(entry.lastPathComponent)/\(file.lastPathComponent)") }
            } else {
                add(entry, entry.lastPathComponent)
            }
        }
        return Array(found.sorted { $0.path < $1.path }.prefix(Self.filesMax))
    }
}
