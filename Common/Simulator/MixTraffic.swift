internal import FlowModel

/// A flow as one exporter saw it.
struct Sighting: Sendable {
    var flow: FlowRecord
    /// Number of the exporter, 0-based.
    var exporter: Int
    /// An earlier sighting of the same flow has been made: by another router, or on entry by this one.
    var isRepeat = false
    /// The answer, where a protocol puts both directions into one record; nil else.
    var reverse: Reverse?
    /// 0 not translated; else the public source address of the edge and its port.
    var translatedAddress: UInt32 = 0, translatedPort: UInt16 = 0

    struct Reverse: Sendable {
        var octets: UInt64, packets: UInt64, flags: UInt16, start: Int64, end: Int64
    }
    init(_ flow: FlowRecord, exporter: Int) {
        (self.flow, self.exporter) = (flow, exporter)
    }
}

/// Endless ordinary traffic of one site, a conversation at a time.
///
/// Records come out in the order in which a cache would give them up: a short conversation when it ends, a long one in
/// pieces of the active timeout.
struct MixTraffic: Sendable {
    struct Options: Sendable {
        var exporters: Int, activeTimeoutSeconds: Int, usesIPv6: Bool, pairsDirections: Bool
        /// Records a second: pools of hosts grow with it, so that no host becomes a flood's victim by the rate alone.
        var recordsPerSecond: Int
    }
    /// Conversations that are in progress at once; while there are so many, no other becomes long.
    private static let longMax = 20_000
    private let mix: Mix, options: Options
    private let clients: Int, servers: Int, internetHosts: Int, resolvers: Int
    /// The service of each of a thousand draws.
    private let serviceOf: [UInt8]
    private var dice: Dice
    private var waiting: [Sighting] = [], waitingFrom = 0
    private var wheel: [[LongConversation]]
    private var longCount = 0, wheelSecond: Int64 = .min

    init(_ mix: Mix, _ options: Options, dice: Dice) {
        (self.mix, self.options, self.dice) = (mix, options, dice)
        let scale = 1 + options.recordsPerSecond / 5_000
        clients = min(mix.clients * scale, 60_000)
        servers = min(mix.servers * scale, 60_000)
        internetHosts = min(mix.internetHosts * scale, 60_000)
        resolvers = min(2 * scale, 250)
        serviceOf = mix.services.enumerated().flatMap { [UInt8](repeating: UInt8($0), count: $1.weight) }
        wheel = [[LongConversation]](repeating: [], count: max(options.activeTimeoutSeconds, 1) + 1)
    }

    /// The next record that is given up at or after `now`, of a flow that ended in the second before `now`'s.
    mutating func next(at now: Int64) -> Sighting {
        let second = now / 1_000
        if second != wheelSecond {
            waiting.removeFirst(waitingFrom)
            waitingFrom = 0
            advance(to: second)
        }
        while waitingFrom == waiting.count {
            waiting.removeAll(keepingCapacity: true)
            waitingFrom = 0
            converse(before: second * 1_000)
        }
        waitingFrom += 1
        return waiting[waitingFrom - 1]
    }

    // MARK: Conversations

    private mutating func converse(before end: Int64) {
        let service = mix.services[Int(serviceOf[dice.below(serviceOf.count)])]
        var request = FlowRecord()
        let clientNumber = address(of: service, into: &request)
        request.protocolIdentifier = service.protocolNumber
        setPorts(service, clientNumber, &request)
        let packets = dice.pareto(service.packets), octetsEach = dice.number(in: service.octets)
        let isAnswered = service.answerPercent > 0 && !dice.happens(mix.unanswered)
        let answers = isAnswered ? max(packets * service.answerPercent / 100, 1) : 0
        let pace = dice.number(in: service.pace)
        let answerOctetsEach = dice.number(in: service.answerOctets)
        let path = path(of: request, clientNumber, service.place)
        if packets >= 8, isAnswered, longCount < Self.longMax, dice.happens(mix.long) {
            let perSecond = min(max(1_000 / pace, 1), 200)
            begin(
                LongConversation(
                    request: request, path: path, packetsPerSecond: perSecond,
                    octetsEach: octetsEach, answersPerSecond: max(perSecond * service.answerPercent / 100, 1),
                    answerOctetsEach: answerOctetsEach, from: end, until: end + Int64(dice.number(in: 60_000...900_000))
                ))
            return
        }
        let timeout = options.activeTimeoutSeconds * 1_000
        let span = packets == 1 ? 0 : min((packets - 1) * pace, timeout - 1)
        request.flowEndMilliseconds = end - 1 - Int64(dice.below(1_000))
        request.flowStartMilliseconds = request.flowEndMilliseconds - Int64(span)
        count(&request, isAnswered ? packets : min(packets, 3), octetsEach)
        request.tcpControlBits = flags(of: request, isAnswered: isAnswered, isWhole: true)
        see(request, answers: answers, answerOctetsEach: answerOctetsEach, path)
    }

