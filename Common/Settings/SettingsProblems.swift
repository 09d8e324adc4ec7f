extension SettingsReader {
    /// More are a sign that the file is of another program.
    private static let problemsMax = 100

    /// Everything that keeps `read` from making a value of these settings, not only the first: what is found wrong is
    /// passed over, and the rest is read again. Empty when nothing is. Uses this reader up.
    package func problems<Value>(
        _ read: (SettingsReader) throws(SettingError) -> Value
    ) -> [SettingError] {
        var found: [SettingError] = []
        for _ in 0..<Self.problemsMax * 4 where found.count < Self.problemsMax {
            do throws(SettingError) {
                _ = try read(self)
                return found
            } catch {
                if !found.contains(where: { $0.key == error.key }) { found.append(error) }
                guard !error.key.isEmpty, source.passOver(error.key) else { return found }
            }
        }
        return found
    }
}
