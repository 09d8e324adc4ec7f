import DataKeys
import Foundation
import Identity
import Platform
import Settings
import TestKit
import Testing

extension BaoServer {
    func wrapper(key: String = "weir", token: String? = nil) throws -> TransitKeyWrapper {
        let location = try #require(TransitKeyWrapper.Location("transit:\(address)/transit/\(key)"))
        return TransitKeyWrapper(
            location, token: .file(token ?? folder.file("token").path), trust: nil, timeout: .seconds(2))
    }
    func keys(_ world: KeyWorld) throws -> DataKeys {
        DataKeys(
            file: try KeyFile(directory: world.folder.path), wrapper: try wrapper(),
            random: SystemRandomNumberGenerator(), time: world.time)
    }
}

@Suite("Keys wrapped by OpenBao's transit engine", .serialized, .enabled(if: BaoServer.isInstalled, "\(BaoServer.why)"))
struct TransitTests {
    let plain = Array("plain".utf8)

    @Test("data keys are wrapped by the server, also after it has rotated its key; moving away from it needs no reseal")
    func transit() throws {
        let bao = try BaoServer(port: 18_231), world = try KeyWorld(), acme = try tenant("acme")
        let keys = try bao.keys(world)
        let sealed = try keys.seal(plain, tenant: acme, context: "a")
        let first = try #require(try keys.file.rows().first).wrapped
        #expect(String(decoding: first.octets, as: UTF8.self).hasPrefix("vault:v1:"))
        #expect(first.by == "transit:\(bao.address)/transit/weir")

        #expect(try bao.bao("write", "-f", "transit/keys/weir/rotate") == 0)
        try keys.rotate(.tenant(acme))
        let new = try keys.seal(plain, tenant: acme, context: "a")
        let second = try #require(try keys.file.rows().last).wrapped
        #expect(String(decoding: second.octets, as: UTF8.self).hasPrefix("vault:v2:"))
        let fresh = try bao.keys(world)
        for blob in [sealed, new] {
            let back = try fresh.open(blob, tenant: acme, context: "a")
            #expect(back == plain)
        }
        // Bound to owner and version by the server.
        let wrapper = try bao.wrapper()
        #expect(throws: DataKeyError.self) { try wrapper.unwrap(first, version: 2, owner: .tenant(acme)) }
        #expect(throws: DataKeyError.self) { try wrapper.unwrap(first, version: 1, owner: .backup) }

        try keys.rewrap(with: LocalKeyWrapper(.file(world.kek.path), random: SystemRandomNumberGenerator()))
        #expect(try world.other().open(sealed, tenant: acme, context: "a") == plain)
    }

    @Test("a wrong token is said at once and without the token, and a renewed one is used without a restart")
    func token() throws {
        let bao = try BaoServer(port: 18_232), world = try KeyWorld(), token = world.folder.file("token").path
        try makeFile(token, with: Array("not-the-token".utf8))
        let wrapper = try bao.wrapper(token: token)
        do throws(DataKeyError) {
            _ = try wrapper.wrap(Secret([UInt8](repeating: 1, count: 32)), version: 1, owner: .backup)
            Issue.record("a wrong token was taken")
        } catch {
            #expect(error.isTemporary && "\(error)".contains("403") && !"\(error)".contains("not-the-token"))
        }
        try deleteFile(token)
        try makeFile(token, with: Array("dev-only-root".utf8))
        let wrapped = try wrapper.wrap(Secret([UInt8](repeating: 1, count: 32)), version: 1, owner: .backup)
        let back = try wrapper.unwrap(wrapped, version: 1, owner: .backup).bytes
        #expect(back == [UInt8](repeating: 1, count: 32))
        #expect(throws: DataKeyError.self) {
            try bao.wrapper(key: "other").unwrap(wrapped, version: 1, owner: .backup)
        }
    }

    @Test("keys in use need the server no more; a new process without it fails with a clear error that is temporary")
    func outage() throws {
        let world = try KeyWorld(), acme = try tenant("acme")
        let bao = try BaoServer(port: 18_233), keys = try bao.keys(world), fresh = try bao.keys(world)
        let sealed = try keys.seal(plain, tenant: acme, context: "a")
        bao.stop()
        world.time.advance(by: .seconds(3_600))
        #expect(try keys.open(sealed, tenant: acme, context: "a") == plain)
        #expect { try fresh.open(sealed, tenant: acme, context: "a") } throws: { error in
            (error as? DataKeyError)?.isTemporary == true && "\(error)".contains("does not answer")
        }
    }
}
