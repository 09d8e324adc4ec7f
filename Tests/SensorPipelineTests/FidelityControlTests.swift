import FlowModel
import SensorPipeline
import Testing

@Suite("Fidelity by the nearest limit")
struct FidelityControlTests {
    @Test("spool: up at 80 and 90 %, down below 80 and 70 %, and no swinging in between") func spool() {
        var control = FidelityControl()
        let steps: [(Double, Fidelity)] = [
            (0, .full), (0.79, .full), (0.80, .service), (0.75, .service), (0.70, .service), (0.69, .full),
            (0.79, .full), (0.95, .host), (0.80, .host), (0.79, .service), (0.89, .service), (0.90, .host), (0, .full),
            (0.8, .service), (1.2, .host), (0.75, .service), (0.70, .service), (0.5, .full),
        ]
        for (index, (fraction, fidelity)) in steps.enumerated() {
            #expect(control.update(Pressure(spool: fraction)) == fidelity, "step \(index)")
        }
    }

    @Test("queue: a half and three quarters; the nearest limit of all decides") func queue() {
        var control = FidelityControl()
        #expect(control.update(Pressure(queue: 0.5)) == .service)
        #expect(control.update(Pressure(queue: 0.3)) == .service)
        #expect(control.update(Pressure(spool: 0.95, queue: 0.3)) == .host)
        #expect(control.update(Pressure(queue: 0.3)) == .service)
        #expect(control.update(Pressure(queue: 0.1)) == .full)
    }

    @Test("processor: only after three busy windows in a row, a step at a time, and back the same way") func processor()
    {
        var control = FidelityControl()
        func run(_ load: Double, _ windows: Int) -> [Fidelity] {
            (0..<windows).map { _ in control.update(Pressure(processor: load)) }
        }
        #expect(run(1, 2) == [.full, .full])
        #expect(run(0.8, 1) == [.full])
        #expect(run(0.99, 6) == [.full, .full, .service, .service, .service, .host])
        #expect(run(0.8, 5).allSatisfy { $0 == .host })
        #expect(run(0.2, 6) == [.host, .host, .service, .service, .service, .full])
    }
}
