/// Feeds with a line an indicator: plain lists, and tables with columns (CSV, RFC 4180).
import FlowModel

extension FeedRead {
    /// Reads a list of one address, network, `address:port` or `AS…` a line. What follows it after blanks, a comma or
    /// a tab is not looked at; `#` and `;` begin comments; empty lines are no lines.
    package mutating func readList(_ octets: [UInt8]) {
        guard accepts(octets, max: Limit.feedOctetsMax) else { return }
        let (context, confidence, now) = (defaultContext, defaultConfidence, time)
        forEachLine(octets) { number, line, read in
            guard let word = firstWord(line) else { return }
            guard word.count <= Limit.lineOctetsMax else { return read.refuse(.lineTooLong, at: "line \(number)") }
            let text = String(decoding: word, as: UTF8.self)
            read.take(text, at: "line \(number)") { subject, port in
                Indicator(subject, port: port, confidence: confidence, lastSeen: now, context: context)
            }
        }
    }

    /// Whether `octets` are few enough to be read at all; else they are refused as a whole.
    mutating func accepts(_ octets: [UInt8], max: Int) -> Bool {
        if octets.count > max { refuse(.tooMuch, at: "document", "\(octets.count) octets") }
        return octets.count <= max
    }

    /// Takes what `text` names, or refuses it under the right name.
    mutating func take(_ text: String, at place: String, _ make: (IndicatorSubject, UInt16) -> Indicator) {
        guard let (subject, port) = endpoint(text) else {
            return refuse(kind(ofOther: text), at: place, text)
        }
        take(make(subject, port), at: place)
    }

    private mutating func forEachLine(
        _ octets: [UInt8], _ body: (_ number: Int, _ line: ArraySlice<UInt8>, _ read: inout FeedRead) -> Void
    ) {
        var rest = octets.starts(with: [0xEF, 0xBB, 0xBF]) ? octets[3...] : octets[...], number = 0
        while !rest.isEmpty {  // ends: each turn takes a line
            number += 1
            let end = rest.firstIndex { $0 == 0x0A || $0 == 0x0D } ?? rest.endIndex
            body(number, rest[rest.startIndex..<end], &self)
            let isPair = end + 1 < rest.endIndex && rest[end] == 0x0D && rest[end + 1] == 0x0A
            rest = rest[min(end + (isPair ? 2 : 1), rest.endIndex)...]
        }
    }

    /// Reads a table. The first row names the columns, unless `columns` counts them.
    /// - Parameter columns: which column holds what.
    package mutating func readTable(_ octets: [UInt8], columns: TableColumns) {
        guard accepts(octets, max: Limit.feedOctetsMax) else { return }
        var rows = CSVRows(octets, separator: columns.separatorOctet)
        var places = columns.hasHeader ? nil : columns.places(in: nil)
        var contexts: [IndicatorContext: IndicatorContext] = [:]
        while let row = rows.next() {
            switch row {
            case .tooLong(let line): refuse(.lineTooLong, at: "line \(line)")
            case .malformed(let line): refuse(.malformed, at: "line \(line)", "text after a closing quote, or none")
            case .fields(let fields, let line):
                guard let places else {
                    places = columns.places(in: fields)
                    if places == nil { return refuse(.malformed, at: "line \(line)", "no column \(columns.value)") }
                    continue
                }
                take(row: fields, places, columns, line: line, &contexts)
            }
        }
    }

