import ArgumentParser
import Foundation
import Platform
import Settings
import X509

/// Looks at the machine as a sensor or an aggregator will find it, and says what to do about what is wrong.
struct DoctorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor", abstract: "Checks kernel settings, clock, certificates, disk, names, ports, versions.",
        discussion: """
            weirctl doctor --config /etc/weir/sensor.yaml
            weirctl doctor --config /etc/weir/aggregator.yaml --format ndjson

            Changes nothing. Run it on the machine itself, as the service's user: what that user can't read is found.
            Exit status: 0 nothing stands in the way, 1 something does.
            """)
    @Option(help: "The settings of a sensor or an aggregator; without them only the machine is looked at.")
    var config: String?
    @Option(help: "table or ndjson.") var format = "table"

    func run() throws {
        guard ["table", "ndjson"].contains(format) else {
            throw Failure.usage("--format: \(format) is not table or ndjson")
        }
        var found = Machine.complaints() + [Versions.complaint()]
        if let config { found += try Installation(config).complaints() }
        for each in found {
            let text = try format == "table" ? each.line : each.json()
            print(text)
        }
        let bad = found.count { $0.state == .bad }
        guard bad == 0 else { throw Failure.work("\(bad) of \(found.count) stand in the way") }
    }
}

/// What one look has found.
struct Diagnosis {
    enum State: String { case ok, warning, bad }
    let state: State
    let subject: String
    let said: String
    /// What to do; empty where nothing is.
    var advice = ""

    var line: String {
        let mark = [State.ok: "ok  ", .warning: "warn", .bad: "BAD "][state] ?? ""
        return "\(mark) \(subject): \(said)" + (advice.isEmpty ? "" : "\n     -> \(advice)")
    }
    func json() throws -> String {
        let fields = ["state": state.rawValue, "subject": subject, "said": said, "advice": advice]
        return String(decoding: try JSONSerialization.data(withJSONObject: fields, options: .sortedKeys), as: UTF8.self)
    }
}

/// The kernel's settings, the limits of this process, the clock.
private enum Machine {
    static func complaints() -> [Diagnosis] { [receiveBuffer(), descriptors(), clock()] }

    private static func receiveBuffer() -> Diagnosis {
        let wanted = 32 << 20, name = "net.core.rmem_max"
        guard let text = try? String(contentsOfFile: "/proc/sys/net/core/rmem_max", encoding: .utf8),
            let bytes = Int(text.trimmingCharacters(in: .whitespacesAndNewlines))
        else { return Diagnosis(state: .warning, subject: name, said: "can't be read here") }
        guard bytes < wanted else { return Diagnosis(state: .ok, subject: name, said: "\(bytes)") }
        return Diagnosis(
            state: .warning, subject: name, said: "\(bytes), a burst of exports may be lost",
            advice: "use weir-sensor.socket, or sysctl -w \(name)=\(wanted) and a file in /etc/sysctl.d")
    }
    private static func descriptors() -> Diagnosis {
        let subject = "open files", text = (try? String(contentsOfFile: "/proc/self/limits", encoding: .utf8)) ?? ""
        let row = text.split(separator: "\n").first { $0.hasPrefix("Max open files") }
        let count = row?.split(separator: " ").dropFirst(3).first.flatMap { Int($0) } ?? .max
        guard count < 4_096 else { return Diagnosis(state: .ok, subject: subject, said: "enough are allowed") }
        return Diagnosis(
            state: .warning, subject: subject, said: "\(count) allowed to this shell",
            advice: "the units allow enough; elsewhere ulimit -n 65536")
    }
    private static func clock() -> Diagnosis {
        switch ClockState.now() {
        case .held(let error): return Diagnosis(state: .ok, subject: "clock", said: "held by NTP, within \(error)")
        case .unknown: return Diagnosis(state: .warning, subject: "clock", said: "can't be asked here")
        case .free: break
        }
        return Diagnosis(
            state: .warning, subject: "clock", said: "nothing says that it is right",
            advice: "run chrony or systemd-timesyncd: certificates and flows' times go by it")
    }
}

private enum Versions {
    static func complaint() -> Diagnosis {
        let kernel = ProcessInfo.processInfo.operatingSystemVersion
        let said = "weirctl \(WeirCTL.version), Linux \(kernel.majorVersion).\(kernel.minorVersion)"
        guard kernel.majorVersion < 5 else { return Diagnosis(state: .ok, subject: "versions", said: said) }
        return Diagnosis(
            state: .bad, subject: "versions", said: said, advice: "Linux 5.4 or later is needed, such as Debian 12's")
    }
}

/// What the settings name: files, folders, other machines. Whether the settings themselves are sound says `check`.
private struct Installation {
    private let reader: SettingsReader, isSensor: Bool
    private static let connectMax = Duration.seconds(5)

