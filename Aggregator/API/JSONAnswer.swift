internal import Foundation
internal import HTTPTypes
internal import Hummingbird
internal import NIOCore

/// Answers in JSON, keys sorted so that the same answer has the same bytes.
func jsonResponse(_ body: [UInt8]) -> Response {
    Response(
        status: .ok, headers: [.contentType: "application/json"],
        body: ResponseBody(byteBuffer: ByteBuffer(bytes: body)))
}
func jsonResponse(_ value: some Encodable) throws -> Response { jsonResponse(try jsonOctets(value)) }
/// Without line breaks.
func jsonOctets(_ value: some Encodable) throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return [UInt8](try encoder.encode(value))
}
