internal import Foundation

/// What a tenant's detectors were doing at a checkpoint, as the checkpoint has it.
struct ProgramMarks: Codable, Equatable {
    struct Entry: Codable, Equatable {
        /// From this place in the log on, it may not have answered.
        var openFrom: Int64?
        /// What it is told to go on with.
        var state: String?
    }
    var programs: [String: Entry] = [:]

    init() {}
    /// Of what can't be read, nothing is known: its programs begin anew.
    init(octets: [UInt8]) {
        self = (try? JSONDecoder().decode(ProgramMarks.self, from: Data(octets))) ?? ProgramMarks()
    }
    var octets: [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        // Text and numbers can always be encoded.
        return (try? encoder.encode(self)).map { Array($0) } ?? []
    }
}
