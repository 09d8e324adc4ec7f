import FlowModel
import Foundation
import Identity
import Notify
import NotifyChannels
import Settings
import SignOnClient
import Tenancy
import TestKit
import Testing

@testable import OpenID

/// A real provider, driven as a browser would: a login form, a page that asks for consent, and back.
@Suite(
    "Signing in at Canaille", .enabled(if: CanailleServer.isInstalled, "\(CanailleServer.why)"), .serialized)
struct CanailleTests {
    @Test("somebody signs in there and is who the provider says, with groups, and after its keys were changed")
    func flow() async throws {
        let canaille = try CanailleServer(redirect: "https://weir.example/v1/signon/corp/callback")
        var provider = SignOnProvider(
            name: "corp", tenant: try #require(TenantID("acme")), issuer: canaille.address, client: "console")
        provider.secret = .file(canaille.secret)
        provider.allowsPlain = true
        var policy = EgressPolicy()
        (policy.schemes, policy.ports) = ([.http, .https], [canaille.port])
        policy.allowed = [try #require(IPNetwork("127.0.0.0/8"))]
        let time = ManualTime(wallMilliseconds: Int64(Date().timeIntervalSince1970 * 1_000))
        let desk = SignOnDesk(
            [provider], transport: HTTPSignOnTransport(policy),
            sealer: try #require(AttemptSealer(Secret([UInt8](repeating: 3, count: 32)))),
            ownURL: "https://weir.example", time: time)
        func enter(_ password: String = CanailleServer.password) async throws -> IDToken? {
            var chance = SystemRandomNumberGenerator()
            let begun = try await desk.begin(provider, using: &chance)
            guard let query = try browse(canaille, begun.location, password) else { return nil }
            return try await desk.finish(provider, query: query, kept: begun.kept).token
        }
        let token = try #require(try await enter(), "\(canaille.log)")
        #expect(token.subject == "alice" && token.groups == ["soc"] && token.issuer == canaille.address)
        #expect(try await enter("a wrong password") == nil)
        try canaille.changeKeys()
        time.advance(by: .seconds(31))
        #expect(try await enter()?.subject == "alice")
        let refused = SignOnDesk(
            [provider], transport: HTTPSignOnTransport(EgressPolicy()),
            sealer: try #require(AttemptSealer(Secret([UInt8](repeating: 3, count: 32)))),
            ownURL: "https://weir.example",
            time: time)
        var chance = SystemRandomNumberGenerator()
        do throws(SignOnFault) {
            _ = try await refused.begin(provider, using: &chance)
            Issue.record("an address of this machine was asked")
        } catch { if case .unreachable = error {} else { Issue.record("\(error)") } }
    }

    /// What a browser does with an address, up to being sent back: the query that it comes with; nil when it is not.
    private func browse(_ canaille: CanailleServer, _ address: String, _ password: String) throws -> [String: String]? {
        let text = try canaille.python(Self.browser, [address, "alice", password])
        return try JSONSerialization.jsonObject(with: Data(text.utf8), options: .fragmentsAllowed) as? [String: String]
    }

    private static let browser = """
        import http.cookiejar, html.parser, json, sys, urllib.error, urllib.parse, urllib.request
        folder, port, address, user, password = sys.argv[1:6]
        class Away(Exception): pass
        class Redirects(urllib.request.HTTPRedirectHandler):
            def redirect_request(self, request, fp, code, message, headers, url):
                if url.startswith('https://weir.example/'): raise Away(url)
                return super().redirect_request(request, fp, code, message, headers, url)
        class Forms(html.parser.HTMLParser):
            def __init__(self):
                super().__init__()
                self.fields, self.names, self.action = {}, set(), None
            def handle_starttag(self, tag, attributes):
                a = dict(attributes)
                if tag == 'form' and a.get('method', '').lower() == 'post': self.action = a.get('action') or ''
                if tag in ('input', 'button') and a.get('name'):
                    self.names.add((a['name'], a.get('type'), a.get('value')))
                    if tag == 'input' and a.get('type') == 'hidden': self.fields[a['name']] = a.get('value', '')
        jar = http.cookiejar.CookieJar(policy=http.cookiejar.DefaultCookiePolicy(rfc2965=True))
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar), Redirects())
        try:
            answer = opener.open(address, timeout=20)
            for turn in range(8):
                page, here = answer.read().decode(), answer.geturl()
                forms = Forms()
                forms.feed(page)
                names = {name for name, _, _ in forms.names}
                fields = dict(forms.fields)
                if 'login' in names: fields['login'] = user
                elif 'password' in names: fields['password'] = password
                elif 'answer' in names: fields['answer'] = 'accept'
                else: break
                data = urllib.parse.urlencode(fields).encode()
                request = urllib.request.Request(urllib.parse.urljoin(here, forms.action or here), data,
                    {'Referer': here, 'Origin': f'http://127.0.0.1:{port}'})
                answer = opener.open(request, timeout=20)
            print('null')
            open(folder + '/last.html', 'w').write(page)
        except Away as away:
            print(json.dumps(dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(str(away)).query))))
        except urllib.error.HTTPError as error:
            open(folder + '/last.html', 'w').write(error.read().decode(errors='replace'))
            print('null')
        """
}
