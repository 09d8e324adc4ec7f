import Detect

/// Bodies as the incoming webhooks of Slack (Block Kit) and Microsoft Teams (an Adaptive Card) take them.
extension Rendering {
    private static let slackSectionMax = 2_900, slackSectionsMax = 48, slackHeaderMax = 150

    func slack(_ message: Message) -> JSON {
        let header: JSON = [
            "type": "header",
            "text": [
                "type": "plain_text", "text": .string(clipped(subject(message), charactersMax: Self.slackHeaderMax)),
            ],
        ]
        let sections = chunks(lines(message).map(Self.slackEscaped), Self.slackSectionMax)
            .prefix(Self.slackSectionsMax).map { text -> JSON in
                ["type": "section", "text": ["type": "mrkdwn", "text": .string(text), "verbatim": true]]
            }
        return ["text": .string(Self.slackEscaped(subject(message))), "blocks": .array([header] + sections)]
    }

    /// Slack takes three characters as its own; without them no text can call a channel or hide a link.
    static func slackEscaped(_ text: String) -> String {
        var out = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": out += "&amp;"
            case "<": out += "&lt;"
            case ">": out += "&gt;"
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out
    }

    /// Lines put together as long as they fit.
    func chunks(_ lines: [String], _ charactersMax: Int) -> [String] {
        var chunks: [String] = [], current = ""
        for line in lines {
            let line = clipped(line, charactersMax: charactersMax)
            if !current.isEmpty, current.unicodeScalars.count + 1 + line.unicodeScalars.count > charactersMax {
                chunks.append(current)
                current = ""
            }
            current += (current.isEmpty ? "" : "\n") + line
        }
        return current.isEmpty ? chunks : chunks + [current]
    }

    /// Teams takes 28 KiB in all: of a gathering's 200 incidents it gets the ids and the severities.
    func teams(_ message: Message) -> JSON {
        let shown: [String] =
            switch message.body {
            case .single: lines(message)
            case .gathered(let gathering):
                lines(message).prefix(1)
                    + gathering.members.map {
                        "\($0.severity.rawValue) \(clipped($0.title, charactersMax: 24)) \($0.id)"
                    }
            }
        let title: JSON = [
            "type": "TextBlock", "weight": "bolder", "size": "medium", "wrap": true,
            "text": .string(Self.markdownEscaped(subject(message))),
        ]
        let text: JSON = [
            "type": "TextBlock", "wrap": true,
            "text": .string(shown.map(Self.markdownEscaped).joined(separator: "\n\n")),
        ]
        let content: JSON = [
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4",
            "body": [title, text],
        ]
        return [
            "type": "message",
            "attachments": [["contentType": "application/vnd.microsoft.card.adaptive", "content": content]],
        ]
    }
    /// So that no text becomes a link.
    static func markdownEscaped(_ text: String) -> String {
        var out = ""
        for scalar in text.unicodeScalars {
            if ["[", "]", "(", ")", "*", "_", "`", "\\"].contains(scalar) { out += "\\" }
            out.unicodeScalars.append(scalar)
        }
        return out
    }
}
