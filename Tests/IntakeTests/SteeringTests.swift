import Foundation
import Intake
import TestKit
import Testing
import WireBytes

import struct FlowModel.IPAddress

@Suite("Receivers share nothing")
struct SteeringTests {
    /// Which of the sockets each source address was heard on.
    private func places(
        _ group: UDPListenerGroup, _ receiver: inout DatagramReceiver
    ) throws -> [IPAddress: Set<Int>] {
        var places: [IPAddress: Set<Int>] = [:]
        for (index, listener) in group.listeners.enumerated() {
            while case let taken = try receiver.take(
                from: listener, at: 0, { _, origin, _ in places[origin.source, default: []].insert(index) }), taken > 0
            {}
        }
        return places
    }

    @Test(
        "C33 an exporter stays on one receiver whatever its source port, and exporters spread over all of them",
        arguments: [2, 3, 4])
    func bySource(_ count: Int) throws {
        let group = try UDPListenerGroup(address: "127.0.0.1", port: 0, bufferBytes: 4 << 20, count: count)
        #expect(group.steering == .bySourceAddress)
        #expect(Set(group.listeners.map(\.port)).count == 1)
        for exporter in 1...64 {
            for _ in 0..<8 {  // a new socket, so a new port, each time
                try UDPSender(to: group.port, from: "127.0.\(exporter % 7).\(exporter)").send([1])
            }
        }
        var receiver = try DatagramReceiver()
        let places = try self.places(group, &receiver)
        #expect(places.count == 64)
        #expect(places.values.allSatisfy { $0.count == 1 })
        let load = Dictionary(grouping: places.values.compactMap(\.first)) { $0 }.mapValues(\.count)
        #expect(load.count == count)
        #expect(load.values.allSatisfy { $0 >= 64 / count / 3 }, "\(load)")
    }

    @Test("C33 on a dual-stack port exporters of both families stay on one receiver each") func dualStack() throws {
        let group = try UDPListenerGroup(address: "::", port: 0, bufferBytes: 1 << 20, count: 2)
        for _ in 0..<16 {
            try UDPSender(to: group.port, over: AF_INET6).send([6])
            for exporter in 1...16 { try UDPSender(to: group.port, from: "127.0.0.\(exporter)").send([4]) }
        }
        var receiver = try DatagramReceiver()
        let places = try self.places(group, &receiver)
        #expect(places.count == 17)
        #expect(places.values.allSatisfy { $0.count == 1 })
        #expect(Set(places.values.joined()) == [0, 1])
    }

    @Test("one receiver needs no steering, and a kernel that refuses it leaves a warning that says what follows")
    func single() throws {
        let group = try UDPListenerGroup(address: "127.0.0.1", port: 0, bufferBytes: 8_192, count: 1)
        #expect(group.steering == .single)
        #expect(group.listeners.count == 1)
        #expect(group.warnings == [])
        let refused = UDPListenerGroup(group.listeners, steering: .byKernelHash(reason: "Operation not permitted"))
        #expect(refused.warnings.count == 1)
        #expect(refused.warnings[0].contains("can't be steered by source address (Operation not permitted)"))
    }

    @Test("a port that another sensor shares is not shared with it") func alone() throws {
        let group = try UDPListenerGroup(address: "127.0.0.1", port: 0, bufferBytes: 8_192, count: 2)
        #expect(
            throws: IntakeError.cannotBind(
                address: "127.0.0.1", port: group.port, reason: "Address already in use")
        ) { try UDPListenerGroup(address: "127.0.0.1", port: group.port, bufferBytes: 8_192, count: 2) }
    }

    @Test("connections of one address reach one receiver") func streams() throws {
        let group = try StreamListener.group(address: "127.0.0.1", port: 0, tls: nil, count: 2)
        var servers: [StreamServer] = []
        let numbers = SessionNumbers()
        for listener in group {
            servers.append(
                try StreamServer(
                    listeners: [listener], limits: StreamLimits(connectionsPerSecondMax: 1_000), numbers: numbers,
                    time: ManualTime()))
        }
        var clients: [TCPClient] = []
        for exporter in 1...16 {
            for _ in 0..<4 { clients.append(try TCPClient(to: group[0].port, from: "127.0.0.\(exporter)")) }
        }
        var places: [IPAddress: Set<Int>] = [:]
        for (index, server) in servers.enumerated() {
            for _ in 0..<8 { _ = server.serve(isReady: true) { _, _, _ in } }
            for case .opened(let peer, _, _) in server.takeEvents() { places[peer.source, default: []].insert(index) }
        }
        #expect(clients.count == 64)
        #expect(places.count == 16)
        #expect(places.values.allSatisfy { $0.count == 1 })
        #expect(Set(places.values.joined()) == [0, 1])
    }
}
