/// All that can be lost between an exporter and the store. The raw value is the metric label and the ledger's key; a
/// counter for each exists from the start, at 0. What is lost without a case here is a bug.
package enum Loss: String, CaseIterable, Sendable {
    // Datagrams: refused whole, so their records are not known.
    case kernelDrop = "kernel_drop"
    case datagramTruncated = "datagram_truncated"
    case badVersion = "bad_version"
    case malformed
    case exporterLimit = "exporter_limit"

    // Sets: skipped by their length; the rest of the datagram is used.
    case noTemplate = "no_template"
    case badTemplate = "bad_template"
    case templateLimit = "template_limit"
    case badSet = "bad_set"

    // Records: known by count, octets and packets from here on.
    case sampleUndecodable = "sample_undecodable"
    /// A whole datagram came again.
    case duplicate
    /// Another observer of the same flow is the canonical one.
    case observedElsewhere = "observed_elsewhere"
    case queueFull = "queue_full"
    case spoolFull = "spool_full"
    case spoolFailed = "spool_failed"
    case deadLetter = "dead_letter"

    /// What one count of this loss is.
    package enum Unit: String, Sendable { case datagrams, sets, records }
    package var unit: Unit {
        switch self {
        case .kernelDrop, .datagramTruncated, .badVersion, .malformed, .exporterLimit: .datagrams
        case .noTemplate, .badTemplate, .templateLimit, .badSet: .sets
        case .sampleUndecodable, .duplicate, .observedElsewhere, .queueFull, .spoolFull, .spoolFailed,
            .deadLetter:
            .records
        }
    }
}
