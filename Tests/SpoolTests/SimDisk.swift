import Platform
import Spool
import TestKit

/// A file system in memory that keeps apart what programs see and what a power cut would leave, fails the n-th call,
/// and forgets what a failed sync was to keep, as Linux does.
final class SimDisk: SpoolDisk {
    enum Fault: CaseIterable { case eio, enospc, shortWrite, lostSync }

    final class Node {
        var live: [UInt8] = [], durable: [UInt8] = []
        /// Written since the last sync.
        var dirty: [(offset: Int, bytes: [UInt8])] = []
    }
    struct State {
        var nodes: [String: Node] = [:]
        /// Names as a power cut would leave them.
        var durableNames: [String: Node] = [:]
        var folders: Set<String> = []
        var calls = 0
        var fault: (call: Int, kind: Fault)?
        var capacity = Int.max
        var locks: Set<String> = []
        /// Of calls that failed.
        var failed: [String] = []
        var syncs = 0
        var written = 0
    }
    let state = Locked(State())

    /// Fails call number `call` from now (1 is the next) with `kind`.
    func fail(call: Int, _ kind: Fault) { state.with { $0.fault = ($0.calls + call, kind) } }
    var calls: Int { state.with { $0.calls } }

    /// What is not durable is gone, or, with `keeping`, in the file as far as chance has it: of each write its
    /// beginning, or any sectors.
    func cutPower(_ generator: inout SeededGenerator, keeping: Bool = false) {
        state.with { state in
            var seen: Set<ObjectIdentifier> = []
            // By name, so that a seed is the same history each time.
            for (_, node) in state.nodes.sorted(by: { $0.key < $1.key })
            where seen.insert(ObjectIdentifier(node)).inserted {
                var bytes = node.durable
                for (offset, piece) in node.dirty where keeping {
                    if Bool.random(using: &generator) {
                        let count = Int.random(in: 0...piece.count, using: &generator)
                        Self.put(Array(piece.prefix(count)), at: offset, in: &bytes)
                    } else {
                        Self.putSome(piece, at: offset, in: &bytes, &generator)
                    }
                }
                (node.live, node.durable, node.dirty) = (bytes, bytes, [])
            }
            state.nodes = state.durableNames
            state.locks = []
            state.fault = nil
        }
    }
    /// The process is gone; the system and its page cache are not.
    func killProcess() {
        state.with { state in
            state.locks = []
            state.fault = nil
        }
    }
    func change(_ path: String, _ body: (inout [UInt8]) -> Void) {
        state.with { state in
            guard let node = state.nodes[path] else { return }
            body(&node.live)
            node.durable = node.live
        }
    }
    func bytes(_ path: String) -> [UInt8]? { state.with { $0.nodes[path]?.live } }
    func allNames() -> [String] { state.with { $0.nodes.keys.sorted() } }

    static func put(_ piece: [UInt8], at offset: Int, in bytes: inout [UInt8]) {
        if bytes.count < offset + piece.count {
            bytes += [UInt8](repeating: 0, count: offset + piece.count - bytes.count)
        }
        bytes.replaceSubrange(offset..<(offset + piece.count), with: piece)
    }

    private static func putSome(
        _ piece: [UInt8], at offset: Int, in bytes: inout [UInt8], _ generator: inout SeededGenerator
    ) {
        var at = offset
        while at < offset + piece.count {  // ends: each turn passes a sector
            let end = min((at / 512 + 1) * 512, offset + piece.count)
            if Bool.random(using: &generator) { put(Array(piece[(at - offset)..<(end - offset)]), at: at, in: &bytes) }
            at = end
        }
    }

    /// Counts a call; what it must do instead of succeeding.
    fileprivate func enter(_ call: String) -> Fault? {
        state.with { state in
            state.calls += 1
            guard let fault = state.fault, fault.call == state.calls else { return nil }
            state.failed.append(call)
            return fault.kind
        }
    }
    fileprivate static func error(_ call: String, _ fault: Fault) -> SystemError {
        SystemError(call: call, number: fault == .enospc || fault == .shortWrite ? 28 : 5)
    }
    private func check(_ call: String) throws(SystemError) {
        if let fault = enter(call) { throw Self.error(call, fault) }
    }

    // MARK: SpoolDisk

