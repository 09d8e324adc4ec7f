import FlowModel
import WireBytes

/// The sets of a NetFlow v9 or IPFIX message, in their order: a template serves from the very next set on.
extension DatagramDecoder {
    //= RFC 7011 §3.3.2
    /// A set is | number :2 | length with these four octets :2 | content |. One that can't be used is skipped by its
    /// length; one with an impossible length ends the message, and what came before it stays.
    mutating func decodeSets(
        _ datagram: RawSpan, _ header: MessageHeader, from origin: DatagramOrigin, into columns: inout FlowColumns,
        _ result: inout DecodeResult
    ) {
        result.exporter = ExporterKey(
            address: header.key.address, observationDomain: header.key.domain,
            exportProtocol: header.key.exportProtocol)
        var message = Message(header: header, origin: origin, place: store.place(of: header.key, origin))
        var offset = header.length
        while header.end - offset >= 4 {  // ends: each turn adds at least 4
            let number = datagram.be16(at: offset), length = Int(datagram.be16(at: offset + 2))
            // Some exporters forget a set's padding, 3 octets at most, in the message's length.
            let end = min(header.end + 3, datagram.byteCount)
            guard length >= 4, length <= end - offset else {
                // Some exporters fill the datagram up with zeros, which no set begins with.
                if !isZero(datagram.extracting(offset..<header.end), from: 0) {
                    result.lose(.badSet)
                    result.sequence?.isExact = header.isNetFlow9
                }
                return
            }
            let body = datagram.extracting((offset + 4)..<(offset + length))
            if number >= MessageHeader.dataSetMin {
                decodeData(body, number, &message, into: &columns, &result)
            } else if number == header.templateSet || number == header.optionsTemplateSet {
                learnTemplates(body, isOptions: number == header.optionsTemplateSet, &message, &result)
                if message.isRefused { return }
            } else {
                result.lose(.badSet)
            }
            offset += length
        }
    }

    private mutating func decodeData(
        _ body: RawSpan, _ number: UInt16, _ message: inout Message, into columns: inout FlowColumns,
        _ result: inout DecodeResult
    ) {
        guard let (template, isBorrowed) = store.template(number, at: message.place) else {
            result.lose(.noTemplate)
            result.sequence?.isExact = message.header.isNetFlow9
            return
        }
        let records: Int
        switch template.body {
        case .options(let plan):
            records = learnOptions(body, by: plan, at: message.place)
            result.optionRecords += records
        case .flows(let plan):
            guard let key = result.exporter, let exporter = columns.intern(key) else {
                result.losses[.exporterLimit] = 1
                return
            }
            var context = RecordContext(
                exporter: exporter, receiveMilliseconds: message.origin.receiveMilliseconds)
            context.exportMilliseconds = message.header.exportMilliseconds
            context.uptime = message.header.uptime
            context.systemInitMilliseconds = store.systemInitMilliseconds(at: message.place)
            context.isBorrowed = isBorrowed
            records = decodeFlows(body, by: plan, context, message.place, into: &columns, &result)
        }
        if !message.header.isNetFlow9 { result.sequence?.units &+= UInt32(truncatingIfNeeded: records) }
    }

    /// Returns how many records the set had; of a biflow's two rows only the first is one.
    private mutating func decodeFlows(
        _ body: RawSpan, by plan: FlowPlan, _ context: RecordContext, _ place: TemplateStore.Place,
        into columns: inout FlowColumns, _ result: inout DecodeResult
    ) -> Int {
        guard plan.variableLengths.isEmpty else {
            return decodeVariable(body, by: plan, context, place, into: &columns, &result)
        }
        let stride = plan.recordLength
        let rows = columns.fill(body, by: plan, in: context)
        if !isZero(body, from: rows.count * stride) { result.paddingNotZero += 1 }
        if !plan.reverseOps.isEmpty {
            for row in rows {
                let start = (row - rows.lowerBound) * stride
                columns.addReverse(of: row, plan.reverseOps, body, at: start, context, &result)
            }
        }
        if let rates = ratesToApply(plan, place) {
            columns.resolveSampling(rows, body, plan, rates)
            // Reverse sides: as far as known without a sampler's number.
            for row in rows.upperBound..<columns.count { columns.resolveSampling(row, nil, rates) }
        }
        return rows.count
    }

