import Delivery
import Platform
import Ship
import Spool
import TestKit

/// Sensors, a network and an aggregator in one thread under one random generator: a seed is a whole history. The
/// sensors' spools and their shipping are the real ones; disks, clocks, network and the aggregator's storage are made
/// up, with the faults that real ones have.
struct DeliveryWorld {
    /// In percent of the occasions for each.
    struct Faults {
        var lost = 8, late = 10, refused = 10, broken = 4, partitions = 1
        var sensorCrashes = 2, aggregatorCrashes = 2, powerCuts = 50, failedCommits = 2
        var badDisk = 4, fullDisk = 3, bitFlips = 0, clockJumps = 3, rollbacks = 0
        static let none = Faults(
            lost: 0, late: 0, refused: 0, broken: 0, partitions: 0, sensorCrashes: 0, aggregatorCrashes: 0,
            powerCuts: 0, failedCommits: 0, badDisk: 0, fullDisk: 0, bitFlips: 0, clockJumps: 0)
    }
    typealias Violation = SimSensor.Violation
    private enum Event {
        case append(Int)
        case connectResult(Int, connection: Int, isFine: Bool)
        case request(SimLog.Waiting)
        case requestFailed(Int, BatchKey, connection: Int)
        case answer(SimLog.Answer)
        case connectionLost(Int, connection: Int)
        case commit
        case restart(Int)
        case aggregatorUp
        case rejoin(Int)
    }

    private(set) var faults: Faults
    private var generator: SeededGenerator
    private let clock = ManualTime()
    private var now = Duration.zero
    private var events: [(at: Duration, order: Int, event: Event)] = [], eventCount = 0
    private(set) var sensors: [SimSensor] = []
    private(set) var log = SimLog()
    private var isAggregatorUp = true, connections = 0
    private var cutOff: Set<Int> = []
    /// What happened, for a look at a seed.
    private(set) var crashes = 0, cuts = 0, released = 0

    init(seed: UInt64, sensors count: Int = 3, appends: Int = 25, faults: Faults = Faults()) throws {
        self.faults = faults
        generator = SeededGenerator(seed: seed)
        for name in 0..<count {
            sensors.append(try SimSensor(name, clock: clock, seed: generator.next()))
            for _ in 0..<appends {
                schedule(.append(name), after: .milliseconds(Int.random(in: 0...60_000, using: &generator)))
            }
        }
    }

    // MARK: Running

    /// - Throws: `Violation` at the first step that breaks a promise.
    mutating func run(steps: Int) throws { for _ in 0..<steps { guard try step() else { return } } }
    mutating func heal() throws {
        faults = .none
        cutOff = []
        for sensor in sensors {
            sensor.disk.state.with { ($0.capacity, $0.fault) = (.max, nil) }
            if sensor.spool == nil { try sensor.start(seed: generator.next()) }
        }
        isAggregatorUp = true
    }
    var isSettled: Bool {
        events.isEmpty && sensors.allSatisfy { (try? $0.spool?.waiting(limit: 1).isEmpty) == true }
    }

    private mutating func step() throws -> Bool {
        let wakes = sensors.indices.compactMap { index in
            sensors[index].spool == nil ? nil : sensors[index].core.wake(after: now).map { (at: $0, sensor: index) }
        }
        let wake = wakes.min { $0.at < $1.at }
        if let next = events.first, next.at <= wake?.at ?? next.at {
            events.removeFirst()
            move(to: next.at)
            try take(next.event)
        } else if let wake {
            move(to: wake.at)
            try turn(wake.sensor)
        } else {
            return false
        }
        try disturb()
        for index in sensors.indices { try turn(index) }
        return true
    }
    private mutating func move(to time: Duration) {
        let step = max(time - now, .zero)
        now += step
        clock.advance(by: step)
    }

    /// A sensor looks at its spool and does what its core says.
    private mutating func turn(_ index: Int) throws {
        let sensor = sensors[index]
        guard let spool = sensor.spool else { return }
        if let waiting = try? spool.waiting(limit: sensor.core.appetite, excluding: sensor.core.known) {
            sensor.core.offer(waiting.map { WaitingBatch(key: $0.key, digest: $0.digest, byteCount: $0.byteCount) })
        }
        try perform(sensor.core.step(at: now), index)
    }

    // MARK: Faults

