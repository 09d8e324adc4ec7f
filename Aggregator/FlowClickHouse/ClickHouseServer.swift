internal import AsyncHTTPClient
internal import Foundation
internal import NIOCore
internal import NIOHTTP1
internal import NIOSSL
internal import Settings
internal import Synchronization

/// Why ClickHouse did not do what it was asked to.
enum ClickHouseFault: Error, Equatable, Sendable {
    /// It can't be had now, or can't do it now. Later.
    case away(String)
    /// What it says, and its number for it (`ErrorCodes.cpp`).
    case refused(code: Int, String)
    /// The answer is not what was asked for.
    case garbled(String)
    case cancelled

    /// There is nothing by that name: a tenant of whom nothing was stored yet.
    var isOfNothing: Bool {
        if case .refused(let code, _) = self { [60, 81].contains(code) } else { false }
    }
    /// Numbers for what passes by itself: sockets, timeouts of the network, no replica, no ZooKeeper, too many parts
    /// or queries, read-only replicas, a quorum that is not there.
    static let passing: Set<Int> = [
        32, 198, 202, 203, 204, 209, 210, 225, 236, 242, 252, 254, 279, 285, 286, 289, 305, 319, 335, 369, 999,
    ]
}

/// Asks ClickHouse over HTTP: the first of several servers that answers.
final class ClickHouseServer: Sendable {
    let settings: ClickHouseSettings
    private let client: HTTPClient
    private let dialects = Mutex<SQLDialect?>(nil)
    private let place = Mutex(0)
    private static let errorBytesMax = 1 << 16
    /// Of an answer that is taken whole.
    static let answerBytesMax = 256 << 20

    init(_ settings: ClickHouseSettings) {
        self.settings = settings
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.minimumTLSVersion = .tlsv12
        if let trust = settings.trust { tls.trustRoots = .file(trust) }
        var configuration = HTTPClient.Configuration(tlsConfiguration: tls, redirectConfiguration: .disallow)
        configuration.timeout.connect = .seconds(5)
        configuration.connectionPool.retryConnectionEstablishment = false
        client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }
    deinit { client.shutdown { _ in } }

