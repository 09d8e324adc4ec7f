import FlowLog
import Testing

@Suite("SQLite's version") struct StorageLibraryTests {
    @Test(
        "what can't read the files is refused, what has the fault with two checkpointers is named",
        arguments: [
            ("3.6.23", .tooOld), ("3.36.9", .tooOld), ("3.37.0", .needsOneWriter), ("3.40.1", .needsOneWriter),
            ("3.51.2", .needsOneWriter), ("3.51.3", .sound), ("3.52.0", .sound), ("4.0.0", .sound),
            ("", .tooOld), ("3.40", .tooOld), ("three.forty.one", .tooOld), ("3.-1.0", .tooOld),
        ] as [(String, StorageLibrary.Verdict)])
    func verdicts(version: String, verdict: StorageLibrary.Verdict) {
        #expect(StorageLibrary(version: version).verdict == verdict)
    }
    @Test("the one that is linked is good enough") func linked() throws {
        let library = try StorageLibrary.linked()
        #expect(library.verdict != .tooOld && library.version.hasPrefix("3."))
    }
}
