internal import FilterLanguage
internal import FlowModel

/// Which records a request is about: its filter, the older parameters that say the same in pieces, and a period.
struct FlowScope: Sendable {
    var filter = FilterExpression.any
    /// Records under way at some moment of [from, to), ms since 1970 UTC.
    var from = Int64.min
    var to = Int64.max

    static let names: Set = ["from", "to", "filter", "ip", "source", "destination", "port", "protocol"]
    /// Of the parameter `filter`; longer ones don't fit a request's first line.
    static let filterOctetsMax = 16_384

    init(_ parameters: Parameters, names: NamedNetworks) throws(Problem) {
        from = try parameters.time("from") ?? .min
        to = try parameters.time("to") ?? .max
        var members: [FilterExpression] = []
        if let text = parameters.text("filter") { members.append(try Self.parse(text, names)) }
        for (name, field) in [("ip", AddressField.either), ("source", .source), ("destination", .destination)] {
            guard let network = try parameters.network(name) else { continue }
            members.append(.test(.address(field, AddressSet([network]))))
        }
        if let port = try parameters.integer("port", in: 0...65_535) {
            members.append(.test(.number(.port, NumberSet(UInt64(port)))))
        }
        if let number = try parameters.ipProtocol("protocol") {
            members.append(.test(.number(.protocolIdentifier, NumberSet(UInt64(number)))))
        }
        filter = .conjunction(of: members)
    }

    private static func parse(_ text: String, _ names: NamedNetworks) throws(Problem) -> FilterExpression {
        guard text.utf8.count <= filterOctetsMax else {
            throw .badParameter("filter", String(text.prefix(40)), allowed: "at most \(filterOctetsMax) octets long")
        }
        do { return try FilterParser.parse(text, names: names) } catch { throw .badFilter(error) }
    }
}
