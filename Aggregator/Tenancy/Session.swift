package import Identity

/// Somebody signed in, as the table of sessions has it.
package struct Session: Sendable, Hashable {
    /// In lists and events; no secret.
    package let id: String
    package let person: String
    /// Which tenant's data is asked for; nil: none was chosen.
    package let tenant: TenantID?
    package let createdMilliseconds: Int64
    /// To the minute.
    package let seenMilliseconds: Int64
    /// Where it was begun, and what said so of itself, for its owner to know it again.
    package let address: String, agent: String
    /// Of whom the tenant's own provider said who they are: the session is for that tenant and no other.
    package var provider: String?
}

/// How long a session lasts.
package enum SessionLimits {
    /// Without a request.
    package static let idleMilliseconds: Int64 = 30 * 60_000
    package static let absoluteMilliseconds: Int64 = 12 * 3_600_000
    /// Each request counts, but not each is written.
    static let seenEveryMilliseconds: Int64 = 60_000
    /// Of one person; the oldest ends when another begins.
    package static let countMax = 20
    static let textOctetsMax = 200
}

/// A person who asks, and where.
package struct SignedIn: Sendable, Hashable {
    package let session: Session, person: Person
}
