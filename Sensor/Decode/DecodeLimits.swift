/// How much senders can make a decoder remember. Beyond a limit things are refused and counted, so that spoofed
/// senders can't push out real ones: who has been served gives way only after long silence, who has not after a short
/// one, and a protected exporter never.
///
/// The defaults together stay below 64 MiB: templates 24 + 8, plans 12, held sets 8, sequences 6.
package struct DecodeLimits: Sendable, Equatable {
    /// Exporters (protocol, address, observation domain) with templates. The next one: `Loss.exporterLimit`.
    package var exportersMax = 8_192
    /// Protected exporters, beside the others.
    package var protectedExportersMax = 4_096
    /// Observation domains of one address: one sender can't use up `exportersMax` alone.
    package var domainsPerAddressMax = 256
    /// Source ports remembered of one exporter. A new one takes the place of the one silent for longest, if that may
    /// go; if not, its templates: `Loss.templateLimit`.
    package var streamsPerExporterMax = 16
    /// Templates of one source port. The next one takes the place of one that no data has used, once a datagram; any
    /// more: `Loss.templateLimit`.
    package var templatesPerStreamMax = 1_024
    /// Fields of one template. A longer one is skipped: `Loss.templateLimit`.
    package var fieldsPerTemplateMax = 512
    /// What the templates of all exporters take, in octets, those of protected ones apart. Beyond it no new template:
    /// `Loss.templateLimit`.
    package var templateOctetsMax = 24 << 20
    package var protectedTemplateOctetsMax = 8 << 20
    /// The same of one exporter.
    package var templateOctetsPerExporterMax = 1 << 20
    /// Fields of all templates that data sets have used, each layout once whoever sent it; about 90 octets each.
    /// Beyond it all are worked out anew when next used.
    package var plannedFieldsMax = 1 << 17
    /// Samplers, and interfaces with a sampling rate, remembered of one exporter; later ones are not.
    package var samplersPerExporterMax = 1_024
    /// After this silence an exporter or source port that was served may be forgotten, when another needs its place.
    package var idleMilliseconds: Int64 = 3_600_000
    /// The same for one that no data set was decoded of: a flood of spoofed senders is gone after this.
    package var newcomerIdleMilliseconds: Int64 = 60_000

    /// Data sets that wait for their template: octets and number of all, and of one exporter. Half of it is for
    /// exporters that are protected or have templates, half for the others. A full datagram a second for five
    /// minutes fits into an exporter's share.
    package var heldOctetsMax = 8 << 20
    package var heldSetsMax = 8_192
    package var heldOctetsPerExporterMax = 1 << 20
    package var heldSetsPerExporterMax = 1_024
    /// How long one waits at most. Exporters repeat templates every minute or few; later records would be late for
    /// every use.
    package var heldMilliseconds: Int64 = 300_000

    /// Connections of firewalls whose updates are summed up, of one exporter and of all, until their end tells the
    /// total. Later ones count as `DecodeResult.eventFlowsForgotten`.
    package var eventFlowsPerExporterMax = 32_768
    package var eventFlowsMax = 131_072

    /// Exporters whose sequence numbers are followed; those beyond are not.
    package var sequencesMax = 16_384
    /// Sequences told apart within one exporter.
    package var sequencesPerExporterMax = 8

    /// A template in a saved state that was not heard of for this long is not taken back.
    package var templateAgeMaxMilliseconds: Int64 = 7 * 86_400_000

    package init() {}
}
