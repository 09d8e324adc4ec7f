internal import Foundation
internal import HTTPTypes
internal import Hummingbird
internal import Identity
internal import NIOCore
internal import OpenID
internal import Platform
internal import Tenancy

/// `/scim/v2`: a tenant's own directory keeps its people here (SCIM 2.0, RFC 7644), with an API key of the scope
/// `scim:write`. What groups mean is what they mean at the tenant's provider (`signOn` in the settings).
struct SCIMRoutes {
    let control: ControlLog, desk: SignOnDesk?, time: any TimeSource

    static let bodyBytesMax = 1 << 20, pageMax = 200

    func add(to router: PolicedRoutes) {
        router.get("/scim/v2/ServiceProviderConfig") { request, context in
            try Self.answer(SCIMSchemas.configuration, request, context)
        }
        router.get("/scim/v2/ResourceTypes") { request, context in
            try Self.answer(SCIMSchemas.list(SCIMSchemas.resourceTypes), request, context)
        }
        router.get("/scim/v2/Schemas") { request, context in
            try Self.answer(SCIMSchemas.list(SCIMSchemas.schemas), request, context)
        }
        for (kind, all) in [("ResourceTypes", SCIMSchemas.resourceTypes), ("Schemas", SCIMSchemas.schemas)] {
            router.get("/scim/v2/\(kind)/{id}") { request, context in
                let id = try context.parameters.require("id")
                guard let one = all.first(where: { $0["id"] == .string(id) }) else { throw Problem.notFound }
                return try Self.answer(one, request, context)
            }
        }
        router.get("/scim/v2/Users") { try listUsers($0, $1) }
        router.post("/scim/v2/Users") { try await keepUser(nil, $0, $1) }
        router.get("/scim/v2/Users/{id}") { request, context in
            let own = try control.directory().provisioning(of: context.caller.tenant)
            guard let user = own.users[try context.parameters.require("id")] else { throw Problem.notFound }
            return try Self.response(
                SCIMUser.body(user, groups: own.groups(of: user.id)), version: user.version, request)
        }
        router.put("/scim/v2/Users/{id}") { try await keepUser(try $1.parameters.require("id"), $0, $1) }
        router.patch("/scim/v2/Users/{id}") { try await keepUser(try $1.parameters.require("id"), $0, $1) }
        router.delete("/scim/v2/Users/{id}") { request, context in
            let caller = try context.caller, id = try context.parameters.require("id")
            try deciding { () throws(ControlError) in
                try control.unprovisionUser(
                    id, of: caller.tenant, expecting: Self.expected(request), by: caller.keyID, at: now)
            }
            return Response(status: .noContent)
        }
        addGroups(to: router)
    }

    private func addGroups(to router: PolicedRoutes) {
        router.get("/scim/v2/Groups") { try listGroups($0, $1) }
        router.post("/scim/v2/Groups") { try await keepGroup(nil, $0, $1) }
        router.get("/scim/v2/Groups/{id}") { request, context in
            let parameters = try Parameters(request, allowed: SCIMPage.names)
            let own = try control.directory().provisioning(of: context.caller.tenant)
            guard let group = own.groups[try context.parameters.require("id")] else { throw Problem.notFound }
            let body = SCIMGroup.body(group, members: Self.members(of: group, own))
            return try Self.response(SCIMPage.cut(body, parameters), version: group.version, request)
        }
        router.put("/scim/v2/Groups/{id}") { try await keepGroup(try $1.parameters.require("id"), $0, $1) }
        router.patch("/scim/v2/Groups/{id}") { try await keepGroup(try $1.parameters.require("id"), $0, $1) }
        router.delete("/scim/v2/Groups/{id}") { request, context in
            let caller = try context.caller, id = try context.parameters.require("id")
            try deciding { () throws(ControlError) in
                var chance = SystemRandomNumberGenerator()
                try control.unprovisionGroup(
                    id, of: caller.tenant, expecting: Self.expected(request), by: caller.keyID, at: now,
                    standing: standing(caller.tenant), using: &chance)
            }
            return Response(status: .noContent)
        }
    }

