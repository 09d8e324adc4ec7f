internal import BatchFormat
internal import FlowLog
internal import FlowModel
internal import Identity
internal import Logging
internal import Platform
internal import ProgramDesk
internal import ServiceLifecycle
internal import WireBytes

/// Programs beside the fold: they are offered each batch after it, and what they find is filed when it comes.
///
/// A checkpoint never waits for them. It notes from where on each of them may not have answered, and the log is kept
/// from there on; a start offers that again before anything new.
extension PipelineRun {
    /// How often answers are looked for while the log has nothing new.
    static let programsLook = Duration.milliseconds(50)

    /// Starts them behind the checkpoint, and offers again what they may have missed. Call once, first of all.
    mutating func startPrograms() async throws {
        guard let programs = pipeline.programs else { return }
        programs.start(from: savedPrograms)
        defer { programs.forgetMissed() }
        guard let from = programs.missedFrom else { return }
        isHeldBack = true
        var last = from - 1, waited = Duration.zero, decoder = BatchDecoder()
        while last < savedOffset {  // ends: `last` grows, or there is no more
            let batches = try await pipeline.log.read(after: last, limit: 1, bytesMax: pipeline.pace.readBytes)
            guard let batch = batches.first, batch.offset <= savedOffset else { break }
            last = batch.offset
            var columns = FlowColumns()
            do throws(BatchError) {
                try batch.body.withBytes { span throws(BatchError) in try decoder.decode(span, into: &columns) }
            } catch {
                continue  // counted when it was first read
            }
            while !programs.offerMissed(
                columns, of: batch.sensor.tenant, mark: batch.offset,
                isLastTry: waited >= pipeline.pace.programsMissedWait)
            {  // ends: `waited` grows
                // The next start offers it: the checkpoint is as it was.
                if Task.isShuttingDownGracefully {
                    isHeldBack = false
                    return
                }
                try await sleep(Self.programsLook)
                waited += Self.programsLook
                try await filePrograms()
            }
        }
    }

    /// Offers the batch whose columns are at hand.
    mutating func offerPrograms(_ batch: LoggedBatch) {
        guard let programs = pipeline.programs,
            programs.offer(columns, of: batch.sensor.tenant, mark: batch.offset)
        else { return }
        // The next batch is decoded into columns of its own.
        columns = FlowColumns()
    }

    /// Files what they have found since the last time.
    func filePrograms() async throws {
        guard let programs = pipeline.programs else { return }
        for (tenant, found) in programs.takeFindings() { try await file(found, of: tenant) }
    }

    /// Waits for their last answers, as long as the pace allows.
    func settlePrograms() async throws {
        guard let programs = pipeline.programs else { return }
        let wait = pipeline.pace.programsWait, step = Self.programsLook
        var waited = Duration.zero
        while programs.oldestOpen != nil, waited < wait {  // ends: `waited` grows
            try await filePrograms()
            try? await Task.sleep(for: step)
            waited += step
        }
        try await filePrograms()
    }
}
