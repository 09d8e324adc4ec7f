internal import FlowModel

/// One attack as it goes on: its records, step by step, and what it has been so far.
struct AttackTraffic: Sendable {
    let attack: Attack
    private let schedule: AttackSchedule
    private let startMilliseconds: Int64
    private var stepsDone = 0
    private var dice: Dice
    /// As it happened on the link, before sampling, loss and everything else.
    private(set) var tally = Tally()
    private(set) var firstMilliseconds = Int64.max, lastMilliseconds = Int64.min

    init(_ attack: Attack, runSeconds: Int, startMilliseconds: Int64, dice: Dice) {
        (self.attack, self.startMilliseconds, self.dice) = (attack, startMilliseconds, dice)
        schedule = AttackSchedule(attack, runSeconds: runSeconds)
    }

    /// Appends the records of flows that end before `time`, in ms since 1970.
    mutating func append(before time: Int64, to flows: inout [FlowRecord]) {
        let steps = schedule.steps(before: time - startMilliseconds), from = flows.count
        while stepsDone < steps {
            // A piece of a long transfer is given up at its end, so it is timed by that.
            let ordinal = attack == .exfiltration ? stepsDone + 1 : stepsDone
            let offset = schedule.from + schedule.length * Int64(ordinal) / Int64(schedule.steps)
            step(stepsDone, at: startMilliseconds + offset, &flows)
            stepsDone += 1
        }
        for index in from..<flows.count {
            flows[index].flowDirection = 0
            if flows[index].ingressInterface == 0 {
                (flows[index].ingressInterface, flows[index].egressInterface) = (10, 1)
            }
            tally += flows[index].tally
            firstMilliseconds = min(firstMilliseconds, flows[index].flowStartMilliseconds)
            lastMilliseconds = max(lastMilliseconds, flows[index].flowEndMilliseconds)
        }
    }

    private mutating func step(_ index: Int, at time: Int64, _ flows: inout [FlowRecord]) {
        switch attack {
        case .scanVertical: probe(attack.victim.address, port: UInt16(1 + index), at: time, isRefused: true, &flows)
        case .scanHorizontal: probe(host(of: attack.victim, index % 250), port: 445, at: time, isRefused: false, &flows)
        case .scanSlow:
            probe(host(of: attack.victim, index % 250), port: 3_389, at: time, isRefused: index % 3 == 0, &flows)
        case .passwordGuessing: guess(at: time, &flows)
        case .flood: flood(source: dice.below(400), attack.victim.address, packets: 250, octets: 1_400, time, &flows)
        case .floodSYN: synFlood(at: time, &flows)
        case .floodDNS: reflect(index % 300, port: 53, packets: 67, octets: 1_400, time, &flows)
        case .floodNTP: reflect(index % 300, port: 123, packets: 100, octets: 468, time, &flows)
        case .floodMemcached: reflect(index % 40, port: 11_211, packets: 1_000, octets: 1_428, time, &flows)
        case .carpetBombing:
            flood(
                source: dice.below(400), host(of: attack.victim, index % 126), packets: 300, octets: 1_000, time, &flows
            )
        case .beacon: beacon(at: time, &flows)
        case .exfiltration: exfiltrate(index, at: time, &flows)
        case .lateralMovement: move(index, at: time, &flows)
        case .dnsTunnel: tunnel(at: time, &flows)
        }
    }

    // MARK: Parts

    private func host(of network: IPNetwork, _ number: Int) -> IPAddress {
        IPAddress(v4: network.address.v4 + UInt32(1 + number))
    }
    private func flow(
        _ source: IPAddress, _ sourcePort: Int, _ destination: IPAddress, _ port: UInt16, _ protocolNumber: UInt8
    ) -> FlowRecord {
        var flow = FlowRecord()
        (flow.sourceIPAddress, flow.destinationIPAddress) = (source, destination)
        (flow.sourceTransportPort, flow.destinationTransportPort) = (UInt16(sourcePort), port)
        flow.protocolIdentifier = protocolNumber
        return flow
    }
    private func counted(_ flow: FlowRecord, _ packets: Int, _ octetsEach: Int, _ flags: UInt16 = 0) -> FlowRecord {
        var flow = flow
        (flow.packetDeltaCount, flow.octetDeltaCount) = (UInt64(packets), UInt64(packets * octetsEach))
        flow.tcpControlBits = flags
        return flow
    }
    private func timed(_ flow: FlowRecord, end: Int64, span: Int) -> FlowRecord {
        var flow = flow
        (flow.flowStartMilliseconds, flow.flowEndMilliseconds) = (end - Int64(span), end)
        return flow
    }
    /// From the inside out: the other way round through the edge.
    private func outward(_ flow: FlowRecord) -> FlowRecord {
        var flow = flow
        (flow.ingressInterface, flow.egressInterface) = (1, 10)
        return flow
    }
    private static let session = TCPFlag.syn | TCPFlag.ack | TCPFlag.psh | TCPFlag.fin

