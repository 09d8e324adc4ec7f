import FlowClickHouse
import Testing

@Suite("Dialects of ClickHouse")
struct DialectTests {
    @Test("a server's version says what it can do; what is older than 18.16 is refused") func versions() {
        for version in ["18.16.1", "19.17.6.36", "20.3.8.53"] { #expect(SQLDialect(version: version) == .old) }
        for version in ["20.8.2.3", "21.3", "26.9.2.1", "24.8.1.1-testing"] {
            #expect(SQLDialect(version: version) == .current, "\(version)")
        }
        for version in ["", "18.14.9", "1.1.54390", "x.y"] { #expect(SQLDialect(version: version) == nil) }
    }

    @Test("servers are named by HTTPS; plain HTTP is for this machine, or asked for") func urls() {
        func urls(_ urls: String..., allowPlain: Bool = false) -> [String]? {
            ClickHouseSettings(urls: urls, allowPlain: allowPlain)?.urls
        }
        #expect(
            urls("https://a.example:8443", "https://b.example/") == ["https://a.example:8443", "https://b.example"])
        #expect(urls("http://127.0.0.1:8123") == ["http://127.0.0.1:8123"])
        #expect(urls("http://a.example:8123", allowPlain: true) == ["http://a.example:8123"])
        let wrong = [
            "http://a.example:8123", "a.example", "https://user@a.example", "https://a.example/path", "ftp://a.example",
            "https://a.example/?user=x", "",
        ]
        for url in wrong { #expect(urls(url) == nil && urls("https://b.example", url) == nil, "\(url)") }
        #expect(ClickHouseSettings(urls: ["https://a.example"], cluster: "flows` ON CLUSTER x") == nil)
        #expect(ClickHouseSettings(urls: ["https://a.example"], databases: "weir`.") == nil)
    }
}
