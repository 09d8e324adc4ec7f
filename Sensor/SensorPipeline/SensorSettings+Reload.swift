extension SensorSettings {
    /// Whether nothing but what `Sensor.reload` can change at run time is different.
    func differsOnlyInAddresses(from old: SensorSettings) -> Bool {
        receiveBytes == old.receiveBytes && receivers == old.receivers && captureInterfaces == old.captureInterfaces
            && decode == old.decode && dedupe == old.dedupe
            && forward == old.forward && aggregators == old.aggregators && trustDomain == old.trustDomain
            && tls == old.tls && spoolDirectory == old.spoolDirectory && spoolBytesMax == old.spoolBytesMax
            && window == old.window && entriesMax == old.entriesMax && rowsMax == old.rowsMax
            && metricsListen == old.metricsListen && logLevel == old.logLevel && drain == old.drain
    }
}
