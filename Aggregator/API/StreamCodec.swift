internal import CZlib
internal import CZstd
internal import NIOCore

/// A content coding of answers (RFC 9110 §8.4.1, RFC 8878). Unsafe code: each call hands
/// a library pointers together with the length of what they point to.
enum ContentCoding: String, CaseIterable, Sendable {
    /// Best first.
    case zstd, gzip

    /// The best of those that a request accepts (RFC 9110 §12.5.3); nil: none of these.
    init?(accepting field: String?) {
        guard let field else { return nil }
        let accepted = field.split(separator: ",").compactMap { part -> Substring? in
            let pieces = part.split(separator: ";", omittingEmptySubsequences: false).map(\.trimmed)
            let isRefused = pieces.dropFirst().contains { $0.hasPrefix("q=") && Double($0.dropFirst(2)) ?? 1 == 0 }
            return isRefused ? nil : pieces.first
        }
        guard let best = Self.allCases.first(where: { accepted.contains($0.rawValue[...]) }) else { return nil }
        self = best
    }
    /// Nil: there is no memory for one.
    func encoder() -> (any StreamEncoder)? {
        switch self {
        case .zstd: ZstdStream()
        case .gzip: GzipStream()
        }
    }
}

extension Substring {
    fileprivate var trimmed: Substring {
        var text = drop { $0 == " " || $0 == "\t" }
        while text.last == " " || text.last == "\t" { text.removeLast() }
        return text
    }
}

/// Octets in, coded octets out, until `end`.
protocol StreamEncoder: AnyObject {
    func encode(_ input: ByteBuffer, isLast: Bool) -> ByteBuffer
}

private let chunk = 64 << 10

@safe private final class ZstdStream: StreamEncoder {
    private let context: OpaquePointer

    init?() {
        guard let made = unsafe ZSTD_createCCtx() else { return nil }
        unsafe context = made
        unsafe ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, 1)
        // 128 KiB of history: browsers take 8 MiB, and there are many streams.
        unsafe ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, 17)
    }
    deinit { unsafe ZSTD_freeCCtx(context) }

    func encode(_ input: ByteBuffer, isLast: Bool) -> ByteBuffer {
        var output = ByteBuffer()
        unsafe input.withUnsafeReadableBytes { source in
            var from = unsafe ZSTD_inBuffer(src: source.baseAddress, size: source.count, pos: 0)
            var isDone = false
            while !isDone {  // ends: each turn takes octets in or gives octets out
                unsafe output.writeWithUnsafeMutableBytes(minimumWritableBytes: chunk) { target in
                    var to = unsafe ZSTD_outBuffer(dst: target.baseAddress, size: target.count, pos: 0)
                    let left = unsafe ZSTD_compressStream2(
                        context, &to, &from, isLast ? ZSTD_e_end : ZSTD_e_continue)
                    isDone =
                        ZSTD_isError(left) != 0
                        || (isLast ? left == 0 : unsafe from.pos == from.size && to.pos < to.size)
                    return unsafe to.pos
                }
            }
        }
        return output
    }
}

@safe private final class GzipStream: StreamEncoder {
    /// zlib keeps its address.
    private let stream: UnsafeMutablePointer<z_stream>

    init?() {
        unsafe stream = .allocate(capacity: 1)
        unsafe stream.initialize(to: z_stream())
        // 16: gzip's frame instead of zlib's (zlib.h); level 4: half the work of the usual 6, some percent larger.
        let status = unsafe deflateInit2_(
            stream, 4, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        guard status == Z_OK else {
            unsafe stream.deallocate()
            return nil
        }
    }
    deinit {
        unsafe deflateEnd(stream)
        unsafe stream.deallocate()
    }

    func encode(_ input: ByteBuffer, isLast: Bool) -> ByteBuffer {
        var output = ByteBuffer(), octets = Array(input.readableBytesView)
        unsafe octets.withUnsafeMutableBufferPointer { source in
            unsafe stream.pointee.next_in = source.baseAddress
            unsafe stream.pointee.avail_in = UInt32(source.count)
            var isDone = false
            while !isDone {  // ends: each turn takes octets in or gives octets out
                unsafe output.writeWithUnsafeMutableBytes(minimumWritableBytes: chunk) { target in
                    unsafe stream.pointee.next_out = target.baseAddress?.assumingMemoryBound(to: UInt8.self)
                    unsafe stream.pointee.avail_out = UInt32(target.count)
                    let status = unsafe deflate(stream, isLast ? Z_FINISH : Z_NO_FLUSH)
                    isDone = isLast ? status != Z_OK : unsafe stream.pointee.avail_out > 0
                    return target.count - Int(unsafe stream.pointee.avail_out)
                }
            }
        }
        return output
    }
}