    // MARK: Attacks

    private mutating func probe(
        _ victim: IPAddress, port: UInt16, at time: Int64, isRefused: Bool, _ flows: inout [FlowRecord]
    ) {
        let source = dice.number(in: 40_000...60_000)
        let plain = timed(flow(attack.attacker.address, source, victim, port, IPProtocol.tcp), end: time, span: 0)
        flows.append(counted(plain, 1, 44, TCPFlag.syn))
        if isRefused { flows.append(counted(plain.answered, 1, 40, TCPFlag.rst | TCPFlag.ack)) }
    }
    private mutating func guess(at time: Int64, _ flows: inout [FlowRecord]) {
        let source = dice.number(in: 40_000...60_000), span = dice.number(in: 1_400...2_200)
        let plain = timed(
            flow(attack.attacker.address, source, attack.victim.address, 22, IPProtocol.tcp), end: time, span: span)
        flows.append(counted(plain, dice.number(in: 15...17), 120, Self.session))
        flows.append(counted(plain.answered, dice.number(in: 14...16), 160, Self.session))
    }
    private mutating func flood(
        source: Int, _ victim: IPAddress, packets: Int, octets: Int, _ time: Int64, _ flows: inout [FlowRecord]
    ) {
        let plain = flow(
            host(of: attack.attacker, source), dice.number(in: 1_024...65_000), victim, 80, IPProtocol.udp)
        flows.append(counted(timed(plain, end: time + 999, span: 999), packets, octets))
    }
    private mutating func synFlood(at time: Int64, _ flows: inout [FlowRecord]) {
        let source = host(of: attack.attacker, dice.below(16_000)), port = dice.number(in: 1_024...65_000)
        let plain = flow(source, port, attack.victim.address, 443, IPProtocol.tcp)
        flows.append(counted(timed(plain, end: time, span: 0), 1, 40, TCPFlag.syn))
    }
    private mutating func reflect(
        _ source: Int, port: Int, packets: Int, octets: Int, _ time: Int64, _ flows: inout [FlowRecord]
    ) {
        let plain = flow(
            host(of: attack.attacker, source), port, attack.victim.address, UInt16(dice.number(in: 1_024...65_000)),
            IPProtocol.udp)
        flows.append(counted(timed(plain, end: time + 999, span: 999), packets, octets))
    }
    private mutating func beacon(at time: Int64, _ flows: inout [FlowRecord]) {
        let plain = outward(
            flow(
                attack.attacker.address, dice.number(in: 49_152...65_535), attack.victim.address, 443, IPProtocol.tcp))
        // The call is punctual, its end is not quite.
        let jittered = timed(plain, end: time + Int64(dice.below(150)), span: 180)
        flows.append(counted(jittered, 7, 60, Self.session))
        flows.append(counted(jittered.answered, 5, 52, Self.session))
    }
    private mutating func exfiltrate(_ index: Int, at time: Int64, _ flows: inout [FlowRecord]) {
        let span = Int(schedule.length) / schedule.steps, packets = 500_000_000 / schedule.steps / 1_400
        let plain = outward(
            flow(attack.attacker.address, 51_413, attack.victim.address, 443, IPProtocol.tcp))
        let piece = timed(plain, end: time - 1, span: span - 1)
        let flags = index == 0 ? TCPFlag.syn | TCPFlag.ack : TCPFlag.ack
        flows.append(counted(piece, packets, 1_400, flags | TCPFlag.psh))
        flows.append(counted(piece.answered, packets / 2, 52, flags))
    }
    private mutating func move(_ index: Int, at time: Int64, _ flows: inout [FlowRecord]) {
        let port = attack.ports[index % 3], victim = host(of: attack.victim, index)
        var plain = flow(attack.attacker.address, dice.number(in: 49_152...65_535), victim, port, IPProtocol.tcp)
        (plain.ingressInterface, plain.egressInterface) = (1, 2)
        let session = timed(plain, end: time, span: 3_000)
        flows.append(counted(session, dice.number(in: 40...90), 300, Self.session))
        flows.append(counted(session.answered, dice.number(in: 40...90), 400, Self.session))
    }
    private mutating func tunnel(at time: Int64, _ flows: inout [FlowRecord]) {
        let plain = outward(
            flow(attack.attacker.address, dice.number(in: 49_152...65_535), attack.victim.address, 53, IPProtocol.udp))
        let query = timed(plain, end: time + 30, span: 30)
        flows.append(counted(query, 1, dice.number(in: 180...230)))
        flows.append(counted(query.answered, 1, dice.number(in: 250...480)))
    }
}
