import SensorPipeline
import Spool

/// Lists the batches that no aggregator took, and has them sent again.
struct DeadLettersCommand {
    private let configured: Configured
    private let names: [String]

    init(_ arguments: [String]) throws(Failure) {
        let parsed = try Arguments(arguments, options: ["config", "set"], help: Help.deadLetters)
        configured = try Configured(parsed, help: Help.deadLetters)
        names = Array(parsed.operands.dropFirst())
        guard parsed.operands.isEmpty || parsed.operands.first == "resend" && !names.isEmpty else {
            throw .usage(
                "\(parsed.operands.joined(separator: " ")): say resend NAME... or resend all", Help.deadLetters)
        }
    }

    func run(to output: inout StandardOutput) throws(Failure) {
        let folder = DeadLetterFolder(of: configured.settings.spoolDirectory)
        let entries: [DeadLetterFolder.Entry]
        do { entries = try folder.list() } catch { throw .failed("\(error)") }
        if names.isEmpty {
            for entry in entries { output.write(entry.letter.json) }
        }
        for name in names == ["all"] ? entries.map(\.name) : names {
            let isThere: Bool
            do { isThere = try folder.resend(name) } catch { throw .failed("\(error)") }
            guard isThere else { throw .failed("\(name): there is no such dead letter") }
        }
    }
}
