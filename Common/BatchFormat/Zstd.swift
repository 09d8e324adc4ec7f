internal import CZstd

/// libzstd behind two contexts that are reused from frame to frame. This file is the module's only unsafe code: each
/// call hands the library a pointer together with the length of what it points to.

/// Compresses planes, each to a frame with its content size. Byte planes have hardly any repeats, so zstd is told not
/// to look for them (its fastest strategy with the longest steps) and to code the bytes by their frequency all the
/// same: three times as fast as level 1, and smaller. The body has its own checksums.
@safe struct ZstdCompressor: ~Copyable {
    private let context: OpaquePointer

    init() {
        guard let made = unsafe ZSTD_createCCtx() else { preconditionFailure("out of memory") }
        unsafe context = made
        unsafe ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, -1_000)
        unsafe ZSTD_CCtx_setParameter(context, ZSTD_c_minMatch, 7)
        unsafe ZSTD_CCtx_setParameter(context, ZSTD_c_hashLog, 8)
        // ZSTD_c_literalCompressionMode = ZSTD_ps_enable (zstd.h); otherwise levels below 0 would store the bytes.
        unsafe ZSTD_CCtx_setParameter(context, ZSTD_c_experimentalParam5, 1)
    }
    deinit { unsafe ZSTD_freeCCtx(context) }

    /// Appends the frame of the first `count` bytes of `input` to `output`; returns how long it is.
    mutating func compress(_ input: [UInt8], count: Int, to output: inout [UInt8]) -> Int {
        precondition(count <= input.count)
        var size = 0
        output.append(addingCapacity: ZSTD_compressBound(count)) { tail in
            unsafe tail.withUnsafeMutableBufferPointer { target, filled in
                unsafe input.withUnsafeBufferPointer { source in
                    unsafe size = ZSTD_compress2(context, target.baseAddress, target.count, source.baseAddress, count)
                }
                // The parameters are valid and the target holds the bound, so only lack of memory is left.
                precondition(ZSTD_isError(size) == 0, "zstd could not compress")
                filled = size
            }
        }
        return size
    }
}

/// Decompresses frames whose size is known beforehand; allocates nothing by what a frame says.
@safe struct ZstdDecompressor: ~Copyable {
    private let context: OpaquePointer

    init() {
        guard let made = unsafe ZSTD_createDCtx() else { preconditionFailure("out of memory") }
        unsafe context = made
    }
    deinit { unsafe ZSTD_freeDCtx(context) }

    /// Fills the first `count` bytes of `output` from `input`, which must be one whole frame that declares exactly
    /// that size; its window needs no memory, since the output is in one piece. False for anything else.
    mutating func decompress(_ input: RawSpan, into output: inout [UInt8], count: Int) -> Bool {
        precondition(count <= output.count)
        return unsafe input.withUnsafeBytes { source in
            guard unsafe ZSTD_getFrameContentSize(source.baseAddress, source.count) == UInt64(count),
                unsafe ZSTD_findFrameCompressedSize(source.baseAddress, source.count) == source.count
            else { return false }
            return unsafe output.withUnsafeMutableBufferPointer { target in
                unsafe ZSTD_decompressDCtx(context, target.baseAddress, count, source.baseAddress, source.count)
                    == count
            }
        }
    }
}
