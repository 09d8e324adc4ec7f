package import Platform
package import Settings

/// Where objects go, in a scope of the settings such as `backup` or `archive`:
///
/// - `to` (`folder:PATH` or `s3:BUCKET[/PREFIX]`).
/// - `endpoint` (`https://HOST[:PORT]`, AWS's of the region): another S3 than AWS's.
/// - `region` (text, `us-east-1`).
/// - `pathStyle` (true or false; true with an `endpoint`): the bucket in the path instead of the host's name.
/// - `accessKey`, `secretKey` (`file:PATH` or `env:NAME`; `env:AWS_ACCESS_KEY_ID`, `env:AWS_SECRET_ACCESS_KEY`),
///   `sessionToken` (none).
/// - `trust` (path, the machine's own authorities).
/// - `allowPlain` (true or false, false): HTTP without TLS to another machine.
package enum ObjectStoreSettings: Equatable, Sendable {
    case folder(String)
    case s3(S3Settings)

    /// Nil when the scope has no `to`.
    package init?(_ reader: SettingsReader) throws(SettingError) {
        let region = try reader.string("region", default: "us-east-1")
        let endpoint = try reader.optionalString("endpoint")
        let isPathStyle = try reader.bool("pathStyle", default: endpoint != nil)
        let accessKey = try reader.optionalSecret("accessKey"), secretKey = try reader.optionalSecret("secretKey")
        let token = try reader.optionalSecret("sessionToken"), trust = try reader.optionalPath(of: "trust")
        let allowPlain = try reader.bool("allowPlain", default: false)
        guard let text = try reader.optionalString("to") else { return nil }
        if text.hasPrefix("folder:"), text.count > 7 {
            self = .folder(reader.resolved(String(text.dropFirst(7))))
            return
        }
        let parts = text.dropFirst(3).split(separator: "/", maxSplits: 1)
        guard text.hasPrefix("s3:"), let bucket = parts.first else {
            throw reader.error("to", "\"\(text)\" is not folder:PATH or s3:BUCKET[/PREFIX]")
        }
        let prefix = parts.count > 1 ? String(parts[1]) : ""
        guard prefix.isEmpty || (try? ObjectName(prefix)) != nil else {
            throw reader.error("to", "\"\(prefix)\" is no prefix: A-Z a-z 0-9 . _ - = @ and single / between")
        }
        guard
            let settings = S3Settings(
                endpoint: endpoint ?? "https://s3.\(region).amazonaws.com", region: region, bucket: String(bucket),
                prefix: prefix, isPathStyle: isPathStyle, accessKey: accessKey ?? .environment("AWS_ACCESS_KEY_ID"),
                secretKey: secretKey ?? .environment("AWS_SECRET_ACCESS_KEY"), sessionToken: token, trust: trust,
                allowPlain: allowPlain)
        else {
            throw reader.error(
                endpoint == nil ? "to" : "endpoint",
                "is not https://HOST[:PORT] with a bucket of 3 to 63 of a-z 0-9 . - (http:// on this machine only)")
        }
        self = .s3(settings)
    }

    package func open(
        time: any TimeSource, random: some RandomNumberGenerator & Sendable
    ) throws(ObjectStoreError) -> any ObjectStore {
        switch self {
        case .folder(let path): try FolderObjectStore(path)
        case .s3(let settings): S3ObjectStore(settings, time: time, random: random)
        }
    }
}
