/// The checkpoints of one group, where any node can take them up: snapshots in pieces, and one message that names them
/// with their digests and the offset.
///
/// Invariants: the pieces are there before the message that names them; the message is written only over the one that
/// this object has read or written last, so of two nodes that both believe to own a group one can't save. Reading it
/// first of all writes it again: from then on an owner before this one is refused.
package import AggregatorPipeline
internal import Delivery
package import FlowLog
internal import Foundation
package import Identity
package import JetStream
internal import Synchronization

package final class JetStreamCheckpoints: CheckpointStore {
    /// A snapshot in the stream.
    struct Piece: Codable, Equatable {
        let name: String, digest: String, chunks: Int
    }
    /// The message that names all. `writer` is another each time.
    struct Manifest: Codable, Equatable {
        var version = 1
        var writer = ""
        var node = ""
        var offset: Int64 = 0
        /// By part and tenant.
        var pieces: [String: [String: Piece]] = [:]
        var keys: Piece?
    }
    private struct State {
        var manifest = Manifest()
        /// Of the last message that this node has written.
        var sequence: UInt64 = 0
        var term: UInt64 = 0
        var count = 0
    }
    private let api: JetStreamAPI, group: Int, node: String
    private let state = Mutex(State())

    static let stream = "WEIR_CHECKPOINTS"
    private static let chunkBytes = 1 << 20
    private var subject: String { "weir.checkpoint.\(group)" }
    private func subject(_ name: String, _ chunk: Int) -> String { "weir.snapshot.\(group).\(name).\(chunk)" }

    package init(_ api: JetStreamAPI, group: Int, node: String) {
        (self.api, self.group, self.node) = (api, group, node)
    }
    package static func prepare(_ api: JetStreamAPI, replicas: Int) async throws(JetStreamError) {
        _ = try await api.ensure(
            StreamSettings(
                name: stream, subjects: ["weir.checkpoint.*", "weir.snapshot.>"], replicas: replicas,
                messagesPerSubjectMax: 1))
    }

    package let wasDamaged = false
    package let keepsKeys = true

    static func fault(_ error: JetStreamError) -> any Error {
        switch error {
        case .wrongLastSequence: OwnershipLost()
        case .full: FlowLogError.full
        case .nats(.cancelled): FlowLogError.cancelled
        case .nats(.tooOld), .nats(.invalid), .nats(.closed), .differs, .otherSettings, .refused, .notFound:
            FlowLogError.storage("checkpoints: \(error)")
        case .nats, .inProgress, .unavailable: FlowLogError.unavailable("checkpoints: \(error)")
        }
    }

    // MARK: Loading

    package func load() async throws -> PipelineCheckpoint {
        do throws(JetStreamError) {
            let manifest = try await claim()
            await removeStrays(manifest)
            return try await checkpoint(manifest)
        } catch {
            throw Self.fault(error)
        }
    }
    /// Reads the last message and writes it again, as this node's.
    private func claim() async throws(JetStreamError) -> Manifest {
        while true {
            do throws(JetStreamError) {
                return try await claimOnce()
            } catch {
                // Another was faster: its message is the last one now.
                guard error == .wrongLastSequence else { throw error }
            }
            do { try await Task.sleep(for: .milliseconds(50)) } catch { throw .nats(.cancelled) }
        }
    }
    private func claimOnce() async throws(JetStreamError) -> Manifest {
        let last = try await api.last(Self.stream, subject: subject)
        var manifest = Manifest()
        if let last {
            guard let read = try? JSONDecoder().decode(Manifest.self, from: Data(last.payload)), read.version == 1
            else { throw .refused(code: 0, number: 0, "the checkpoint of group \(group) can't be read") }
            manifest = read
        }
        let sequence = try await write(&manifest, over: last?.sequence ?? 0)
        let claimed = State(manifest: manifest, sequence: sequence, term: sequence)
        state.withLock { $0 = claimed }
        return manifest
    }
    private func checkpoint(_ manifest: Manifest) async throws(JetStreamError) -> PipelineCheckpoint {
        var checkpoint = PipelineCheckpoint(offset: manifest.offset)
        for (part, path) in Self.parts {
            for (name, piece) in manifest.pieces[part] ?? [:] {
                guard let tenant = TenantID(name) else { continue }
                // Damaged: the tenant's detectors begin anew, and say so.
                let snapshot = try await fetch(piece) ?? []
                checkpoint[keyPath: path][tenant] = snapshot
            }
        }
        if let keys = manifest.keys {
            // Without it batches would be counted twice.
            guard let found = try await fetch(keys) else {
                throw .refused(code: 0, number: 0, "the index of keys of group \(group) is damaged")
            }
            checkpoint.keys = found
        }
        return checkpoint
    }
    private static var parts: [(String, WritableKeyPath<PipelineCheckpoint, [TenantID: [UInt8]]>)] {
        [("detectors", \.snapshots), ("sigma", \.sigma), ("models", \.models), ("programs", \.programs)]
    }

    /// - Returns: nil when it is not there whole.
    private func fetch(_ piece: Piece) async throws(JetStreamError) -> [UInt8]? {
        var octets: [UInt8] = []
        for chunk in 0..<piece.chunks {
            guard let message = try await api.last(Self.stream, subject: subject(piece.name, chunk)) else { return nil }
            octets += message.payload
        }
        return "\(BatchDigest(of: octets))" == piece.digest ? octets : nil
    }

    /// What a writer left that ended between its pieces and its message. Nobody names it.
    private func removeStrays(_ manifest: Manifest) async {
        let named = Set(manifest.pieces.values.flatMap { $0.values.map(\.name) } + [manifest.keys?.name ?? ""])
        let found = try? await api.subjects(Self.stream, matching: "weir.snapshot.\(group).*.0")
        for name in (found ?? [:]).keys.compactMap({ $0.split(separator: ".").dropFirst(3).first }).map(String.init)
        where !named.contains(name) { await remove(name) }
    }
    private func remove(_ name: String) async {
        try? await api.purge(Self.stream, subject: "weir.snapshot.\(group).\(name).*")
    }

    // MARK: Saving

    package func save(_ checkpoint: PipelineCheckpoint) async throws {
        do throws(JetStreamError) {
            try await write(checkpoint)
        } catch {
            throw Self.fault(error)
        }
    }
    private func write(_ checkpoint: PipelineCheckpoint) async throws(JetStreamError) {
        let before = state.withLock { $0 }
        guard before.sequence > 0 else { throw .wrongLastSequence }
        var next = before.manifest, replaced: [String] = []
        next.offset = checkpoint.offset
        for (part, path) in Self.parts {
            for (tenant, snapshot) in checkpoint[keyPath: path] {
                if let old = next.pieces[part]?[tenant.rawValue] { replaced.append(old.name) }
                let piece = try await put(snapshot)
                next.pieces[part, default: [:]][tenant.rawValue] = piece
            }
        }
        if let old = next.keys { replaced.append(old.name) }
        let keys = try await put(checkpoint.keys)
        next.keys = keys
        let sequence = try await write(&next, over: before.sequence)
        let manifest = next
        state.withLock { state in
            state.manifest = manifest
            state.sequence = sequence
        }
        for name in replaced { await remove(name) }
    }
    private func put(_ octets: [UInt8]) async throws(JetStreamError) -> Piece {
        // A name is never given twice: an owner that was overtaken removes nothing that the next one needs.
        let name = state.withLock { state in
            state.count += 1
            return "\(state.term)-\(state.count)"
        }
        let chunks = max((octets.count + Self.chunkBytes - 1) / Self.chunkBytes, 1)
        for chunk in 0..<chunks {
            let part = octets.dropFirst(chunk * Self.chunkBytes).prefix(Self.chunkBytes)
            _ = try await api.publish(subject(name, chunk), payload: Array(part))
        }
        return Piece(name: name, digest: "\(BatchDigest(of: octets))", chunks: chunks)
    }

    /// - Returns: the sequence of the message.
    private func write(_ manifest: inout Manifest, over sequence: UInt64) async throws(JetStreamError) -> UInt64 {
        var random = SystemRandomNumberGenerator()
        (manifest.node, manifest.writer) = (node, String(random.next() as UInt64, radix: 36))
        guard let data = try? JSONEncoder().encode(manifest) else { throw .nats(.invalid("a checkpoint")) }
        let payload = [UInt8](data)
        for _ in 0..<20 {
            do throws(JetStreamError) {
                return try await api.publish(subject, expecting: sequence, payload: payload).sequence
            } catch {
                if error == .wrongLastSequence {
                    // An earlier try of this one may be there.
                    let last = try await api.last(Self.stream, subject: subject)
                    guard let last, last.payload == payload else { throw error }
                    return last.sequence
                }
                guard Self.isPassing(error) else { throw error }
            }
            do { try await Task.sleep(for: .milliseconds(250)) } catch { throw .nats(.cancelled) }
        }
        throw .unavailable("the checkpoint of group \(group)")
    }
    /// Nobody knows whether it was done: the next try tells.
    private static func isPassing(_ error: JetStreamError) -> Bool {
        switch error {
        case .nats(.timeout), .nats(.disconnected), .nats(.noResponders), .nats(.notConnected), .unavailable,
            .inProgress:
            true
        default: false
        }
    }
}