    /// By the version of the server, asked once.
    func dialect() async throws(ClickHouseFault) -> SQLDialect {
        if let known = dialects.withLock({ $0 }) { return known }
        let answer = try await whole("SELECT version()", dialect: .old)
        let version = String(decoding: answer, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        guard let dialect = SQLDialect(version: version) else {
            throw .refused(code: 0, "ClickHouse \(version) is too old: 18.16 or later is needed")
        }
        dialects.withLock { $0 = dialect }
        return dialect
    }

    /// Does something that has no answer.
    func run(_ sql: SQLText, settings: [(String, String)] = []) async throws(ClickHouseFault) {
        _ = try await whole(sql, settings: settings, dialect: try await dialect())
    }
    /// Writes rows.
    /// - Parameter sql: up to the format.
    func insert(_ sql: SQLText, _ rows: [UInt8], settings: [(String, String)]) async throws(ClickHouseFault) {
        let query = ("query", (sql + " FORMAT Native").written(for: .old).query)
        let call = Call(body: rows, items: settings + [query], seconds: 300)
        _ = try await answer(call) { (response) async throws in try await response.body.collect(upTo: 1 << 20) }
    }
    /// The answer, whole; an error that comes late is an error too.
    func ask(_ sql: SQLText, seconds: Int64 = 60) async throws(ClickHouseFault) -> [UInt8] {
        let limits = [
            ("wait_end_of_query", "1"), ("max_execution_time", "\(seconds)"), ("readonly", "2"),
            ("output_format_json_quote_64bit_integers", "1"),
        ]
        return try await whole(sql, settings: limits, dialect: try await dialect(), seconds: seconds)
    }
    private func whole(
        _ sql: SQLText, settings: [(String, String)] = [], dialect: SQLDialect, seconds: Int64 = 300
    ) async throws(ClickHouseFault) -> [UInt8] {
        let call = Call(sql, dialect, settings, seconds: seconds)
        return try await answer(call) { (response) async throws in
            [UInt8]((try await response.body.collect(upTo: Self.answerBytesMax)).readableBytesView)
        }
    }
    /// Shows the answer to `take` as it comes; what that throws ends it. Once some of it was shown no other server is
    /// asked, as nobody must see anything twice.
    func stream(_ sql: SQLText, seconds: Int64, _ take: ([UInt8]) async throws -> Void) async throws {
        let limits = [("max_execution_time", "\(seconds)"), ("readonly", "2"), ("max_block_size", "16384")]
        let call = Call(sql, try await dialect(), limits, seconds: seconds)
        var stop: (any Error)?, hasBegun = false
        do throws(ClickHouseFault) {
            try await answer(call) { (response) async throws in
                guard !hasBegun else { throw ClickHouseFault.garbled("the answer broke off") }
                for try await part in response.body {
                    hasBegun = true
                    do { try await take([UInt8](part.readableBytesView)) } catch {
                        stop = error
                        return
                    }
                }
            }
        } catch {
            // What went wrong first.
            throw hasBegun ? ClickHouseFault.away("the answer broke off: \(error)") : error
        }
        if let stop { throw stop }
    }

    // MARK: Calls

    private struct Call {
        let body: [UInt8]
        let items: [(String, String)]
        let seconds: Int64
        private static let plain = CharacterSet(
            charactersIn: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")

        init(body: [UInt8], items: [(String, String)], seconds: Int64) {
            (self.body, self.items, self.seconds) = (body, items, seconds)
        }
        init(_ sql: SQLText, _ dialect: SQLDialect, _ settings: [(String, String)], seconds: Int64) {
            let (query, parameters) = sql.written(for: dialect)
            var items = settings + parameters.map { ("param_\($0.name)", $0.value) }
            if query.utf8.count > 200_000 { items.append(("max_query_size", "\(query.utf8.count + 1_000)")) }
            self.init(body: Array(query.utf8), items: items, seconds: seconds)
        }
        /// Names and values after `?`, all that is no letter or digit as `%HH`.
        var query: String {
            func encoded(_ text: String) -> String {
                text.addingPercentEncoding(withAllowedCharacters: Self.plain) ?? ""
            }
            return items.map { "\(encoded($0.0))=\(encoded($0.1))" }.joined(separator: "&")
        }
    }

    /// Asks one server after the other, beginning with the one that answered last.
    private func answer<Value>(
        _ call: Call, _ body: (HTTPClientResponse) async throws -> Value
    ) async throws(ClickHouseFault) -> Value {
        let first = place.withLock { $0 }
        var problem = ClickHouseFault.away("no server is set")
        for turn in settings.urls.indices {
            let number = (first + turn) % settings.urls.count
            do throws(ClickHouseFault) {
                let value = try await self.answer(call, from: settings.urls[number], body)
                place.withLock { $0 = number }
                return value
            } catch {
                guard case .away = error else { throw error }
                problem = error
            }
        }
        throw problem
    }
    private func answer<Value>(
        _ call: Call, from url: String, _ body: (HTTPClientResponse) async throws -> Value
    ) async throws(ClickHouseFault) -> Value {
        do {
            var request = HTTPClientRequest(url: "\(url)/?\(call.query)")
            request.method = .POST
            request.headers.add(name: "X-ClickHouse-User", value: settings.user)
            if let password = try settings.password?.read().text {
                request.headers.add(name: "X-ClickHouse-Key", value: password)
            }
            request.body = .bytes(ByteBuffer(bytes: call.body))
            let response = try await client.execute(request, timeout: .seconds(call.seconds + 10))
            guard response.status == .ok else { throw try await Self.fault(response) }
            return try await body(response)
        } catch let fault as ClickHouseFault {
            throw fault
        } catch is CancellationError {
            throw .cancelled
        } catch {
            guard !Task.isCancelled else { throw .cancelled }
            // The case's name only.
            throw .away("\(url): \(error)")
        }
    }
    private static func fault(_ response: HTTPClientResponse) async throws -> ClickHouseFault {
        let text = String(buffer: try await response.body.collect(upTo: errorBytesMax))
        let named = response.headers.first(name: "X-ClickHouse-Exception-Code").flatMap { Int($0) }
        let digits = text.drop { $0 != ":" }.dropFirst(2).prefix { $0.isNumber }
        let code = named ?? Int(digits) ?? 0
        let told = String(text.prefix(300))
        let isPassing = ClickHouseFault.passing.contains(code) || [502, 503, 504].contains(response.status.code)
        return isPassing ? .away("status \(response.status.code): \(told)") : .refused(code: code, told)
    }
}