    func makeFolder(_ path: String) throws(SystemError) {
        try check("mkdir")
        state.with { _ = $0.folders.insert(path) }
    }
    func names(in folder: String) throws(SystemError) -> [String] {
        try check("readdir")
        return state.with { state in
            state.nodes.keys.filter { $0.hasPrefix(folder + "/") && !$0.dropFirst(folder.count + 1).contains("/") }
                .map { String($0.dropFirst(folder.count + 1)) }.sorted()
        }
    }
    func exists(_ path: String) -> Bool { state.with { $0.nodes[path] != nil } }
    func open(_ path: String, making: Bool) throws(SystemError) -> any SpoolDiskFile {
        try check("open")
        let node: Result<Node, SystemError> = state.with { state in
            if let node = state.nodes[path] {
                return making ? .failure(SystemError(call: "open", number: 17)) : .success(node)
            }
            guard making else { return .failure(SystemError(call: "open", number: 2)) }
            let node = Node()
            state.nodes[path] = node
            return .success(node)
        }
        return SimFile(try node.get(), on: self)
    }
    func rename(_ from: String, to: String) throws(SystemError) {
        try check("rename")
        state.with { state in
            state.nodes[to] = state.nodes.removeValue(forKey: from)
        }
    }
    func remove(_ path: String) throws(SystemError) {
        try check("unlink")
        state.with { _ = $0.nodes.removeValue(forKey: path) }
    }
    func syncFolder(_ path: String) throws(SystemError) {
        try check("fsync folder")
        state.with { state in
            for name in Set(state.nodes.keys).union(state.durableNames.keys) where name.hasPrefix(path + "/") {
                guard !name.dropFirst(path.count + 1).contains("/") else { continue }
                state.durableNames[name] = state.nodes[name]
            }
        }
    }
    func lock(_ path: String) throws(SystemError) -> any SpoolDiskLock {
        try check("flock")
        let isFree = state.with { $0.locks.insert(path).inserted }
        guard isFree else { throw SystemError(call: "flock", number: 11) }
        return SimLock(path, on: self)
    }
}

private final class SimLock: SpoolDiskLock {
    let path: String, disk: SimDisk
    init(_ path: String, on disk: SimDisk) { (self.path, self.disk) = (path, disk) }
    deinit { disk.state.with { _ = $0.locks.remove(path) } }
}

private final class SimFile: SpoolDiskFile, @unchecked Sendable {
    let node: SimDisk.Node, disk: SimDisk
    init(_ node: SimDisk.Node, on disk: SimDisk) { (self.node, self.disk) = (node, disk) }

    func byteCount() throws(SystemError) -> Int {
        if let fault = disk.enter("fstat") { throw SimDisk.error("fstat", fault) }
        return disk.state.with { _ in node.live.count }
    }
    func read(_ count: Int, at offset: Int) throws(SystemError) -> [UInt8] {
        if let fault = disk.enter("read") { throw SimDisk.error("read", fault) }
        return disk.state.with { _ in
            guard offset < node.live.count else { return [] }
            return [UInt8](node.live[offset..<min(offset + count, node.live.count)])
        }
    }
    func write(_ pieces: [[UInt8]], at offset: Int) throws(SystemError) {
        let fault = disk.enter("write")
        var all: [UInt8] = []
        for piece in pieces { all += piece }
        let isFull = disk.state.with { state in
            let used = state.nodes.values.reduce(0) { $0 + $1.live.count }
            return used + max(offset + all.count - node.live.count, 0) > state.capacity
        }
        let kind = fault ?? (isFull ? .shortWrite : nil)
        // Half of it gets there, as when the disk fills up meanwhile.
        let part = kind == nil || kind == .lostSync ? all : kind == .shortWrite ? Array(all.prefix(all.count / 2)) : []
        disk.state.with { state in
            SimDisk.put(part, at: offset, in: &node.live)
            node.dirty.append((offset, part))
            state.written += part.count
        }
        if let kind, kind != .lostSync { throw SimDisk.error("write", kind) }
    }
    func sync() throws(SystemError) {
        let fault = disk.enter("fdatasync")
        disk.state.with { state in
            state.syncs += 1
            defer { node.dirty = [] }
            // A sync that failed once is never made good: the pages count as clean from then on.
            guard fault == nil else { return }
            for (offset, bytes) in node.dirty { SimDisk.put(bytes, at: offset, in: &node.durable) }
            if node.durable.count > node.live.count { node.durable.removeLast(node.durable.count - node.live.count) }
        }
        if let fault { throw SimDisk.error("fdatasync", fault) }
    }
    func forget(_ range: Range<Int>) {}
    func cut(to byteCount: Int) throws(SystemError) {
        if let fault = disk.enter("ftruncate") { throw SimDisk.error("ftruncate", fault) }
        disk.state.with { _ in
            if node.live.count > byteCount { node.live.removeLast(node.live.count - byteCount) }
        }
    }
}