    private var now: Int64 { time.wallMilliseconds() }
    private func standing(_ tenant: TenantID) -> GroupStanding {
        { [desk] groups in desk?.standing(of: groups, in: tenant) }
    }

    // MARK: Reading

    private func listUsers(_ request: Request, _ context: APIContext) throws -> Response {
        let own = try control.directory().provisioning(of: context.caller.tenant)
        let page = try SCIMPage(request, known: SCIMUser.filters)
        let users = own.users.values.filter { user in
            page.filter?.matches { SCIMUser.value($0, of: user) } ?? true
        }.sorted { ($0.createdMilliseconds, $0.id) < ($1.createdMilliseconds, $1.id) }
        return try page.answer(users) { SCIMUser.body($0, groups: own.groups(of: $0.id)) }
    }
    private func listGroups(_ request: Request, _ context: APIContext) throws -> Response {
        let own = try control.directory().provisioning(of: context.caller.tenant)
        let page = try SCIMPage(request, known: SCIMGroup.filters)
        let groups = own.groups.values.filter { group in
            page.filter?.matches { SCIMGroup.value($0, of: group) } ?? true
        }.sorted { ($0.createdMilliseconds, $0.id) < ($1.createdMilliseconds, $1.id) }
        return try page.answer(groups) { SCIMGroup.body($0, members: Self.members(of: $0, own)) }
    }
    private static func members(of group: ProvisionedGroup, _ own: Provisioning) -> [ProvisionedUser] {
        (own.members[group.id] ?? []).compactMap { own.users[$0] }.sorted { $0.id < $1.id }
    }

    // MARK: Changing

    /// Makes a user, puts another in its place, or changes some of it.
    private func keepUser(_ id: String?, _ request: Request, _ context: APIContext) async throws -> Response {
        let caller = try context.caller, body = try await Self.body(of: request)
        let patch = request.method == .patch ? try SCIMPatch(body) : nil
        let user = try Self.said { own in
            var chance = SystemRandomNumberGenerator()
            return try control.provisionUser(
                id, in: caller.tenant, expecting: Self.expected(request), by: caller.keyID, at: now,
                standing: standing(caller.tenant), using: &chance
            ) { user in
                do throws(Problem) {
                    if let patch { try SCIMUser.apply(patch, to: &user) } else { try SCIMUser.set(&user, from: body) }
                } catch {
                    own = error
                    throw error
                }
            }
        }
        let groups = try control.directory().provisioning(of: caller.tenant).groups(of: user.id)
        return try Self.response(SCIMUser.body(user, groups: groups), version: user.version, request)
    }
    private func keepGroup(_ id: String?, _ request: Request, _ context: APIContext) async throws -> Response {
        let caller = try context.caller, body = try await Self.body(of: request)
        let patch = request.method == .patch ? try SCIMPatch(body) : nil
        let group = try Self.said { own in
            var chance = SystemRandomNumberGenerator()
            return try control.provisionGroup(
                id, in: caller.tenant, expecting: Self.expected(request), by: caller.keyID, at: now,
                standing: standing(caller.tenant), using: &chance
            ) { group, members in
                do throws(Problem) {
                    if let patch {
                        try SCIMGroup.apply(patch, to: &group, &members)
                    } else {
                        try SCIMGroup.set(&group, &members, from: body)
                    }
                } catch {
                    own = error
                    throw error
                }
            }
        }
        let own = try control.directory().provisioning(of: caller.tenant)
        return try Self.response(
            SCIMGroup.body(group, members: Self.members(of: group, own)), version: group.version, request)
    }

    // MARK: Answers

