package import FlowModel
internal import WireBytes

/// Sends copies of datagrams, byte by byte as they came, to other collectors: what a site needs while it moves from one
/// collector to another, or to feed two.
///
/// Invariants: nothing here waits, so intake never does; what a target does not take is queued up to its limit and then
/// dropped, counted by target and reason; a datagram is sent to a target once or counted as lost, in the order in which
/// it came from one exporter. Each receiver thread has a forwarder of its own.
///
/// Loops: a target that is this sensor is refused; what came from a target's own address is not sent back to it. Two
/// sensors that forward to each other with `keepsSource` can't be told from exporters: nothing in a datagram says how
/// often it was forwarded. Don't point sensors at each other.
///
/// Not here: messages of TCP and TLS sessions, whose templates come once and would mean nothing to a target that did
/// not see the session begin.
package struct Forwarder: ~Copyable {
    private let outlets: [Outlet]
    /// What the operator should know, for the log: said once, here.
    package let warnings: [String]
    private let looksInside: Bool

    private struct Outlet {
        let target: ForwardTarget
        let address: IPAddress
        /// With the exporter's address; nil where that is not wanted or not allowed.
        let raw: SystemLane?
        let plain: SystemLane
    }

    /// - Parameter ownPorts: on which this sensor takes datagrams.
    /// - Throws: `ForwardError`: a target is no address, can't be reached by any socket, or is this sensor.
    package init(to targets: [ForwardTarget], ownPorts: Set<UInt16> = []) throws(ForwardError) {
        var outlets: [Outlet] = [], warnings: [String] = []
        for target in targets {
            guard let address = IPAddress(target.address), target.port != 0 else {
                throw ForwardError(description: "\(target.address) port \(target.port) is no address to forward to")
            }
            let plain: SystemLane
            do throws(ForwardError) {
                plain = try SystemLane(to: target, isRaw: false)
            } catch {
                throw ForwardError(description: "cannot forward to \(target.address) port \(target.port): \(error)")
            }
            // The kernel sends from the target's own address only when that is this machine's.
            guard plain.localAddress != address || !ownPorts.contains(target.port) else {
                throw ForwardError(description: "\(target.address) port \(target.port) is this sensor itself")
            }
            var raw: SystemLane?
            if target.keepsSource {
                do throws(ForwardError) {
                    raw = try SystemLane(to: target, isRaw: true)
                } catch {
                    warnings.append(
                        "copies to \(target.address) port \(target.port) come from this sensor's address, not the "
                            + "exporters': \(error); CAP_NET_RAW allows it")
                }
            }
            outlets.append(Outlet(target: target, address: address, raw: raw, plain: plain))
        }
        (self.outlets, self.warnings) = (outlets, warnings)
        looksInside = targets.contains { !$0.protocols.isEmpty }
    }

    package var isEmpty: Bool { outlets.isEmpty }

    /// Queues a copy for each target that wants it; sends when a batch is full.
    /// - Parameter datagram: whole: one that the receiver cut must not come here.
    package func forward(_ datagram: RawSpan, from origin: DatagramOrigin) {
        guard origin.session == 0 else { return }
        let kind = looksInside ? exportProtocol(of: datagram) : nil
        for outlet in outlets {
            let target = outlet.target
            guard target.localPorts.isEmpty || target.localPorts.contains(origin.localPort) else { continue }
            guard target.protocols.isEmpty || kind.map(target.protocols.contains) ?? false else { continue }
            Self.queue(datagram, origin, outlet)
        }
    }
    private static func queue(_ datagram: RawSpan, _ origin: DatagramOrigin, _ outlet: Outlet) {
        guard origin.source != outlet.address || isLoopback(origin.source) else { return outlet.plain.lose(.loop) }
        // An address of the other family can't stand in the target's packets.
        let canKeep = origin.source.isV4 == outlet.address.isV4
        let lane = canKeep ? outlet.raw ?? outlet.plain : outlet.plain
        let isV4 = outlet.address.isV4
        let needed = datagram.byteCount + (lane.isRaw ? PacketImage.headerBytes(isV4: isV4) : 0)
        if lane.waiting >= SystemLane.batchMax { lane.flush() }
        guard lane.hasRoom(for: needed) else { return }
        lane.add { bytes in
            guard lane.isRaw else { return bytes.append(datagram) }
            PacketImage.append(
                datagram, from: .init(address: origin.source, port: origin.sourcePort),
                to: .init(address: outlet.address, port: outlet.target.port), into: &bytes)
        }
    }
    private static func isLoopback(_ address: IPAddress) -> Bool {
        address.isV4 ? address.v4 >> 24 == 127 : address == IPAddress(high: 0, low: 1)
    }

    /// Sends what is queued as far as the kernel takes it: after each round of the receiver.
    package func flush() {
        for outlet in outlets {
            if let raw = outlet.raw, raw.waiting > 0 { raw.flush() }
            if outlet.plain.waiting > 0 { outlet.plain.flush() }
        }
    }

    /// What became of the copies, by target, in the order of the settings.
    package var counts: [(target: ForwardTarget, counts: ForwardCounts)] {
        outlets.map { outlet in
            var sum = outlet.plain.counts
            if let raw = outlet.raw { sum += raw.counts }
            sum.queued = UInt64(outlet.plain.waiting + (outlet.raw?.waiting ?? 0))
            return (outlet.target, sum)
        }
    }
}

/// What a datagram says it is by its first octets; nil for none of the protocols.
func exportProtocol(of datagram: RawSpan) -> ExportProtocol? {
    guard datagram.byteCount >= 4 else { return nil }
    switch datagram.be16(at: 0) {
    case 1: return .netflow1
    case 5: return .netflow5
    case 7: return .netflow7
    case 9: return .netflow9
    case 10: return .ipfix
    case 0:
        let version = datagram.be32(at: 0)
        return version == 5 ? .sflow5 : version == 4 ? .sflow4 : nil
    default: return nil
    }
}
