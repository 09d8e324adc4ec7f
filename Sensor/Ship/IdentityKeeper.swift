internal import HTTP2Client
internal import Platform

/// Keeps the certificate files and the context made of them together: looks at the files now and then, and takes new
/// ones only when all three are sound, belong together, and may ship what waits. Until then the old context stays.
struct IdentityKeeper {
    enum News: Equatable {
        case unchanged
        case loaded
        case refused(TLSFileError)
        /// Sound, and somebody else's: why, in words.
        case foreign(String)
    }
    private let files: TLSFiles
    private let every: Duration
    private var nextLook = Duration.zero
    private var stamp: FileStamp?
    private(set) var context: TLSContext?

    init(_ files: TLSFiles, every: Duration) {
        self.files = files
        self.every = every
    }

    /// When `look` has something to do again.
    var due: Duration { nextLook }

    /// - Parameter refusal: why the certificate of a URI name is not to be used.
    mutating func look(
        at now: Duration, time: any TimeSource, refusal: (_ uriName: String?) -> String? = { _ in nil }
    ) -> News {
        guard now >= nextLook else { return .unchanged }
        nextLook = now + every
        // The stamp first: a file that changes while it is read has another stamp at the next look.
        let seen = files.stamp()
        guard seen != stamp else { return .unchanged }
        do throws(TLSFileError) {
            let new = try TLSContext(files, time: time)
            if let reason = refusal(new.uriName) { return .foreign(reason) }
            context = new
            stamp = seen
            return .loaded
        } catch {
            // Not remembered: a pair that was half-written, or not valid yet, is tried at each look.
            return .refused(error)
        }
    }
}
