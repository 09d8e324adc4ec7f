/// Records within sFlow samples that are known and not read, for counting: they describe no packet on a link, or say
/// what has no place in a flow record. A name is a label of a metric, so there are only these.
///
/// Application records (socket, transaction, HTTP, memcache …) tell of requests with sizes and durations, not of
/// packets: as flow records their volume would be counted beside the packets' own.
package enum SFlowRecord: String, CaseIterable, Sendable {
    case mplsTunnel = "mpls_tunnel"
    case mplsForwardingClass = "mpls_forwarding_class"
    case wireless
    case openFlow = "openflow"
    case fibreChannel = "fibre_channel"
    case infiniBand = "infiniband"
    case vlanStack = "vlan_stack"
    case queue
    case accessList = "access_list"
    case deviceFunction = "device_function"
    case transit
    case dropReason = "drop_reason"
    case timestamp
    case transaction
    case socket
    case memcache
    case http
    case application
    case tcpState = "tcp_state"
    case entities
    /// Counters other than of interfaces and processors.
    case counters
    /// Of an enterprise's own numbering.
    case ofMaker = "of_maker"
    case other

    /// What flow_data of that format is (sflow.org, "sFlow Structure Numbers").
    init(flowData format: UInt32) {
        self =
            switch format {
            case 1008: .mplsTunnel
            case 1010, 1011: .mplsForwardingClass
            case 1013...1016: .wireless
            case 1017: .openFlow
            case 1018: .fibreChannel
            case 1019, 1036, 1040: .queue
            case 1031...1033: .infiniBand
            case 1034, 1035: .vlanStack
            case 1037: .accessList
            case 1038: .deviceFunction
            case 1039: .transit
            case 1041, 1042: .dropReason
            case 1043: .timestamp
            case 2000, 2001: .transaction
            case 2100...2103: .socket
            case 2200: .memcache
            case 2201, 2206, 2207, 2208: .http
            case 2202...2205: .application
            case 2209: .tcpState
            case 2210: .entities
            case 4_096...: .ofMaker
            default: .other
            }
    }
}
