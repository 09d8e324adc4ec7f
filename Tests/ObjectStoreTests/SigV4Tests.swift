import Testing

@testable import ObjectStore

/// AWS's published examples: "Signature Calculations for the Authorization Header", S3 API reference, and the
/// signature test suite's `get-vanilla`.
@Suite("AWS Signature Version 4")
struct SigV4Tests {
    static let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    static let day: Int64 = 1_369_353_600_000  // 2013-05-24T00:00:00Z
    private let credentials = SigV4.Credentials(
        accessKey: "AKIAIOSFODNN7EXAMPLE", secretKey: Array("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".utf8),
        sessionToken: nil)

    private func signature(
        _ method: String, _ path: String, query: [(String, String)] = [], headers: [(String, String)] = [],
        digest: String = empty
    ) throws -> String {
        let all = SigV4(region: "us-east-1", service: "s3").signed(
            method: method, path: path, query: query,
            headers: headers + [("host", "examplebucket.s3.amazonaws.com"), ("x-amz-content-sha256", digest)],
            payloadDigest: digest, milliseconds: Self.day, credentials: credentials)
        let authorization = try #require(all.last)
        #expect(authorization.0 == "authorization")
        return String(try #require(authorization.1.split(separator: "=").last))
    }

    @Test("the S3 reference's four examples have the published signatures") func published() throws {
        let get = try signature("GET", "/test.txt", headers: [("range", "bytes=0-9")])
        #expect(get == "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41")
        let put = try signature(
            "PUT", "/" + SigV4.encoded("test$file.text", keeping: "/"),
            headers: [("date", "Fri, 24 May 2013 00:00:00 GMT"), ("x-amz-storage-class", "REDUCED_REDUNDANCY")],
            digest: ObjectDigest(of: Array("Welcome to Amazon S3.".utf8)).hex)
        #expect(put == "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd")
        let lifecycle = try signature("GET", "/", query: [("lifecycle", "")])
        #expect(lifecycle == "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543")
        let list = try signature("GET", "/", query: [("prefix", "J"), ("max-keys", "2")])
        #expect(list == "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7")
    }

    @Test("the test suite's plain request has the published signature") func vanilla() throws {
        let credentials = SigV4.Credentials(
            accessKey: "AKIDEXAMPLE", secretKey: Array("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".utf8),
            sessionToken: nil)
        let all = SigV4(region: "us-east-1", service: "service").signed(
            method: "GET", path: "/", query: [], headers: [("host", "example.amazonaws.com")],
            payloadDigest: Self.empty, milliseconds: 1_440_938_160_000, credentials: credentials)
        #expect(
            all.last?.1
                == """
                AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request,\
                SignedHeaders=host;x-amz-date,\
                Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31
                """)
    }

    @Test("a session token is signed, and times have all their zeros") func rest() {
        let credentials = SigV4.Credentials(accessKey: "A", secretKey: [1], sessionToken: "token")
        let all = SigV4(region: "eu", service: "s3").signed(
            method: "GET", path: "/", query: [], headers: [("host", "h")], payloadDigest: Self.empty, milliseconds: 0,
            credentials: credentials)
        #expect(all.contains { $0 == ("x-amz-security-token", "token") })
        #expect(all.last?.1.contains("SignedHeaders=host;x-amz-date;x-amz-security-token,") == true)
        #expect(SigV4.stamp(0) == "19700101T000000Z")
        #expect(
            SigV4.stamp(951_782_399_999) == "20000228T235959Z" && SigV4.stamp(951_782_400_000) == "20000229T000000Z")
        #expect(SigV4.encoded("a/ü =+", keeping: "/") == "a/%C3%BC%20%3D%2B")
        #expect(SigV4.canonicalQuery([("b", "2"), ("a", "é"), ("a", "1")]) == "a=%C3%A9&a=1&b=2")
    }
}
