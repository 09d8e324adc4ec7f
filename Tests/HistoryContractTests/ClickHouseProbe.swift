import FlowClickHouse
import TestKit

/// Does to a ClickHouse what a test needs done behind the product's back.
struct ClickHouseProbe {
    private let settings: ClickHouseSettings, password: String?

    struct Refused: Error { let text: String }

    init(_ settings: ClickHouseSettings, password: String?) { (self.settings, self.password) = (settings, password) }

    @discardableResult
    func run(_ query: String) throws -> String {
        let key = password.map { ["-H", "X-ClickHouse-User: default", "-H", "X-ClickHouse-Key: \($0)"] } ?? []
        let answer = try Program.run("curl", ["-s"] + key + ["--data-binary", query, settings.urls[0]])
        guard answer.status == 0, !answer.text.hasPrefix("Code:") else { throw Refused(text: answer.text) }
        return answer.text
    }
}
