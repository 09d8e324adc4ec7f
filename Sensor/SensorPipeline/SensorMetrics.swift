internal import Decode
internal import FlowModel
internal import Forward
internal import HTTP2Client
internal import Platform
internal import Ship
internal import Spool
internal import Synchronization
internal import Telemetry

/// The sensor's metrics by name. Set from ledgers and statuses whenever a page is asked for: nothing on the data path
/// counts twice.
struct SensorMetrics: Sendable {
    /// Keeps this alive in what it calls before each page, so this must not keep it.
    private unowned let registry: MetricRegistry

    init(_ registry: MetricRegistry, version: String) {
        self.registry = registry
        registry.gauge("weir_sensor_info", help: "Always 1; the label is the version.", labels: ["version": version])
            .set(1)
    }

    func keepUpToDate(
        state: SensorState, observers: ObserverBoard, keeper: SpoolKeeper, shipper: Shipper, time: any TimeSource
    ) {
        registry.beforeEachPage {
            let book = state.ledger
            var total = book.total
            total.records[.deadLetter] = state.deadLetters
            update(total, exporters: book.entries.count { !$0.isOverflow })
            follow(
                "weir_intake_exporters_forgotten_total",
                "Exporters without any record whose line in the ledger went to one with records.", book.linesGivenUp)
            update(book.entries, atMilliseconds: time.wallMilliseconds())
            update(state)
            update(observers.totals)
            update(state.forwarded.withLock { $0 })
            update(state.interfaces)
            update(keeper.spool.usage)
            update(shipper.status)
        }
        // So that every series is there, at 0, before anything has happened.
        _ = registry.prometheusText()
    }

    private func follow(_ name: String, _ help: String, _ total: UInt64) { follow(name, help, [:], total) }
    private func follow(_ name: String, _ help: String, _ labels: [String: String], _ total: UInt64) {
        registry.counter(name, help: help, labels: labels).follow(total)
    }
    private func set(_ name: String, _ help: String, _ value: Int) { registry.gauge(name, help: help).set(value) }

