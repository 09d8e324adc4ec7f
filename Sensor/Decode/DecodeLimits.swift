/// How much a sender can make a decoder remember. Beyond a limit things are refused and counted, so that spoofed
/// senders can't push out real ones: a known exporter gives way only after `idleMilliseconds` of silence.
package struct DecodeLimits: Sendable, Equatable {
    /// Exporters (protocol, address, observation domain) with templates. The next one: `Loss.exporterLimit`.
    package var exportersMax = 8_192
    /// Observation domains of one address: one sender can't use up `exportersMax` alone.
    package var domainsPerAddressMax = 256
    /// Source ports remembered of one exporter; the one silent for longest gives way, and only to its own kin.
    package var streamsPerExporterMax = 16
    /// Templates of one source port. The next one replaces the one unused for longest, once a datagram; any more in
    /// that datagram: `Loss.templateLimit`.
    package var templatesPerStreamMax = 1_024
    /// Fields of one template. A longer one is skipped: `Loss.templateLimit`.
    package var fieldsPerTemplateMax = 512
    /// Fields of all templates together, about 50 bytes each. Beyond it no new template: `Loss.templateLimit`.
    package var fieldsMax = 1 << 20
    /// Samplers, and interfaces with a sampling rate, remembered of one exporter; later ones are not.
    package var samplersPerExporterMax = 1_024
    /// After this silence an exporter may be forgotten, when another needs its place.
    package var idleMilliseconds: Int64 = 3_600_000

    package init() {}
}
