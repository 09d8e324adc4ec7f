import DataKeys
import Foundation
import Identity
import Platform
import Settings
import TestKit
import Testing

@Suite("Wrapping keys and secrets")
struct WrappingTests {
    let plain = Array("plain".utf8)

    @Test("another wrapping key is refused by its fingerprint, and rewrapping moves all keys to it") func rewrap()
        throws
    {
        let world = try KeyWorld(), acme = try tenant("acme")
        let sealed = try world.keys.seal(plain, tenant: acme, context: "a")
        let newKEK = world.folder.file("kek2")
        try KeyWorld.makeKEK(newKEK, seed: 2)
        let changed = try KeyWorld.keys(world.folder, newKEK, world.time)
        #expect { try changed.open(sealed, tenant: acme, context: "a") } throws: { error in
            guard case DataKeyError.wrappingKey(let text) = error else { return false }
            return text.contains("was wrapped by local:")
        }
        let new = LocalKeyWrapper(.file(newKEK.path), random: SystemRandomNumberGenerator())
        #expect(try world.keys.rewrap(with: new) == 1)
        #expect(try changed.open(sealed, tenant: acme, context: "a") == plain)
    }

    @Test("a wrapped key opens only for its owner and version, and not with any bit changed") func bound() throws {
        let world = try KeyWorld(),
            wrapper = LocalKeyWrapper(.file(world.kek.path), random: SystemRandomNumberGenerator())
        let acme = KeyOwner.tenant(try tenant("acme")), secret = Secret([UInt8](repeating: 7, count: 32))
        let wrapped = try wrapper.wrap(secret, version: 3, owner: acme)
        #expect(try wrapper.unwrap(wrapped, version: 3, owner: acme).bytes == secret.bytes)
        #expect(throws: DataKeyError.self) { try wrapper.unwrap(wrapped, version: 4, owner: acme) }
        #expect(throws: DataKeyError.self) { try wrapper.unwrap(wrapped, version: 3, owner: .backup) }
        for index in wrapped.octets.indices {
            var octets = wrapped.octets
            octets[index] ^= 1
            #expect(throws: DataKeyError.self) {
                try wrapper.unwrap(WrappedKey(by: wrapped.by, octets: octets), version: 3, owner: acme)
            }
        }
    }

    @Test(
        "a wrapping key may be 32 octets, hexadecimal or base64; anything else is refused",
        arguments: [
            "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF\n",
            "ABEiM0RVZneImaq7zN3u/wARIjNEVWZ3iJmqu8zd7v8=", "0123456789abcdef0123456789abcdef",
        ]) func forms(_ text: String) throws
    {
        let folder = try TemporaryFolder(), path = folder.file("kek").path
        try makeFile(path, with: Array(text.utf8))
        let wrapper = LocalKeyWrapper(.file(path), random: SystemRandomNumberGenerator())
        let wrapped = try wrapper.wrap(Secret([1]), version: 1, owner: .backup)
        #expect(try wrapper.unwrap(wrapped, version: 1, owner: .backup).bytes == [1])
        try replaceFile(path, with: Array(text.utf8.dropLast(2)))
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
        #expect(throws: DataKeyError.self) { try wrapper.unwrap(wrapped, version: 1, owner: .backup) }
    }

    @Test("a secret's file that others may read is refused, and errors name the place and not the secret") func mode()
        throws
    {
        let folder = try TemporaryFolder(), path = folder.file("kek").path
        try makeFile(path, with: Array("hunter2-hunter2".utf8), mode: 0o640)
        let reference = try #require(SecretReference("file:\(path)"))
        #expect(
            throws: SecretError(reference: .file(path), problem: "has mode 640: only its owner may read it (chmod 600)")
        ) {
            try reference.read()
        }
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
        let secret = try reference.read()
        #expect(secret.text == "hunter2-hunter2")
        var dumped = ""
        dump(secret, to: &dumped)
        #expect(!"\(secret) \(String(reflecting: secret)) \(dumped) \(Optional(secret) as Any)".contains("hunter2"))
        do {
            _ = try LocalKeyWrapper(reference, random: SystemRandomNumberGenerator())
                .wrap(secret, version: 1, owner: .backup)
            Issue.record("15 octets are no key")
        } catch {
            #expect(!"\(error)".contains("hunter2") && "\(error)".contains(path))
        }
        // Rotated: read anew at each use.
        try replaceFile(path, with: Array("second".utf8))
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
        #expect(try reference.read().text == "second")
        #expect(SecretReference("hunter2") == nil && SecretReference("file:") == nil)
    }

    private func settings(_ lines: String) throws -> KeySettings {
        try KeySettings(SettingsReader(text: Array(lines.utf8), file: "a.yaml"), dataDirectory: "/data")
    }

    @Test("settings name the wrapping key by reference, and an error shows no more than its beginning")
    func keySettings() throws {
        #expect(try settings("a: b\n").wrapping == .own(path: "/data/node.kek"))
        #expect(try settings("keys:\n  wrap: env:KEK\n").wrapping == .local(.environment("KEK")))
        let transit = "keys:\n  wrap: transit:https://bao.example:8200/transit/weir\n"
        let location = try #require(TransitKeyWrapper.Location("transit:https://bao.example:8200/transit/weir"))
        #expect(
            try settings(transit + "  token: file:/run/token\n").wrapping
                == .transit(location, token: .file("/run/token"), trust: nil))
        #expect(throws: SettingError.self) { try settings(transit) }
        #expect {
            try settings("keys:\n  wrap: c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IHNlY3I=\n")
        } throws: { !"\($0)".contains("c2VjcmV0I") && "\($0)".contains("keys.wrap") }
        for bad in [
            "transit:http://bao.example/transit/weir", "transit:https://bao/weir", "transit:https://u@bao/a/b",
            "transit:https://bao/a/../b", "transit:ftp://bao/a/b",
        ] {
            #expect(TransitKeyWrapper.Location(bad) == nil, "\(bad)")
        }
    }

    @Test("the node's own wrapping key is made once, for its owner only") func ownKey() throws {
        let folder = try TemporaryFolder()
        let settings = try KeySettings(
            SettingsReader(text: Array("a: b\n".utf8), file: "a.yaml"), dataDirectory: folder.path)
        let acme = try tenant("acme"), time = ManualTime()
        let keys = try settings.keys(in: folder.path, random: SystemRandomNumberGenerator(), time: time)
        let sealed = try keys.seal(plain, tenant: acme, context: "a")
        let kek = folder.file("node.kek").path
        #expect(try FileManager.default.attributesOfItem(atPath: kek)[.posixPermissions] as? Int == 0o600)
        let again = try settings.keys(in: folder.path, random: SystemRandomNumberGenerator(), time: time)
        #expect(try again.open(sealed, tenant: acme, context: "a") == plain)
    }
}