    private func update(_ total: ExporterLedger, exporters: Int) {
        set("weir_intake_exporters", "Exporters seen since the start.", exporters)
        follow("weir_intake_datagrams_total", "Datagrams received.", total.datagramsReceived)
        follow("weir_decode_datagrams_total", "Datagrams decoded.", total.datagramsDecoded)
        follow("weir_decode_records_total", "Flow records decoded.", total.decoded.flows)
        follow("weir_decode_flow_octets_total", "Octets that decoded records report.", total.decoded.octets)
        follow("weir_decode_flow_packets_total", "Packets that decoded records report.", total.decoded.packets)
        follow("weir_seal_records_total", "Flow records that went into batches.", total.sealed.flows)
        follow("weir_seal_rows_total", "Rows of batches: records after summing.", total.sealedRows)
        for loss in Loss.allCases {
            let labels = ["reason": loss.rawValue, "unit": loss.unit.rawValue]
            let lost = (total.counts[loss] ?? 0) &+ (total.records[loss]?.flows ?? 0)
            follow("weir_sensor_lost_total", "What was lost, by reason; the label says in what unit.", labels, lost)
            if loss.unit == .records {
                follow(
                    "weir_sensor_lost_flow_octets_total", "Octets that lost records report.",
                    ["reason": loss.rawValue], total.records[loss]?.octets ?? 0)
            }
        }
    }
    private func update(_ state: SensorState) {
        let decoded = state.decoded
        for figure in DecodeTotals.Figure.allCases {
            follow("weir_decode_\(figure.rawValue)_total", figure.help, decoded[figure])
        }
        for record in SFlowRecord.allCases {
            follow(
                "weir_decode_sflow_records_skipped_total", "Records within sFlow samples that are not read.",
                ["record": record.rawValue], decoded.recordsSkipped[record] ?? 0)
        }
        follow(
            "weir_intake_sessions_malformed_total", "Connections closed: their last messages were malformed.",
            state.sessionsClosedAsMalformed.load(ordering: .relaxed))
        follow(
            "weir_seal_entries_left_out_total",
            "Rows sealed without their further elements: no batch could hold them.",
            state.entriesLeftOut)
        follow("weir_seal_batches_total", "Batches spooled.", state.keptBatches.load(ordering: .relaxed))
        follow("weir_seal_bytes_total", "Bytes of spooled batches.", state.keptBytes.load(ordering: .relaxed))
        set("weir_sensor_fidelity_level", "0 full, 1 service, 2 host.", Int(state.fidelity.rawValue))
    }
    private func update(_ deduped: DedupeTotals) {
        follow("weir_dedupe_rows_total", "Rows that another observer's made superfluous.", deduped.rows)
        follow("weir_dedupe_flow_octets_total", "Octets that would have been counted twice.", deduped.savings.octets)
        follow("weir_dedupe_disputed_total", "Rows kept: the canonical one had seen much less.", deduped.disputed)
        follow("weir_dedupe_evictions_total", "Conversations forgotten for want of room.", deduped.memoryEvictions)
    }
    private func update(_ forwarded: [Int: [(target: String, counts: ForwardCounts)]]) {
        var sums: [String: ForwardCounts] = [:]
        for each in forwarded.values.joined() { sums[each.target, default: ForwardCounts()] += each.counts }
        for (target, counts) in sums {
            follow("weir_forward_datagrams_total", "Copies sent, by target.", ["target": target], counts.sent)
            for (loss, count) in counts.losses {
                follow(
                    "weir_forward_lost_total", "Copies not sent, by target and reason.",
                    ["target": target, "reason": loss.rawValue], count)
            }
        }
    }
    /// One series an exporter and figure, for the busiest exporters.
    private func update(_ entries: [LedgerBook.Entry], atMilliseconds now: Int64) {
        let busiest = entries.sorted { $0.ledger.datagramsReceived > $1.ledger.datagramsReceived }
        for entry in busiest.prefix(Self.exportersMax) {
            let labels = [
                "exporter": entry.name, "domain": "\(entry.key.observationDomain)",
                "protocol": entry.key.exportProtocol.name,
            ]
            let ledger = entry.ledger
            follow("weir_exporter_datagrams_total", "Datagrams received.", labels, ledger.datagramsReceived)
            follow("weir_exporter_records_total", "Flow records decoded.", labels, ledger.decoded.flows)
            follow("weir_exporter_sealed_records_total", "Flow records in batches.", labels, ledger.sealed.flows)
            let missing = ledger.missing.units > UInt64(Int64.max) ? 0 : ledger.missing.units
            follow("weir_exporter_missing_units_total", "Lost before the sensor, by sequence.", labels, missing)
            for (loss, tally) in ledger.records {
                follow(
                    "weir_exporter_lost_records_total", "Records lost, by reason.",
                    labels.merging(["reason": loss.rawValue]) { $1 }, tally.flows)
            }
            if let skew = entry.health.skew.milliseconds {
                registry.gauge("weir_exporter_clock_skew_seconds", help: "Ahead of the sensor's.", labels: labels)
                    .set(Double(skew) / 1_000)
            }
            let issues = Set(entry.health.issues(atMilliseconds: now, missing: ledger.missing))
            for issue in HealthIssue.allCases where issues.contains(issue) || ledger.datagramsReceived > 0 {
                registry.gauge(
                    "weir_exporter_issue", help: "1 while an exporter has it; see HealthIssue.",
                    labels: labels.merging(["issue": issue.rawValue]) { $1 }
                ).set(issues.contains(issue) ? 1 : 0)
            }
        }
    }
    /// Two series an interface and figure: received and sent.
    private func update(_ interfaces: [InterfaceTotals]) {
        let all = interfaces.flatMap(\.growth).sorted { $0.key.order < $1.key.order }
        for (key, growth) in all.prefix(InterfaceTotals.interfacesMax) {
            for (index, direction) in ["in", "out"].enumerated() {
                let labels = [
                    "exporter": "\(key.exporter.address)", "domain": "\(key.exporter.observationDomain)",
                    "ifindex": "\(key.ifIndex)", "direction": direction,
                ]
                follow("weir_interface_octets_total", "By the device's count.", labels, growth.octets[index])
                follow("weir_interface_packets_total", "By the device's count.", labels, growth.packets[index])
                follow("weir_interface_errors_total", "By the device's count.", labels, growth.errors[index])
                follow("weir_interface_discards_total", "By the device's count.", labels, growth.discards[index])
            }
        }
        follow(
            "weir_interface_refused_samples_total", "Counter samples of interfaces beyond those that are kept.",
            interfaces.reduce(0) { $0 &+ $1.refused })
    }
    /// More series than this help nobody; heartbeats have the rest.
    private static let exportersMax = 256