    init(_ path: String) throws {
        do { reader = try SettingsReader(path: path) } catch { throw Failure.usage("\(error)") }
        isSensor = reader.has("aggregators")
    }

    func complaints() throws -> [Diagnosis] {
        do {
            return try isSensor ? sensor() : aggregator()
        } catch let error as SettingError {
            let program = isSensor ? "weir-sensor" : "weir-aggregator"
            return [
                Diagnosis(state: .bad, subject: "settings", said: "\(error)", advice: "\(program) check --config FILE")
            ]
        }
    }

    private func sensor() throws -> [Diagnosis] {
        let tls = reader.scoped(to: "tls")
        let endpoints = try reader.strings("aggregators", default: nil)
        return try certificate(tls) + [room(in: try reader.scoped(to: "spool").path(of: "directory"))]
            + endpoints.flatMap(reach)
    }
    private func aggregator() throws -> [Diagnosis] {
        try certificate(reader.scoped(to: "sensors")) + certificate(reader.scoped(to: "api"))
            + [room(in: try reader.path(of: "dataDirectory"))]
    }

    private func certificate(_ reader: SettingsReader) throws -> [Diagnosis] {
        let path = try reader.path(of: "certificate"), key = try reader.path(of: "key")
        return [Self.validity(of: path), Self.secrecy(of: key)]
    }
    private static func validity(of path: String) -> Diagnosis {
        guard let leaf = try? readCertificates(path).first else {
            return Diagnosis(
                state: .bad, subject: path, said: "can't be read, or is no certificate",
                advice: "weirctl certs show \(path), as the service's user")
        }
        let hours = Int(leaf.notValidAfter.timeIntervalSinceNow / 3_600)
        let life = leaf.notValidAfter.timeIntervalSince(leaf.notValidBefore) / 3_600
        if leaf.notValidBefore > Date() {
            return Diagnosis(state: .bad, subject: path, said: "not valid yet", advice: "is the clock right?")
        }
        if hours < 0 {
            return Diagnosis(
                state: .bad, subject: path, said: "ended \(-hours) h ago", advice: "renew it; is the clock right?")
        }
        if Double(hours) < life / 10 {
            return Diagnosis(
                state: .warning, subject: path, said: "ends in \(hours) h", advice: "does its tool renew it?")
        }
        return Diagnosis(state: .ok, subject: path, said: "valid for \(hours) h more")
    }
    private static func secrecy(of path: String) -> Diagnosis {
        let found = try? FileManager.default.attributesOfItem(atPath: path)
        guard let mode = (found?[.posixPermissions] as? NSNumber)?.intValue,
            FileManager.default.isReadableFile(atPath: path)
        else {
            return Diagnosis(
                state: .bad, subject: path, said: "can't be read", advice: "chown root:SERVICE, chmod 640")
        }
        guard mode & 0o007 == 0 else {
            return Diagnosis(state: .bad, subject: path, said: "anybody can read this key", advice: "chmod 640 \(path)")
        }
        return Diagnosis(state: .ok, subject: path, said: "a key of its owner and group")
    }

    private func room(in folder: String) -> Diagnosis {
        var place = folder
        while !place.isEmpty, !FileManager.default.fileExists(atPath: place) {
            place = place.lastIndex(of: "/").map { String(place[..<$0]) } ?? "."
        }
        guard let found = try? FileManager.default.attributesOfFileSystem(forPath: place.isEmpty ? "/" : place),
            let free = (found[.systemFreeSize] as? NSNumber)?.int64Value,
            let size = (found[.systemSize] as? NSNumber)?.int64Value, size > 0
        else { return Diagnosis(state: .bad, subject: folder, said: "can't be looked at") }
        let said = "\(free >> 20) MiB free of \(size >> 20)"
        guard free < 1 << 30 else { return Diagnosis(state: .ok, subject: folder, said: said) }
        return Diagnosis(
            state: free < 64 << 20 ? .bad : .warning, subject: folder, said: said,
            advice: isSensor ? "make room, or lower spool.bytesMax" : "make room, or lower history.days")
    }

    private func reach(_ endpoint: String) -> [Diagnosis] {
        guard let place = PlainHTTP(url: "http://\(endpoint)/") else {
            return [Diagnosis(state: .bad, subject: endpoint, said: "not HOST:PORT", advice: "weir-sensor check")]
        }
        do throws(SystemError) {
            try place.connect(within: Self.connectMax)
            return [Diagnosis(state: .ok, subject: endpoint, said: "reached")]
        } catch {
            let isName = error.number == EADDRNOTAVAIL
            return [
                Diagnosis(
                    state: .bad, subject: endpoint, said: isName ? "the name is unknown" : "\(error)",
                    advice: isName
                        ? "is it in the DNS or in /etc/hosts? an address will do"
                        : "is the aggregator up, and does a firewall let TCP through?")
            ]
        }
    }
}
