import Capture
import Platform
import SensorPipeline

struct ImportCommand {
    private let configured: Configured
    private let files: [String]

    init(_ arguments: [String]) throws(Failure) {
        let parsed = try Arguments(arguments, options: ["config", "set"], help: Help.importing)
        configured = try Configured(parsed, help: Help.importing)
        guard !parsed.operands.isEmpty else { throw .usage("no CAPTURE", Help.importing) }
        files = parsed.operands
    }

    func run() throws(Failure) {
        // All files are looked at before anything is sent: a typo in the last name must not leave half an import.
        for file in files where file != "-" { _ = try openCapture(file) }
        SystemSignals.hold()
        let meter = ProgressMeter()
        let outcome: CaptureImport.Outcome
        do throws(SensorError) {
            let sensor = try Sensor(
                settings: configured.settings, version: WeirSensor.version, time: SystemTime(),
                logger: logger(for: configured.settings))
            var capture = try CaptureImport(sensor: sensor, isInterrupted: SystemSignals.isPending) { progress in
                let phase = progress.isReading ? "reading" : "shipping"
                meter.show("\(phase): \(progress.datagrams) datagrams, \(progress.waitingBatches) batches to ship")
            }
            var damage: Failure?
            for file in files {
                do throws(Failure) {
                    try feed(file, to: &capture)
                } catch {
                    damage = error
                    break
                }
            }
            outcome = capture.finish()
            if let damage { throw SensorError.capture(file: "", reason: damage.message) }
        } catch {
            meter.end()
            if case .capture(_, let reason) = error { throw .failed(reason) }
            throw failure(error)
        }
        meter.end()
        try report(outcome)
    }

    private func feed(_ file: String, to capture: inout CaptureImport) throws(Failure) {
        var reader = try openCapture(file)
        do throws(CaptureError) {
            try capture.feed(&reader)
        } catch {
            throw .failed("\(file): \(error); what came before it was imported")
        }
    }
    private func report(_ outcome: CaptureImport.Outcome) throws(Failure) {
        switch outcome {
        case .done(let datagrams): complain("imported \(datagrams) datagrams; every batch is answered for")
        case .interrupted(let waiting):
            throw .failed("interrupted: \(waiting) batches wait in \(configured.settings.spoolDirectory)")
        case .deadLetters(let count):
            throw .failed("\(count) batches were refused; see \(configured.settings.spoolDirectory)")
        case .dropped(let flows):
            throw .failed("\(flows) flows found no room in \(configured.settings.spoolDirectory); raise spool.bytesMax")
        }
    }
}

/// A capture, or exit 2 with the reason: a file that isn't one is a mistake on the command line.
func openCapture(_ file: String) throws(Failure) -> CaptureReader {
    let bytes: [UInt8]
    do throws(SystemError) {
        bytes = try readFile(file)
    } catch {
        throw .wrong("\(file): \(error)")
    }
    do throws(CaptureError) {
        return try CaptureReader(bytes: bytes)
    } catch {
        throw .wrong("\(file): \(error)")
    }
}

/// Progress on standard error, when that is a terminal and the work lasts over two seconds.
final class ProgressMeter {
    private let isShown = isTerminal(2)
    private let time = SystemTime()
    private let started: Duration
    private var next: Duration
    private var hasWritten = false

    init() {
        started = time.monotonic()
        next = started + .seconds(2)
    }
    func show(_ text: String) {
        let now = time.monotonic()
        guard isShown, now >= next else { return }
        next = now + .milliseconds(250)
        hasWritten = true
        writeAll([UInt8]("\r\u{1B}[K\(text)".utf8), to: 2)
    }
    /// Takes the line away.
    func end() {
        if hasWritten { writeAll([UInt8]("\r\u{1B}[K".utf8), to: 2) }
    }
}
