/// One line of JSON to a message: what is missing or of the wrong type is refused here, what is out of range where the
/// value is made (`ProgramMessage+Values`).
internal import Detect
internal import Foundation

struct HelloLine: Decodable {
    struct Rule: Decodable {
        var id: String
        var title: String
        var tactics: [String]?
        var techniques: [String]?
    }
    var `protocol`: Int
    var kind: ProgramKind
    var name: String
    var version: String?
    var fields: [String]?
    var filter: String?
    var batchRecordsMax: Int?
    var rules: [Rule]?
}
struct FindingLine: Decodable {
    struct Entity: Decodable {
        var address: String
        var role: FindingEntity.Role
    }
    var batch: UInt64
    var rule: String
    var severity: Severity
    var title: String
    var entities: [Entity]
    var windowStart: Int64
    var start: Int64
    var end: Int64
    var observed: Double
    var threshold: Double
    var unit: String
    var key: String?
    var ports: [UInt16]?
    var flows: UInt64?
    var packets: UInt64?
    var octets: UInt64?
    var update: Int?
}
struct AnnotationLine: Decodable {
    var batch: UInt64
    var address: String
    var country: String?
    var autonomousSystem: UInt32?
    var name: String?
    var labels: [String]?
    var ttlSeconds: Int?
}
struct IndicatorLine: Decodable {
    var batch: UInt64
    var value: String
    var port: UInt16?
    var confidence: UInt8?
    var labels: [String]?
    var malwareFamily: String?
    var techniques: [String]?
    var expires: Int64?
}
struct DoneLine: Decodable {
    var batch: UInt64
    var state: String?
    var isComplete: Bool?
}

extension ProgramMessage: Decodable {
    private enum Key: String, CodingKey { case type, level, message }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        guard let type = try? container.decode(String.self, forKey: .type) else { throw ProgramRefusal.notJSON }
        do {
            self = try Self.read(type, container, decoder)
        } catch let refusal as ProgramRefusal {
            throw refusal
        } catch {
            throw ProgramRefusal.badMember
        }
    }
    private static func read(
        _ type: String, _ container: KeyedDecodingContainer<Key>, _ decoder: any Decoder
    ) throws -> ProgramMessage {
        switch type {
        case "hello": return .hello(try HelloLine(from: decoder))
        case "finding": return .finding(try FindingLine(from: decoder))
        case "annotation": return .annotation(try AnnotationLine(from: decoder))
        case "indicator": return .indicator(try IndicatorLine(from: decoder))
        case "retraction": return .retraction(try IndicatorLine(from: decoder))
        case "done": return .done(try DoneLine(from: decoder))
        case "log":
            let level = try container.decodeIfPresent(ProgramLog.Level.self, forKey: .level)
            let text = try container.decode(String.self, forKey: .message)
            return .log(ProgramLog(level: level ?? .info, message: tidied(text, max: ProgramLimit.logOctetsMax)))
        default: throw ProgramRefusal.unknownType
        }
    }

    /// - Parameter line: without its line feed.
    static func read(_ line: ArraySlice<UInt8>) throws(ProgramRefusal) -> ProgramMessage {
        do {
            return try JSONDecoder().decode(ProgramMessage.self, from: Data(line))
        } catch let refusal as ProgramRefusal {
            throw refusal
        } catch {
            throw .notJSON
        }
    }
}