    private mutating func take(
        row: [String], _ places: TablePlaces, _ columns: TableColumns, line: Int,
        _ contexts: inout [IndicatorContext: IndicatorContext]
    ) {
        guard let value = places.text(.value, row), !value.isEmpty else {
            return refuse(.notAnIndicator, at: "line \(line)")
        }
        let made = IndicatorContext(
            labels: source.labels + places.list(.labels, row), malwareFamily: places.text(.malwareFamily, row),
            techniques: places.list(.techniques, row),
            trafficLight: places.text(.trafficLight, row).flatMap { TrafficLight(tag: $0) } ?? source.trafficLight)
        let context = contexts[made] ?? made
        if contexts.count < Limit.objectsMax { contexts[made] = context }
        var faults: [String] = []
        func moment(_ column: TableColumn) -> Int64? {
            guard let text = places.text(column, row), !text.isEmpty else { return nil }
            let time = Moment.milliseconds(text)
            if time == nil { faults.append("\(column.rawValue): \(text)") }
            return time
        }
        func number(_ column: TableColumn, max: UInt16) -> UInt16? {
            guard let text = places.text(column, row), !text.isEmpty else { return nil }
            let number = UInt16(text.prefix { $0 != "." && $0 != "%" }).flatMap { $0 <= max ? $0 : nil }
            if number == nil { faults.append("\(column.rawValue): \(text)") }
            return number
        }
        let confidence = number(.confidence, max: 100).map { UInt8($0) } ?? defaultConfidence
        let (port, first, last) = (number(.port, max: .max), moment(.firstSeen), moment(.lastSeen))
        let expires = moment(.expires), seen = last ?? first ?? time
        // A row whose confidence or end can't be read must not count for more, or longer, than was meant.
        guard faults.isEmpty else { return refuse(.badValue, at: "line \(line)", faults.joined(separator: ", ")) }
        take(value, at: "line \(line)") { subject, own in
            Indicator(
                subject, port: port ?? own, confidence: confidence, firstSeen: first, lastSeen: seen, expires: expires,
                context: context)
        }
    }
}

/// What stands before the first blank, comma, tab or comment; nil when there is nothing.
private func firstWord(_ line: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
    let begun = line.drop { $0 == 0x20 || $0 == 0x09 }
    let word = begun.prefix { octet in
        ![0x20, 0x09, UInt8(ascii: ","), UInt8(ascii: "#"), UInt8(ascii: ";")].contains(octet)
    }
    return word.isEmpty ? nil : word
}

/// `192.0.2.1`, `192.0.2.1:443`, `[2001:db8::1]:443`, `192.0.2.0/24`, `AS64496`.
func endpoint(_ text: String) -> (IndicatorSubject, port: UInt16)? {
    if let subject = IndicatorSubject(text) { return (subject, 0) }
    if text.hasPrefix("["), let close = text.firstIndex(of: "]") {
        guard let address = IPNetwork(text[text.index(after: text.startIndex)..<close]), address.isHost else {
            return nil
        }
        let rest = text[text.index(after: close)...]
        if rest.isEmpty { return (.network(address), 0) }
        guard rest.first == ":", let port = portNumber(rest.dropFirst()) else { return nil }
        return (.network(address), port)
    }
    guard let colon = text.lastIndex(of: ":"), let address = IPNetwork(text[..<colon]), address.address.isV4,
        address.isHost, let port = portNumber(text[text.index(after: colon)...])
    else { return nil }
    return (.network(address), port)
}

func portNumber(_ text: some StringProtocol) -> UInt16? {
    guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let port = UInt16(text), port != 0 else { return nil }
    return port
}

/// Names, URLs and hashes are indicators that flows don't show; the rest is none.
private func kind(ofOther text: String) -> FeedRefusal {
    if text.contains("://") { return .otherKind }
    let octets = text.utf8
    let isHex = octets.allSatisfy {
        (0x30...0x39).contains($0) || (0x61...0x66).contains($0) || (0x41...0x46).contains($0)
    }
    if isHex, [32, 40, 64, 96, 128].contains(octets.count) { return .otherKind }
    let labels = text.split(separator: ".", omittingEmptySubsequences: false)
    let isName =
        labels.count >= 2
        && labels.allSatisfy { label in
            (1...63).contains(label.utf8.count)
                && label.utf8.allSatisfy {
                    (0x30...0x39).contains($0) || (0x61...0x7A).contains($0 | 0x20) || $0 == 0x2D || $0 == 0x5F
                        || $0 >= 0x80
                }
        }
    let endsInLetters = labels.last?.utf8.contains { (0x61...0x7A).contains($0 | 0x20) || $0 >= 0x80 } ?? false
    return isName && endsInLetters ? .otherKind : .notAnIndicator
}

extension TrafficLight {
    /// `amber`, `tlp:amber`, `TLP:AMBER+STRICT`.
    init?(tag: some StringProtocol) {
        let name = tag.lowercased()
        self.init(label: name.hasPrefix("tlp:") ? name.dropFirst(4) : name[...])
    }
}