    private func count(_ flow: inout FlowRecord, _ packets: Int, _ octetsEach: Int) {
        flow.packetDeltaCount = UInt64(packets)
        flow.octetDeltaCount = UInt64(packets * octetsEach)
    }
    private func flags(of flow: FlowRecord, isAnswered: Bool, isWhole: Bool) -> UInt16 {
        guard flow.protocolIdentifier == IPProtocol.tcp else { return 0 }
        if !isAnswered { return TCPFlag.syn }
        let usual = TCPFlag.ack | TCPFlag.psh
        return isWhole ? usual | TCPFlag.syn | TCPFlag.fin : usual
    }

    /// Sets the ends' addresses; returns the caller's number, from which its habits follow.
    private mutating func address(of service: Service, into flow: inout FlowRecord) -> Int {
        let client = dice.rank(of: clients)
        let isV6 = options.usesIPv6 && dice.happens(mix.ipv6)
        let (network, number): (Int, Int)
        switch service.place {
        case .internet: (network, number) = (2, dice.rank(of: internetHosts))
        case .inside: (network, number) = (1, dice.rank(of: servers))
        case .resolver: (network, number) = (3, dice.below(resolvers))
        }
        if isV6 {
            flow.sourceIPAddress = IPAddress(high: 0x2001_0DB8_0001_0000, low: UInt64(client + 1))
            flow.destinationIPAddress = IPAddress(
                high: 0x2001_0DB8_0010_0000 + UInt64(network) << 16, low: UInt64(number + 1))
        } else {
            flow.sourceIPAddress = IPAddress(v4: 0x0A01_0000 + UInt32(client + 1))
            // 10.2.0.0/16 servers, 198.19.0.0/16 the world, 10.3.0.0/16 resolvers.
            let base: UInt32 = network == 2 ? 0xC613_0000 : network == 1 ? 0x0A02_0000 : 0x0A03_0000
            flow.destinationIPAddress = IPAddress(v4: base + UInt32(number + 1))
        }
        if mix.hasRouting { route(client, number, &flow) }
        if mix.tagged > 0 { flow.vlanId = client % 100 < Int(mix.tagged * 100) ? UInt16(10 + client % 8) : 0 }
        return client
    }
    /// AS numbers for documentation (RFC 5398), prefixes as routing tables have them.
    private func route(_ client: Int, _ number: Int, _ flow: inout FlowRecord) {
        let isV4 = flow.sourceIPAddress.isV4
        flow.bgpSourceAsNumber = UInt32(64_496 + client % 4)
        flow.bgpDestinationAsNumber = UInt32(64_500 + number % 12)
        flow.sourceIPPrefixLength = isV4 ? 20 : 64
        flow.destinationIPPrefixLength = isV4 ? 24 : 64
    }

    /// Two thirds of the hosts take 49152 and up, as Windows does, the rest 32768 to 60999, as Linux. A third of the
    /// clocks asks NTP from port 123.
    private mutating func setPorts(_ service: Service, _ client: Int, _ flow: inout FlowRecord) {
        flow.destinationTransportPort = service.port
        if service.protocolNumber == IPProtocol.icmp {
            if !flow.sourceIPAddress.isV4 {
                flow.protocolIdentifier = IPProtocol.icmpv6
                flow.destinationTransportPort = 128 << 8  // echo request
            }
            return
        }
        let range = client % 3 < 2 ? 49_152...65_535 : 32_768...60_999
        flow.sourceTransportPort = UInt16(dice.number(in: range))
        if service.port == 123, client % 3 == 0 { flow.sourceTransportPort = 123 }
    }

    // MARK: Long ones

    /// A conversation beyond the active timeout: a record each way every timeout.
    struct LongConversation: Sendable {
        var request: FlowRecord
        let path: Path
        let packetsPerSecond: Int, octetsEach: Int, answersPerSecond: Int, answerOctetsEach: Int
        var from: Int64
        let until: Int64
        var isFirst = true
    }

    private mutating func begin(_ conversation: LongConversation) {
        longCount += 1
        let due = conversation.from / 1_000 + Int64(options.activeTimeoutSeconds)
        wheel[Int(due % Int64(wheel.count))].append(conversation)
    }
    /// Gives up the pieces that are due until `second`.
    private mutating func advance(to second: Int64) {
        let first = wheelSecond == .min ? second : wheelSecond + 1
        wheelSecond = second
        guard first <= second else { return }
        for due in first...second {
            let slot = Int(due % Int64(wheel.count))
            let conversations = wheel[slot]
            wheel[slot] = []
            for conversation in conversations { giveUpPiece(conversation, at: due * 1_000) }
        }
    }
    private mutating func giveUpPiece(_ conversation: LongConversation, at now: Int64) {
        var next = conversation, piece = conversation.request
        let end = min(now, conversation.until), span = max(end - conversation.from, 1)
        let packets = max(Int(span) * conversation.packetsPerSecond / 1_000, 1)
        let answers = max(Int(span) * conversation.answersPerSecond / 1_000, 1)
        let isLast = end == conversation.until
        (piece.flowStartMilliseconds, piece.flowEndMilliseconds) = (conversation.from, end - 1)
        count(&piece, packets, conversation.octetsEach)
        var flags = flags(of: piece, isAnswered: true, isWhole: false)
        if flags != 0, conversation.isFirst { flags |= TCPFlag.syn }
        if flags != 0, isLast { flags |= TCPFlag.fin }
        piece.tcpControlBits = flags
        see(piece, answers: answers, answerOctetsEach: conversation.answerOctetsEach, conversation.path)
        longCount -= 1
        guard !isLast else { return }
        (next.from, next.isFirst) = (end, false)
        begin(next)
    }

