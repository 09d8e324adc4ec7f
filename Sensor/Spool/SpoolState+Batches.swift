internal import Delivery
internal import FlowModel
internal import Platform

#if WEIR_PLANTED
internal import Planted
#endif

/// What the spool offers, within its lock.
extension SpoolState {
    // MARK: In

    /// Takes batches with one write and one sync: each is durable on return, or not in the spool and never will be.
    mutating func append(_ batches: [SpoolAppend], _ digests: [BatchDigest]) -> [Result<BatchKey, SpoolError>] {
        var results: [Result<BatchKey, SpoolError>] = []
        var accepted: [Int] = [], waiting = files.reduce(0) { $0 + $1.waiting.bytes }, bytes = 0
        for (index, batch) in batches.enumerated() {
            let isRoom =
                waiting + batch.body.count <= bytesMax && places.count + accepted.count < Self.batchesMax
                && files.count < Self.filesMax
            results.append(.failure(.full(bytes: waiting, bytesMax: bytesMax)))
            guard isRoom else { continue }
            accepted.append(index)
            waiting += batch.body.count
            bytes += batch.body.count
        }
        guard !accepted.isEmpty else { return results }
        do throws(SpoolError) {
            let taken = accepted.map { (batches[$0], digests[$0]) }
            let keys = try appendAll(taken, bytes: bytes)
            for (index, key) in zip(accepted, keys) { results[index] = .success(key) }
        } catch {
            for index in accepted { results[index] = .failure(error) }
        }
        dropDrained()
        return results
    }

    private mutating func appendAll(
        _ batches: [(SpoolAppend, BatchDigest)], bytes: Int
    ) throws(SpoolError) -> [BatchKey] {
        if let file = current, !file.entries.isEmpty, file.end + bytes > segmentBytes { current = nil }
        try make()
        let pending = batches.map { batch, digest in
            defer { sequence += 1 }
            return SegmentFile.Pending(
                batch: SpooledBatch(
                    key: BatchKey(epoch: epoch, sequence: sequence), digest: digest, byteCount: batch.body.count,
                    sealedMilliseconds: batch.sealedMilliseconds, rows: batch.rows, tally: batch.tally),
                body: batch.body)
        }
        do throws(SpoolError) {
            try write(pending)
        } catch {
            #if WEIR_PLANTED
            if Planted.fullDiskAnswered.isActive, error == .diskFull { return pending.map(\.batch.key) }
            #endif
            // The file was cut back, so these keys name nothing; a file made meanwhile, or the next, has keys of its
            // own.
            if current != nil, epoch == pending.first?.batch.key.epoch { sequence -= UInt64(pending.count) }
            throw error
        }
        return pending.map(\.batch.key)
    }
    private mutating func make() throws(SpoolError) {
        guard current == nil else { return }
        do throws(SystemError) { try openNext() } catch { throw SpoolError(error, path(next)) }
    }

    /// Writes batches under the keys they have. After a failure the file is never tried again: they go to a new one,
    /// under the same keys, so that a first copy that a crash brings back is one and the same batch.
    mutating func write(_ pending: [SegmentFile.Pending]) throws(SpoolError) {
        for _ in 1...2 {
            try make()
            guard let file = current else { break }
            do throws(SystemError) {
                let first = file.entries.count
                try file.append(pending)
                for (offset, batch) in pending.enumerated() {
                    places[batch.batch.key] = Place(file: file, index: first + offset)
                    recent.add(batch.body, as: batch.batch.key)
                }
                return
            } catch {
                // No room shows before the sync: what lies behind the last record is taken off, and the file is sound.
                if error.isFull, error.call != "fdatasync", (try? file.cutBack()) != nil { throw .diskFull }
                retire(file)
                if error.isFull { throw .diskFull }
            }
        }
        throw .failed("two files in a row failed")
    }

    // MARK: Out

    mutating func waiting(limit: Int, excluding: Set<BatchKey>) throws(SpoolError) -> [SpooledBatch] {
        var found: [SpooledBatch] = []
        // What is new first: an aggregator that asks for the past again needs the present too.
        for wanted in [SegmentFile.State.waiting, .again] {
            for file in files where found.count < limit {
                for index in file.open(wanted, limit: limit - found.count, excluding: excluding) {
                    if let batch = try read(Place(file: file, index: index), SegmentFile.head) { found.append(batch) }
                }
            }
        }
        return found
    }

