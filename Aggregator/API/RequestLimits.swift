internal import HTTPTypes
internal import Hummingbird
internal import Platform
internal import Synchronization
internal import Tenancy

/// What each caller may ask of the API, and who else's pages may call it.
package struct RequestLimits: Sendable {
    /// Of one key, one person in one tenant, or, of those who show nothing, one address. Nil: as many as there is room
    /// for.
    package var perMinute: Int?
    /// From a request's head until its answer begins.
    package var answerMax: Duration = .seconds(120)
    /// Origins (`https://host[:port]`) whose pages may call with a key.
    package var origins: Set<String> = []

    package init() {}
}

/// So many requests a minute for each caller, in any order (a token bucket), told with each answer as
/// draft-ietf-httpapi-ratelimit-headers says. A table with a cap: what is forgotten is a full allowance.
final class RequestQuota: Sendable {
    struct Standing: Equatable, Sendable {
        let isAllowed: Bool, left: Int
        /// Until there is one more; until all are there.
        let nextSeconds: Int, fullSeconds: Int
    }
    private struct Bucket {
        var left: Double, at: Duration
    }
    static let bucketsMax = 30_000
    private let buckets = Mutex<[String: Bucket]>([:])
    let perMinute: Int

    init(perMinute: Int) { self.perMinute = max(perMinute, 1) }

    var count: Int { buckets.withLock { $0.count } }

    /// - Parameter now: monotonic.
    func take(_ caller: String, at now: Duration) -> Standing {
        let size = Double(perMinute), perSecond = size / 60
        return buckets.withLock { buckets in
            var bucket = buckets[caller] ?? Bucket(left: size, at: now)
            let passed = (now - bucket.at) / .seconds(1)
            bucket.left = min(size, bucket.left + max(passed, 0) * perSecond)
            bucket.at = now
            let isAllowed = bucket.left >= 1
            if isAllowed { bucket.left -= 1 }
            buckets[caller] = bucket
            if buckets.count > Self.bucketsMax { Self.forget(&buckets) }
            return Standing(
                isAllowed: isAllowed, left: Int(bucket.left),
                nextSeconds: Int(((1 - min(bucket.left, 1)) / perSecond).rounded(.up)),
                fullSeconds: Int(((size - bucket.left) / perSecond).rounded(.up)))
        }
    }
    /// The half that asked longest ago.
    private static func forget(_ buckets: inout [String: Bucket]) {
        let times = buckets.values.map(\.at).sorted()
        let middle = times[times.count / 2]
        buckets = buckets.filter { $0.value.at > middle }
    }
}

/// Counts requests by who asks, behind `Authentication`.
struct RateLimited: RouterMiddleware {
    let quota: RequestQuota, time: any TimeSource

    private static let limit = HTTPField.Name("RateLimit"), policy = HTTPField.Name("RateLimit-Policy")

    func handle(
        _ request: Request, context: APIContext, next: (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        let standing = quota.take(Self.caller(context), at: time.monotonic())
        guard standing.isAllowed else {
            var headers: HTTPFields = [.retryAfter: "\(max(standing.nextSeconds, 1))"]
            tell(standing, in: &headers)
            throw Problem(
                .tooManyRequests, "too-many-requests", "Too many requests",
                detail: "At most \(quota.perMinute) in a minute", headers: headers)
        }
        var response = try await next(request, context)
        tell(standing, in: &response.headers)
        return response
    }
    private func tell(_ standing: RequestQuota.Standing, in fields: inout HTTPFields) {
        if let name = Self.policy { fields[name] = #""caller";q=\#(quota.perMinute);w=60"# }
        if let name = Self.limit { fields[name] = #""caller";r=\#(standing.left);t=\#(standing.fullSeconds)"# }
    }
    private static func caller(_ context: APIContext) -> String {
        if let principal = context.principal { return "c \(principal.tenant) \(principal.keyID)" }
        return context.signedIn.map { "p \($0.person.id)" } ?? "a \(context.address)"
    }
}

/// Ends the work on a request that has no answer after a time: what asks stores is cancelled with its task.
func within(
    _ max: Duration, _ work: @escaping @Sendable () async throws -> Response
) async throws -> Response {
    try await withThrowingTaskGroup(of: Response?.self) { group in
        group.addTask { try await work() }
        group.addTask {
            try await Task.sleep(for: max)
            return nil
        }
        defer { group.cancelAll() }
        guard let first = try await group.next(), let response = first else { throw Problem.late }
        return response
    }
}

extension Problem {
    static let late = Problem(
        .serviceUnavailable, "too-late", "The answer took too long", detail: "Ask for less: a shorter time, fewer keys",
        headers: [.retryAfter: "30"])
}
