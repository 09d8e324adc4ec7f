internal import Foundation

/// A change of some attributes (RFC 7644 §3.5.2), as operations on paths.
struct SCIMPatch: Sendable {
    enum Kind: String { case add, replace, remove }
    struct Operation: Sendable, Equatable {
        let kind: Kind
        /// In lower case, without the schema's name: `name.givenname`; empty: the value's own names.
        let path: String
        /// Of `members[value eq "…"]`.
        let chosen: String?
        let value: SCIMValue
    }
    static let schema = "urn:ietf:params:scim:api:messages:2.0:PatchOp", operationsMax = 1_000
    let operations: [Operation]

    init(_ body: SCIMValue) throws(Problem) {
        guard let listed = body["Operations"], case .array(let items) = listed, !items.isEmpty,
            items.count <= Self.operationsMax
        else { throw .scim("invalidSyntax", "Operations: a list of 1 to \(Self.operationsMax)") }
        var all: [Operation] = []
        for item in items { all += try Self.operations(item) }
        operations = all
    }

    private static func operations(_ item: SCIMValue) throws(Problem) -> [Operation] {
        guard let kind = item["op"]?.text.flatMap({ Kind(rawValue: $0.lowercased()) }) else {
            throw .scim("invalidSyntax", "op: add, replace or remove")
        }
        let value = item["value"] ?? .null
        if let text = item["path"]?.text {
            let (path, chosen) = try Self.path(text)
            return [Operation(kind: kind, path: path, chosen: chosen, value: value)]
        }
        guard kind != .remove else { throw .scim("noTarget", "remove needs a path") }
        guard let fields = value.fields else { throw .scim("invalidValue", "value: an object, where there is no path") }
        var all: [Operation] = []
        for (name, value) in fields.sorted(by: { $0.key < $1.key }) {
            all.append(Operation(kind: kind, path: try path(name).path, chosen: nil, value: value))
        }
        return all
    }

    /// `members[value eq "x"]`, `emails[type eq "work"].value`, `urn:…:User:name.givenName`.
    private static func path(_ text: String) throws(Problem) -> (path: String, chosen: String?) {
        var path = text, chosen: String?
        for schema in [SCIMSchemas.user, SCIMSchemas.group] {
            if path.lowercased().hasPrefix(schema.lowercased() + ":") {
                path = String(path.dropFirst(schema.count + 1))
            }
        }
        if let open = path.firstIndex(of: "["), let close = path.lastIndex(of: "]"), open < close {
            let inside = String(path[path.index(after: open)..<close])
            let filter = try SCIMFilter(inside, known: ["value", "type", "primary"])
            chosen = filter.tests.first { $0.attribute == "value" }?.value.text
            path = String(path[..<open]) + String(path[path.index(after: close)...])
        }
        return (path.lowercased(), chosen)
    }
}