/// What sensors have sent in all, as of the last checkpoint of their group: any node can answer for any tenant.
package struct ClusterTotals: SensorTotals {
    private let api: JetStreamAPI, groupOf: @Sendable (TenantID) -> Int

    package init(_ api: JetStreamAPI, groupOf: @escaping @Sendable (TenantID) -> Int) {
        (self.api, self.groupOf) = (api, groupOf)
    }

    package func totals(of tenant: TenantID) async throws(FlowLogError) -> [SensorTotal] {
        do throws(JetStreamError) {
            guard let keys = try await JetStreamCheckpoints.keys(api, group: groupOf(tenant)) else { return [] }
            return keys.totals(of: tenant)
        } catch {
            throw .unavailable("\(error)")
        }
    }
}

extension JetStreamCheckpoints {
    /// The index of keys of a group as of its last checkpoint; nil before the first one.
    static func keys(_ api: JetStreamAPI, group: Int) async throws(JetStreamError) -> KeyIndex? {
        let reader = JetStreamCheckpoints(api, group: group, node: "")
        // Between reading the message and the piece another checkpoint may have replaced it.
        for _ in 0..<5 {
            guard let last = try await api.last(stream, subject: reader.subject),
                let piece = (try? JSONDecoder().decode(Manifest.self, from: Data(last.payload)))?.keys
            else { return nil }
            if let octets = try await reader.fetch(piece) { return KeyIndex(restoring: octets) }
        }
        throw .unavailable("the index of keys of group \(group)")
    }
}