    func ratesToApply(_ plan: FlowPlan, _ place: TemplateStore.Place) -> SamplingRates? {
        store.hasRates(at: place) ? store.rates(at: place) : nil
    }
}

/// One message on its way through the decoder.
struct Message {
    let header: MessageHeader
    let origin: DatagramOrigin
    var place: TemplateStore.Place
    /// There is no room for this exporter: nothing of the message can be used.
    var isRefused = false
}

extension FlowColumns {
    @inline(__always)
    mutating func resolveSampling(_ row: Int, _ selector: UInt64?, _ rates: SamplingRates) {
        guard samplingInterval[row] == 0 else { return }
        samplingInterval[row] = rates.interval(selector: selector, ingressInterface: ingressInterface[row])
    }

    /// Gives the records of fixed length in `body` the rates told in options, where they have none of their own.
    mutating func resolveSampling(_ rows: Range<Int>, _ body: RawSpan, _ plan: FlowPlan, _ rates: SamplingRates) {
        let selector = plan.selector
        if selector.width == 0, let rate = rates.common {
            var intervals = samplingInterval.mutableSpan
            for row in rows where intervals[row] == 0 { intervals[row] = rate }
            return
        }
        var offset = selector.offset
        for row in rows {
            let id = selector.width > 0 ? body.beInteger(at: offset, width: selector.width) : nil
            resolveSampling(row, id, rates)
            offset &+= plan.recordLength
        }
    }

    //= RFC 5103 §6.1
    /// Makes the reverse side of the biflow in `row` a record of its own, ends exchanged, when it counted anything.
    mutating func addReverse(
        of row: Int, _ ops: [FieldOp], _ data: RawSpan, at start: Int, _ context: RecordContext,
        _ result: inout DecodeResult
    ) {
        let counters = ops.filter { $0.target == .octets || $0.target == .packets }
        let counted = counters.contains { op in
            op.place.width > 0 && data.beInteger(at: start + op.place.offset, width: min(op.place.width, 8)) > 0
        }
        guard counted else {
            result.reverseSidesEmpty += 1
            return
        }
        let reverse = extend(by: 1)
        self[reverse.lowerBound] = self[row].reversed
        for op in ops { apply(op, reverse, data, at: start, stride: 0, context) }
        repairTimes(reverse)
    }
}

extension FlowRecord {
    /// The other direction of the same conversation: ends exchanged, nothing counted. What a reply's ICMP type is can't
    /// be known from the request.
    fileprivate var reversed: FlowRecord {
        var other = self
        (other.sourceIPAddress, other.destinationIPAddress) = (destinationIPAddress, sourceIPAddress)
        (other.sourceTransportPort, other.destinationTransportPort) =
            IPProtocol.isICMP(protocolIdentifier) ? (0, 0) : (destinationTransportPort, sourceTransportPort)
        (other.ingressInterface, other.egressInterface) = (egressInterface, ingressInterface)
        (other.bgpSourceAsNumber, other.bgpDestinationAsNumber) = (bgpDestinationAsNumber, bgpSourceAsNumber)
        (other.sourceIPPrefixLength, other.destinationIPPrefixLength) =
            (destinationIPPrefixLength, sourceIPPrefixLength)
        (other.octetDeltaCount, other.packetDeltaCount, other.tcpControlBits) = (0, 0, 0)
        other.flowDirection = flowDirection == 255 ? 255 : 1 - min(flowDirection, 1)
        other.ipNextHopAddress = .absent
        return other
    }
}