    private func update(_ usage: SpoolUsage) {
        set("weir_spool_batches", "Batches waiting to be answered for.", usage.batches)
        set("weir_spool_used_bytes", "Bytes of waiting batches.", usage.bytes)
        set("weir_spool_limit_bytes", "The setting spool.bytesMax.", usage.bytesMax)
        set("weir_spool_dead_letters", "Batches that no aggregator will take.", usage.deadLetters)
        set("weir_spool_quarantined_files", "Files set aside because they could not be read.", usage.quarantinedFiles)
        let (damaged, retired) = (UInt64(max(usage.damagedBatches, 0)), UInt64(max(usage.retiredFiles, 0)))
        let dropped = UInt64(max(usage.deadLettersDropped, 0))
        set("weir_spool_tail_batches", "Answered batches that are kept for an aggregator's loss.", usage.tailBatches)
        set("weir_spool_tail_bytes", "Bytes of answered batches that are kept.", usage.tailBytes)
        for (name, help, count) in [
            ("weir_spool_reshipped_batches_total", "Batches an aggregator asked for again.", usage.reshippedBatches),
            ("weir_spool_torn_files_total", "Files a crash cut short.", usage.tornFiles),
            ("weir_spool_missing_files_total", "Files that were gone at the start.", usage.missingFiles),
            ("weir_spool_ledger_failures_total", "The list of files was damaged.", usage.ledgerFailures),
            ("weir_spool_quarantine_dropped_total", "Files no longer kept aside.", usage.quarantineDropped),
        ] {
            follow(name, help, UInt64(max(count, 0)))
        }
        follow("weir_spool_damaged_batches_total", "Batches whose bytes changed on disk.", damaged)
        follow("weir_spool_retired_files_total", "Files that failed a write.", retired)
        follow("weir_spool_dead_letters_dropped_total", "Refused batches that found no room aside.", dropped)
    }
    private func update(_ status: ShipStatus) {
        set("weir_ship_connected", "1 while an aggregator is connected.", status.connectedEndpoint == nil ? 0 : 1)
        set("weir_ship_in_flight_batches", "Batches sent and not answered.", status.inFlight)
        follow("weir_ship_sent_batches_total", "Batches sent, repeats included.", status.sentBatches)
        follow("weir_ship_acknowledged_batches_total", "Batches answered as durable.", status.acknowledgedBatches)
        follow("weir_ship_acknowledged_bytes_total", "Bytes of those.", status.acknowledgedBytes)
        follow("weir_ship_connections_total", "Connections made.", status.connections)
        follow("weir_ship_heartbeats_total", "Heartbeats answered.", status.heartbeatsAnswered)
        for (kind, count) in status.failures {
            follow("weir_ship_failures_total", "Failures by kind.", ["kind": kind], count)
        }
        follow(
            "weir_identity_reloads_total", "Times new certificate files were looked at.", ["result": "loaded"],
            status.certificateReloads)
        follow(
            "weir_identity_reloads_total", "Times new certificate files were looked at.", ["result": "refused"],
            status.certificateReloadFailures)
        if let expiry = status.certificateExpiryMilliseconds {
            registry.gauge("weir_identity_expiry_seconds", help: "When the certificate ends, in s since 1970 UTC.")
                .set(Double(expiry) / 1_000)
        }
    }
}

extension InterfaceCounterBook.Key {
    fileprivate var order: (IPAddress, UInt32, UInt32) { (exporter.address, exporter.observationDomain, ifIndex) }
}
