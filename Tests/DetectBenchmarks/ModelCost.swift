import Detect
import FlowModel
import Models
import Simulator

/// What models cost, and how they do on simulated sites: made of the first two thirds, evaluated on the rest.
enum ModelCost {
    struct Line: Encodable {
        let name = "models"
        let traffic: String, records: Int, hours: Double, windows: Int, hosts: Int, bytes: Int
        /// CPU time: of gathering windows, of making the model, of the fold that scores them.
        let gatherNanosecondsPerRecord: Double, trainSeconds: Double, foldNanosecondsPerRecord: Double
        let outlierBound: Double, deviationBound: Double
        let heldOutWindows: Int, flaggedShare: Double, precision: Double, recall: Double, recallByKind: [String: Double]
        let drift: Double
    }

    static func measure(records: Int, hours: Int) throws {
        for name in ["office", "datacenter", "isp-edge"] {
            let columns = MadeTraffic.simulated(
                try WeirBenchDetect.plan(name, records: records, seconds: hours * 3_600)
            ).columns
            try measure(name, columns)
        }
    }

    private static func measure(_ name: String, _ columns: FlowColumns) throws {
        let tenant = try WeirBenchDetect.tenant(), parameters = DetectorParameters()
        let from = columns.flowEndMilliseconds[columns.rows].min() ?? 0
        let to = (columns.flowEndMilliseconds[columns.rows].max() ?? 0) + 600_000
        let middle = from + (to - from) / 3 * 2
        func gather(_ from: Int64, _ to: Int64) -> WindowGatherer {
            var gatherer = WindowGatherer(
                cut: WindowCut(width: 600_000, parameters: parameters), from: from, to: to, seed: 1)
            gatherer.add(columns, rows: columns.rows)
            return gatherer
        }
        let start = cpuSeconds()
        let first = gather(from, middle), samples = first.samples()
        let gathered = cpuSeconds()
        let model = try AnomalyModel.train(
            samples, from: from, to: middle, hostsLeftOut: first.hostsLeftOut, settings: ModelSettings())
        let trained = cpuSeconds()
        var fold = ModelFold(
            tenant: tenant, promoted: PromotedModel(version: 1, model: model), parameters: parameters)
        _ = fold.observe(columns)
        let folded = cpuSeconds()
        let evaluation = try model.evaluate(gather(middle, to).samples(), from: middle, to: to, seed: 1)
        let count = Double(max(columns.count, 1))
        try WeirBenchDetect.say(
            Line(
                traffic: name, records: columns.count, hours: Double(to - from) / 3_600_000, windows: samples.count,
                hosts: model.card.hosts, bytes: model.bytes(of: tenant).count,
                gatherNanosecondsPerRecord: (gathered - start) * 1e9 / count, trainSeconds: trained - gathered,
                foldNanosecondsPerRecord: (folded - trained) * 1e9 / count, outlierBound: model.card.outlierBound,
                deviationBound: model.card.deviationBound, heldOutWindows: evaluation.windows,
                flaggedShare: evaluation.flaggedShare, precision: evaluation.precision, recall: evaluation.recall,
                recallByKind: [String: Double](
                    uniqueKeysWithValues: evaluation.kinds.filter { $0.made > 0 }.map {
                        ($0.anomaly.rawValue, $0.recall)
                    }), drift: evaluation.drift.index))
    }
}
