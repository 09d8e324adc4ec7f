internal import Foundation
package import Settings

/// Where a bucket is and who may use it.
package struct S3Settings: Equatable, Sendable, CustomStringConvertible {
    package var scheme: String
    /// With the port, and with the bucket unless `isPathStyle`.
    package var host: String
    package var region: String
    package var bucket: String
    /// Before every name; empty or without slashes at its ends.
    package var prefix: String
    /// `host/bucket/key` instead of `bucket.host/key`.
    package var isPathStyle: Bool
    package var accessKey: SecretReference
    package var secretKey: SecretReference
    package var sessionToken: SecretReference?
    /// A PEM file of certificate authorities; the machine's own without.
    package var trust: String?

    /// - Parameter endpoint: `https://s3.example:8333`; plain HTTP on this machine's own addresses only, unless
    ///   `allowPlain`.
    /// - Returns: nil when the endpoint or the bucket's name is none.
    package init?(
        endpoint: String, region: String, bucket: String, prefix: String = "", isPathStyle: Bool,
        accessKey: SecretReference, secretKey: SecretReference, sessionToken: SecretReference? = nil,
        trust: String? = nil, allowPlain: Bool = false
    ) {
        guard let url = URLComponents(string: endpoint), let scheme = url.scheme, let name = url.host, !name.isEmpty,
            url.user == nil, url.query == nil, url.path.isEmpty || url.path == "/",
            scheme == "https"
                || (scheme == "http" && (allowPlain || ["127.0.0.1", "localhost", "::1", "[::1]"].contains(name))),
            (3...63).contains(bucket.utf8.count),
            bucket.utf8.allSatisfy({ "abcdefghijklmnopqrstuvwxyz0123456789.-".utf8.contains($0) })
        else { return nil }
        self.scheme = scheme
        host = (isPathStyle ? "" : "\(bucket).") + name + (url.port.map { ":\($0)" } ?? "")
        self.region = region
        self.bucket = bucket
        self.prefix = prefix
        self.isPathStyle = isPathStyle
        self.accessKey = accessKey
        self.secretKey = secretKey
        self.sessionToken = sessionToken
        self.trust = trust
    }
    package var description: String { "s3:\(bucket)" + (prefix.isEmpty ? "" : "/\(prefix)") }

    /// The key of a name or of the beginning of one.
    func key(_ name: String) -> String { prefix.isEmpty ? name : "\(prefix)/\(name)" }
    /// Nil for a key that is not below the prefix.
    func name(ofKey key: String) -> String? {
        guard !prefix.isEmpty else { return key }
        return key.hasPrefix(prefix + "/") ? String(key.dropFirst(prefix.count + 1)) : nil
    }
    /// As on the wire.
    func path(of name: ObjectName?) -> String {
        let bucketPart = isPathStyle ? "/\(bucket)" : ""
        guard let name else { return isPathStyle ? bucketPart : "/" }
        return bucketPart + "/" + SigV4.encoded(key(name.text), keeping: "/")
    }
    func credentials() throws(ObjectStoreError) -> SigV4.Credentials {
        do throws(SecretError) {
            return SigV4.Credentials(
                accessKey: try accessKey.read().text, secretKey: Array(try secretKey.read().text.utf8),
                sessionToken: try sessionToken?.read().text)
        } catch {
            throw .refused("\(self): \(error)")
        }
    }
}
