import Dedupe
import FlowModel
import TestKit
import Testing

@Suite("A flow that several observers saw is kept once")
struct ObserverRuleTests {
    private let one = Window.exporter(1), two = Window.exporter(2), three = Window.exporter(3)

    @Test("C31 the same flow of two exporters stays once, with its own counters, and names the other")
    func twoExporters() {
        let (columns, report) = passed(
            Window {
                $0.add(by: two) { $0.octetDeltaCount = 49_000 }
                $0.add(by: one)
            })
        #expect(columns.exporterHosts == [1])
        #expect(columns[0].octetDeltaCount == 50_000)
        #expect(columns.alsoSeen(by: 0) == [2])
        #expect(report.rows == 1)
        #expect(report.elsewhere == [two: Tally(flows: 1, octets: 49_000, packets: 100)])
        #expect(report.savings == Tally(flows: 1, octets: 49_000, packets: 100))
    }

    @Test("C31 off leaves all rows alone, mark flags what merge removes")
    func modes() {
        let window = Window {
            $0.add(by: one)
            $0.add(by: two)
        }
        let off = passed(window, .init(mode: .off))
        #expect(off.columns == window.columns)
        #expect(off.report == DedupeReport())
        let mark = passed(window, .init(mode: .mark)), merge = passed(window)
        #expect(mark.report == merge.report)
        #expect(mark.columns.count == 2)
        #expect(mark.columns[0].flags == [])
        #expect(mark.columns[1].flags == .observedElsewhere)
        let again = passed(Window { $0.columns = mark.columns })
        #expect(again.columns.count == 2)
        #expect(again.report.unexamined == 1)
    }

    @Test("C32 ingress and egress of one box count once, and ingress is the one that stays")
    func bothDirections() {
        let (columns, report) = passed(
            Window {
                $0.add { $0.flowDirection = 1 }
                $0.add()
            })
        #expect(columns.count == 1)
        #expect(columns[0].flowDirection == 0)
        #expect(columns[0].observers == 0)
        #expect(report.elsewhere[one]?.flows == 1)
    }

    @Test(
        "C32 two ingress interfaces of one box count once; one interface with two VLANs, classes or ways out does not")
    func interfaces() {
        func rowsLeft(_ change: (inout FlowRecord) -> Void) -> Int {
            passed(
                Window {
                    $0.add()
                    $0.add(Window.flow(), by: one, change)
                }
            ).columns.count
        }
        #expect(rowsLeft { $0.ingressInterface = 7 } == 1)
        #expect(rowsLeft { $0.egressInterface = 7 } == 2)
        #expect(rowsLeft { $0.vlanId = 7 } == 2)
        #expect(rowsLeft { $0.ipClassOfService = 7 } == 2)
        #expect(rowsLeft { $0.flowDirection = 255 } == 2)
    }

    @Test("any part of the 5-tuple that differs makes another flow, and so does the way back")
    func tuple() {
        let changes: [(inout FlowRecord) -> Void] = [
            { $0.sourceIPAddress = IPAddress(v4: 9) }, { $0.destinationIPAddress = IPAddress(v4: 9) },
            { $0.sourceIPAddress.high = 1 }, { $0.destinationIPAddress.high = 1 }, { $0.sourceTransportPort = 9 },
            { $0.destinationTransportPort = 9 }, { $0.protocolIdentifier = 17 },
            {
                swap(&$0.sourceIPAddress, &$0.destinationIPAddress)
                swap(&$0.sourceTransportPort, &$0.destinationTransportPort)
            },
        ]
        for (number, change) in changes.enumerated() {
            let window = Window {
                $0.add(by: one)
                $0.add(Window.flow(), by: two, change)
            }
            #expect(passed(window).columns.count == 2, "change \(number)")
        }
    }

    @Test("ICMP's type and code are part of the flow")
    func icmp() {
        func window(_ code: UInt16) -> Window {
            Window {
                $0.add(by: one) { ($0.protocolIdentifier, $0.destinationTransportPort) = (1, 0x0800) }
                $0.add(by: two) { ($0.protocolIdentifier, $0.destinationTransportPort) = (1, code) }
            }
        }
        #expect(passed(window(0x0800)).columns.count == 1)
        #expect(passed(window(0x0000)).columns.count == 2)
    }

    @Test("C31 a sole observation never goes: what no canonical row covers by at least half of its time stays")
    func coverage() {
        func left(_ start: Int64, _ end: Int64, tolerance: Int64 = 0) -> Int {
            passed(
                Window {
                    $0.add(by: one)
                    $0.add(by: two) { ($0.flowStartMilliseconds, $0.flowEndMilliseconds) = (start, end) }
                }, .init(toleranceMilliseconds: tolerance)
            ).columns.count
        }
        #expect(left(20_000, 30_000) == 2)
        #expect(left(10_001, 10_001) == 2)
        #expect(left(10_000, 10_000) == 1)
        #expect(left(10_001, 10_001, tolerance: 1) == 1)
        #expect(left(5_000, 15_000) == 1)
        #expect(left(5_002, 15_002) == 2)
        #expect(left(-4_000, 4_000) == 1)
        #expect(left(-30_000, 1_000) == 2)
        #expect(left(.min, .max) == 2)
        #expect(left(.max, .min) == 2)
    }

    @Test("a clock that is known to be wrong is put right before times are compared")
    func skew() {
        let window = Window {
            $0.add(by: one)
            $0.add(by: two) { ($0.flowStartMilliseconds, $0.flowEndMilliseconds) = (60_000, 70_000) }
        }
        #expect(passed(window).columns.count == 2)
        #expect(passed(window, skews: [two: 60_000]).columns.count == 1)
    }

    @Test(
        "a canonical row with less than half of the packets hides nothing: the other stays and is counted as disputed")
    func disputed() {
        func pass(_ packets: UInt64, _ change: (inout FlowRecord) -> Void = { _ in }) -> (Int, UInt64) {
            let (columns, report) = passed(
                Window {
                    $0.add(Window.flow(), by: one, change)
                    $0.add(Window.flow(), by: two) {
                        change(&$0)
                        $0.packetDeltaCount = packets
                    }
                }, .init(preferred: [one.address]))
            return (columns.count, report.disputed)
        }
        #expect(pass(200) == (1, 0))
        #expect(pass(201) == (2, 1))
        #expect(pass(1) == (1, 0))
        // Without packets the octets are compared; packets with octets are not.
        #expect(pass(0) { $0.packetDeltaCount = 0 } == (1, 0))
    }

    @Test("of three observers one stays, and it names both others")
    func three_() {
        let (columns, report) = passed(
            Window {
                $0.add(by: three)
                $0.add(by: one)
                $0.add(by: two)
            })
        #expect(columns.exporterHosts == [1])
        #expect(columns.alsoSeen(by: 0) == [2, 3])
        #expect(report.rows == 2)
    }

    @Test("what the canonical observer did not cover is kept once, not once an observer")
    func leftOver() {
        func late(_ record: inout FlowRecord) {
            (record.flowStartMilliseconds, record.flowEndMilliseconds) = (50_000, 60_000)
        }
        let (columns, _) = passed(
            Window {
                $0.add(by: one)
                $0.add(by: two)
                $0.add(Window.flow(), by: two, late)
                $0.add(Window.flow(), by: three, late)
            }, .init(preferred: [one.address]))
        #expect(columns.exporterHosts == [1, 2])
        #expect(columns.tally.packets == 200)
    }
}
