import Capture
import Decode
import FlowModel
import Foundation

/// The records of captures of flow exports, in the order of the files; what is not decoded is told on standard error.
struct CaptureRecords {
    let files: [String]

    /// Records handed on at a time.
    private static let rowsAtOnce = 16_384

    /// - Parameter body: is given some thousand records, at the end what is left.
    func read(_ body: (FlowColumns) throws -> Void) throws {
        var decoder = DatagramDecoder(), columns = FlowColumns(), lost: [Loss: UInt64] = [:]
        for file in files {
            try read(file) { reader, reference in
                let result = reader.withPayload(of: reference) {
                    decoder.decode($0, from: reference.origin, into: &columns)
                }
                lost.merge(result.losses, uniquingKeysWith: +)
                if columns.count >= Self.rowsAtOnce {
                    try body(columns)
                    columns.removeAll()
                }
            }
        }
        while let result = decoder.replayHeld(into: &columns) { lost.merge(result.losses, uniquingKeysWith: +) }
        for loss in decoder.expireHeld(atMilliseconds: .max) { lost[.noTemplate, default: 0] += loss.sets }
        try body(columns)
        for (reason, count) in lost.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            complain("weirctl: not decoded: \(count) \(reason.unit.rawValue), \(reason.rawValue)")
        }
    }

    private func read(_ file: String, _ body: (CaptureReader, DatagramReference) throws -> Void) throws {
        var reader: CaptureReader
        do {
            reader = try CaptureReader(bytes: Self.contents(of: file))
        } catch let error as CaptureError {
            throw Failure.usage("\(file): \(error)")
        }
        while true {
            let reference: DatagramReference?
            do {
                reference = try reader.nextReference()
            } catch {
                complain("weirctl: \(file): \(error); what came before it is used")
                return
            }
            guard let reference else { return }
            try body(reader, reference)
        }
    }
    static func contents(of file: String) throws -> [UInt8] {
        if file == "-" { return [UInt8](FileHandle.standardInput.readDataToEndOfFile()) }
        guard let data = try? Data(contentsOf: URL(fileURLWithPath: file)) else {
            throw Failure.usage("\(file): cannot be read")
        }
        return [UInt8](data)
    }
}
