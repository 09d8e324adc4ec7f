internal import Platform
internal import Synchronization

/// Where a secret is: `file:/run/weir/token`, `env:WEIR_TOKEN`, or `bao:secret/weir/mail#password` in OpenBao or Vault.
/// Read at each use, so whoever rotates the secret replaces it there and tells nobody. A reference is no secret and may
/// be in settings, logs and command lines.
package enum SecretReference: Hashable, Sendable, CustomStringConvertible {
    case file(String)
    case environment(String)
    /// A field of an entry of a key-value engine; its path begins with the engine's mount.
    case server(path: String, field: String)

    package static let bytesMax = 64 << 10

    /// Nil unless `text` is `file:PATH`, `env:NAME` or `bao:MOUNT/PATH#FIELD`.
    package init?(_ text: String) {
        if text.hasPrefix("file:"), text.count > 5 {
            self = .file(String(text.dropFirst(5)))
        } else if text.hasPrefix("env:"), text.count > 4 {
            self = .environment(String(text.dropFirst(4)))
        } else if text.hasPrefix("bao:"), let place = Self.place(text.dropFirst(4)) {
            self = place
        } else {
            return nil
        }
    }
    private static func place(_ text: Substring) -> SecretReference? {
        let parts = text.split(separator: "#", omittingEmptySubsequences: false)
        guard parts.count == 2, isName(parts[1]) else { return nil }
        let steps = parts[0].split(separator: "/", omittingEmptySubsequences: false)
        guard steps.count >= 2, steps.allSatisfy({ isName($0) && $0 != "." && $0 != ".." }) else { return nil }
        return .server(path: String(parts[0]), field: String(parts[1]))
    }
    private static func isName(_ text: Substring) -> Bool {
        !text.isEmpty
            && text.utf8.allSatisfy { octet in
                (0x30...0x39).contains(octet) || (0x41...0x5A).contains(octet) || (0x61...0x7A).contains(octet)
                    || [0x2D, 0x2E, 0x5F].contains(octet)
            }
    }
    package var description: String {
        switch self {
        case .file(let path): "file:\(path)"
        case .server(let path, let field): "bao:\(path)#\(field)"
        case .environment(let name): "env:\(name)"
        }
    }

    /// - Throws: naming the reference and never what it holds. A file that others than its owner may read or write is
    ///   refused.
    package func read() throws(SecretError) -> Secret {
        switch self {
        case .server:
            guard let read = Self.reader.withLock({ $0 }) else { throw error("wants secrets.server to be set") }
            return try read(self)
        case .environment(let name):
            guard let value = environmentVariable(name), !value.isEmpty else { throw error("is not set") }
            return Secret(Array(value.utf8))
        case .file(let path):
            // Links are followed: orchestrators mount secrets as links to files.
            guard let status = fileStatus(path) else { throw error("is not there") }
            guard !status.isFolder else { throw error("is not a file") }
            guard status.mode & 0o077 == 0 else {
                throw error("has mode \(String(status.mode, radix: 8)): only its owner may read it (chmod 600)")
            }
            do throws(SystemError) {
                return Secret(try readFile(path, bytesMax: Self.bytesMax))
            } catch {
                throw self.error("\(error)")
            }
        }
    }
    /// What reads `.server`: a program that can ask one says so once, at its start. Others refuse such references.
    package static func readFromServer(
        by read: @escaping @Sendable (SecretReference) throws(SecretError) -> Secret
    ) {
        reader.withLock { $0 = read }
    }
    private static let reader = Mutex<(@Sendable (SecretReference) throws(SecretError) -> Secret)?>(nil)

    private func error(_ problem: String) -> SecretError { SecretError(reference: self, problem: problem) }
}

/// Why a secret could not be read: `file:/run/weir/token is not there`.
package struct SecretError: Error, Hashable, Sendable, CustomStringConvertible {
    package let reference: SecretReference
    package let problem: String
    package init(reference: SecretReference, problem: String) {
        self.reference = reference
        self.problem = problem
    }
    package var description: String { "\(reference) \(problem)" }
}

extension SettingsReader {
    /// A path in a value that is more than a path, such as `folder:PATH`; a relative one starts at the settings
    /// file's folder.
    package func resolved(_ path: String) -> String { source.resolved(path) }

    /// `file:PATH`, `env:NAME` or `bao:MOUNT/PATH#FIELD`. An error shows only the beginning: somebody may
    /// have put the secret itself there.
    package func optionalSecret(_ key: String) throws(SettingError) -> SecretReference? {
        guard let text = try optionalString(key) else { return nil }
        guard let reference = SecretReference(text) else {
            throw error(key, "\"\(text.prefix(4))…\" is not file:PATH, env:NAME or bao:MOUNT/PATH#FIELD")
        }
        return reference
    }
}
