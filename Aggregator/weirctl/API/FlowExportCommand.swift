import ArgumentParser
import Foundation
import NIOCore

/// The formats that the API writes.
enum FlowExportFormat: String, CaseIterable, ExpressibleByArgument {
    case ndjson, csv, nfdump, ipfix
}

struct FlowExportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Writes all flow records that match to a file or to standard output.",
        discussion: """
            weirctl flows export --filter 'dst port 443' --as ipfix --output flows.ipfix
            weirctl flows export --from 2026-11-20 --to 2026-11-21 --as nfdump > flows.csv
            weirctl flows export --pseudonyms --as ndjson | gzip > shared.ndjson.gz

            nfdump is the CSV of 'nfdump -o csv'; ipfix is a file of IPFIX messages (RFC 5655) that tshark and
            collectors read. An export that is cut off leaves no file and exits with 1.
            """)
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var filter: FlowFilterOptions
    @Option(name: .customLong("as"), help: "ndjson, csv, nfdump or ipfix.") var format = FlowExportFormat.ndjson
    @Option(help: "The file to write; standard output without it.") var output: String?
    @Option(help: "At most so many records.") var limit: Int?
    @Flag(help: "Put pseudonyms that keep prefixes (Crypto-PAn) in the place of addresses.") var pseudonyms = false

    func run() async throws {
        var query = try filter.query()
        query["format"] = format.rawValue
        query["limit"] = limit.map(String.init)
        if pseudonyms { query["pseudonyms"] = "true" }
        let client = APIClient(try connection.profile())
        guard let output else {
            return try await client.download("/v1/flows/export", query) {
                try FileHandle.standardOutput.write(contentsOf: Data($0.readableBytesView))
            }
        }
        let part = output + ".part"
        guard FileManager.default.createFile(atPath: part, contents: nil, attributes: [.posixPermissions: 0o600]),
            let file = FileHandle(forWritingAtPath: part)
        else { throw Failure.work("--output: \(part) cannot be written") }
        do {
            try await client.download("/v1/flows/export", query) {
                try file.write(contentsOf: Data($0.readableBytesView))
            }
            try file.synchronize()
            try file.close()
        } catch {
            try? FileManager.default.removeItem(atPath: part)
            throw error
        }
        try moveFile(part, to: output)
    }
}