    private mutating func disturb() throws {
        for index in sensors.indices {
            let sensor = sensors[index]
            if chance(faults.badDisk), let kind = SimDisk.Fault.allCases.randomElement(using: &generator) {
                sensor.disk.fail(call: Int.random(in: 1...12, using: &generator), kind)
            }
            if chance(faults.fullDisk) {
                let used = sensor.disk.state.with { $0.nodes.values.reduce(0) { $0 + $1.live.count } }
                sensor.disk.state.with { $0.capacity = $0.capacity == .max ? used + 2_000 : .max }
            }
            if sensor.spool != nil, chance(faults.sensorCrashes) { crash(index) }
            if chance(faults.partitions) {
                cutOff.insert(index)
                schedule(.rejoin(index), after: delay(20_000))
            }
        }
        if chance(faults.clockJumps) {
            clock.jumpWall(byMilliseconds: .random(in: -40_000_000_000...40_000_000_000, using: &generator))
        }
        if isAggregatorUp, chance(faults.aggregatorCrashes) { crashAggregator() }
    }
    private mutating func crash(_ index: Int) {
        crashes += 1
        let isCut = chance(faults.powerCuts)
        if isCut { cuts += 1 }
        sensors[index].crash(cut: isCut, &generator)
        if chance(faults.bitFlips) { sensors[index].flipBit(&generator) }
        if chance(faults.rollbacks) {
            let stored = Set(log.durable.keys.filter { $0.sensor == index }.map(\.key))
            sensors[index].takeBack(stored: stored)
        }
        schedule(.restart(index), after: delay(2_000))
    }
    private mutating func crashAggregator() {
        log.crash()
        isAggregatorUp = false
        for (index, sensor) in sensors.enumerated() {
            if let connection = sensor.connection {
                schedule(.connectionLost(index, connection: connection), after: delay(3_000))
            }
        }
        schedule(.aggregatorUp, after: delay(5_000))
    }
    /// The aggregator's data disk is gone, and each sensor is asked for what it still has.
    mutating func loseDiskAndReship() {
        log.loseDisk()
        for (index, sensor) in sensors.enumerated() {
            _ = sensor.spool?.reship(sinceMilliseconds: .min)
            schedule(.rejoin(index), after: .zero)
        }
    }

    // MARK: Events

    private mutating func take(_ event: Event) throws {
        switch event {
        case .append(let index): try sensors[index].append(&generator)
        case .restart(let index):
            guard sensors[index].spool == nil else { return }
            try sensors[index].start(seed: generator.next())
            if sensors[index].spool == nil { schedule(.restart(index), after: delay(2_000)) }
        case .aggregatorUp: isAggregatorUp = true
        case .rejoin(let index): cutOff.remove(index)
        case .connectResult(let index, let connection, let isFine):
            let sensor = sensors[index]
            guard sensor.connection == connection else { return }
            guard isFine, isAggregatorUp, !cutOff.contains(index) else {
                sensor.connection = nil
                return sensor.core.connectFailed(at: now)
            }
            sensor.isOpen = true
            try perform(sensor.core.connected(at: now), index)
        case .connectionLost(let index, let connection): lose(index, connection)
        case .request(let batch): receive(batch)
        case .requestFailed(let index, let key, let connection):
            guard sensors[index].connection == connection, sensors[index].onTheWay.remove(key) != nil else { return }
            try perform(sensors[index].core.failed(key, at: now), index)
        case .commit: commit()
        case .answer(let answer): try hear(answer)
        }
    }
    private mutating func lose(_ index: Int, _ connection: Int) {
        let sensor = sensors[index]
        guard sensor.connection == connection else { return }
        let wasOpen = sensor.isOpen
        (sensor.connection, sensor.isOpen, sensor.onTheWay) = (nil, false, [])
        if wasOpen { sensor.core.connectionLost(at: now) } else { sensor.core.connectFailed(at: now) }
    }

    private mutating func receive(_ batch: SimLog.Waiting) {
        guard isAggregatorUp, !cutOff.contains(batch.key.sensor) else { return }
        if chance(faults.broken) { return say(SimLog.Answer(waiting: batch, status: 503, digest: nil)) }
        if log.waiting.isEmpty { schedule(.commit, after: delay(20)) }
        log.take(batch)
    }
    private mutating func commit() {
        guard isAggregatorUp, !log.waiting.isEmpty else { return }
        // Nobody knows what a failed sync left: the process ends, its next start looks.
        if chance(faults.failedCommits) { return crashAggregator() }
        for answer in log.commit() { say(answer) }
    }
    private mutating func say(_ answer: SimLog.Answer) {
        if chance(faults.late) { schedule(.answer(answer), after: delay(40_000)) }
        if !chance(faults.lost) { schedule(.answer(answer), after: delay(200)) }
    }
    private mutating func hear(_ answer: SimLog.Answer) throws {
        let index = answer.waiting.key.sensor, key = answer.waiting.key.key, sensor = sensors[index]
        guard sensor.connection == answer.waiting.connection, !cutOff.contains(index) else { return }
        sensor.onTheWay.remove(key)
        let heard = IngestAnswer(
            status: answer.status, digest: answer.digest?.description, retryAfter: answer.status == 503 ? "1" : nil,
            reason: "")
        try perform(sensor.core.answered(key, heard, at: now), index)
    }

