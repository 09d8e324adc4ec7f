import Dedupe
import FlowModel
import TestKit
import Testing

@Suite("Which observer of a flow is the canonical one")
struct ObserverChoiceTests {
    private let one = Window.exporter(1), two = Window.exporter(2)

    /// The host whose row stays, when exporter 1 and 2 see the same flow, each changed by its closure.
    private func stays(
        _ settings: ObserverDedupeSettings = .init(), _ first: (inout FlowRecord) -> Void = { _ in },
        _ second: (inout FlowRecord) -> Void = { _ in }
    ) -> [UInt32] {
        let there = Window {
            $0.add(Window.flow(), by: one, first)
            $0.add(Window.flow(), by: two, second)
        }
        let back = Window {
            $0.add(Window.flow(), by: two, second)
            $0.add(Window.flow(), by: one, first)
        }
        let hosts = passed(there, settings).columns.exporterHosts
        #expect(passed(back, settings).columns.exporterHosts == hosts, "depends on the order of rows")
        return hosts
    }

    @Test("the operator's list first, then the lower sampling, ingress, more packets, the lower exporter")
    func preference() {
        #expect(stays() == [1])
        #expect(stays(.init(), { _ in }, { $0.packetDeltaCount = 101 }) == [2])
        #expect(stays(.init(), { $0.flowDirection = 1 }, { $0.packetDeltaCount = 99 }) == [2])
        #expect(stays(.init(), { $0.samplingInterval = 0 }, { $0.flowDirection = 1 }) == [2])
        #expect(stays(.init(preferred: [two.address, one.address])) == [2])
        #expect(stays(.init(preferred: [two.address]), { $0.packetDeltaCount = 150 }) == [2])
    }

    @Test("a sampled row goes only beside one known to have seen every packet")
    func sampled() {
        func sampled(_ record: inout FlowRecord) { record.samplingInterval = 1_000 }
        func unknown(_ record: inout FlowRecord) { record.samplingInterval = 0 }
        #expect(stays(.init(), sampled, { _ in }) == [2])
        #expect(stays(.init(), sampled, sampled) == [1, 2])
        #expect(stays(.init(), sampled, unknown) == [1, 2])
        #expect(stays(.init(), unknown, unknown) == [1])
        // An unsampled row never goes for a sampled one, whatever the operator prefers.
        #expect(stays(.init(preferred: [one.address]), sampled, { _ in }) == [1, 2])
        // No number at all is as good as unknown.
        #expect(stays(.init(), { $0.samplingInterval = .nan }, { $0.samplingInterval = -1 }) == [1])
    }

    @Test("C32 ingress and egress of one sampled box at the same interval count once")
    func sampledBox() {
        func left(_ interval: Float) -> Int {
            passed(
                Window {
                    $0.add { $0.samplingInterval = 1_000 }
                    $0.add {
                        $0.samplingInterval = interval
                        $0.flowDirection = 1
                    }
                }
            ).columns.count
        }
        #expect(left(1_000) == 1)
        #expect(left(500) == 2)
    }

    @Test("packet samples of two agents are never taken for one another")
    func packetSamples() {
        for exportProtocol in [ExportProtocol.sflow4, .sflow5] {
            let (columns, report) = passed(
                Window {
                    $0.add(by: Window.exporter(1, exportProtocol))
                    $0.add(by: Window.exporter(2, exportProtocol))
                    $0.add(by: Window.exporter(3))
                })
            #expect(columns.count == 3)
            #expect(report.unexamined == 2)
        }
    }

    @Test("copies, refused connections, summed ports and rows without addresses are left alone")
    func unexamined() {
        for flag in [RecordFlags.secondary, .denied, .portsSummed] {
            let window = Window {
                $0.add(by: one) { $0.flags = flag }
                $0.add(by: two) { $0.flags = flag }
            }
            let (columns, report) = passed(window)
            #expect(columns == window.columns)
            #expect(report.unexamined == 2)
            let mixed = Window {
                $0.add(by: one) { $0.flags = flag }
                $0.add(by: two)
            }
            #expect(passed(mixed).columns.count == 2)
        }
        for change in [{ $0.sourceIPAddress = .absent }, { $0.destinationIPAddress = .absent }]
            as [(inout FlowRecord) -> Void]
        {
            let window = Window {
                $0.add(Window.flow(), by: one, change)
                $0.add(Window.flow(), by: two, change)
            }
            #expect(passed(window).columns.count == 2)
        }
    }

    @Test("two observation domains of one box, and two protocols, are two observers")
    func domains() {
        for other in [Window.exporter(1, domain: 2), Window.exporter(1, .ipfix)] {
            let (columns, report) = passed(
                Window {
                    $0.add(by: other)
                    $0.add(by: one)
                })
            #expect(columns.count == 1)
            #expect(report.elsewhere[other]?.flows == 1)
        }
    }
}
