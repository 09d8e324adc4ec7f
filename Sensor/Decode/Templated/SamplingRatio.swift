/// A sampling rate as the ratio of two elements.
struct SamplingRatio: Sendable {
    let first: UInt16, second: UInt16
    let form: Form

    //= RFC 5477 §8.2
    static let all = [
        SamplingRatio(first: Element.packetInterval, second: Element.packetSpace, form: .intervalAndSpace),
        SamplingRatio(first: Element.timeInterval, second: Element.timeSpace, form: .intervalAndSpace),
        SamplingRatio(first: Element.samplingSize, second: Element.samplingPopulation, form: .sizeAndPopulation),
    ]

    /// (interval + space) / interval, or population / size; 0 when the divisor is.
    static func rate(_ form: Form, _ first: UInt64, _ second: UInt64) -> Float {
        guard first > 0 else { return 0 }
        let whole = form == .intervalAndSpace ? Double(first) + Double(second) : Double(second)
        return Float(whole / Double(first))
    }
}
