internal import HTTPTypes
internal import Hummingbird

/// Keeps other sites' pages from using a browser's session (ASVS 5.0 §3.5): a request that changes something must come
/// from a page of this origin, and with a session must have a field that no form can send.
enum CrossSite {
    static let fetchSite = HTTPField.Name("Sec-Fetch-Site"), own = HTTPField.Name("Weir-Request")

    static func check(_ request: Request, hasSession: Bool) throws(Problem) {
        guard ![.get, .head, .options].contains(request.method) else { return }
        if let site = fetchSite.flatMap({ request.headers[$0] }) {
            guard site == "same-origin" else { throw .crossSite }
        } else if let origin = request.headers[.origin] {
            guard let authority = request.head.authority, origin == "https://\(authority)" else { throw .crossSite }
        }
        guard hasSession else { return }
        guard own.flatMap({ request.headers[$0] }) != nil else { throw .crossSite }
    }
}

/// The cookie that holds a session's token.
enum SessionCookie {
    static let name = "__Host-sid"

    static func token(in request: Request) -> String? { value(of: name, in: request) }
    static func value(of name: String, in request: Request) -> String? {
        for field in request.headers[values: .cookie] {
            for part in field.split(separator: ";") {
                let pair = part.drop { $0 == " " }
                if pair.hasPrefix("\(name)=") { return String(pair.dropFirst(name.count + 1)) }
            }
        }
        return nil
    }
    /// - Parameter token: nil ends it.
    static func field(_ token: String?, seconds: Int64) -> String {
        "\(name)=\(token ?? ""); Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=\(token == nil ? 0 : seconds)"
    }
}

extension Problem {
    static let crossSite = Problem(
        .forbidden, "cross-site", "This must come from a page of this site",
        detail: "With a session, send the header Weir-Request: 1, and no Origin or Sec-Fetch-Site of another site")
    static let onlyPeople = Problem(
        .forbidden, "forbidden", "This is for people", detail: "Sign in; a key has no session")
    static let noTenant = Problem(
        .forbidden, "no-tenant", "No tenant was chosen, or it is none of yours any more",
        detail: #"Choose one: PUT /v1/session/tenant {"tenant":"acme"}"#)
    static let signInFailed = Problem(
        .unauthorized, "sign-in-failed", "Address or password are wrong",
        headers: [.wwwAuthenticate: #"Bearer realm="weir""#])
    static let badToken = Problem(
        .unauthorized, "bad-token", "This token is no good, or no longer",
        headers: [.wwwAuthenticate: #"Bearer realm="weir""#])
    static func tooMany(waiting: Duration) -> Problem {
        Problem(
            .tooManyRequests, "too-many-tries", "Too many tries",
            headers: [.retryAfter: "\(max(waiting.components.seconds, 0) + 1)"])
    }
}
