internal import Foundation
internal import HTTPTypes

/// JSON whose names are told apart without regard to case (RFC 7643 §2.1).
enum SCIMValue: Sendable, Equatable, Codable {
    case null
    case bool(Bool), number(Double), string(String)
    case array([SCIMValue]), object([String: SCIMValue])

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? container.decode(Double.self) {
            self = .number(value)
        } else if let value = try? container.decode(String.self) {
            self = .string(value)
        } else if let value = try? container.decode([SCIMValue].self) {
            self = .array(value)
        } else {
            self = .object(try container.decode([String: SCIMValue].self))
        }
    }
    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .null: try container.encodeNil()
        case .bool(let value): try container.encode(value)
        case .number(let value): try container.encode(value)
        case .string(let value): try container.encode(value)
        case .array(let value): try container.encode(value)
        case .object(let value): try container.encode(value)
        }
    }

    subscript(_ name: String) -> SCIMValue? {
        guard case .object(let fields) = self else { return nil }
        if let value = fields[name] { return value }
        let name = name.lowercased()
        return fields.first { $0.key.lowercased() == name }?.value
    }
    /// Nil for what is no object.
    var fields: [String: SCIMValue]? { if case .object(let fields) = self { fields } else { nil } }
    /// One value is a list of one.
    var items: [SCIMValue] { if case .array(let items) = self { items } else { [self] } }
    var text: String? { if case .string(let text) = self, !text.isEmpty { text } else { nil } }
    /// Some directories write `"False"`.
    var truth: Bool? {
        switch self {
        case .bool(let value): value
        case .string(let text): ["true": true, "false": false][text.lowercased()]
        default: nil
        }
    }
}

extension Problem {
    static func scim(_ kind: String, _ detail: String) -> Problem {
        Problem(.badRequest, kind, "The request can't be honoured", detail: detail)
    }
}
