package import Identity

/// What is otherwise than usual about detectors: for everybody, for one tenant, or for a trial.
package struct DetectorTuning: Equatable, Sendable {
    /// By `DetectorLimit.name`.
    package private(set) var values: [String: Double] = [:]
    /// Rules that say nothing, in the order of letters; nil: as before.
    package private(set) var off: [String]?

    package init() {}
    package var isEmpty: Bool { values.isEmpty && off == nil }

    /// - Returns: what is wrong with it; nil when it was taken.
    package mutating func set(_ name: String, _ value: Double) -> String? {
        guard let limit = DetectorLimit.named(name) else { return "there is no limit of this name" }
        if let problem = limit.problem(value) { return problem }
        values[name] = value
        return nil
    }

    /// - Parameter patterns: ids of built-in rules; one that ends in `*` stands for all that begin so.
    /// - Returns: the first that stands for none; nil when they were taken.
    package mutating func setOff(_ patterns: [String]) -> String? {
        var rules: Set<String> = []
        for pattern in patterns {
            let known = Self.rules(pattern)
            guard !known.isEmpty else { return pattern }
            rules.formUnion(known)
        }
        off = rules.sorted()
        return nil
    }
    /// The built-in rules that a pattern stands for.
    package static func rules(_ pattern: String) -> [String] {
        DetectorSet.rules.map(\.id).filter { rule in
            pattern.hasSuffix("*") ? rule.hasPrefix(pattern.dropLast()) : rule == pattern
        }
    }

    package func applied(to parameters: DetectorParameters) -> DetectorParameters {
        var parameters = parameters
        for (name, value) in values { DetectorLimit.named(name)?.set(value, in: &parameters) }
        if let off { parameters.off = off }
        return parameters
    }
}

/// Which parameters each tenant's detectors have.
package struct TenantParameters: Equatable, Sendable {
    package var usual: DetectorParameters
    /// Of those tenants that have others.
    package var own: [TenantID: DetectorParameters]

    package init(usual: DetectorParameters = DetectorParameters(), own: [TenantID: DetectorParameters] = [:]) {
        (self.usual, self.own) = (usual, own)
    }
    package subscript(tenant: TenantID) -> DetectorParameters { own[tenant] ?? usual }
}
