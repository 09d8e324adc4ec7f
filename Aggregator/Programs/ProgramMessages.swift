/// What programs say, as values that were checked. Lines become messages in `ProgramMessage+Decoding`.
package import Detect
package import FlowModel
package import Intelligence

/// What a program is and wants.
package struct ProgramHello: Equatable, Sendable {
    package var kind: ProgramKind
    package var name: String
    package var version: String
    /// Nil is everything.
    package var fields: [String]?
    package var filter: String
    package var batchRecordsMax: Int
    /// By the ids that the program gives them; `RuleInfo.id` is the one that findings have.
    package var rules: [String: RuleInfo]
}

/// What an enricher knows of an address.
package struct AddressAnnotation: Equatable, Sendable {
    package var address: IPAddress
    /// Two upper-case letters.
    package var country: String?
    package var autonomousSystem: UInt32?
    package var name: String?
    package var labels: [String]
    package var timeToLive: Duration
}

package enum ProgramAnswer: Equatable, Sendable {
    case finding(Finding)
    case annotation(AddressAnnotation)
    case indicator(Indicator)
    case retraction(IndicatorSubject)
}

package struct ProgramLog: Equatable, Sendable {
    package enum Level: String, Sendable, Codable { case info, warning, error }
    package var level: Level
    /// Without control characters, cut at `ProgramLimit.logOctetsMax`.
    package var message: String
    package init(level: Level, message: String) {
        self.level = level
        self.message = message
    }
}

/// One line of a program.
enum ProgramMessage {
    case hello(HelloLine)
    case finding(FindingLine)
    case annotation(AnnotationLine)
    case indicator(IndicatorLine)
    case retraction(IndicatorLine)
    case done(DoneLine)
    case log(ProgramLog)
}

/// Text of a stranger, fit for logs and pages: no control characters, no line separators, cut.
func tidied(_ text: String, max: Int) -> String {
    var out = String.UnicodeScalarView()
    for scalar in text.unicodeScalars.prefix(max) {
        let isControl =
            scalar.value < 0x20 || (0x7F..<0xA0).contains(scalar.value) || [0x2028, 0x2029].contains(scalar.value)
            || scalar.properties.generalCategory == .format
        out.append(isControl ? " " : scalar)
    }
    return String(out)
}

/// 1 to 32 lower-case letters, digits and hyphens, a letter first.
package func isProgramName(_ text: String) -> Bool {
    guard (1...32).contains(text.utf8.count), let first = text.utf8.first, (0x61...0x7A).contains(first) else {
        return false
    }
    return text.utf8.allSatisfy { (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2D }
}