    // MARK: Who sees it

    /// The way of a conversation through the site, the same for all of its pieces.
    struct Path: Sendable {
        enum Copies: Sendable { case none, egress, nextRouter }
        var exporter: Int, copies: Copies
        var ingress: UInt32, egress: UInt32
        var translatedAddress: UInt32 = 0, translatedPort: UInt16 = 0
    }
    private mutating func path(of request: FlowRecord, _ client: Int, _ place: Service.Place) -> Path {
        let exporters = options.exporters
        let both = mix.twoRouters + mix.bothSides, chance = both > 0 ? dice.unit() : 1
        let copies: Path.Copies =
            chance <= mix.bothSides ? .egress : chance <= both && exporters > 1 ? .nextRouter : .none
        // The edge is exporter 0; what stays inside passes the others. With many, each has its own clients.
        var path = Path(
            exporter: place == .internet && exporters < 3 ? 0 : (client + 1) % exporters, copies: copies,
            ingress: UInt32(1 + client % 4), egress: place == .internet ? 10 : 5)
        if place == .internet, request.sourceIPAddress.isV4, dice.happens(mix.translated) {
            path.translatedAddress = 0xCB00_7101  // 203.0.113.1
            path.translatedPort = UInt16(1_024 + dice.below(64_000))
        }
        return path
    }

    private mutating func see(_ request: FlowRecord, answers: Int, answerOctetsEach: Int, _ path: Path) {
        var sighting = Sighting(request, exporter: path.exporter)
        (sighting.flow.ingressInterface, sighting.flow.egressInterface) = (path.ingress, path.egress)
        sighting.flow.flowDirection = 0
        (sighting.translatedAddress, sighting.translatedPort) = (path.translatedAddress, path.translatedPort)
        if options.pairsDirections {
            if answers > 0 { sighting.reverse = reverse(of: sighting.flow, answers, answerOctetsEach) }
            return note(sighting, path.copies)
        }
        note(sighting, path.copies)
        guard answers > 0 else { return }
        note(answer(to: sighting, answers, answerOctetsEach), path.copies)
    }

    private mutating func note(_ sighting: Sighting, _ copies: Path.Copies) {
        waiting.append(sighting)
        guard copies != .none else { return }
        var copy = sighting
        copy.isRepeat = true
        if copies == .egress {
            copy.flow.flowDirection = 1
        } else {
            copy.exporter = (sighting.exporter + 1) % options.exporters
            swap(&copy.flow.ingressInterface, &copy.flow.egressInterface)
            // The next router meets each packet a little later.
            copy.flow.flowStartMilliseconds += 1
            copy.flow.flowEndMilliseconds += 1
            (copy.translatedAddress, copy.translatedPort) = (0, 0)
        }
        waiting.append(copy)
    }

    private func reverse(of flow: FlowRecord, _ answers: Int, _ octetsEach: Int) -> Sighting.Reverse {
        Sighting.Reverse(
            octets: UInt64(answers * octetsEach), packets: UInt64(answers), flags: flow.tcpControlBits,
            start: flow.flowStartMilliseconds, end: flow.flowEndMilliseconds)
    }
    private func answer(to sighting: Sighting, _ answers: Int, _ octetsEach: Int) -> Sighting {
        var reply = Sighting(sighting.flow.answered, exporter: sighting.exporter)
        count(&reply.flow, answers, octetsEach)
        return reply
    }
}

extension FlowRecord {
    /// The other direction: ends, interfaces and origins exchanged, the counters still those of this one.
    var answered: FlowRecord {
        var reply = self
        swap(&reply.sourceIPAddress, &reply.destinationIPAddress)
        swap(&reply.sourceTransportPort, &reply.destinationTransportPort)
        swap(&reply.ingressInterface, &reply.egressInterface)
        swap(&reply.bgpSourceAsNumber, &reply.bgpDestinationAsNumber)
        swap(&reply.sourceIPPrefixLength, &reply.destinationIPPrefixLength)
        if IPProtocol.isICMP(protocolIdentifier) {
            (reply.sourceTransportPort, reply.destinationTransportPort) = (0, isV4Echo ? 0 : 129 << 8)
        }
        return reply
    }
    private var isV4Echo: Bool { protocolIdentifier == IPProtocol.icmp }
}
