/// A difference that is understood: how often it occurs in which capture, and why. One that no longer occurs must go.
struct Explained {
    let capture: String
    let difference: Difference
    let count: Int
    let reason: String

    init(_ capture: String, _ difference: Difference, _ count: Int, _ reason: String) {
        (self.capture, self.difference, self.count, self.reason) = (capture, difference, count, reason)
    }

    static let all: [Explained] = []
}
