import Decode
import FlowModel
import WireBytes

/// A decoder with its columns and the sums that must come out even.
struct WatchedDecoder {
    let settings: DecodeSettings
    var decoder: DatagramDecoder
    var columns = FlowColumns()
    private(set) var tally = Tally()
    private(set) var setsHeld = 0, setsReplayed = 0
    private var setsLost: UInt64 = 0

    init(_ settings: DecodeSettings = DecodeSettings()) {
        self.settings = settings
        decoder = DatagramDecoder(settings: settings)
    }

    @discardableResult
    mutating func decode(
        _ datagram: [UInt8], from origin: DatagramOrigin, isRepeat: Bool = false
    ) throws(Violation) -> DecodeResult {
        if columns.count > 4_096 { columns.removeAll() }
        let before = columns.count
        let result = datagram.withBytes {
            decoder.decode($0, from: origin, into: &columns, isRepeat: isRepeat)
        }
        setsHeld += result.setsHeld
        setsReplayed += result.setsReplayed
        tally += columns.tally(of: result.rows)
        try check(result, before, datagram, isRepeat)
        try checkRows(result)
        try checkBounds()
        return result
    }

    private func check(
        _ result: DecodeResult, _ before: Int, _ datagram: [UInt8], _ isRepeat: Bool
    ) throws(Violation) {
        try hold(
            result.rows == before..<columns.count,
            "rows \(result.rows), columns \(before)..<\(columns.count)")
        let octets = datagram.count + (result.setsReplayed > 0 ? settings.limits.heldOctetsMax : 0)
        try hold(
            result.rows.count <= 2 * octets, "\(result.rows.count) rows of \(datagram.count) octets")
        let isRefused = result.losses.keys.contains { $0.unit == .datagrams }
        try hold(!isRefused || result.rows.isEmpty, "refused with rows: \(result.losses)")
        try hold(!isRefused || result.setsHeld == 0, "refused with sets held: \(result.losses)")
        try hold(result.losses.values.allSatisfy { $0 > 0 }, "a loss of nothing: \(result.losses)")
        try hold(
            result.losses.values.allSatisfy { $0 <= 65_536 }, "losses beyond belief: \(result.losses)")
        try hold(!isRepeat || result.setsHeld == 0, "a repeated datagram holds sets")
        try hold(isRefused || result.exporter != nil, "neither refused nor an exporter's")
        let counts = [
            result.templatesLearned, result.templatesConfirmed, result.optionRecords,
            result.samplesSkipped,
            result.counterSamples.count, result.discardedPackets, result.withdrawalsIgnored,
        ]
        try hold(
            counts.allSatisfy { (0...2 * octets).contains($0) },
            "counts \(counts) of \(datagram.count) octets")
        try hold(result.templatesReplaced <= result.templatesLearned, "more replaced than learned")
    }

    private func checkRows(_ result: DecodeResult) throws(Violation) {
        for row in result.rows {
            let number = Int(columns.exporter[row])
            try hold(number < columns.exporters.count, "row \(row) has exporter \(number)")
            try hold(columns.exporters[number] == result.exporter, "row \(row) is another exporter's")
            let place = columns.extra[row]
            try hold(
                place == 0 || columns.extras.walk(place, { _, _ in }) != nil,
                "extras lead nowhere: \(place)")
            let interval = columns.samplingInterval[row]
            try hold(interval >= 0 && interval.isFinite, "row \(row) sampled 1 in \(interval)")
        }
    }

    private func checkBounds() throws(Violation) {
        let limits = settings.limits
        try hold(decoder.heldSets <= limits.heldSetsMax, "\(decoder.heldSets) sets held")
        let templatesMax =
            (limits.exportersMax + limits.protectedExportersMax) * limits.streamsPerExporterMax
            * limits.templatesPerStreamMax
        try hold(
            (0...templatesMax).contains(decoder.templateCount), "\(decoder.templateCount) templates")
        let octets = decoder.templateCount * 160
        try hold(
            octets <= limits.templateOctetsMax + limits.protectedTemplateOctetsMax, "\(octets) octets")
    }

    mutating func expire(at now: Int64) {
        for lost in decoder.expireHeld(atMilliseconds: now) { setsLost &+= lost.sets }
    }

    /// Every set that was held was replayed or lost by name.
    mutating func finish() throws(Violation) {
        try hold(decoder.heldSets <= setsHeld - setsReplayed, "more sets held than came")
        while let result = decoder.replayHeld(into: &columns) {  // ends: what is taken out doesn't come back as ready
            setsReplayed += result.setsReplayed
            tally += columns.tally(of: result.rows)
            try checkRows(result)
            columns.removeAll()
        }
        expire(at: .max)
        try hold(decoder.heldSets == 0, "\(decoder.heldSets) sets outlive the end")
        try hold(
            setsHeld == setsReplayed + Int(setsLost),
            "held \(setsHeld), replayed \(setsReplayed), lost \(setsLost)")
    }
}
