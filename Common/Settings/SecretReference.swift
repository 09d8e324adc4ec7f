internal import Platform

/// Where a secret is: `file:/run/weir/token` or `env:WEIR_TOKEN`. Read at each use, so whoever rotates the secret
/// replaces the file and tells nobody. A reference is no secret and may be in settings, logs and command lines.
package enum SecretReference: Hashable, Sendable, CustomStringConvertible {
    case file(String)
    case environment(String)

    package static let bytesMax = 64 << 10

    /// Nil unless `text` is `file:PATH` or `env:NAME`.
    package init?(_ text: String) {
        if text.hasPrefix("file:"), text.count > 5 {
            self = .file(String(text.dropFirst(5)))
        } else if text.hasPrefix("env:"), text.count > 4 {
            self = .environment(String(text.dropFirst(4)))
        } else {
            return nil
        }
    }
    package var description: String {
        switch self {
        case .file(let path): "file:\(path)"
        case .environment(let name): "env:\(name)"
        }
    }

    /// - Throws: naming the reference and never what it holds. A file that others than its owner may read or write is
    ///   refused.
    package func read() throws(SecretError) -> Secret {
        switch self {
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

    /// `file:PATH` or `env:NAME`. An error shows only the beginning: somebody may have put the secret itself there.
    package func optionalSecret(_ key: String) throws(SettingError) -> SecretReference? {
        guard let text = try optionalString(key) else { return nil }
        guard let reference = SecretReference(text) else {
            throw error(key, "\"\(text.prefix(4))…\" is not file:PATH or env:NAME")
        }
        return reference
    }
}
