/// A parsed settings file: only shape and text, each part with its line.
indirect enum SettingsNode: Equatable {
    struct Entry: Equatable {
        let key: String
        let value: SettingsNode
        let line: Int
    }
    /// `key:` with nothing after it.
    case empty(line: Int)
    case scalar(String, line: Int)
    case list([SettingsNode], line: Int)
    case map([Entry], line: Int)

    var line: Int {
        switch self {
        case .empty(let line), .scalar(_, let line), .list(_, let line), .map(_, let line): line
        }
    }
    /// For error messages.
    var article: String {
        switch self {
        case .empty: "nothing"
        case .scalar(let text, _): quoted(text)
        case .list: "a list"
        case .map: "a map"
        }
    }
    subscript(key: Substring) -> SettingsNode? {
        guard case .map(let entries, _) = self else { return nil }
        return entries.first { $0.key == key }?.value
    }
}

/// A value as an error shows it: short, on one line.
func quoted(_ text: String) -> String {
    let shown = String(String.UnicodeScalarView(text.unicodeScalars.prefix(80).map { $0.value < 0x20 ? "?" : $0 }))
    return shown.isEmpty ? "an empty value" : shown
}
