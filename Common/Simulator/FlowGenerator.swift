package import FlowModel
internal import Platform

/// Flow records second by second: those that end in a second come with it, as from a flow cache with short timeouts.
package struct FlowGenerator: Sendable {
    package let scenario: Scenario
    package let seconds: Int
    private let conversationsPerSecond: Int
    private let startMilliseconds: Int64
    private let usesIPv6: Bool
    private var generator: SeededGenerator

    /// - Parameters:
    ///   - flowsPerSecond: of the office; attacks come on top.
    ///   - seconds: how long; attacks take place within it, shortened if it is short.
    ///   - startMilliseconds: ms since 1970 UTC.
    ///   - usesIPv6: whether a tenth of the office speaks IPv6.
    package init(
        scenario: Scenario, flowsPerSecond: Int, seconds: Int, startMilliseconds: Int64, seed: UInt64, usesIPv6: Bool
    ) {
        self.scenario = scenario
        self.seconds = max(seconds, 1)
        self.startMilliseconds = startMilliseconds
        self.usesIPv6 = usesIPv6
        conversationsPerSecond = max(flowsPerSecond / 2, 1)
        generator = SeededGenerator(seed: seed)
    }

    /// The records that end in `second` (0..<seconds), in the order of their ends. Ask for each second once, in order.
    package mutating func flows(inSecond second: Int) -> [FlowRecord] {
        let end = startMilliseconds + Int64(second) * 1_000
        var flows: [FlowRecord] = []
        if scenario.hasOffice {
            for _ in 0..<conversationsPerSecond { flows += conversation(endingIn: end) }
        }
        for attack in scenario.attacks { flows += self.attack(attack, second: second, end: end) }
        return flows.sorted { $0.flowEndMilliseconds < $1.flowEndMilliseconds }
    }

    // MARK: The office

    private struct Service {
        let port: UInt16, protocolNumber: UInt8, weight: Int, packets: ClosedRange<Int>, octets: ClosedRange<Int>
    }
    private static let services = [
        Service(port: 443, protocolNumber: IPProtocol.tcp, weight: 50, packets: 8...120, octets: 90...1_100),
        Service(port: 53, protocolNumber: IPProtocol.udp, weight: 25, packets: 1...2, octets: 60...180),
        Service(port: 80, protocolNumber: IPProtocol.tcp, weight: 10, packets: 6...60, octets: 80...1_200),
        Service(port: 443, protocolNumber: IPProtocol.udp, weight: 8, packets: 10...200, octets: 300...1_250),
        Service(port: 123, protocolNumber: IPProtocol.udp, weight: 3, packets: 1...1, octets: 76...76),
        Service(port: 993, protocolNumber: IPProtocol.tcp, weight: 4, packets: 10...80, octets: 80...900),
    ]

    private mutating func conversation(endingIn end: Int64) -> [FlowRecord] {
        var pick = number(in: 0...99), service = Self.services[0]
        for candidate in Self.services {
            service = candidate
            pick -= candidate.weight
            if pick < 0 { break }
        }
        var request = FlowRecord()
        let isV6 = usesIPv6 && number(in: 0...9) == 0
        let client = UInt32(number(in: 1...200)), server = UInt32(number(in: 1...40))
        if isV6 {
            request.sourceIPAddress = IPAddress(high: 0x2001_0DB8_0001_0000, low: UInt64(client))
            request.destinationIPAddress = IPAddress(high: 0x2001_0DB8_00FF_0000, low: UInt64(server))
        } else {
            request.sourceIPAddress = IPAddress(v4: 0x0A01_0000 + client)
            request.destinationIPAddress = IPAddress(v4: 0xC000_0200 + server)  // 192.0.2.0/24
        }
        request.protocolIdentifier = service.protocolNumber
        request.sourceTransportPort = UInt16(number(in: 32_768...60_999))
        request.destinationTransportPort = service.port
        let packets = number(in: service.packets)
        let finish = end + Int64(number(in: 0...999))
        request.flowEndMilliseconds = finish
        request.flowStartMilliseconds = finish - Int64(packets == 1 ? 0 : number(in: 20...900))
        fill(&request, packets: packets, octetsEach: number(in: service.octets))
        return [
            request, answer(to: request, packets: packets + number(in: 0...3), octetsEach: number(in: 100...1_200)),
        ]
    }

    // MARK: Attacks

    private mutating func attack(_ attack: Scenario, second: Int, end: Int64) -> [FlowRecord] {
        // Each attack has its own part of the time, so that a short run still holds all of it.
        let first = seconds / 10, length = max(seconds * 8 / 10, 1)
        guard second >= first, second < first + length else { return [] }
        let index = second - first
        switch attack {
        case .scanVertical: return verticalScan(index, of: min(length, 10), end)
        case .scanHorizontal: return horizontalScan(index, of: min(length, 10), end)
        case .passwordGuessing: return guessing(index, of: length, end)
        // Long enough that any detector's bucket of five seconds lies wholly within it.
        case .flood: return index < min(length, 12) ? flood(end) : []
        case .office, .mixed: return []
        }
    }

    /// The items of `0..<count` that fall to step `index` of `steps`.
    private func share(_ count: Int, _ index: Int, of steps: Int) -> Range<Int> {
        index < steps ? (count * index / steps)..<(count * (index + 1) / steps) : 0..<0
    }

    private mutating func verticalScan(_ index: Int, of steps: Int, _ end: Int64) -> [FlowRecord] {
        share(1_000, index, of: steps).flatMap { item in
            probe(
                from: Scenario.scanVertical.attacker, to: Scenario.scanVertical.victim, port: UInt16(1 + item), at: end,
                isAnswered: true)
        }
    }
    private mutating func horizontalScan(_ index: Int, of steps: Int, _ end: Int64) -> [FlowRecord] {
        share(250, index, of: steps).flatMap { item in
            probe(
                from: Scenario.scanHorizontal.attacker, to: IPAddress(v4: 0xC633_6400 + UInt32(1 + item)), port: 445,
                at: end, isAnswered: false)
        }
    }
    private mutating func probe(
        from attacker: IPAddress?, to victim: IPAddress?, port: UInt16, at end: Int64, isAnswered: Bool
    ) -> [FlowRecord] {
        var request = FlowRecord()
        request.sourceIPAddress = attacker ?? .absent
        request.destinationIPAddress = victim ?? .absent
        request.protocolIdentifier = IPProtocol.tcp
        request.sourceTransportPort = UInt16(number(in: 40_000...60_000))
        request.destinationTransportPort = port
        request.flowEndMilliseconds = end + Int64(number(in: 0...999))
        request.flowStartMilliseconds = request.flowEndMilliseconds
        fill(&request, packets: 1, octetsEach: 44)
        request.tcpControlBits = TCPFlag.syn
        guard isAnswered else { return [request] }
        var refusal = answer(to: request, packets: 1, octetsEach: 40)
        refusal.tcpControlBits = TCPFlag.rst | TCPFlag.ack
        return [request, refusal]
    }

    private mutating func guessing(_ index: Int, of steps: Int, _ end: Int64) -> [FlowRecord] {
        share(40, index, of: steps).flatMap { _ -> [FlowRecord] in
            var session = FlowRecord()
            session.sourceIPAddress = Scenario.passwordGuessing.attacker ?? .absent
            session.destinationIPAddress = Scenario.passwordGuessing.victim ?? .absent
            session.protocolIdentifier = IPProtocol.tcp
            session.sourceTransportPort = UInt16(number(in: 40_000...60_000))
            session.destinationTransportPort = 22
            session.flowEndMilliseconds = end + Int64(number(in: 0...999))
            session.flowStartMilliseconds = session.flowEndMilliseconds - Int64(number(in: 1_400...2_200))
            fill(&session, packets: number(in: 15...17), octetsEach: 120)
            return [session, answer(to: session, packets: number(in: 14...16), octetsEach: 160)]
        }
    }

    private mutating func flood(_ end: Int64) -> [FlowRecord] {
        (0..<100).map { _ in
            var part = FlowRecord()
            // Spoofed sources from the benchmark range 198.18.0.0/15 (RFC 2544).
            part.sourceIPAddress = IPAddress(v4: 0xC612_0000 + UInt32(number(in: 1...400)))
            part.destinationIPAddress = Scenario.flood.victim ?? .absent
            part.protocolIdentifier = IPProtocol.udp
            part.sourceTransportPort = UInt16(number(in: 1_024...65_000))
            part.destinationTransportPort = 80
            part.flowEndMilliseconds = end + 999
            part.flowStartMilliseconds = end
            fill(&part, packets: 250, octetsEach: 1_400)
            return part
        }
    }

    // MARK: Parts

    private func fill(_ flow: inout FlowRecord, packets: Int, octetsEach: Int) {
        flow.packetDeltaCount = UInt64(packets)
        flow.octetDeltaCount = UInt64(packets * octetsEach)
        flow.samplingInterval = 0
        (flow.ingressInterface, flow.egressInterface) = (1, 2)
        if flow.protocolIdentifier == IPProtocol.tcp {
            flow.tcpControlBits = TCPFlag.syn | TCPFlag.ack | TCPFlag.psh | TCPFlag.fin
        }
    }
    private func answer(to request: FlowRecord, packets: Int, octetsEach: Int) -> FlowRecord {
        var reply = request
        (reply.sourceIPAddress, reply.destinationIPAddress) = (request.destinationIPAddress, request.sourceIPAddress)
        (reply.sourceTransportPort, reply.destinationTransportPort) = (
            request.destinationTransportPort, request.sourceTransportPort
        )
        fill(&reply, packets: packets, octetsEach: octetsEach)
        (reply.ingressInterface, reply.egressInterface) = (2, 1)
        return reply
    }
    private mutating func number(in range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &generator) }
}
