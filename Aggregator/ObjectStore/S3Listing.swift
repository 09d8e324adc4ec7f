internal import Foundation
internal import FoundationXML

/// What S3 says in XML: a list of objects, or an error's code.
struct S3Listing {
    let objects: [(key: String, bytes: Int)]
    let isTruncated: Bool

    /// Nil when `body` is no `ListBucketResult`.
    init?(_ body: [UInt8]) {
        let reader = S3XML(body)
        guard reader.isWhole, reader.root == "ListBucketResult" else { return nil }
        var found: [(key: String, bytes: Int)] = [], key: String?
        for (path, text) in reader.leaves {
            switch path {
            case "Contents/Key": key = text
            case "Contents/Size":
                guard let name = key, let bytes = Int(text), bytes >= 0 else { return nil }
                found.append((name, bytes))
                key = nil
            default: break
            }
        }
        objects = found
        isTruncated = reader.leaves.contains { $0.path == "IsTruncated" && $0.text == "true" }
    }

    static func errorCode(_ body: [UInt8]) -> String? {
        let reader = S3XML(body)
        guard reader.root == "Error", let code = reader.leaves.first(where: { $0.path == "Code" })?.text else {
            return nil
        }
        return code.count <= 64 && code.allSatisfy { $0.isLetter || $0.isNumber } ? code : nil
    }
}

/// An XML document's texts with the path of elements below the root.
private final class S3XML: NSObject, XMLParserDelegate {
    private(set) var root: String?
    private(set) var leaves: [(path: String, text: String)] = []
    private(set) var isWhole = false
    private var path: [String] = [], text = ""

    init(_ body: [UInt8]) {
        super.init()
        let parser = XMLParser(data: Data(body))
        parser.shouldResolveExternalEntities = false
        parser.delegate = self
        isWhole = parser.parse()
    }
    func parser(
        _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
        attributes: [String: String]
    ) {
        if root == nil { root = name } else { path.append(name) }
        text = ""
        if path.count > 16 { parser.abortParsing() }
    }
    func parser(_ parser: XMLParser, foundCharacters string: String) { text += string }
    func parser(_ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?) {
        if !path.isEmpty {
            leaves.append((path.joined(separator: "/"), text))
            path.removeLast()
        }
        text = ""
    }
}
