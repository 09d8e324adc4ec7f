internal import Detect
internal import Foundation
internal import Tenancy

/// A user as SCIM has one (RFC 7643 §4.1), both ways. Attributes that Weir has no use for are taken and not kept.
enum SCIMUser {
    static let filters: Set = ["username", "externalid", "id", "active", "emails.value", "emails"]

    static func body(_ user: ProvisionedUser, groups: [ProvisionedGroup]) -> SCIMValue {
        var fields: [String: SCIMValue] = [
            "schemas": .array([.string(SCIMSchemas.user)]), "id": .string(user.id),
            "userName": .string(user.userName), "active": .bool(user.isActive),
            "emails": .array([
                .object(["value": .string(user.userName), "type": .string("work"), "primary": .bool(true)])
            ]),
            "meta": SCIMSchemas.meta(
                "User", "/scim/v2/Users/\(user.id)", user.createdMilliseconds, user.changedMilliseconds, user.version),
        ]
        fields["externalId"] = user.externalID.map { .string($0) }
        fields["displayName"] = user.displayName.map { .string($0) }
        var name: [String: SCIMValue] = [:]
        name["givenName"] = user.givenName.map { .string($0) }
        name["familyName"] = user.familyName.map { .string($0) }
        if !name.isEmpty { fields["name"] = .object(name) }
        if !groups.isEmpty {
            fields["groups"] = .array(
                groups.map { group in
                    .object([
                        "value": .string(group.id), "display": .string(group.displayName),
                        "$ref": .string("/scim/v2/Groups/\(group.id)"),
                    ])
                })
        }
        return .object(fields)
    }
    static func value(_ attribute: String, of user: ProvisionedUser) -> SCIMValue? {
        switch attribute {
        case "username", "emails", "emails.value": .string(user.userName)
        case "externalid": user.externalID.map { .string($0) }
        case "active": .bool(user.isActive)
        default: .string(user.id)
        }
    }

    /// What a whole body says, in the place of what was.
    static func set(_ user: inout ProvisionedUser, from body: SCIMValue) throws(Problem) {
        guard let name = body["userName"]?.text else { throw .scim("invalidValue", "userName is needed: an address") }
        user.userName = name
        user.externalID = body["externalId"]?.text
        user.displayName = body["displayName"]?.text
        (user.givenName, user.familyName) = (body["name"]?["givenName"]?.text, body["name"]?["familyName"]?.text)
        user.isActive = try truth(body["active"] ?? .bool(true))
    }
    static func apply(_ patch: SCIMPatch, to user: inout ProvisionedUser) throws(Problem) {
        for operation in patch.operations {
            let value = operation.kind == .remove ? SCIMValue.null : operation.value
            switch operation.path {
            case "active": user.isActive = operation.kind == .remove ? true : try truth(value)
            case "username":
                guard let name = value.text else { throw .scim("invalidValue", "userName is needed: an address") }
                user.userName = name
            case "externalid": user.externalID = value.text
            case "displayname": user.displayName = value.text
            case "name.givenname": user.givenName = value.text
            case "name.familyname": user.familyName = value.text
            case "name": (user.givenName, user.familyName) = (value["givenName"]?.text, value["familyName"]?.text)
            case "id", "meta", "groups", "schemas":
                throw .scim("mutability", "\(operation.path) is not the caller's to change")
            case let path where known(path): continue
            default: throw .scim("invalidPath", "There is no attribute \(operation.path.prefix(100))")
            }
        }
    }
    private static func truth(_ value: SCIMValue) throws(Problem) -> Bool {
        guard let truth = value.truth else { throw .scim("invalidValue", "active: true or false") }
        return truth
    }
    /// Of RFC 7643 §4.1, and of extensions.
    private static func known(_ path: String) -> Bool {
        let name = path.prefix { $0 != "." }
        return name.hasPrefix("urn:")
            || [
                "name", "nickname", "profileurl", "title", "usertype", "preferredlanguage", "locale", "timezone",
                "password", "emails", "phonenumbers", "ims", "photos", "addresses", "entitlements", "roles",
                "x509certificates",
            ].contains { $0 == name }
    }
}

/// A group as SCIM has one (RFC 7643 §4.2), both ways.
enum SCIMGroup {
    static let filters: Set = ["displayname", "externalid", "id"]

    /// - Parameter members: nil: left out.
    static func body(_ group: ProvisionedGroup, members: [ProvisionedUser]?) -> SCIMValue {
        var fields: [String: SCIMValue] = [
            "schemas": .array([.string(SCIMSchemas.group)]), "id": .string(group.id),
            "displayName": .string(group.displayName),
            "meta": SCIMSchemas.meta(
                "Group", "/scim/v2/Groups/\(group.id)", group.createdMilliseconds, group.changedMilliseconds,
                group.version),
        ]
        fields["externalId"] = group.externalID.map { .string($0) }
        if let members {
            fields["members"] = .array(
                members.map { user in
                    .object([
                        "value": .string(user.id), "display": .string(user.userName),
                        "$ref": .string("/scim/v2/Users/\(user.id)"), "type": .string("User"),
                    ])
                })
        }
        return .object(fields)
    }
    static func value(_ attribute: String, of group: ProvisionedGroup) -> SCIMValue? {
        switch attribute {
        case "displayname": .string(group.displayName)
        case "externalid": group.externalID.map { .string($0) }
        default: .string(group.id)
        }
    }

    static func set(
        _ group: inout ProvisionedGroup, _ members: inout Set<String>, from body: SCIMValue
    ) throws(Problem) {
        guard let name = body["displayName"]?.text else { throw .scim("invalidValue", "displayName is needed") }
        (group.displayName, group.externalID) = (name, body["externalId"]?.text)
        members = try ids(body["members"] ?? .array([]))
    }
    static func apply(
        _ patch: SCIMPatch, to group: inout ProvisionedGroup, _ members: inout Set<String>
    ) throws(Problem) {
        for operation in patch.operations {
            let value = operation.kind == .remove ? SCIMValue.null : operation.value
            switch operation.path {
            case "displayname":
                guard let name = value.text else { throw .scim("invalidValue", "displayName is needed") }
                group.displayName = name
            case "externalid": group.externalID = value.text
            case "members": try change(&members, operation)
            case "schemas", "meta", "id":
                // Some directories send the group's own id with each change.
                guard operation.path == "id", value.text == group.id else {
                    throw .scim("mutability", "\(operation.path) is not the caller's to change")
                }
            default: throw .scim("invalidPath", "There is no attribute \(operation.path.prefix(100))")
            }
        }
    }
    private static func change(_ members: inout Set<String>, _ operation: SCIMPatch.Operation) throws(Problem) {
        switch operation.kind {
        case .add: members.formUnion(try ids(operation.value))
        case .replace: members = try ids(operation.value)
        case .remove:
            if let chosen = operation.chosen {
                members.remove(chosen)
            } else if operation.value == .null {
                members = []
            } else {
                members.subtract(try ids(operation.value))
            }
        }
    }
    private static func ids(_ value: SCIMValue) throws(Problem) -> Set<String> {
        var ids: Set<String> = []
        for item in value == .null ? [] : value.items {
            guard let id = item["value"]?.text ?? item.text else {
                throw .scim("invalidValue", #"members: objects with the id of a user as "value""#)
            }
            ids.insert(id)
        }
        return ids
    }
}
