import Foundation
import Logging
import Platform
import SensorPipeline
import Settings
import TestKit
import Testing

@Suite("A sensor that changes hands does not deliver what it has to the new ones")
struct SpoolOwnerTests {
    private let folder: TemporaryFolder
    init() throws { folder = try TemporaryFolder("weir-owner") }

    /// Makes a certificate of that name and a sensor that has it, and lets go of the sensor.
    private func start(_ name: String) throws {
        let made = try Program.run(
            "openssl",
            [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                "-subj", "/CN=sensor", "-addext", "subjectAltName=URI:spiffe://weir.test/\(name)",
                "-keyout", folder.file("own.key").path, "-out", folder.file("own.pem").path,
            ])
        #expect(made.status == 0, "\(made.errors)")
        let text =
            "trustDomain: weir.test\naggregators: [\"127.0.0.1:1\"]\nlisten:\n  addresses: [\"127.0.0.1:0\"]\n"
            + "tls:\n  certificate: own.pem\n  key: own.key\n  trust: own.pem\nspool:\n  directory: spool\n"
        let settings = try SensorSettings(
            SettingsReader(text: [UInt8](text.utf8), file: folder.path + "/sensor.yaml", overrides: []))
        _ = try Sensor(
            settings: settings, version: "1.2.3", time: SystemTime(),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }
    private func refusal(_ name: String) throws -> String? {
        do {
            try start(name)
            return nil
        } catch SensorError.identity(let reason) {
            return reason
        }
    }

    @Test("another tenant's or site's certificate finds no start on the same spool; a new one of the same does")
    func hands() throws {
        #expect(try refusal("tenant/acme/site/hq/sensor/s1") == nil)
        #expect(try refusal("tenant/acme/site/hq/sensor/s2") == nil)
        for other in ["tenant/globex/site/hq/sensor/s1", "tenant/acme/site/branch/sensor/s1"] {
            let reason = try #require(try refusal(other))
            #expect(reason.contains("acme/hq") && reason.contains("spool.directory"), "\(reason)")
        }
        #expect(try refusal("tenant/acme/site/hq/sensor/s1") == nil)
    }
}
