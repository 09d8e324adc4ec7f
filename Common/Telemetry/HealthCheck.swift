/// One thing that a program needs, and whether it works.
package struct HealthCheck: Equatable, Sendable {
    package let name: String
    /// Nil: it works. In words that anyone may read: no paths, no addresses, no names of tenants.
    package let problem: String?
    /// Whether the program is of no use without it.
    package let isNeeded: Bool

    package init(_ name: String, problem: String? = nil, isNeeded: Bool = true) {
        (self.name, self.problem, self.isNeeded) = (name, problem, isNeeded)
    }
}

extension [HealthCheck] {
    /// Whether all that is needed works.
    package var areSound: Bool { allSatisfy { $0.problem == nil || !$0.isNeeded } }

    /// A line each, `[+]log ok` or `[-]log failed: the disk is full`, and one for all.
    package var page: String {
        var text = ""
        for check in self {
            if let problem = check.problem {
                text += "\(check.isNeeded ? "[-]" : "[~]")\(check.name) failed: \(problem)\n"
            } else {
                text += "[+]\(check.name) ok\n"
            }
        }
        return text + (areSound ? "healthy\n" : "not healthy\n")
    }
}
