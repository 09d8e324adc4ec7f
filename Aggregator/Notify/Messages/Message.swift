internal import Crypto
package import Detect
package import Identity
package import Incidents

/// One thing to tell: a change of an incident, or many gathered into one.
package struct Message: Equatable, Sendable, Codable {
    package enum Body: Equatable, Sendable, Codable {
        case single(IncidentBrief, Change)
        case gathered(Gathering)
    }
    /// `msg_` and 32 hexadecimal digits, a hash of what is told to whom: told again, the same.
    package var id: String
    package var tenant: TenantID
    /// When it was made, in ms since 1970 UTC.
    package var at: Int64
    package var body: Body

    package init(id: String, tenant: TenantID, at: Int64, body: Body) {
        self.id = id
        self.tenant = tenant
        self.at = at
        self.body = body
    }

    /// The ids of all incidents it tells of.
    package var incidents: [String] {
        switch body {
        case .single(let brief, _): [brief.id]
        case .gathered(let gathering): gathering.members.map(\.id)
        }
    }
    /// The gravest of what it tells of.
    package var severity: Severity {
        switch body {
        case .single(let brief, _): brief.severity
        case .gathered(let gathering): gathering.members.map(\.severity).max() ?? .low
        }
    }
}

/// Changes that came too fast to tell one by one, or were to be told at fixed times.
package struct Gathering: Equatable, Sendable, Codable {
    package enum Reason: String, Sendable, Codable { case digest, storm }

    /// An incident and how often it changed meanwhile.
    package struct Member: Equatable, Sendable, Codable {
        package var id: String, rule: String, title: String
        package var severity: Severity, status: IncidentStatus
        package var start: Int64
        package var revision: Int
        package var changes: Int

        package static let titleCharactersMax = 80

        init(_ brief: IncidentBrief, changes: Int) {
            id = brief.id
            rule = brief.rule
            title = clipped(brief.title, charactersMax: Self.titleCharactersMax)
            (severity, status) = (brief.severity, brief.status)
            start = brief.start
            revision = brief.revision
            self.changes = changes
        }
    }
    package var reason: Reason
    /// The time it covers, in ms since 1970 UTC.
    package var from: Int64, to: Int64
    /// In the order in which they first changed; at most `membersMax`.
    package var members: [Member]
    package var changes: Int { members.reduce(0) { $0 + $1.changes } }

    package static let membersMax = 200
}

/// 128 bits of SHA-256 as 32 hexadecimal digits. Parts can't run into each other.
func digest128(_ parts: [String]) -> String {
    var hash = SHA256()
    for part in parts { hash.update(data: Array("\(part.utf8.count):\(part),".utf8)) }
    return hash.finalize().prefix(16).map { octet in
        let digits = String(octet, radix: 16)
        return digits.utf8.count == 1 ? "0" + digits : digits
    }.joined()
}