    /// What `read` gives; nil when it is damaged, which is counted, or when it can't be had now.
    private mutating func read<Value>(
        _ place: Place, _ part: (SegmentFile) -> (Int) throws(SystemError) -> Value?
    ) throws(SpoolError) -> Value? {
        let key = place.file.entries[place.index].key
        do throws(SystemError) {
            if let found = try part(place.file)(place.index) {
                readFailures[key] = nil
                return found
            }
        } catch {
            readFailures[key, default: 0] += 1
            guard error.isMediumFault, readFailures[key, default: 0] >= Self.readTriesMax else {
                throw SpoolError(error, place.file.path)
            }
        }
        readFailures[key] = nil
        counts.damagedBatches += 1
        setAside(place)
        return nil
    }
    private static let readTriesMax = 3

    private func place(of key: BatchKey) -> Place? {
        guard let place = places[key] else { return nil }
        switch place.file.entries[place.index].state {
        case .waiting, .again: return place
        case .answered, .aside: return nil
        }
    }

    mutating func body(of key: BatchKey) throws(SpoolError) -> [UInt8]? {
        guard let place = place(of: key) else { return nil }
        // Never out of memory since its digest was taken.
        if let body = recent[key] { return body }
        guard let (batch, body) = try read(place, SegmentFile.content) else { return nil }
        if BatchDigest(of: body) == batch.digest { return body }
        counts.damagedBatches += 1
        #if WEIR_PLANTED
        if Planted.damageTakesAll.isActive {
            for index in place.file.entries.indices { place.file.set(index, .aside) }
        }
        #endif
        try write(batch, body, reason: DeadLetters.damage)
        setAside(place)
        return nil
    }

    mutating func acknowledge(_ keys: [BatchKey]) {
        for key in keys {
            guard let place = place(of: key) else { continue }
            recent.remove(key)
            place.file.restingSince = now
            place.file.set(place.index, .answered(atMilliseconds: max(wallMilliseconds, 1)))
            mark(place)
        }
        dropDrained()
        moveRests()
    }
    private mutating func setAside(_ place: Place) {
        places[place.file.entries[place.index].key] = nil
        recent.remove(place.file.entries[place.index].key)
        place.file.set(place.index, .aside)
        mark(place)
        dropDrained()
    }
    /// A mark that can't be written costs a repeat after the next start. It needs no room, so it also works on a full
    /// disk.
    private mutating func mark(_ place: Place) {
        do throws(SystemError) { try place.file.mark(place.index) } catch { if !error.isFull { retire(place.file) } }
    }

    mutating func deadLetter(_ key: BatchKey, reason: String) throws(SpoolError) -> Tally? {
        guard let place = place(of: key), let (batch, body) = try read(place, SegmentFile.content) else { return nil }
        try write(batch, body, reason: reason)
        setAside(place)
        return batch.tally
    }
    private mutating func write(_ batch: SpooledBatch, _ body: [UInt8], reason: String) throws(SpoolError) {
        do throws(SystemError) {
            try deadLetters.write(batch, body, reason: reason)
        } catch {
            throw SpoolError(error, directory + "/dead-letter")
        }
    }

    // MARK: The tail

    /// Has batches that were answered from `since` on sent again.
    mutating func reship(sinceMilliseconds since: Int64) -> Int {
        var asked = 0
        for file in files {
            var isChanged = false
            for index in file.entries.indices {
                guard case .answered(let time) = file.entries[index].state, time >= since else { continue }
                file.set(index, .again)
                mark(Place(file: file, index: index))
                asked += 1
                isChanged = true
            }
            // Whoever asked may not ask again after a crash of ours.
            if isChanged, (try? file.syncMarks()) == nil { retire(file) }
        }
        #if WEIR_PLANTED
        if Planted.reshipDropsLast.isActive, let file = files.last(where: { $0.again.batches > 0 }) {
            file.open(.again, limit: .max, excluding: []).last.map { file.set($0, .aside) }
        }
        #endif
        counts.reshipped += asked
        return asked
    }

    // MARK: Room

    /// What is left of files that hold little goes to the current one, once the files take more than they should: one
    /// batch that nobody takes must not hold a whole file for ever.
    mutating func moveRests() {
        let total = files.reduce(0) { $0 + $1.end }
        guard total > bytesMax + tail.bytesMax + 4 * segmentBytes || files.count > Self.filesMax / 2 else { return }
        let rests = files.filter { $0 !== current && $0.again.batches == 0 && $0.waiting.bytes < $0.end / 2 }
        guard let file = rests.min(by: { $0.waiting.bytes < $1.waiting.bytes }) else { return }
        var pending: [SegmentFile.Pending] = []
        for index in file.open(.waiting, limit: .max, excluding: []) {
            guard let (batch, body) = try? file.content(index) else { return }
            pending.append(SegmentFile.Pending(batch: batch, body: body))
        }
        if !pending.isEmpty, (try? write(pending)) == nil { return }
        for index in file.entries.indices where file.entries[index].state == .waiting { file.set(index, .aside) }
        file.restingSince = .zero - tail.age
        dropDrained()
    }
}
