internal import Glibc

extension [UInt8] {
    /// Where each occurrence of `text`, which has one byte at least, begins. Fast in debug builds too, where a search
    /// by characters is very slow.
    package func places(of text: String) -> [Int] {
        withOccurrences(of: text) { next in
            var found: [Int] = [], from = 0
            while let place = next(from) {
                found.append(place)
                from = place + 1
            }
            return found
        }
    }

    package func contains(_ text: String) -> Bool { withOccurrences(of: text) { $0(0) != nil } }

    /// With `other` in the place of each occurrence of `text`, from the first on.
    package func replacing(_ text: String, with other: String) -> [UInt8] {
        var replaced: [UInt8] = [], from = 0
        for place in places(of: text) where place >= from {
            replaced += self[from..<place]
            replaced += other.utf8
            from = place + text.utf8.count
        }
        return from == 0 ? self : replaced + self[from...]
    }

    /// Calls `body` with what finds the first occurrence at or behind a place.
    private func withOccurrences<Result>(of text: String, _ body: ((Int) -> Int?) -> Result) -> Result {
        (self + [0]).withUnsafeBytes { all in
            body { from in
                guard let base = all.bindMemory(to: CChar.self).baseAddress else { return nil }
                var start = base + from
                while start - base < count {  // ends: behind the last zero that is here
                    if let place = strstr(start, text) { return UnsafePointer(place) - base }
                    start += strlen(start) + 1
                }
                return nil
            }
        }
    }
}