    /// In SCIM's words what `deciding` says in the API's.
    /// - Parameter body: gives what it throws of its own to its parameter, too.
    private static func said<Value>(_ body: (inout Problem?) throws -> Value) throws -> Value {
        var own: Problem?
        do {
            return try body(&own)
        } catch {
            if let own { throw own }
            switch error as? ControlError {
            case .refused(.emailTaken):
                throw Problem(.conflict, "uniqueness", "There is one already", detail: "Of that name, in this tenant")
            case .refused(.badEmail): throw Problem.scim("invalidValue", "userName is no address")
            case .refused(.badName):
                throw Problem.scim("invalidValue", "A text is empty or has over \(Provisioning.textOctetsMax) octets")
            case .refused(.unknownAccount): throw Problem.scim("invalidValue", "members: there is no such user")
            case let error?: return try deciding { () throws(ControlError) in throw error }
            case nil: throw error
            }
        }
    }
    private static func body(of request: Request) async throws -> SCIMValue {
        let body = try await jsonBody(SCIMValue.self, of: request, bytesMax: bodyBytesMax)
        guard body.fields != nil else { throw Problem.scim("invalidSyntax", "The body should be an object") }
        return body
    }
    /// Of `If-Match`; nil: any version.
    private static func expected(_ request: Request) -> Int? {
        guard let field = request.headers[.ifMatch], field != "*" else { return nil }
        return Int(field.drop { !$0.isNumber }.prefix { $0.isNumber }) ?? -1
    }
    private static func answer(_ body: SCIMValue, _ request: Request, _ context: APIContext) throws -> Response {
        _ = try context.caller
        return try response(body, version: nil, request)
    }
    static func response(_ body: SCIMValue, version: Int?, _ request: Request) throws -> Response {
        var response = jsonResponse(try jsonOctets(body))
        response.headers[.contentType] = "application/scim+json"
        guard let version else { return response }
        let tag = "W/\"\(version)\""
        response.headers[.eTag] = tag
        if request.method == .get, request.headers[.ifNoneMatch] == tag {
            return Response(status: .notModified, headers: [.eTag: tag])
        }
        if request.method == .post, let place = body["meta"]?["location"]?.text {
            response.status = .created
            response.headers[.location] = place
        }
        return response
    }
}

/// A part of a list (RFC 7644 §3.4.2.4), with some of the attributes.
struct SCIMPage {
    static let names: Set = ["attributes", "excludedAttributes"]
    let filter: SCIMFilter?
    private let start: Int, count: Int, parameters: Parameters

    init(_ request: Request, known: Set<String>) throws(Problem) {
        parameters = try Parameters(
            request, allowed: Self.names.union(["filter", "startIndex", "count", "sortBy", "sortOrder"]))
        guard parameters.text("sortBy") == nil, parameters.text("sortOrder") == nil else {
            throw .scim("invalidValue", "Lists are in the order of their making")
        }
        filter = try parameters.text("filter").map { text throws(Problem) in try SCIMFilter(text, known: known) }
        // Less than 1 is 1, less than 0 is 0 (§3.4.2.4).
        start = max(try parameters.integer("startIndex", in: Int.min...Int.max) ?? 1, 1)
        count = min(max(try parameters.integer("count", in: Int.min...Int.max) ?? 100, 0), SCIMRoutes.pageMax)
    }

    func answer<Item>(_ items: [Item], _ body: (Item) -> SCIMValue) throws -> Response {
        let page = items.dropFirst(start - 1).prefix(count).map { Self.cut(body($0), parameters) }
        var response = jsonResponse(
            try jsonOctets(SCIMSchemas.list(page, total: items.count, start: start)))
        response.headers[.contentType] = "application/scim+json"
        return response
    }
    /// RFC 7644 §3.9: what is always there stays.
    static func cut(_ body: SCIMValue, _ parameters: Parameters) -> SCIMValue {
        guard case .object(var fields) = body else { return body }
        func names(_ name: String) -> Set<String>? {
            parameters.text(name).map { text in
                Set(text.lowercased().split(separator: ",").map { String($0.drop { $0 == " " }.prefix { $0 != "." }) })
            }
        }
        let kept = names("attributes"), left = names("excludedAttributes")
        fields = fields.filter { name, _ in
            ["id", "schemas", "meta"].contains(name)
                || (kept?.contains(name.lowercased()) ?? true) && left?.contains(name.lowercased()) != true
        }
        return .object(fields)
    }
}
