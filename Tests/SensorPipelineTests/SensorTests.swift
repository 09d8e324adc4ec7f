import FlowModel
import Foundation
import Glibc
import Logging
import Platform
import SensorPipeline
import Settings
import TestKit
import Testing
import WireBytes

/// A folder with a certificate of its own making and settings for a sensor whose aggregator is away.
private struct Site {
    let folder: TemporaryFolder
    private(set) var settings: SensorSettings

    init(_ overrides: String...) throws {
        folder = try TemporaryFolder("weir-sensor")
        let made = try Program.run(
            "openssl",
            [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                "-subj", "/CN=sensor", "-keyout", folder.file("own.key").path, "-out", folder.file("own.pem").path,
            ])
        #expect(made.status == 0, "\(made.errors)")
        let text = """
            trustDomain: weir.test
            aggregators: ["127.0.0.1:1"]
            listen:
              addresses: ["127.0.0.1:0"]

            """
            + "tls:\n  certificate: own.pem\n  key: own.key\n  trust: own.pem\nspool:\n  directory: spool\n"
            + "stop:\n  drain: 0s\nmetrics:\n  listen: 127.0.0.1:0\naggregate:\n  window: 100ms\n"
        settings = try SensorSettings(
            SettingsReader(text: [UInt8](text.utf8), file: folder.path + "/sensor.yaml", overrides: overrides))
        self.text = text
    }
    private let text: String
    func settings(_ overrides: String...) throws -> SensorSettings {
        try SensorSettings(
            SettingsReader(text: [UInt8](text.utf8), file: folder.path + "/sensor.yaml", overrides: overrides))
    }
    func sensor(at time: any TimeSource = SystemTime()) throws -> Sensor {
        try Sensor(
            settings: settings, version: "1.2.3", time: time,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }
}

/// The machine's clocks, the one that people go by being wrong.
private struct WrongTime: TimeSource {
    let aheadMilliseconds: Int64
    func wallMilliseconds() -> Int64 { SystemTime().wallMilliseconds() + aheadMilliseconds }
    func monotonic() -> Duration { SystemTime().monotonic() }
}

/// One request to a port of this machine, as bytes out and bytes in.
private func exchange(_ port: UInt16, _ request: String) throws -> String {
    let client = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(client) }
    #expect(connectLoopback(client, port))
    _ = send(client, request, request.utf8.count, Int32(MSG_NOSIGNAL))
    var answer: [UInt8] = [], chunk = [UInt8](repeating: 0, count: 65_536)
    while true {
        let count = recv(client, &chunk, chunk.count, 0)
        if count <= 0 { return String(decoding: answer, as: UTF8.self) }
        answer += chunk[..<count]
    }
}
/// A socket whose datagrams go to a port of this machine.
private func exporter(to port: UInt16) -> Int32 {
    let exporter = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
    #expect(connectLoopback(exporter, port))
    return exporter
}
private func connectLoopback(_ descriptor: Int32, _ port: UInt16) -> Bool {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    return withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
        }
    }
}

@Suite(
    "A whole sensor, its aggregator away", .enabled(if: Program.isInstalled("openssl"), "openssl makes the certificate")
)
struct SensorTests {
    @Test("what is sent to its port is in its ledger, its metrics and its spool, and waits there for the next start")
    func receives() throws {
        let site = try Site()
        let sensor = try site.sensor()
        try sensor.start()
        let port = try #require(sensor.listenPorts.first), status = try #require(sensor.statusPort)
        let exporter = exporter(to: port)
        defer { close(exporter) }
        var exports = Exports(seed: 1)
        for _ in 0..<50 {
            let datagram = exports.datagram(records: 20)
            #expect(send(exporter, datagram, datagram.count, 0) == datagram.count)
        }
        #expect(send(exporter, "??", 2, 0) == 2)
        let deadline = Date(timeIntervalSinceNow: 20)
        while sensor.ledger.total.sealed != exports.sent, Date() < deadline { usleep(20_000) }
        let page = try exchange(status, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        #expect(page.hasPrefix("HTTP/1.0 200 OK\r\n") && page.contains("\nweir_decode_records_total 1000\n"))
        #expect(page.contains("\nweir_sensor_info{version=\"1.2.3\"} 1\n"))
        #expect(
            page.contains("\nweir_decode_sets_held_total 0\n") && page.contains("\nweir_spool_retired_files_total 0\n"))
        #expect(try exchange(status, "GET /readyz HTTP/1.0\r\n\r\n").hasSuffix("ready\n"))
        sensor.stop()
        let ledger = sensor.ledger
        #expect(ledger.total.decoded == exports.sent && ledger.total.sealed == exports.sent)
        #expect(ledger.total.open.flows == 0 && ledger.unattributedDatagrams == 1)
        let waiting = sensor.backlog.batches
        #expect(waiting > 0)
        #expect(throws: SensorError.self, "one process a spool") { try site.sensor() }
    }

