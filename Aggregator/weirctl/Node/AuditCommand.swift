import ArgumentParser
import Backup
import Tenancy

/// The audit log: checked on the node itself, or read over the API.
struct AuditCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit",
        abstract: "Who did what; and that no event was changed, removed or added behind the log's back.",
        subcommands: [Verify.self, List.self, Export.self, Check.self])

    struct Verify: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Checks the chain from the first event to the last, and shows its head.",
            discussion: """
                Example: weirctl audit verify --config aggregator.yaml --head 17:5feceb66ffc8…
                Keep heads where who has the node can't change them (the aggregator logs one at each start): only
                against such a head is it seen that the end was cut off, or the whole chain written anew.
                """)
        @Option(help: "A head from before, which the log has to contain.") var head: String?
        @OptionGroup var node: NodeOptions

        func run() async throws {
            let expected = try head.map { text throws(Failure) in
                guard let head = AuditHead(text) else {
                    throw .usage("--head: \"\(text)\" is not a number, a colon and 64 hexadecimal digits")
                }
                return head
            }
            let folder = try node.read().dataDirectory
            do {
                print(try ControlLog.verifyAudit(folder: folder, expecting: expected))
            } catch let fault as AuditFault {
                throw Failure.work("the audit log is not as it was written: \(fault.inWords)")
            } catch {
                throw Failure.work("\(error)")
            }
        }
    }
}
