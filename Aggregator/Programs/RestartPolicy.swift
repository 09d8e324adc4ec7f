/// How long to wait before a program is started again.
package struct RestartPolicy: Equatable, Sendable {
    package static let first = Duration.seconds(1), longest = Duration.seconds(300), calm = Duration.seconds(600)
    private var next = Self.first

    package init() {}

    /// - Parameter served: how long the process that has ended had served.
    package mutating func wait(afterServing served: Duration) -> Duration {
        if served >= Self.calm { next = Self.first }
        defer { next = min(next * 2, Self.longest) }
        return next
    }
}
