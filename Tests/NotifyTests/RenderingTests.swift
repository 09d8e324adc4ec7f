import Detect
import Foundation
import Incidents
import Notify
import TestKit
import Testing

@Suite("A message in each shape")
struct RenderingTests {
    let rendering = Rendering(host: "weir.example", incidentURLPrefix: "https://weir.example/incidents/")

    private func object(_ octets: [UInt8]) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(octets)) as? [String: Any])
    }
    private func value(_ object: [String: Any], _ path: String) -> Any? {
        path.split(separator: ".").reduce(object as Any?) { ($0 as? [String: Any])?[String($1)] }
    }

    @Test("text says what, who, when, how much and where to read on") func text() throws {
        let brief = Samples.brief("1")
        let text = rendering.text(try Samples.message(brief))
        #expect(text.hasPrefix("[high] Port scan of one host (acme)\n\n"))
        for line in [
            "Attackers: 198.51.100.7", "Victims: 192.0.2.5", "Ports: 22, 80",
            "From 2026-03-01T12:00:00.000Z to 2026-03-01T12:01:30.000Z",
            "Evidence: 1200.5 ports, limit 100; 1200 flows, 1300 packets, 72000 octets", "ATT&CK: TA0043, T1046",
            "https://weir.example/incidents/\(brief.id)",
        ] { #expect(text.contains("\n\(line)\n"), "\(line)") }
    }

    @Test("ECS names are those of the schema, and times are text") func ecs() throws {
        let brief = Samples.brief("1")
        let got = try object(rendering.body(try Samples.message(brief, change: .grew), as: .ecs).octets)
        let wanted: [(String, String)] = [
            ("@timestamp", "2026-03-01T12:00:00.000Z"), ("ecs.version", "8.17.0"), ("event.kind", "alert"),
            ("event.dataset", "weir.incident"), ("event.action", "incident-grew"), ("source.ip", "198.51.100.7"),
            ("destination.ip", "192.0.2.5"), ("rule.id", "port-scan-vertical"), ("organization.id", "acme"),
            ("weir.incident.id", brief.id), ("weir.incident.evidence.unit", "ports"),
        ]
        for (path, text) in wanted { #expect(value(got, path) as? String == text, "\(path)") }
        #expect(value(got, "event.severity") as? Int == 3)
        #expect(value(got, "threat.technique.id") as? [String] == ["T1046"])
        #expect(value(got, "related.ip") as? [String] == ["198.51.100.7", "192.0.2.5"])
    }

    @Test("OCSF is a detection finding whose numbers agree with each other") func ocsf() throws {
        var brief = Samples.brief("1")
        var got = try object(rendering.body(try Samples.message(brief), as: .ocsf).octets)
        #expect(got["class_uid"] as? Int == 2004 && got["category_uid"] as? Int == 2)
        #expect(got["activity_id"] as? Int == 1 && got["type_uid"] as? Int == 200_401)
        #expect(got["severity_id"] as? Int == 4 && got["severity"] as? String == "High")
        #expect(got["time"] as? Int == Int(Samples.noon))
        #expect(value(got, "finding_info.uid") as? String == brief.id)
        #expect((got["observables"] as? [Any])?.count == 2)
        brief.status = .resolved
        got = try object(rendering.body(try Samples.message(brief, change: .statusChanged), as: .ocsf).octets)
        #expect(got["type_uid"] as? Int == 200_403 && got["status_id"] as? Int == 4)
    }

    @Test("CEF escapes bars in the header, equals signs in values, backslashes in both") func cef() throws {
        var brief = Samples.brief("1", title: #"a|b=c\d"#)
        brief.rule = "r|1"
        let line = String(decoding: rendering.body(try Samples.message(brief), as: .cef).octets, as: UTF8.self)
        #expect(line.hasPrefix(#"CEF:0|Weir|Weir|1|r\|1|a\|b=c\\d|8|rt=1772366400000 "#))
        #expect(line.contains(#" msg=[high] a|b\=c\\d (acme)"#))
        #expect(line.contains(" src=198.51.100.7 dst=192.0.2.5 cs1Label=tenant cs1=acme "))
        let six = IncidentBrief(Incident(opening: Samples.finding("2", attackers: ["2001:db8::1"])))
        let sixLine = String(decoding: rendering.body(try Samples.message(six), as: .cef).octets, as: UTF8.self)
        #expect(sixLine.contains(" c6a2Label=Source IPv6 Address c6a2=2001:db8::1 ") && !sixLine.contains(" src="))
    }

    @Test("no title breaks a shape: JSON stays JSON, CEF one line, markup text", arguments: hostileTitles)
    func hostile(_ title: String) throws {
        let single = try Samples.message(Samples.brief("1", title: title))
        for message in [single, try Samples.message(gathering: 3, title: Samples.brief("1", title: title).title)] {
            for format in [Format.ecs, .ocsf, .slack, .teams] {
                let octets = rendering.body(message, as: format).octets
                #expect(octets.count < 64 << 10, "\(format)")
                _ = try object(octets)
            }
            let cef = String(decoding: rendering.body(message, as: .cef).octets, as: UTF8.self)
            let lines = cef.split(separator: "\n", omittingEmptySubsequences: false)
            #expect(lines.count == message.incidents.count && lines.allSatisfy { $0.hasPrefix("CEF:0|Weir|Weir|1|") })
            for line in lines {
                let header = cefHeader(line)
                #expect(header.count == 7 && header[4] == "port-scan-vertical" && header[6] == "8")
            }
            let blocks = try #require(
                try object(rendering.body(message, as: .slack).octets)["blocks"] as? [[String: Any]])
            let markup = blocks.dropFirst().compactMap { ($0["text"] as? [String: Any])?["text"] as? String }.joined()
            #expect(!markup.isEmpty && !markup.contains("<"))
        }
    }
    /// The first seven fields, without their escapes.
    private func cefHeader(_ line: Substring) -> [String] {
        var fields = [""], isEscaped = false
        for scalar in line.unicodeScalars {
            if scalar == "|", !isEscaped {
                if fields.count == 7 { break }
                fields.append("")
            } else if scalar != "\\" || isEscaped {
                fields[fields.count - 1].unicodeScalars.append(scalar)
            }
            isEscaped = scalar == "\\" && !isEscaped
        }
        return fields
    }

    @Test("a gathering names every incident in every shape, and fits what chats take") func gathering() throws {
        let message = try Samples.message(gathering: 500)
        #expect(message.incidents.count == Gathering.membersMax)
        for format in Format.allCases {
            let text = String(decoding: rendering.body(message, as: format).octets, as: UTF8.self)
            for id in message.incidents { #expect(text.contains(id), "\(format)") }
            if format == .teams { #expect(text.utf8.count < 28 << 10) }
        }
        let slack = try object(rendering.body(message, as: .slack).octets)
        let blocks = try #require(slack["blocks"] as? [[String: Any]])
        #expect(blocks.count <= 50)
        for block in blocks { #expect(((block["text"] as? [String: Any])?["text"] as? String ?? "").count <= 3_000) }
    }

    @Test("syslog has the header, the structured data and the framing of its standards") func syslog() throws {
        //= RFC 5424 §6
        //= RFC 6587 §3.4.1
        //= RFC 5425 §4.3
        let brief = Samples.brief("1")
        let message = try Samples.message(brief)
        let line = try #require(SyslogRendering(rendering).messages(message).first)
        let text = String(decoding: line, as: UTF8.self)
        #expect(
            text == "<107>1 2026-03-01T12:00:00.000Z weir.example weir - opened [weir@32473 tenant=\"acme\" "
                + "incident=\"\(brief.id)\" revision=\"1\" rule=\"port-scan-vertical\" severity=\"high\" "
                + "status=\"new\" change=\"opened\"] [high] Port scan of one host (acme)")
        #expect(SyslogRendering.framed(line) == Array("\(line.count) ".utf8) + line)
        let foreign = try #require(
            SyslogRendering(rendering).messages(
                try Samples.message(Samples.brief("1", title: "Überfall"))
            ).first)
        #expect(foreign.firstRange(of: [0x5D, 0x20, 0xEF, 0xBB, 0xBF]) != nil)
        let many = try Samples.message(gathering: 30)
        for payload in SyslogRendering.Payload.allCases {
            let lines = SyslogRendering(rendering, payload: payload).messages(many)
            #expect(lines.count == 30)
            for (line, id) in zip(lines, many.incidents) {
                #expect(String(decoding: line, as: UTF8.self).contains("incident=\"\(id)\""))
            }
        }
    }

    @Test("structured data can't be left by a rule's name, and a long message is cut between characters")
    func syslogBounds() throws {
        //= RFC 5424 §6.3.3
        var brief = Samples.brief("1", title: String(repeating: "ä", count: 300))
        brief.rule = #"a"]\"#
        let small = SyslogRendering(rendering, octetsMax: 500)
        let line = try #require(small.messages(try Samples.message(brief)).first)
        #expect((497...500).contains(line.count) && String(validating: line, as: UTF8.self) != nil)
        #expect(String(decoding: line, as: UTF8.self).contains(#"rule="a\"\]\\""#))
    }
}
