internal import Dispatch
internal import Foundation
internal import Platform

/// Objects as files below a folder, the name being the path. Written aside in `.drafts`, synced, named, and the folder
/// synced. `a` and `a/b` can't both be objects here.
package final class FolderObjectStore: ObjectStore {
    private let root: String
    /// File work blocks, so it has its own threads.
    private let queue = DispatchQueue(label: "objects", attributes: .concurrent)
    private static let drafts = ".drafts"

    /// - Parameter path: made if it is not there.
    package init(_ path: String) throws(ObjectStoreError) {
        root = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
        do throws(SystemError) {
            try makeFolders(root)
            try makeFolders("\(root)/\(Self.drafts)")
        } catch {
            throw .refused("folder:\(path): \(error)")
        }
        removeOldDrafts()
    }
    package var description: String { "folder:\(root)" }

    @discardableResult
    package func put(
        _ name: ObjectName, _ bytes: [UInt8], digest: ObjectDigest, onlyIfAbsent: Bool
    ) async throws(ObjectStoreError) -> Bool {
        guard bytes.count <= objectBytesMax else { throw .tooLarge(name, bytes: bytes.count) }
        return try await blocking { [self] in
            guard ObjectDigest(of: bytes) == digest else { throw ObjectStoreError.digestMismatch(name) }
            let path = path(of: name), draft = "\(root)/\(Self.drafts)/\(UUID().uuidString)"
            // Again when a `delete` took the empty folder away meanwhile.
            var attempt = 0
            while true {
                attempt += 1
                do {
                    try makeFolders(String(path[..<(path.lastIndex(of: "/") ?? path.endIndex)]))
                    try placeFile(path, with: bytes, draft: draft, replacing: !onlyIfAbsent)
                    return true
                } catch  where onlyIfAbsent && (error as? SystemError)?.isFileExists == true {
                    return try readFile(path, bytesMax: objectBytesMax) == bytes
                } catch  where attempt < 10 && (error as? SystemError)?.isNoSuchFile == true {
                    continue
                }
            }
        }
    }

    package func get(_ name: ObjectName, range: Range<Int>?) async throws(ObjectStoreError) -> [UInt8] {
        try await blocking { [self] in
            do {
                guard let range else { return try readFile(path(of: name), bytesMax: objectBytesMax) }
                return try readFile(path(of: name), range: range)
            } catch  where (error as? SystemError)?.isNoSuchFile == true {
                throw ObjectStoreError.notFound(name)
            }
        }
    }

    package func size(of name: ObjectName) async throws(ObjectStoreError) -> Int? {
        try await blocking { [self] in
            guard let status = fileStatus(path(of: name)), !status.isFolder else { return nil }
            return status.bytes
        }
    }

    package func list(
        prefix: String, after: ObjectName?, limit: Int
    ) async throws(ObjectStoreError) -> ObjectPage {
        try await blocking { [self] in
            // Folders' order is not that of names ("a-b" comes before "a/b"), so all that can match are looked at.
            var found: [ObjectEntry] = []
            let folder = prefix.lastIndex(of: "/").map { String(prefix[..<$0]) } ?? ""
            if !folder.isEmpty { _ = try ObjectName(folder) }
            try collect(folder, prefix: prefix, after: after, into: &found)
            found.sort { $0.name < $1.name }
            return ObjectPage(objects: Array(found.prefix(limit)), isLast: found.count <= limit)
        }
    }
    private func collect(
        _ folder: String, prefix: String, after: ObjectName?, into found: inout [ObjectEntry]
    ) throws {
        let path = folder.isEmpty ? root : "\(root)/\(folder)"
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: path) else { return }
        for part in names where part != Self.drafts || !folder.isEmpty {
            let text = folder.isEmpty ? part : "\(folder)/\(part)"
            guard text.hasPrefix(prefix) || prefix.hasPrefix(text + "/"), let name = try? ObjectName(text),
                let status = fileStatus("\(root)/\(text)")
            else { continue }
            if status.isFolder {
                try collect(text, prefix: prefix, after: after, into: &found)
            } else if text.hasPrefix(prefix), after.map({ $0 < name }) ?? true {
                found.append(ObjectEntry(name: name, bytes: status.bytes))
            }
        }
    }

    package func delete(_ name: ObjectName) async throws(ObjectStoreError) {
        try await blocking { [self] in
            var folder = path(of: name)
            try deleteFile(folder)
            // Folders that hold nothing any more go too; the first that still does ends it.
            while let slash = folder.lastIndex(of: "/"), slash > folder.startIndex {
                folder = String(folder[..<slash])
                guard folder.count > root.count, (try? deleteEmptyFolder(folder)) == true else { break }
            }
        }
    }

    private func path(of name: ObjectName) -> String { "\(root)/\(name.text)" }

    /// What a killed process left behind. A day is longer than any put lasts.
    private func removeOldDrafts() {
        let folder = "\(root)/\(Self.drafts)", now = SystemTime().wallMilliseconds()
        for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] {
            guard let status = fileStatus("\(folder)/\(name)") else { continue }
            if now - status.changedNanoseconds / 1_000_000 > 86_400_000 { _ = try? deleteFile("\(folder)/\(name)") }
        }
    }

    private func blocking<Value: Sendable>(
        _ body: @escaping @Sendable () throws -> Value
    ) async throws(ObjectStoreError) -> Value {
        let result: Result<Value, ObjectStoreError> = await withCheckedContinuation { continuation in
            queue.async {
                do {
                    continuation.resume(returning: .success(try body()))
                } catch {
                    continuation.resume(returning: .failure(self.wrapped(error)))
                }
            }
        }
        return try result.get()
    }
    private func wrapped(_ error: any Error) -> ObjectStoreError {
        if let error = error as? ObjectStoreError { return error }
        guard let system = error as? SystemError else { return .refused("\(self): \(error)") }
        return system.isNoSpace ? .noSpace("\(self): \(system)") : .refused("\(self): \(system.call): \(system)")
    }
}
