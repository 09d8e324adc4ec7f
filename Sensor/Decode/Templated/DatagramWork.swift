/// What is left of the work that one datagram may make: so that none, whatever its octets, costs more than a full
/// one of honest records. Honest ones come nowhere near: their records have 8 octets and more, with variable lengths
/// or in options 16, those of both directions 37, their samples 40, what firewalls say of a connection 60, their
/// templates and sets 24. A message of a TCP session may bring as many templates as fit, since it brings them once.
struct DatagramWork: Sendable {
    var records: Int, sets: Int, templates: Int, samples: Int
    /// Octets of sets that waited, to be decoded together with the datagram's own, and records of firewalls whose
    /// counters depend on earlier ones.
    var replayOctets: Int, events: Int

    init(octets: Int, session: UInt32 = 0) {
        records = max(Self.recordsMin, octets / 8)
        sets = max(Self.setsMin, octets / 24)
        samples = max(Self.samplesMin, octets / 40)
        replayOctets = max(Self.replayOctetsMin, octets)
        events = max(Self.eventsMin, octets / 60)
        templates = session == 0 ? max(Self.templatesMin, octets / 24) : .max
    }
    static let recordsMin = 256, setsMin = 64, templatesMin = 64, samplesMin = 64
    static let replayOctetsMin = 1_536, eventsMin = 24
}