    // MARK: The sensor's shell

    private mutating func perform(_ directives: [ShipCore.Directive], _ index: Int) throws {
        let sensor = sensors[index]
        for directive in directives {
            switch directive {
            case .connect:
                connections += 1
                (sensor.connection, sensor.isOpen) = (connections, false)
                schedule(
                    .connectResult(index, connection: connections, isFine: !chance(faults.refused)), after: delay(50))
            case .disconnect: (sensor.connection, sensor.isOpen) = (nil, false)
            case .send(let key): try send(key, index)
            case .release(let key):
                guard log.durable[SimLog.Key(sensor: index, key: key)] != nil else {
                    throw Violation(description: "\(key) was released, not stored")
                }
                released += 1
                sensor.spool?.acknowledge([key])
            case .deadLetter(let key, let reason): throw Violation(description: "\(key) was set aside: \(reason)")
            }
        }
    }
    private mutating func send(_ key: BatchKey, _ index: Int) throws {
        let sensor = sensors[index]
        guard let connection = sensor.connection, sensor.isOpen, let digest = sensor.core.digest(of: key) else {
            return sensor.core.notSent(key)
        }
        // A disk that can't be read now may be read later.
        guard let body = try? sensor.spool?.body(of: key), BatchDigest(of: body) == digest else {
            return sensor.core.dropped(key)
        }
        sensor.onTheWay.insert(key)
        schedule(.requestFailed(index, key, connection: connection), after: .seconds(30))
        if chance(faults.lost) { return }
        schedule(
            .request(SimLog.Waiting(key: SimLog.Key(sensor: index, key: key), digest: digest, connection: connection)),
            after: delay(200))
    }

    // MARK: The end

    /// What must hold once the faults have ended and everything has come to rest.
    func checkSettled() throws {
        for (index, sensor) in sensors.enumerated() {
            let kept = log.durable.filter { $0.key.sensor == index }
            var missing = 0
            for (key, digest) in sensor.promised where kept[SimLog.Key(sensor: index, key: key)] != digest {
                missing += 1
                // What the medium has refused to read three times counts as damaged, like what a bit flip has hit.
                let refusedReads = sensor.disk.state.with { $0.failed.count { $0 == "read" } }
                guard sensor.hit.contains(key) || refusedReads >= 3 else {
                    throw Violation(description: "sensor \(index): \(key) is lost")
                }
            }
            guard missing <= sensor.damagedBatches + sensor.tornFiles * SimSensor.togetherMax else {
                throw Violation(description: "\(missing) lost, \(sensor.damagedBatches) counted as damaged")
            }
            if let back = kept.values.first(where: { sensor.refused.contains($0) }) {
                throw Violation(description: "sensor \(index): \(back) was refused, and is stored")
            }
            // A gap in an epoch's sequences looks like a loss, whatever was promised.
            guard sensor.damagedBatches == 0, sensor.hit.isEmpty, sensor.rollbacks == 0 else { continue }
            for (epoch, batches) in Dictionary(grouping: kept.keys, by: \.key.epoch) {
                guard let last = batches.map(\.key.sequence).max(), last + 1 != UInt64(batches.count) else { continue }
                throw Violation(description: "sensor \(index): \(epoch) has \(batches.count) of \(last + 1)")
            }
        }
        if let twice = log.times.first(where: { $0.value > 1 }) {
            throw Violation(description: "\(twice.key) is stored \(twice.value) times")
        }
    }

    // MARK: Chance and time

    private mutating func chance(_ percent: Int) -> Bool {
        percent > 0 && Int.random(in: 0..<100, using: &generator) < percent
    }
    private mutating func delay(_ milliseconds: Int) -> Duration {
        .milliseconds(Int.random(in: 1...milliseconds, using: &generator))
    }
    private mutating func schedule(_ event: Event, after delay: Duration) {
        let at = now + delay
        eventCount += 1
        let place = events.firstIndex { $0.at > at } ?? events.endIndex
        events.insert((at, eventCount, event), at: place)
    }
}
