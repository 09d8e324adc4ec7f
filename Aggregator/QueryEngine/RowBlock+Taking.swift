package import FlowModel
package import Identity

extension RowBlock {
    /// Copies of rows with all that their columns hold, further elements, observers and sketches too, and the sensor of
    /// each.
    package func taking(_ rows: [Int32]) -> (columns: FlowColumns, sensors: [SensorIdentity]) {
        var taken = FlowColumns(capacity: rows.count), sensors: [SensorIdentity] = []
        sensors.reserveCapacity(rows.count)
        for row in rows {
            let row = Int(row)
            var record = columns[row]
            // A question that did not name the column has zeros there, and perhaps no exporter.
            let exporter = Int(record.exporter)
            record.exporter =
                columns.exporters.indices.contains(exporter)
                ? taken.intern(columns.exporters[exporter]) ?? 0 : 0
            let details = RecordDetails(columns, row)
            (record.extra, record.observers, record.sketch) = (0, 0, 0)
            details?.write(to: &record, of: &taken)
            taken.append(record)
            sensors.append(self.sensors.sensor(ofRow: row))
        }
        return (taken, sensors)
    }
}
