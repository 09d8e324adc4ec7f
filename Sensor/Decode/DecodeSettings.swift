package import FlowModel

/// Whose templates may serve whose data sets.
package enum TemplateScope: String, Sendable, CaseIterable {
    /// A source port's own templates only, as RFC 7011 §8 has it.
    case strict
    /// Its own; where it has none, one of another source port of the exporter when all that know the number mean the
    /// same by it. Such records are marked `templateBorrowed`.
    case borrow
    /// All source ports of the exporter have their templates in common, the last definition holds: for exporters that
    /// send templates from one port and data from many.
    case shared
}

/// How to decode: what an operator decides, beside the limits.
package struct DecodeSettings: Sendable, Equatable {
    package var limits: DecodeLimits
    /// For exporters that `scopes` doesn't name.
    package var scope = TemplateScope.borrow
    /// For single exporters, by their address.
    package var scopes: [IPAddress: TemplateScope] = [:]
    /// The exporters that are known to be real. They have room of their own and never lose what they taught to make
    /// room for others.
    package var protectedExporters: [IPNetwork] = []
    /// Which elements without a column of their own are kept.
    package var extras = ExtraSelection.all
    /// Sampling rates of exporters, by address, that don't tell theirs: packets on the link for each one looked at. The
    /// longest prefix counts.
    package var samplingOverrides: [IPNetwork: Float] = [:]
    /// The rate of all other exporters that don't tell theirs; 0 unknown.
    package var samplingDefault: Float = 0

    package var sflow = SFlowSettings()

    package init(limits: DecodeLimits = .init()) { self.limits = limits }

    func scope(of address: IPAddress) -> TemplateScope { scopes[address] ?? scope }
    func isProtected(_ address: IPAddress) -> Bool { protectedExporters.contains { $0.contains(address) } }
}
