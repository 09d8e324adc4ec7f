internal import Glibc
internal import Platform

/// Large appends past the page cache (open(2), `O_DIRECT`): pages that are written, synced and not read again cost
/// the kernel two to four times what the copy into one buffer costs (Handbook, "Delivery").
///
/// A file's whole blocks go directly, what is before the first and behind the last goes as always: so nothing is padded
/// and no block that holds durable bytes is written directly a second time. File systems that can't do it say so at the
/// first write, and everything goes as always from then on. Of one thread at a time, as its file is.
@safe
final class DirectWrites {
    /// Smaller writes have little to gain.
    static let bytesMin = 64 << 10
    /// Of every file system's and disk's block size a multiple.
    private static let blockBytes = 4_096
    private static let stageBytes = 1 << 20
    /// Not in what the C library shows without `_GNU_SOURCE`.
    #if arch(x86_64) || arch(i386)
    private static let flag: Int32 = 0o40000
    #else
    private static let flag: Int32 = 0o200000
    #endif

    private let buffered: Int32, direct: Int32
    private let stage: UnsafeMutableRawPointer
    private(set) var isRefused = false

    /// - Parameter descriptor: of the file, which must outlive this.
    /// - Returns: nil when the file can't be opened so.
    init?(of descriptor: Int32) {
        // The same file whatever its name is by now.
        direct = unsafe open("/proc/self/fd/\(descriptor)", O_WRONLY | O_CLOEXEC | Self.flag)
        guard direct >= 0 else { return nil }
        buffered = descriptor
        unsafe stage = .allocate(byteCount: Self.stageBytes, alignment: Self.blockBytes)
    }
    deinit {
        close(direct)
        unsafe stage.deallocate()
    }

    /// Writes all pieces one after the other, or throws; some may be in the file then.
    func write(_ pieces: [[UInt8]], at offset: Int) throws(SystemError) {
        // `stage[0]` stands for `base`, a block's start; `filled` is how much of the stage has meaning.
        var base = offset & ~(Self.blockBytes - 1), filled = offset - base, first = offset
        for piece in pieces {
            var taken = 0
            while taken < piece.count {  // ends: each turn takes a byte or more, as the stage is never full here
                let count = min(piece.count - taken, Self.stageBytes - filled)
                unsafe piece.withUnsafeBytes { bytes in
                    guard let start = bytes.baseAddress else { return }
                    unsafe (stage + filled).copyMemory(from: start + taken, byteCount: count)
                }
                (taken, filled) = (taken + count, filled + count)
                guard filled == Self.stageBytes else { continue }
                try flush(first..<(base + filled), base: base)
                (base, first, filled) = (base + filled, base + filled, 0)
            }
        }
        try flush(first..<(base + filled), base: base)
    }

    /// Writes a range of the file that is in the stage.
    private func flush(_ range: Range<Int>, base: Int) throws(SystemError) {
        let mask = Self.blockBytes - 1
        let start = (range.lowerBound + mask) & ~mask, end = max(range.upperBound & ~mask, start)
        guard end > start else { return try write(range, base: base, to: buffered) }
        try write(range.lowerBound..<start, base: base, to: buffered)
        do throws(SystemError) {
            try write(start..<end, base: base, to: isRefused ? buffered : direct)
        } catch {
            guard !isRefused, [EINVAL, EOPNOTSUPP].contains(error.number) else { throw error }
            isRefused = true
            try write(start..<end, base: base, to: buffered)
        }
        try write(end..<range.upperBound, base: base, to: buffered)
    }
    private func write(_ range: Range<Int>, base: Int, to descriptor: Int32) throws(SystemError) {
        var at = range.lowerBound, descriptor = descriptor
        while at < range.upperBound {  // ends: each turn writes a byte or more
            let count = unsafe pwrite(descriptor, stage + (at - base), range.upperBound - at, at)
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw SystemError(call: "write", number: errno) }
            guard count > 0 else { throw SystemError(call: "write", number: ENOSPC) }
            at += count
            // The rest of a write that the system took a part of begins anywhere.
            descriptor = buffered
        }
    }
}
