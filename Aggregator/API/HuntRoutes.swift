internal import Detect
internal import FlowModel
internal import Foundation
internal import Hummingbird
internal import Query
internal import QueryEngine
internal import Tenancy

/// `POST /v1/hunts`: which hosts met some of up to 100,000 addresses and networks, and when, over all history.
struct HuntRoutes {
    let sources: FlowSources

    private static let bodyBytesMax = 8 << 20

    func add(to router: PolicedRoutes) {
        router.post("/v1/hunts") { request, context in
            let principal = try context.caller
            let veil = try Veil(of: principal, secret: sources.pseudonymSecret)
            let parameters = try Parameters(request, allowed: ["from", "to", "explain"])
            let from = try parameters.time("from") ?? .min
            let to = try parameters.time("to") ?? .max
            let explains = try parameters.choice("explain", ["true", "false"]) == "true"
            let body = try await request.body.collect(upTo: Self.bodyBytesMax)
            let unveiling = veil.drawn()
            let indicators = try Self.indicators(Array(body.readableBytesView)).map { unveiling.real($0) }
            let answer = try await asking {
                try await sources.query.hunt(tenant: principal.tenant, indicators: indicators, from: from, to: to)
            }
            return try jsonResponse(HuntBody(answer, veil.drawn(), explains: explains))
        }
    }

    /// `{"indicators":["192.0.2.1","2001:db8::/32"]}`.
    static func indicators(_ body: [UInt8]) throws -> [IPNetwork] {
        guard let texts = (try? JSONDecoder().decode(HuntRequest.self, from: Data(body)))?.indicators,
            (1...IndicatorSet.countMax).contains(texts.count)
        else {
            throw Problem(
                .badRequest, "bad-body", "The body is wrong",
                detail:
                    #"It should be {"indicators":["192.0.2.1","2001:db8::/32"]} with 1 to 100000 of them"#)
        }
        return try texts.enumerated().map { place, text throws(Problem) in
            guard let network = IPNetwork(text) else {
                throw .badParameter(
                    "indicators", text, allowed: "an address or a network (it is number \(place + 1) of them)"
                )
            }
            return network
        }
    }
}

private struct HuntRequest: Decodable { let indicators: [String] }

private struct HuntBody: Encodable {
    struct Sighting: Encodable {
        let indicator: String, met: String, host: String, firstSeen: String, lastSeen: String,
            sent: Sums, received: Sums
    }
    let items: [Sighting], leftOut: UInt64, complete: Bool, plan: EffortBody?

    init(_ answer: HuntAnswer, _ veil: DrawnVeil, explains: Bool) {
        items = answer.sightings.map { one in
            Sighting(
                indicator: veil.shown(one.indicator).description, met: veil.shown(one.met).description,
                host: veil.shown(one.host).description,
                firstSeen: EventTime(one.period.lowerBound).description,
                lastSeen: EventTime(one.period.upperBound).description, sent: Sums(one.sent),
                received: Sums(one.received))
        }
        (leftOut, complete) = (answer.leftOut, answer.leftOut == 0 && answer.effort.isComplete)
        plan = explains ? EffortBody(answer.effort) : nil
    }
}
