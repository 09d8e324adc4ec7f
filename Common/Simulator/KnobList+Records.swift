internal import FlowModel

extension KnobList {
    static let records = [
        valued(
            "times", "nanoseconds", "C16", templated, \.times, choice(SimulationKnobs.Times.self),
            "elements for start and end: 152, 22 (IPFIX: with 160), 150, 154, 156, 158 and their pairs",
            { $0.flatMap(SimulationKnobs.Times.init(rawValue:)).map { .some($0) } }),
        valued(
            "padding", "zeros", "C6", templated, \.padding, choice(SimulationKnobs.Padding.self),
            "records end with paddingOctets, sets with up to 3 octets of zeros or of other bits",
            { $0.flatMap(SimulationKnobs.Padding.init(rawValue:)).map { .some($0) } }),
        flag("biflow", "C21", ipfix, \.biflow, "a record holds both directions (RFC 5103)"),
        flag(
            "variable-length", "C5", ipfix, \.variableLength,
            "records hold a name of variable length, in both forms of its prefix"),
        flag(
            "repeated-elements", "C22", templated, \.repeatedElements,
            "templates hold one element twice, with different values"),
        flag(
            "unknown-elements", "C8", templated, \.unknownElements, "templates hold an element that no registry knows"),
        flag(
            "unknown-sets", "C8", templated, \.unknownSets,
            "messages hold a set with a reserved number before their data"),
        flag(
            "reduced-size", "C19", templated, \.reducedSize, "counters of 5 and 3 octets, interfaces of 2"),
        flag(
            "both-families", "C23", templated, \.bothFamilies,
            "templates hold IPv4 and IPv6 addresses; those of the other family are zeros"),
        flag(
            "icmp-element", "C28", templated, \.icmpElement,
            "ICMP's type and code are in elements 32 and 139, not in the destination port"),
        flag("count-wrong", "C7", [.netflow9], \.countWrong, "the header counts more records than there are"),
        flag(
            "firewall-events", "C20", templated, \.firewallEvents,
            "IPv4 conversations are told as a firewall's events: created, updated, deleted, denied (NSEL)"),
    ]
    static let sFlow = [
        flag("expanded", "C25", [.sflow5], \.expanded, "samples are of the expanded form"),
        valued(
            "header-bytes", "64", "C25", samples, \.headerBytesMax, "16 to 256",
            "so many octets of a packet are kept (usually 128); 44 cut TCP's header off before its flags",
            { KnobValue.number($0, in: 16...256) }),
        valued(
            "tunnels", "0.3", "C26", samples, \.tunnels, share,
            "this share of packets is inside VXLAN, GRE or MPLS",
            { text in KnobValue.share(text).map { Double?.some($0) } }),
        valued(
            "fragments", "0.1", "C27", samples, \.fragments, share, "this share of IPv4 packets is a later fragment",
            KnobValue.share),
        valued(
            "extension-headers", "0.3", "C27", samples, \.extensionHeaders, share,
            "this share of IPv6 packets has hop-by-hop and destination options", KnobValue.share),
    ]
    static let sightings = [
        valued(
            "two-routers", "0.4", "C31", any, \.twoRouters, share,
            "this share of conversations is seen by a second router, whatever the mix says",
            { text in KnobValue.share(text).map { Double?.some($0) } }),
        valued(
            "both-sides", "0.3", "C32", any, \.bothSides, share,
            "this share of conversations is recorded on entry and on exit, whatever the mix says",
            { text in KnobValue.share(text).map { Double?.some($0) } }),
    ]
}
