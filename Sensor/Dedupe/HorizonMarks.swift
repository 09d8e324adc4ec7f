/// Which entries of a ring are older than the horizon: the ring's head at some 256 moments of the last horizon.
struct HorizonMarks {
    private var marks: [(time: Int64, head: UInt32)] = []

    /// Time has come to `newest` (it does not go back). Entries up to now were made before `head`.
    /// - Returns: the first entry that is still within the horizon; `head` when there is none.
    mutating func advance(to newest: Int64, keeping milliseconds: Int64, head: UInt32) -> UInt32 {
        let now = max(newest, marks.last?.time ?? newest)
        var past = 0
        while past + 1 < marks.count, isPast(marks[past].time, milliseconds, now) { past += 1 }
        marks.removeFirst(past)
        if let only = marks.first, marks.count == 1, isPast(only.time, milliseconds, now) { marks = [] }
        if let last = marks.last, !isPast(last.time, milliseconds / 256, now) { return marks[0].head }
        marks.append((now, head))
        return marks[0].head
    }
    private func isPast(_ time: Int64, _ milliseconds: Int64, _ now: Int64) -> Bool {
        let (age, overflow) = now.subtractingReportingOverflow(time)
        return overflow || age > milliseconds
    }
}