    @Test(
        "with a clock at which the certificate is not valid, what comes is spooled all the same",
        arguments: [-400, 400] as [Int64])
    func wrongClock(daysAhead: Int64) throws {
        let site = try Site("aggregate.window=10m")
        let sensor = try site.sensor(at: WrongTime(aheadMilliseconds: daysAhead * 86_400_000))
        try sensor.start()
        let port = try #require(sensor.listenPorts.first)
        let exporter = exporter(to: port)
        defer { close(exporter) }
        var exports = Exports(seed: 4)
        let datagram = exports.datagram(records: 30)
        #expect(send(exporter, datagram, datagram.count, 0) == datagram.count)
        sensor.stop()
        #expect(sensor.ledger.total.sealed == exports.sent && sensor.backlog.batches == 1)
    }

    @Test("stopping hands on what is in the table and in the kernel's queue") func stops() throws {
        let site = try Site("aggregate.window=10m")
        let sensor = try site.sensor()
        try sensor.start()
        let port = try #require(sensor.listenPorts.first)
        let exporter = exporter(to: port)
        defer { close(exporter) }
        var exports = Exports(seed: 2)
        for _ in 0..<200 {
            let datagram = exports.datagram(records: 30)
            #expect(send(exporter, datagram, datagram.count, 0) == datagram.count)
        }
        sensor.stop()
        #expect(sensor.ledger.total.sealed == exports.sent && sensor.backlog.batches == 1)
    }

    @Test("a full spool keeps what it has and counts what it drops") func full() throws {
        let site = try Site("spool.bytesMax=1MiB", "batch.rowsMax=1000")
        let sensor = try site.sensor()
        try sensor.start()
        let port = try #require(sensor.listenPorts.first)
        let exporter = exporter(to: port)
        defer { close(exporter) }
        var exports = Exports(seed: 3)
        exports.keys = .max >> 8
        let deadline = Date(timeIntervalSinceNow: 60)
        while sensor.ledger.total.records[.spoolFull] == nil, Date() < deadline {
            for _ in 0..<20 {
                let datagram = exports.datagram(records: 30)
                #expect(send(exporter, datagram, datagram.count, 0) == datagram.count)
            }
            usleep(2_000)
        }
        sensor.stop()
        let total = sensor.ledger.total
        // On a busy machine the spool's thread may also fall behind; that is counted under its own name.
        let reasons: Set<Loss> = [.spoolFull, .queueFull]
        #expect(total.records.keys.allSatisfy(reasons.contains) && (total.records[.spoolFull]?.flows ?? 0) > 0)
        #expect(total.open.flows == 0 && total.sealed.flows > 0 && sensor.backlog.batches > 0)
    }

    @Test("a reload listens on other addresses as well and loses nothing of those that stay") func reloads() throws {
        let site = try Site("aggregate.window=10m", "listen.receivers=2")
        let sensor = try site.sensor()
        try sensor.start()
        let port = try #require(sensor.listenPorts.first)
        var exports = Exports(seed: 4)
        let exporter = try sender(to: port)
        defer { close(exporter) }
        for round in 0..<200 {
            let datagram = exports.datagram(records: 30)
            #expect(send(exporter, datagram, datagram.count, 0) == datagram.count)
            if round == 100 {
                let more = "listen.addresses=127.0.0.1:0,127.0.0.2:0"
                let needsRestart = try sensor.reload(try site.settings(more, "listen.receivers=2"))
                #expect(needsRestart, "the window is another one, too")
                #expect(sensor.listenPorts.count == 2 && sensor.listenPorts.first == port)
            }
        }
        #expect(throws: SensorError.self) { try sensor.reload(try site.settings("listen.addresses=192.0.2.1:1")) }
        sensor.stop()
        #expect(sensor.ledger.total.sealed == exports.sent)
    }

    /// NetFlow v9: a template of source address, octets and packets, or a record of it.
    private static func netflow9(isTemplate: Bool, sequence: UInt32) -> [UInt8] {
        let set: [UInt16] = isTemplate ? [0, 20, 256, 3, 8, 4, 1, 4, 2, 4] : [256, 16, 2_560, 1, 0, 500, 0, 5]
        var bytes: [UInt8] = []
        for word: UInt16 in [9, 1] { bytes.appendBE(word) }
        for word: UInt32 in [1_000_000, 1_700_000_000, sequence, 7] { bytes.appendBE(word) }
        for word in set { bytes.appendBE(word) }
        return bytes
    }

