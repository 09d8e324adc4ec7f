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
    let settings: SensorSettings

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
    }
    func sensor() throws -> Sensor {
        try Sensor(
            settings: settings, version: "1.2.3", time: SystemTime(),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }
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
        let exporter = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        defer { close(exporter) }
        #expect(connectLoopback(exporter, port))
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
        #expect(try exchange(status, "GET /readyz HTTP/1.0\r\n\r\n").hasSuffix("ready\n"))
        sensor.stop()
        let ledger = sensor.ledger
        #expect(ledger.total.decoded == exports.sent && ledger.total.sealed == exports.sent)
        #expect(ledger.total.open.flows == 0 && ledger.unattributedDatagrams == 1)
        let waiting = sensor.backlog.batches
        #expect(waiting > 0)
        #expect(throws: SensorError.self, "one process a spool") { try site.sensor() }
    }

    @Test("stopping hands on what is in the table and in the kernel's queue") func stops() throws {
        let site = try Site("aggregate.window=10m")
        let sensor = try site.sensor()
        try sensor.start()
        let port = try #require(sensor.listenPorts.first)
        let exporter = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        defer { close(exporter) }
        #expect(connectLoopback(exporter, port))
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
        let exporter = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        defer { close(exporter) }
        #expect(connectLoopback(exporter, port))
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
