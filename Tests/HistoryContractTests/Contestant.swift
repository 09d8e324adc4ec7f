import FlowClickHouse
import FlowStore
import Foundation
import Identity
import Platform
import Query
import Settings
import TestKit
import Testing

/// What keeps a history and answers questions about it: all of them promise the same.
///
/// `WEIR_CLICKHOUSE` names another ClickHouse: of another version, or a cluster, which `WEIR_CLICKHOUSE_CLUSTER` names.
/// The password of its user `default` is in the file `WEIR_CLICKHOUSE_PASSWORD`.
enum Contestant: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case segments, installed, given

    static let givenURL = ProcessInfo.processInfo.environment["WEIR_CLICKHOUSE"]
    static let all = allCases.filter(\.isHere)
    static let clickHouses = [Contestant.installed, .given].filter { $0.isHere }

    var isHere: Bool {
        switch self {
        case .segments: true
        case .installed: ClickHouseTestServer.isInstalled
        case .given: Self.givenURL != nil
        }
    }
    var testDescription: String {
        switch self {
        case .segments: "segments on this node"
        case .installed: "Debian's ClickHouse"
        case .given: "the ClickHouse of WEIR_CLICKHOUSE"
        }
    }
}

/// A store of one kind, and who asks it.
final class Place {
    let store: any FlowStore
    let history: any FlowHistory
    /// Of ClickHouse only.
    let clickHouse: ClickHouseFlowStore?, server: ClickHouseTestServer?, settings: ClickHouseSettings?
    private let segments: SQLiteFlowStore?
    private let folder: TemporaryFolder

    init(_ contestant: Contestant) async throws {
        folder = try TemporaryFolder("weir-contract")
        switch contestant {
        case .segments:
            let made = try SQLiteFlowStore(directory: folder.path)
            (store, segments, clickHouse, server, settings) = (made, made, nil, nil, nil)
            history = FlowQuery(store: made, time: ManualTime(), seed: 3)
        case .installed, .given:
            let server = contestant == .installed ? try await ClickHouseTestServer() : nil as ClickHouseTestServer?
            let url = try #require(server?.url ?? Contestant.givenURL)
            let password = server?.password ?? ProcessInfo.processInfo.environment["WEIR_CLICKHOUSE_PASSWORD"]
            let found = ClickHouseSettings(
                urls: [url], password: password.flatMap { SecretReference("file:\($0)") },
                cluster: server == nil ? ProcessInfo.processInfo.environment["WEIR_CLICKHOUSE_CLUSTER"] : nil,
                databases: "t\(UInt32.random(in: .min ... .max))_")
            let settings = try #require(found)
            let made = ClickHouseFlowStore(settings)
            (store, segments, clickHouse, self.server, self.settings) = (made, nil, made, server, settings)
            history = ClickHouseHistory(made)
        }
    }

    /// Makes segments and rollups of all that is stored, where there are any.
    func settle() async throws {
        var policy = CompactionPolicy()
        policy.rowsMax = 150
        _ = try await segments?.compact(now: 1_900_000_000_000, policy: policy)
    }
    func retain(
        now: Int64, _ policy: RetentionPolicy, own: [TenantID: RetentionPolicy] = [:]
    ) async throws -> [RetiredDay] {
        if let clickHouse { return try await clickHouse.retain(now: now, policy: policy, own: own) }
        return try await segments?.retain(now: now, policy: policy, own: own) ?? []
    }
}
