extension SensorSettings {
    /// Whether nothing but what `Sensor.reload` can change at run time is different.
    func differsOnlyInAddresses(from old: SensorSettings) -> Bool {
        var same = self
        (same.listenAddresses, same.streams) = (old.listenAddresses, old.streams)
        return same == old
    }
}
