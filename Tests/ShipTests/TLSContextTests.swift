import Foundation
import HTTP2Client
import Platform
import TestKit
import Testing

@Suite("TLS files are checked before they are used", .enabled(if: TestIdentities.isPossible, "\(TestIdentities.why)"))
struct TLSContextTests {
    let identities: TestIdentities
    init() throws { identities = try TestIdentities() }

    private func fault(_ files: TLSFiles, at time: any TimeSource = SystemTime()) -> TLSFileError? {
        do throws(TLSFileError) {
            _ = try TLSContext(files, time: time)
            return nil
        } catch {
            return error
        }
    }

    @Test("a sound set is taken and knows when it ends") func sound() throws {
        let context = try identities.context()
        let days = (context.expiryMilliseconds - SystemTime().wallMilliseconds()) / 86_400_000
        #expect((28...30).contains(days))
    }

    @Test("a missing or damaged file is named, with the reason") func unreadable() throws {
        var files = identities.files()
        files.trust = identities.path("nothing.pem")
        guard case .unreadable(let file, let reason)? = fault(files) else {
            Issue.record("a missing file was taken")
            return
        }
        #expect(file == files.trust)
        #expect(reason.contains("No such file"))
        for damage in [\TLSFiles.certificate, \TLSFiles.key, \TLSFiles.trust] {
            var files = identities.files()
            let cut = identities.path("cut.pem")
            try Data(Data(contentsOf: URL(fileURLWithPath: files[keyPath: damage])).prefix(60))
                .write(to: URL(fileURLWithPath: cut))
            files[keyPath: damage] = cut
            guard case .unreadable(cut, let reason)? = fault(files) else {
                Issue.record("half a file was taken: \(damage)")
                continue
            }
            #expect(!reason.isEmpty)
        }
    }

    @Test("a key that is another certificate's is refused") func mismatch() throws {
        var files = identities.files()
        files.key = identities.path("a1.key")
        #expect(fault(files) == .keyMismatch(certificate: files.certificate, key: files.key))
    }

    @Test("an encrypted key is refused, not asked about on the terminal") func encrypted() throws {
        var files = identities.files()
        let locked = identities.path("locked.key")
        try Program.run("openssl", ["ec", "-in", files.key, "-aes128", "-passout", "pass:secret", "-out", locked])
        files.key = locked
        guard case .unreadable(locked, _)? = fault(files) else {
            Issue.record("an encrypted key was taken")
            return
        }
    }

    @Test("an expired certificate of our own, or one from the future, is refused") func expired() throws {
        try identities.run(
            "sensor", identities.folder.path, "acme", "berlin", "old",
            environment: ["NOT_BEFORE": "20200101000000Z", "NOT_AFTER": "20210101000000Z"])
        let files = identities.files("old")
        #expect(fault(files) == .expired(file: files.certificate, atMilliseconds: 1_609_459_200_000))
        #expect(
            fault(files, at: ManualTime(wallMilliseconds: 1_577_836_799_999))
                == .notYetValid(file: files.certificate, fromMilliseconds: 1_577_836_800_000))
        #expect(fault(files, at: ManualTime(wallMilliseconds: 1_600_000_000_000)) == nil)
    }

    @Test("the stamp changes when any of the files does, and only then") func stamp() throws {
        let files = identities.files(), before = files.stamp()
        #expect(files.stamp() == before)
        for name in ["s1.pem", "s1.key", "ca.pem"] {
            let earlier = files.stamp(), url = identities.folder.file(name)
            try Data(contentsOf: url).write(to: url, options: .atomic)  // the same bytes, a new inode
            #expect(files.stamp() != earlier)
        }
    }
}
