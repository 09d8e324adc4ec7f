import FlowModel
import SensorPipeline
import Testing

@Suite("Fidelity by the spool's fill")
struct FidelityControlTests {
    @Test("up at 80 and 90 %, down below 80 and 70 %, and no swinging in between") func hysteresis() {
        var control = FidelityControl()
        let steps: [(Double, Fidelity)] = [
            (0, .full), (0.79, .full), (0.80, .service), (0.75, .service), (0.70, .service), (0.69, .full),
            (0.79, .full), (0.95, .host), (0.80, .host), (0.79, .service), (0.89, .service), (0.90, .host), (0, .full),
            (0.8, .service), (1.2, .host), (0.75, .service), (0.70, .service), (0.5, .full),
        ]
        for (index, (fraction, fidelity)) in steps.enumerated() {
            #expect(control.update(spoolFraction: fraction) == fidelity, "step \(index)")
        }
    }
}
