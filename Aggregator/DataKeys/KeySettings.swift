internal import Foundation
package import Platform
package import Settings

/// How data keys are wrapped.
///
/// - `keys.wrap` (`file:PATH`, `env:NAME` or `transit:https://HOST:PORT/MOUNT/KEY`; `file:<dataDirectory>/node.kek`,
///   which is made when it is not there): the key-encryption key. Copy that file off the machine: without it neither
///   the data nor a backup can be read.
/// - `keys.token` (`file:PATH` or `env:NAME`, required with `transit:`): the key server's token.
/// - `keys.trust` (path, the machine's own authorities): the key server's certificate authorities.
package struct KeySettings: Equatable, Sendable {
    package enum Wrapping: Equatable, Sendable {
        case local(SecretReference)
        /// Made on first use.
        case own(path: String)
        case transit(TransitKeyWrapper.Location, token: SecretReference, trust: String?)
    }
    package let wrapping: Wrapping
    package static let ownName = "node.kek"

    package init(_ reader: SettingsReader, dataDirectory: String) throws(SettingError) {
        let keys = reader.scoped(to: "keys")
        let text = try keys.optionalString("wrap"), token = try keys.optionalSecret("token")
        let trust = try keys.optionalPath(of: "trust")
        guard let text else {
            wrapping = .own(path: dataDirectory + "/" + Self.ownName)
            return
        }
        if let reference = SecretReference(text) {
            wrapping = .local(reference)
        } else if let location = TransitKeyWrapper.Location(text) {
            guard let token else { throw keys.error("token", "is needed with transit: file:PATH or env:NAME") }
            wrapping = .transit(location, token: token, trust: trust)
        } else {
            // Not shown whole: somebody may have put the key itself there.
            throw keys.error(
                "wrap", "\"\(text.prefix(4))…\" is not file:PATH, env:NAME or transit:https://HOST:PORT/MOUNT/KEY")
        }
    }

    /// - Parameter makesOwn: whether the node's own key is made when it is not there. Not where it must be an old one.
    /// - Throws: `.wrappingKey` when the node's own key can't be made.
    package func wrapper(
        random: some RandomNumberGenerator & Sendable, makesOwn: Bool = true
    ) throws(DataKeyError) -> any KeyWrapper {
        switch wrapping {
        case .local(let reference): return LocalKeyWrapper(reference, random: random)
        case .own(let path):
            var random = random
            if makesOwn { try Self.makeOwnKey(path, using: &random) }
            return LocalKeyWrapper(.file(path), random: random)
        case .transit(let location, let token, let trust):
            return TransitKeyWrapper(location, token: token, trust: trust)
        }
    }

    /// The node's data keys.
    package func keys(
        in directory: String, random: some RandomNumberGenerator & Sendable, time: any TimeSource
    ) throws(DataKeyError) -> DataKeys {
        DataKeys(
            file: try KeyFile(directory: directory), wrapper: try wrapper(random: random), random: random, time: time)
    }

    /// Makes the file unless it is there; two processes at once agree on the first one's.
    private static func makeOwnKey(
        _ path: String, using random: inout some RandomNumberGenerator
    ) throws(DataKeyError) {
        guard !FileManager.default.fileExists(atPath: path) else { return }
        let octets = (0..<DataKey.keyBytes).map { _ in UInt8.random(in: .min ... .max, using: &random) }
        do throws(SystemError) {
            try makeFile(path, with: octets, mode: 0o600)
        } catch {
            if error.isFileExists { return }
            throw .wrappingKey("\(path): \(error)")
        }
    }
}
