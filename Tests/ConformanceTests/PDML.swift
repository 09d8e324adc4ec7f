import Foundation

#if canImport(FoundationXML)
import FoundationXML
#endif

/// A dissection as the packet analyser prints it with `-T pdml`: protocols and fields, nested as it shows them.
final class PDMLNode {
    let name: String
    /// The value alone, as the analyser reads it; for a node without a name its title.
    let show: String
    /// The whole line that a person would see.
    let line: String
    private(set) var children: [PDMLNode] = []

    fileprivate init(_ attributes: [String: String]) {
        name = attributes["name"] ?? ""
        show = attributes["show"] ?? ""
        line = attributes["showname"] ?? ""
    }
    fileprivate func add(_ child: PDMLNode) { children.append(child) }

    /// This node's descendants, in the order of the bytes.
    var descendants: [PDMLNode] { children.flatMap { [$0] + $0.descendants } }

    func first(_ name: String) -> PDMLNode? {
        for child in children {
            if child.name == name { return child }
            if let found = child.first(name) { return found }
        }
        return nil
    }
}

/// Reads PDML and hands over one packet at a time, so that a capture's dissection is never held whole.
final class PDMLReader: NSObject, XMLParserDelegate {
    private var stack: [PDMLNode] = []
    private let take: (PDMLNode) -> Void

    private init(_ take: @escaping (PDMLNode) -> Void) { self.take = take }

    /// Each packet is parsed by itself: the XML library refuses documents of more than 10 MB.
    static func read(_ data: Data, _ take: @escaping (PDMLNode) -> Void) throws {
        var rest = data.startIndex..<data.endIndex
        while let start = data.range(of: Data("<packet>".utf8), in: rest) {
            guard let end = data.range(of: Data("</packet>".utf8), in: start.upperBound..<rest.upperBound) else {
                throw Unreadable(offset: start.lowerBound)
            }
            let reader = PDMLReader(take), parser = XMLParser(data: data[start.lowerBound..<end.upperBound])
            parser.delegate = reader
            guard parser.parse() else { throw Unreadable(offset: start.lowerBound) }
            rest = end.upperBound..<rest.upperBound
        }
    }
    struct Unreadable: Error { let offset: Int }

    func parser(
        _ parser: XMLParser, didStartElement element: String, namespaceURI: String?, qualifiedName: String?,
        attributes: [String: String]
    ) {
        guard element == "packet" || !stack.isEmpty else { return }
        let node = PDMLNode(attributes)
        stack.last?.add(node)
        stack.append(node)
    }
    func parser(_ parser: XMLParser, didEndElement element: String, namespaceURI: String?, qualifiedName: String?) {
        guard let node = stack.popLast(), stack.isEmpty else { return }
        take(node)
    }
}
