import ArgumentParser

struct SensorsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sensors", abstract: "Sensors of the key's tenant, with what they shipped and lost.")
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var rows: RowOptions

    func run() async throws {
        let answer = try await APIClient(connection.profile()).get("/v1/sensors")
        var printer = RowPrinter(
            rows.chosen,
            columns: ["site", "name", "version", "lastHeartbeat", "lastBatch", "flows", "octets", "fidelity"]
                .map { RowPrinter.column($0) })
        for item in answer["items"] as? [[String: Any]] ?? [] { try printer.add(item) }
        printer.finish(whenEmpty: "no sensor has been seen")
    }
}
