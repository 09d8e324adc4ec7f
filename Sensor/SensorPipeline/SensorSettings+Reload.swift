extension SensorSettings {
    /// Whether nothing but what `Sensor.reload` and the log's level can change at run time is different.
    func differsOnlyInAddresses(from old: SensorSettings) -> Bool {
        var same = self
        same.logLevel = old.logLevel
        (same.listenAddresses, same.streams) = (old.listenAddresses, old.streams)
        return same == old
    }
}
