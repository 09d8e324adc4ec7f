internal import Detect

/// What a client asks first: what is understood here (RFC 7643 §5 to §7).
enum SCIMSchemas {
    static let user = "urn:ietf:params:scim:schemas:core:2.0:User"
    static let group = "urn:ietf:params:scim:schemas:core:2.0:Group"
    private static let core = "urn:ietf:params:scim:schemas:core:2.0:"

    static let configuration = SCIMValue.object([
        "schemas": .array([.string(core + "ServiceProviderConfig")]),
        "patch": .object(["supported": .bool(true)]),
        "bulk": .object(["supported": .bool(false), "maxOperations": .number(0), "maxPayloadSize": .number(0)]),
        "filter": .object(["supported": .bool(true), "maxResults": .number(Double(SCIMRoutes.pageMax))]),
        "changePassword": .object(["supported": .bool(false)]), "sort": .object(["supported": .bool(false)]),
        "etag": .object(["supported": .bool(true)]),
        "authenticationSchemes": .array([
            .object([
                "type": .string("oauthbearertoken"), "name": .string("API key"),
                "description": .string("Authorization: Bearer weir_..., of the scope scim:write"),
                "primary": .bool(true),
            ])
        ]),
        "meta": .object([
            "resourceType": .string("ServiceProviderConfig"), "location": .string("/scim/v2/ServiceProviderConfig"),
        ]),
    ])

    static let resourceTypes = [("User", "/Users", user), ("Group", "/Groups", group)].map { name, path, schema in
        SCIMValue.object([
            "schemas": .array([.string(core + "ResourceType")]), "id": .string(name), "name": .string(name),
            "endpoint": .string(path), "schema": .string(schema),
            "meta": .object([
                "resourceType": .string("ResourceType"), "location": .string("/scim/v2/ResourceTypes/\(name)"),
            ]),
        ])
    }

    static let schemas: [SCIMValue] = [
        schema(
            user, "User",
            [
                attribute("userName", isRequired: true, uniqueness: "server"), attribute("externalId", isExact: true),
                attribute("displayName"), attribute("active", type: "boolean"),
                attribute("name", type: "complex", parts: [attribute("givenName"), attribute("familyName")]),
                attribute(
                    "emails", type: "complex", isMany: true, isReadOnly: true,
                    parts: [attribute("value"), attribute("type"), attribute("primary", type: "boolean")]),
                attribute(
                    "groups", type: "complex", isMany: true, isReadOnly: true,
                    parts: [attribute("value"), attribute("display"), attribute("$ref", type: "reference")]),
            ]),
        schema(
            group, "Group",
            [
                attribute("displayName", isRequired: true, uniqueness: "server"),
                attribute("externalId", isExact: true),
                attribute(
                    "members", type: "complex", isMany: true,
                    parts: [attribute("value"), attribute("display"), attribute("$ref", type: "reference")]),
            ]),
    ]

    private static func schema(_ id: String, _ name: String, _ attributes: [SCIMValue]) -> SCIMValue {
        .object([
            "schemas": .array([.string(core + "Schema")]), "id": .string(id), "name": .string(name),
            "attributes": .array(attributes),
            "meta": .object(["resourceType": .string("Schema"), "location": .string("/scim/v2/Schemas/\(id)")]),
        ])
    }
    private static func attribute(
        _ name: String, type: String = "string", isMany: Bool = false, isRequired: Bool = false, isExact: Bool = false,
        isReadOnly: Bool = false, uniqueness: String = "none", parts: [SCIMValue] = []
    ) -> SCIMValue {
        var fields: [String: SCIMValue] = [
            "name": .string(name), "type": .string(type), "multiValued": .bool(isMany),
            "required": .bool(isRequired), "caseExact": .bool(isExact),
            "mutability": .string(isReadOnly ? "readOnly" : "readWrite"), "returned": .string("default"),
            "uniqueness": .string(uniqueness),
        ]
        if !parts.isEmpty { fields["subAttributes"] = .array(parts) }
        return .object(fields)
    }

    static func list(_ items: [SCIMValue]) -> SCIMValue { list(items, total: items.count, start: 1) }
    /// RFC 7644 §3.4.2.
    static func list(_ items: [SCIMValue], total: Int, start: Int) -> SCIMValue {
        .object([
            "schemas": .array([.string("urn:ietf:params:scim:api:messages:2.0:ListResponse")]),
            "totalResults": .number(Double(total)), "startIndex": .number(Double(start)),
            "itemsPerPage": .number(Double(items.count)), "Resources": .array(items),
        ])
    }
    static func meta(
        _ type: String, _ place: String, _ created: Int64, _ changed: Int64, _ version: Int
    ) -> SCIMValue {
        .object([
            "resourceType": .string(type), "location": .string(place), "version": .string("W/\"\(version)\""),
            "created": .string(EventTime(created).description),
            "lastModified": .string(EventTime(changed).description),
        ])
    }
}
