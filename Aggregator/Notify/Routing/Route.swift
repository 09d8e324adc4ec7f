package import Detect
package import Identity

/// Which news goes where, and how fast. What is not restricted fits.
package struct Route: Equatable, Sendable, Codable {
    package enum Action: Equatable, Sendable, Codable {
        case deliver(to: [String], Pace)
        /// Not told, and said so: see `NewsRouter.Outcome.muted`.
        case mute
    }

    package var name: String
    /// Whose route it is: a tenant's concerns its own news only; nil is the operator's and concerns all.
    package var owner: TenantID?
    /// For an operator's route; empty: every tenant.
    package var tenants: Set<TenantID> = []
    /// Rule ids; one that ends in `*` stands for all that begin so. Empty: every rule.
    package var rules: [String] = []
    package var severityMin: Severity = .low
    /// Any of them; empty: whatever the tags.
    package var tags: Set<String> = []
    package var changes: Set<Change> = [.opened, .statusChanged]
    /// Nil: always.
    package var schedule: Schedule?
    package var action: Action
    /// Whether routes after it are not asked once it fits.
    package var isLast = false

    package init(_ name: String, owner: TenantID? = nil, action: Action) {
        self.name = name
        self.owner = owner
        self.action = action
    }

    package func fits(_ news: News) -> Bool {
        if let owner, owner != news.tenant { return false }
        return (tenants.isEmpty || tenants.contains(news.tenant)) && news.incident.severity >= severityMin
            && changes.contains(news.change) && (tags.isEmpty || !tags.isDisjoint(with: news.tags))
            && (rules.isEmpty || rules.contains { Self.matches($0, news.incident.rule) })
            && (schedule?.contains(news.at) ?? true)
    }
    private static func matches(_ pattern: String, _ rule: String) -> Bool {
        pattern.hasSuffix("*") ? rule.hasPrefix(pattern.dropLast()) : rule == pattern
    }
}

/// How fast a route tells.
package enum Pace: Equatable, Sendable, Codable {
    /// Every change by itself.
    case atOnce
    /// `messagesMax` changes by themselves in any window of `seconds` that the first of them opens; the others
    /// together at its end.
    case folding(messagesMax: Int, seconds: Int64)
    /// Together, at each multiple of so many minutes of UTC.
    case digest(minutes: Int64)
}

/// One message for one channel.
package struct Delivery: Equatable, Sendable, Codable {
    package var channel: String
    package var message: Message

    package init(channel: String, message: Message) {
        self.channel = channel
        self.message = message
    }
}
