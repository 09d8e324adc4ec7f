/// How an aggregator that lost batches it had answered for asks for them again: fields of a heartbeat's answer.
///
///     weir-reship: <id>   weir-reship-since: <ms since 1970 UTC>   weir-now: <ms>      both by the aggregator's clock
///
/// The sensor's next heartbeat says `weir-reshipped: <id>`, which ends the asking. Asked twice, a sensor sends twice,
/// which the keys make harmless.
package struct ReshipRequest: Equatable, Sendable {
    package static let idField = "weir-reship"
    package static let sinceField = "weir-reship-since"
    package static let nowField = "weir-now"
    package static let doneField = "weir-reshipped"

    /// 1 to 32 lower-case hexadecimal digits.
    package let id: String
    /// When the aggregator had received the first of them, and the time of asking; ms since 1970 UTC by its clock.
    package let sinceMilliseconds: Int64, nowMilliseconds: Int64

    package init(id: String, sinceMilliseconds: Int64, nowMilliseconds: Int64) {
        (self.id, self.sinceMilliseconds, self.nowMilliseconds) = (id, sinceMilliseconds, nowMilliseconds)
    }
    /// Nil when the answer asks for nothing, or not in this form.
    package init?(_ field: (String) -> String?) {
        guard let id = field(Self.idField), let since = field(Self.sinceField).flatMap({ Int64($0) }),
            let now = field(Self.nowField).flatMap({ Int64($0) }), (1...32).contains(id.utf8.count),
            id.utf8.allSatisfy({ isLowerHexadecimal($0) })
        else { return nil }
        self.init(id: id, sinceMilliseconds: since, nowMilliseconds: now)
    }
    /// The same instant by a clock that shows `nowMilliseconds` now. Never traps, whatever was sent.
    package func since(nowMilliseconds: Int64) -> Int64 {
        let (ahead, isFar) = nowMilliseconds.subtractingReportingOverflow(self.nowMilliseconds)
        let (since, isFarther) = sinceMilliseconds.addingReportingOverflow(ahead)
        // Far out of any clock's range: everything there is.
        return isFar || isFarther ? 0 : max(since, 60_000)
    }
}
