/// The versions of all tenants' models, which of them is used, and what happened to each, with actor and time.
///
/// Invariants: nothing scores until somebody promotes a version; a rollback gives back what was promoted before, none
/// included. Which one is used follows from the events alone. Models are sealed under the tenant's data key. Every
/// change is one transaction with its event, and raises `generation`. At most `versionsMax` a tenant are kept: the
/// oldest that is neither used nor would be after a rollback goes.
/// Not here: training (`Models`, `ModelHistory`), when the pipeline turns to another version (`AggregatorPipeline`).
internal import Foundation
internal import GRDB
package import Identity
package import Models
internal import Synchronization

package final class ModelRegister: Sendable {
    package static let versionsMax = 16, evaluationsMax = 20, eventsMax = 1_000
    private struct State {
        var generation: UInt64 = 1
        var promoted: [TenantID: PromotedModel?] = [:]
        var work: [TenantID: ModelWork] = [:]
    }
    private let database: DatabaseQueue
    private let sealing: TenantSealing
    private let state = Mutex(State())
    /// Whether a damaged file was found and renamed.
    package let wasDamaged: Bool

    /// Opens `models.sqlite` in `folder`, which must exist.
    package init(folder: String, sealing: TenantSealing = .none) throws(ModelRegisterError) {
        self.sealing = sealing
        do {
            (database, wasDamaged) = try ModelFile.open(in: folder)
        } catch {
            throw .storage("\(ModelFile.name): \(error)")
        }
    }

    // MARK: What there is

    /// Oldest first.
    package func versions(of tenant: TenantID) throws(ModelRegisterError) -> [ModelVersion] {
        try asking { db in
            let current = try Self.stack(of: tenant, db).last
            return try Row.fetchAll(
                db,
                sql: """
                    SELECT version, card, length(sealed) AS bytes, atMilliseconds, actor FROM model WHERE tenant = ?
                    ORDER BY version
                    """, arguments: [tenant.rawValue]
            ).map { try Self.version($0, tenant, isPromoted: $0["version"] == current, db) }
        }
    }
    package func version(_ number: Int, of tenant: TenantID) throws(ModelRegisterError) -> ModelVersion {
        guard let found = try versions(of: tenant).first(where: { $0.version == number }) else {
            throw .unknownVersion(number)
        }
        return found
    }
    /// Newest first.
    package func events(of tenant: TenantID) throws(ModelRegisterError) -> [ModelEvent] {
        try asking { try Self.events(of: tenant, $0).reversed() }
    }
    package func model(_ version: Int, of tenant: TenantID) throws(ModelRegisterError) -> AnomalyModel {
        let sealed: [UInt8]? = try asking { db in
            try Data.fetchOne(
                db, sql: "SELECT sealed FROM model WHERE tenant = ? AND version = ?",
                arguments: [tenant.rawValue, version]
            ).map { [UInt8]($0) }
        }
        guard let sealed else { throw .unknownVersion(version) }
        let bytes: [UInt8]
        do throws(TenantSealing.Fault) {
            bytes = try sealing.open(sealed, tenant, Self.context(version))
        } catch {
            switch error {
            case .keyDestroyed: throw .keyDestroyed(tenant)
            case .unavailable(let reason): throw .keyUnavailable(reason)
            case .damaged: throw .damaged(version: version)
            }
        }
        do { return try AnomalyModel(bytes, of: tenant) } catch { throw .damaged(version: version) }
    }
    private static func context(_ version: Int) -> String { "model \(version)" }

    // MARK: What happens

    /// Keeps a new version; it is not used until it is promoted.
    package func add(
        _ model: AnomalyModel, of tenant: TenantID, by actor: String, at now: Int64
    ) throws(ModelRegisterError) -> Int {
        let bytes = model.bytes(of: tenant)
        guard bytes.count <= AnomalyModel.bytesMax else {
            throw .tooLarge(bytes: bytes.count, max: AnomalyModel.bytesMax)
        }
        let card = String(decoding: (try? JSONEncoder().encode(model.card)) ?? Data(), as: UTF8.self)
        return try changing(tenant) { [sealing] db in
            // Numbers are never used twice, even when what had them is gone.
            let last = try Int.fetchOne(
                db, sql: "SELECT max(version) FROM event WHERE tenant = ?", arguments: [tenant.rawValue])
            let version = (last ?? 0) + 1
            try db.execute(
                sql: "INSERT INTO model VALUES (?, ?, ?, ?, ?, ?)",
                arguments: [
                    tenant.rawValue, version, card, Data(try sealing.seal(bytes, tenant, Self.context(version))), now,
                    actor,
                ])
            try Self.note(.trained, version, tenant, actor, now, db)
            try Self.makeRoom(tenant, actor, now, db)
            return version
        }
    }
    package func add(
        _ evaluation: KeptEvaluation, to version: Int, of tenant: TenantID
    ) throws(ModelRegisterError) {
        let body = String(decoding: (try? JSONEncoder().encode(evaluation)) ?? Data(), as: UTF8.self)
        try changing(tenant) { db in
            guard try Self.isKept(version, tenant, db) else { throw ModelRegisterError.unknownVersion(version) }
            try db.execute(
                sql: "INSERT INTO evaluation (tenant, version, body) VALUES (?, ?, ?)",
                arguments: [tenant.rawValue, version, body])
            try db.execute(
                sql: """
                    DELETE FROM evaluation WHERE tenant = ?1 AND version = ?2 AND id NOT IN
                        (SELECT id FROM evaluation WHERE tenant = ?1 AND version = ?2 ORDER BY id DESC LIMIT ?3)
                    """, arguments: [tenant.rawValue, version, Self.evaluationsMax])
            try Self.note(.evaluated, version, tenant, evaluation.actor, evaluation.at, db)
        }
    }
    /// From the next batches on this version scores. Promoting the one that does already changes nothing.
    package func promote(
        _ version: Int, of tenant: TenantID, by actor: String, at now: Int64
    ) throws(ModelRegisterError) {
        // What can't be read is not promoted.
        _ = try model(version, of: tenant)
        try changing(tenant) { db in
            guard try Self.isKept(version, tenant, db) else { throw ModelRegisterError.unknownVersion(version) }
            guard try Self.stack(of: tenant, db).last != version else { return }
            try Self.note(.promoted, version, tenant, actor, now, db)
        }
    }
    /// Takes back the latest promotion.
    /// - Returns: the version that scores now; nil: none.
    package func rollBack(
        of tenant: TenantID, by actor: String, at now: Int64
    ) throws(ModelRegisterError) -> Int? {
        try changing(tenant) { db in
            let stack = try Self.stack(of: tenant, db)
            guard let current = stack.last else { throw ModelRegisterError.nothingToRollBack }
            try Self.note(.rolledBack, current, tenant, actor, now, db)
            return stack.dropLast().last
        }
    }

    // MARK: For the pipeline

    /// Grows with every change of any tenant's models.
    package var generation: UInt64 { state.withLock { $0.generation } }

    /// What scores a tenant's windows; nil: nothing.
    package func promoted(of tenant: TenantID) throws(ModelRegisterError) -> PromotedModel? {
        let (known, generation) = state.withLock { ($0.promoted[tenant], $0.generation) }
        if let known { return known }
        let version: Int? = try asking { try Self.stack(of: tenant, $0).last }
        var found: PromotedModel?
        if let version { found = PromotedModel(version: version, model: try model(version, of: tenant)) }
        let promoted = found
        state.withLock { state in
            if state.generation == generation { state.promoted[tenant] = .some(promoted) }
        }
        return promoted
    }
    package func note(_ fold: ModelFold) { state.withLock { $0.work[fold.tenant] = ModelWork(fold) } }
    /// Since the pipeline began; nil: it has scored nothing of the tenant.
    package func work(of tenant: TenantID) -> ModelWork? { state.withLock { $0.work[tenant] } }

    // MARK: Database

    private func asking<Result>(_ body: (Database) throws -> Result) throws(ModelRegisterError) -> Result {
        do { return try database.read(body) } catch { throw Self.wrapped(error) }
    }
    private func changing<Result>(
        _ tenant: TenantID, _ body: (Database) throws -> Result
    ) throws(ModelRegisterError) -> Result {
        do {
            let result = try database.write(body)
            state.withLock { state in
                state.generation += 1
                state.promoted[tenant] = nil
            }
            return result
        } catch TenantSealing.Fault.keyDestroyed {
            throw .keyDestroyed(tenant)
        } catch TenantSealing.Fault.unavailable(let reason) {
            throw .keyUnavailable(reason)
        } catch {
            throw Self.wrapped(error)
        }
    }
    private static func wrapped(_ error: any Error) -> ModelRegisterError {
        if (error as? DatabaseError)?.resultCode == .SQLITE_FULL { return .full }
        return error as? ModelRegisterError ?? .storage("\(error)")
    }
}
