internal import Crypto
internal import Foundation
package import NIOCore
internal import Platform

/// The console's pages as they were when the aggregator started: a table from a request's path to octets.
///
/// Invariants: only this table answers, so no request's path ever reaches the disk; a file whose name, kind or size is
/// not expected keeps the aggregator from starting, rather than be left out unseen.
/// Not here: what headers go with them (`ConsoleResponder`), what they hold (`Pages`).
package struct ConsoleFiles: Sendable {
    package struct File: Sendable {
        /// One for all answers: many of them, unread, must not be as many copies.
        package let body: ByteBuffer, type: String
        /// A strong validator: the digest of the octets, in quotes.
        package let tag: String
    }
    /// Where the pages are; `/` leads there.
    package static let root = "/console/"
    private static let assets = root + "assets/"
    package static let filesMax = 256, fileBytesMax = 4 << 20, bytesMax = 16 << 20, depthMax = 4

    private var files: [String: File] = [:]
    package private(set) var bytes = 0
    package var paths: [String] { files.keys.sorted() }

    /// Without the query: what is after `?` is for the pages.
    package subscript(path: String) -> File? { files[path] }

    /// Reads all files of a folder. `index.html` also answers for the folder itself.
    /// - Parameter assets: a folder with what is others' and may be missing, see `add(assets:)`.
    package init(folder: String, assets: String? = nil) throws(ConsoleError) {
        try add(folder, below: Self.root, depth: 1)
        try add(assets: assets)
        guard let index = files[Self.root + "index.html"] else { throw .noIndex(folder) }
        files[Self.root] = index
    }

    private mutating func add(_ folder: String, below prefix: String, depth: Int) throws(ConsoleError) {
        guard depth <= Self.depthMax else { throw .tooMuch("\(folder): more than \(Self.depthMax) folders deep") }
        let names: [String]
        do { names = try FileManager.default.contentsOfDirectory(atPath: folder).sorted() } catch {
            throw .unreadable(folder, error.localizedDescription)
        }
        for name in names where !name.hasPrefix(".") {
            let path = "\(folder)/\(name)"
            guard Self.isPlain(name) else { throw .unexpected(path) }
            // Of the entry itself: a symbolic link is neither.
            switch try? FileManager.default.attributesOfItem(atPath: path)[.type] as? FileAttributeType {
            case .typeDirectory?: try add(path, below: "\(prefix)\(name)/", depth: depth + 1)
            case .typeRegular?: try add(file: path, as: prefix + name)
            default: throw .unexpected(path)
            }
        }
    }

    /// A map and a font that the pages do without: copied from packages where somebody installs them, and only as the
    /// pages' own list of digests has them. `assets/list.json` says which are there.
    private mutating func add(assets folder: String?) throws(ConsoleError) {
        var names: [String] = []
        if let folder {
            let digests = digests()
            let found: [String]
            do { found = try FileManager.default.contentsOfDirectory(atPath: folder).sorted() } catch {
                throw .unreadable(folder, error.localizedDescription)
            }
            for name in found where !name.hasPrefix(".") {
                guard Self.isPlain(name), let digest = digests[name] else { throw .unexpected("\(folder)/\(name)") }
                try add(file: "\(folder)/\(name)", as: Self.assets + name, digest: digest)
                names.append("\"\(name)\"")
            }
        }
        try add([UInt8]("[\(names.joined(separator: ","))]".utf8), as: Self.assets + "list.json")
    }
    /// By name, from lines of a digest and a name.
    private func digests() -> [String: String] {
        guard let list = files[Self.root + "assets.txt"] else { return [:] }
        let lines = String(buffer: list.body).split(separator: "\n").map { $0.split(separator: " ") }
        let pairs = lines.filter { $0.count == 2 }.map { (String($0[1]), String($0[0])) }
        return Dictionary(pairs, uniquingKeysWith: { first, _ in first })
    }

    private mutating func add(file: String, as path: String, digest: String? = nil) throws(ConsoleError) {
        let octets: [UInt8]
        do { octets = try readFile(file, bytesMax: Self.fileBytesMax) } catch { throw .unreadable(file, "\(error)") }
        if let digest, Self.hexadecimal(SHA256.hash(data: octets)) != digest { throw .changed(file) }
        try add(octets, as: path, from: file)
    }
    private mutating func add(_ octets: [UInt8], as path: String, from file: String = "") throws(ConsoleError) {
        guard let ending = path.split(separator: ".").last, let type = Self.types[String(ending)] else {
            throw .unexpected(file)
        }
        guard files.count < Self.filesMax else { throw .tooMuch("\(file): more than \(Self.filesMax) files") }
        bytes += octets.count
        guard bytes <= Self.bytesMax else { throw .tooMuch("\(file): more than \(Self.bytesMax) octets in all") }
        let tag = Self.hexadecimal(SHA256.hash(data: octets).prefix(16))
        files[path] = File(body: ByteBuffer(bytes: octets), type: type, tag: "\"\(tag)\"")
    }
    private static func hexadecimal(_ octets: some Sequence<UInt8>) -> String {
        octets.map { octet in
            let text = String(octet, radix: 16)
            return text.count == 1 ? "0" + text : text
        }.joined()
    }

    /// Letters, digits, `-`, `_` and single full stops: nothing that a path could mean anything by.
    private static func isPlain(_ name: String) -> Bool {
        let allowed = Set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")
        return name.count <= 64 && name.allSatisfy(allowed.contains) && !name.contains("..")
    }

    private static let types = [
        "html": "text/html; charset=utf-8", "css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8",
        "json": "application/json", "webmanifest": "application/manifest+json", "svg": "image/svg+xml",
        "png": "image/png", "woff2": "font/woff2", "otf": "font/otf", "txt": "text/plain; charset=utf-8",
    ]
}

/// Why a folder is not the console's.
package enum ConsoleError: Error, Equatable, CustomStringConvertible {
    case unreadable(String, String)
    /// A name, or a kind of file, that the console does not have.
    case unexpected(String)
    /// It is not what the list of digests says.
    case changed(String)
    case tooMuch(String)
    case noIndex(String)

    package var description: String {
        switch self {
        case .unreadable(let path, let reason): "\(path) can't be read: \(reason)"
        case .unexpected(let path): "\(path) is no file of the console: plain names of pages, scripts and images only"
        case .changed(let path): "\(path) is not the one of assets.txt: make the folder anew"
        case .tooMuch(let what): what
        case .noIndex(let folder): "\(folder) has no index.html"
        }
    }
}
