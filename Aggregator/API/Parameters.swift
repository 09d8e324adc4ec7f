internal import FlowModel
internal import Foundation
internal import Hummingbird

/// A request's query parameters, each read by its type. Names that no one asked for are refused, so that a misspelt
/// filter can't silently answer more than was asked.
struct Parameters {
    private let values: [String: String]

    /// - Throws: when a name is given twice, or is not one of `allowed`.
    init(_ request: Request, allowed: Set<String>) throws(Problem) {
        var values: [String: String] = [:]
        for (name, value) in try Self.pairs(request) {
            guard allowed.contains(name) else {
                throw .badParameter(
                    name, value,
                    allowed: "a parameter here; there are: \(allowed.sorted().joined(separator: ", "))")
            }
            guard values.updateValue(value, forKey: name) == nil else {
                throw .badParameter(name, value, allowed: "allowed twice")
            }
        }
        self.values = values
    }

    /// As forms and browsers write them (`application/x-www-form-urlencoded`): `+` is a space.
    static func pairs(_ request: Request) throws(Problem) -> [(name: String, value: String)] {
        var pairs: [(name: String, value: String)] = []
        for part in (request.uri.query ?? "").split(separator: "&") {
            let halves = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                .map { $0.replacing("+", with: " ").removingPercentEncoding }
            guard let name = halves[0], let value = halves.count > 1 ? halves[1] : "" else {
                throw .badParameter(String(part.prefix(40)), String(part), allowed: "percent-encoded UTF-8")
            }
            pairs.append((name, value))
        }
        return pairs
    }

    func text(_ name: String) -> String? { values[name] }

    func choice(_ name: String, _ allowed: [String]) throws(Problem) -> String? {
        guard let value = text(name) else { return nil }
        guard allowed.contains(value) else {
            throw .badParameter(name, value, allowed: "one of \(allowed.joined(separator: ", "))")
        }
        return value
    }
    func integer(_ name: String, in range: ClosedRange<Int>) throws(Problem) -> Int? {
        guard let value = text(name) else { return nil }
        guard let number = Int(value), range.contains(number) else {
            throw .badParameter(name, value, allowed: "a number in \(range.lowerBound)...\(range.upperBound)")
        }
        return number
    }
    func network(_ name: String) throws(Problem) -> IPNetwork? {
        guard let value = text(name) else { return nil }
        guard let network = IPNetwork(value) else {
            throw .badParameter(name, value, allowed: "an address or a network such as 10.0.0.0/8 or 2001:db8::1")
        }
        return network
    }
    /// A time as ms since 1970 UTC, from such a number or from ISO 8601 such as 2026-11-21T04:00:00Z.
    func time(_ name: String) throws(Problem) -> Int64? {
        guard let value = text(name) else { return nil }
        if let milliseconds = Int64(value) { return milliseconds }
        let styles = [
            Date.ISO8601FormatStyle(includingFractionalSeconds: true),
            Date.ISO8601FormatStyle(includingFractionalSeconds: false),
        ]
        guard let date = styles.lazy.compactMap({ try? $0.parse(value) }).first,
            let milliseconds = Int64(exactly: (date.timeIntervalSince1970 * 1_000).rounded())
        else {
            throw .badParameter(name, value, allowed: "a time: ISO 8601 such as 2026-11-21T04:00:00Z, or ms since 1970")
        }
        return milliseconds
    }
    func ipProtocol(_ name: String) throws(Problem) -> UInt8? {
        guard let value = text(name) else { return nil }
        guard let number = Self.protocolNumber(value) else {
            throw .badParameter(
                name, value, allowed: "a protocol: 0...255, or \(Self.named.keys.sorted().joined(separator: ", "))")
        }
        return number
    }
    private static let named: [String: UInt8] = ["icmp": 1, "tcp": 6, "udp": 17, "gre": 47, "icmpv6": 58, "sctp": 132]
    /// A transport protocol by its number or one of some names; nil for what is neither.
    static func protocolNumber(_ text: some StringProtocol) -> UInt8? { named[text.lowercased()] ?? UInt8(text) }
}
