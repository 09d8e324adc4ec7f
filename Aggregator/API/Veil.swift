internal import Export
internal import FilterLanguage
internal import FlowModel
internal import HTTPTypes
internal import Identity
internal import QueryEngine
internal import Tenancy

/// What a caller may know of addresses: the addresses, or only their pseudonyms.
///
/// Who sees pseudonyms asks with them: addresses in filters and hunts are read as pseudonyms, too, and conditions that
/// would tell whose pseudonym one is (named networks, countries, ranges, elements without a column) are refused.
struct Veil: Sendable {
    /// Nil: addresses are shown as they are.
    let key: [UInt8]?

    /// - Parameter secret: what pseudonyms are made of.
    init(of principal: Principal, secret: [UInt8]?) throws(Problem) {
        key = principal.scopes.contains(.readFlows) ? nil : try Self.key(principal, secret)
    }

    static func key(_ principal: Principal, _ secret: [UInt8]?) throws(Problem) -> [UInt8] {
        guard let secret else {
            throw Problem(
                .conflict, "no-pseudonyms", "There are no pseudonyms here",
                detail: "This aggregator has no secret to make them of")
        }
        return Pseudonyms.key(secret: secret, tenant: principal.tenant.rawValue)
    }

    /// For one answer; not to be shared between threads.
    func drawn() -> DrawnVeil { DrawnVeil(pseudonyms: key.flatMap { Pseudonyms(key: $0) }) }

    /// What `asked` means of the addresses themselves.
    func real(_ asked: FilterExpression) throws(Problem) -> FilterExpression {
        guard let pseudonyms = drawn().pseudonyms else { return asked }
        return try Self.real(asked, pseudonyms)
    }

    private static func real(
        _ asked: FilterExpression, _ pseudonyms: Pseudonyms
    ) throws(Problem) -> FilterExpression {
        switch asked {
        case .any: return .any
        case .not(let member): return .not(try real(member, pseudonyms))
        case .and(let members): return .and(try members.map { member throws(Problem) in try real(member, pseudonyms) })
        case .or(let members): return .or(try members.map { member throws(Problem) in try real(member, pseudonyms) })
        case .test(.address(let field, let set)):
            let terms = try set.terms.map { term throws(Problem) in
                guard case .network(let network) = term else { throw .behindVeil }
                return AddressSet.Term.network(pseudonyms.original(of: network))
            }
            return .test(.address(field, AddressSet(terms)))
        case .test(.element): throw .behindVeil
        case .test(.number), .test(.controlBits), .test(.family), .test(.label), .test(.mark): return asked
        }
    }
}

/// Shows addresses, or their pseudonyms.
struct DrawnVeil {
    fileprivate let pseudonyms: Pseudonyms?

    func shown(_ address: IPAddress) -> IPAddress { pseudonyms?.pseudonym(of: address) ?? address }
    func shown(_ network: IPNetwork) -> IPNetwork { pseudonyms?.pseudonym(of: network) ?? network }
    func shown(_ columns: FlowColumns) -> FlowColumns {
        pseudonyms.map { columns.pseudonymized(with: $0) } ?? columns
    }
    func shown(_ group: FlowGroupKey) -> FlowGroupKey {
        guard pseudonyms != nil else { return group }
        var group = group
        group.sourceAddress = group.sourceAddress.map(shown)
        group.destinationAddress = group.destinationAddress.map(shown)
        group.nextHop = group.nextHop.map(shown)
        group.sourceNetwork = group.sourceNetwork.map(shown)
        group.destinationNetwork = group.destinationNetwork.map(shown)
        if let exporter = group.exporter { group.exporter?.address = shown(exporter.address) }
        return group
    }
    /// What a caller named, as it is.
    func real(_ network: IPNetwork) -> IPNetwork { pseudonyms?.original(of: network) ?? network }
}

extension Problem {
    static let behindVeil = Problem(
        .forbidden, "forbidden", "This key may not ask that",
        detail:
            "It sees pseudonyms: filters may name addresses and networks (as pseudonyms), ports, counters and the like")
}
