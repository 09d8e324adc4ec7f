internal import FlowModel
internal import Foundation

/// Records as people paste them: JSON objects with IPFIX's names, as the flows of the API have them.
enum SigmaFlows {
    enum Value: Decodable {
        case number(Double), text(String), other
        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let number = try? container.decode(Double.self) {
                self = .number(number)
            } else if let text = try? container.decode(String.self) {
                self = .text(text)
            } else {
                self = .other
            }
        }
        var text: String {
            switch self {
            case .number(let number):
                number == number.rounded() && abs(number) < 1e18 ? "\(Int64(number))" : "\(number)"
            case .text(let text): text
            case .other: ""
            }
        }
        var milliseconds: Int64? {
            if let number = Int64(text) { return number }
            let styles = [
                Date.ISO8601FormatStyle(includingFractionalSeconds: true),
                Date.ISO8601FormatStyle(includingFractionalSeconds: false),
            ]
            guard let date = styles.lazy.compactMap({ try? $0.parse(text) }).first else { return nil }
            return Int64(exactly: (date.timeIntervalSince1970 * 1_000).rounded())
        }
    }
    static let flowsMax = 10_000

    /// - Throws: a problem that names the flow and the field.
    static func columns(_ flows: [[String: Value]]) throws(Problem) -> FlowColumns {
        guard flows.count <= flowsMax else {
            throw .badParameter("flows", "\(flows.count)", allowed: "at most \(flowsMax) flows")
        }
        var columns = FlowColumns()
        let key = ExporterKey(address: .absent, observationDomain: 0, exportProtocol: .ipfix)
        let exporter = columns.intern(key) ?? 0
        for (number, flow) in flows.enumerated() {
            var record = FlowRecord()
            record.exporter = exporter
            for (name, value) in flow.sorted(by: { $0.key < $1.key }) {
                guard set(name, value, &record) else {
                    throw .badParameter(
                        "flows", "\(name): \(value.text)",
                        allowed: "understood (flow \(number + 1)): names are IPFIX's, such as sourceIPv4Address, "
                            + "destinationTransportPort, protocolIdentifier, octetDeltaCount, flowStartMilliseconds")
                }
            }
            if record.flowEndMilliseconds == 0 { record.flowEndMilliseconds = record.flowStartMilliseconds }
            if record.receiveMilliseconds == 0 { record.receiveMilliseconds = record.flowEndMilliseconds }
            columns.append(record)
        }
        return columns
    }

    /// - Returns: false for a name that is not known and a value that doesn't go with it.
    private static func set(_ name: String, _ value: Value, _ record: inout FlowRecord) -> Bool {
        func address(_ place: WritableKeyPath<FlowRecord, IPAddress>) -> Bool {
            guard let address = IPAddress(value.text) else { return false }
            record[keyPath: place] = address
            return true
        }
        func number<Number: FixedWidthInteger>(_ place: WritableKeyPath<FlowRecord, Number>) -> Bool {
            guard let number = Number(value.text) else { return false }
            record[keyPath: place] = number
            return true
        }
        func time(_ place: WritableKeyPath<FlowRecord, Int64>) -> Bool {
            guard let time = value.milliseconds else { return false }
            record[keyPath: place] = time
            return true
        }
        switch name {
        case "sourceIPv4Address", "sourceIPv6Address", "sourceIPAddress": return address(\.sourceIPAddress)
        case "destinationIPv4Address", "destinationIPv6Address", "destinationIPAddress":
            return address(\.destinationIPAddress)
        case "sourceTransportPort": return number(\.sourceTransportPort)
        case "destinationTransportPort": return number(\.destinationTransportPort)
        case "protocolIdentifier": return number(\.protocolIdentifier)
        case "tcpControlBits": return number(\.tcpControlBits)
        case "octetDeltaCount": return number(\.octetDeltaCount)
        case "packetDeltaCount": return number(\.packetDeltaCount)
        case "deltaFlowCount": return number(\.deltaFlowCount)
        case "bgpSourceAsNumber": return number(\.bgpSourceAsNumber)
        case "bgpDestinationAsNumber": return number(\.bgpDestinationAsNumber)
        case "ingressInterface": return number(\.ingressInterface)
        case "egressInterface": return number(\.egressInterface)
        case "vlanId": return number(\.vlanId)
        case "ipClassOfService": return number(\.ipClassOfService)
        case "flowStartMilliseconds": return time(\.flowStartMilliseconds)
        case "flowEndMilliseconds": return time(\.flowEndMilliseconds)
        case "collectionTimeMilliseconds": return time(\.receiveMilliseconds)
        case "firewallEvent":
            guard let event = UInt8(value.text) else { return false }
            if event == 3 { record.flags.insert(.denied) }
            return true
        default: return false
        }
    }
}