    @Test("C30 templates outlive the process: after a restart data needs no new template") func templates() throws {
        let site = try Site("aggregate.window=10m")
        for run in 0..<2 {
            let sensor = try site.sensor()
            try sensor.start()
            let exporter = try sender(to: try #require(sensor.listenPorts.first), from: 39_055)
            defer { close(exporter) }
            let template = Self.netflow9(isTemplate: true, sequence: 1)
            if run == 0 { #expect(send(exporter, template, template.count, 0) == template.count) }
            let data = Self.netflow9(isTemplate: false, sequence: UInt32(2 + run))
            #expect(send(exporter, data, data.count, 0) == data.count)
            sensor.stop()
            #expect(sensor.ledger.total.sealed == Tally(flows: 1, octets: 500, packets: 5), "run \(run)")
        }
        let file = site.folder.file("spool/templates-0.weir")
        var bytes = [UInt8](try Data(contentsOf: file))
        bytes[bytes.count / 2] ^= 1
        try Data(bytes).write(to: file)
        let sensor = try site.sensor()
        try sensor.start()
        sensor.stop()
        #expect(sensor.ledger.total == ExporterLedger(), "a damaged file is no reason not to start")
    }

    @Test("IPFIX over TCP: messages end where their length says, whatever the pieces they come in") func streams()
        throws
    {
        let site = try Site("aggregate.window=10m", "listen.tcp=127.0.0.1:0")
        let sensor = try site.sensor()
        try sensor.start()
        let port = try #require(sensor.listenPorts.last)
        let exporter = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        #expect(connectLoopback(exporter, port))
        var message: [UInt8] = []
        for word: UInt16 in [10, 16 + 20 + 16] { message.appendBE(word) }
        for word: UInt32 in [1_700_000_000, 0, 7] { message.appendBE(word) }
        for word: UInt16 in [2, 20, 256, 3, 8, 4, 1, 4, 2, 4] { message.appendBE(word) }
        for word: UInt16 in [256, 16, 2_560, 1, 0, 500, 0, 5] { message.appendBE(word) }
        let twice = message + message
        for piece in [twice[..<7], twice[7..<60], twice[60...]] {
            #expect(send(exporter, Array(piece), piece.count, 0) == piece.count)
            usleep(30_000)
        }
        let deadline = Date(timeIntervalSinceNow: 20)
        while sensor.ledger.total.decoded.flows < 2, Date() < deadline { usleep(50_000) }
        close(exporter)
        sensor.stop()
        #expect(sensor.ledger.total.sealed == Tally(flows: 2, octets: 1_000, packets: 10))
    }

    //= RFC 7011 §9.1
    @Test("a connection whose messages are malformed one after the other is closed and counted, another goes on")
    func malformedStream() throws {
        let site = try Site("listen.tcp=127.0.0.1:0")
        let sensor = try site.sensor()
        try sensor.start()
        let port = try #require(sensor.listenPorts.last), metrics = try #require(sensor.statusPort)
        var malformed: [UInt8] = []
        for word: UInt16 in [10, 16 + 4] { malformed.appendBE(word) }
        for word: UInt32 in [1_700_000_000, 0, 7, 0x0100_FFFF] { malformed.appendBE(word) }
        let broken = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0),
            sound = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer {
            close(broken)
            close(sound)
        }
        #expect(connectLoopback(broken, port) && connectLoopback(sound, port))
        let empty = Array(malformed[..<2] + [0, 16] + malformed[4..<16])
        let pieces = (0..<SessionConduct.malformedMax).map { _ in malformed }
        for message in pieces { #expect(send(broken, message, message.count, 0) == message.count) }
        for message in [malformed, empty, malformed, malformed, empty] {
            #expect(send(sound, message, message.count, 0) == message.count)
        }
        var one: UInt8 = 0, patience = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(broken, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        let count = recv(broken, &one, 1, 0)
        #expect(count == 0 || (count < 0 && errno == ECONNRESET))
        let deadline = Date(timeIntervalSinceNow: 20)
        while sensor.ledger.total.datagramsReceived < 8, Date() < deadline { usleep(50_000) }
        let page = try exchange(metrics, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        #expect(page.contains("weir_intake_sessions_malformed_total 1\n"))
        #expect(page.contains("weir_decode_messages_malformed_total 6\n"))
        #expect(recv(sound, &one, 1, Int32(MSG_DONTWAIT)) < 0 && errno == EAGAIN, "still open")
        sensor.stop()
    }

    private func sender(to port: UInt16, from ownPort: UInt16 = 0) throws -> Int32 {
        let exporter = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        var own = sockaddr_in()
        own.sin_family = sa_family_t(AF_INET)
        own.sin_port = ownPort.bigEndian
        own.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let bound = withUnsafePointer(to: &own) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(exporter, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        #expect(bound == 0 && connectLoopback(exporter, port))
        return exporter
    }

    @Test("no port is opened with certificates that can't be used") func certificates() throws {
        let site = try Site("tls.certificate=absent.pem")
        let error = #expect(throws: SensorError.self) { try site.sensor() }
        #expect("\(error.map { "\($0)" } ?? "")".contains("absent.pem"))
        #expect(!FileManager.default.fileExists(atPath: site.folder.path + "/spool"))
    }

    @Test("clients of the metrics listener that say nothing, or too much, don't keep others out") func clients() throws
    {
        let site = try Site()
        let sensor = try site.sensor()
        try sensor.start()
        let status = try #require(sensor.statusPort)
        let silent = (0..<12).map { _ in socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0) }
        for client in silent { #expect(connectLoopback(client, status)) }
        let long = String(repeating: "x", count: 10_000)
        #expect(try exchange(status, long).hasPrefix("HTTP/1.0 400 "))
        #expect(try exchange(status, "GET /livez HTTP/1.1\r\n\r\n").hasSuffix("alive\n"))
        for client in silent { close(client) }
        sensor.stop()
    }
}
