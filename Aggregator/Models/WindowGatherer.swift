/// All windows of a tenant's hosts over a stretch of history, from records in any order.
///
/// Invariants: the same records in any order give the same samples. Memory is bounded by `windowsMax`: where there are
/// more, hosts are left out whole, by a hash of their addresses and the seed, until the rest has room; how many is
/// told (`hostsLeftOut`).
import Detect
package import FlowModel

/// One host's window as models see it.
package struct WindowSample: Equatable, Sendable {
    package let host: IPAddress
    /// Number of the window: its start divided by its width.
    package let window: Int64
    package let features: FeatureVector

    package init(host: IPAddress, window: Int64, features: FeatureVector) {
        (self.host, self.window, self.features) = (host, window, features)
    }
}

package struct WindowGatherer {
    package let cut: WindowCut
    /// In ms since 1970: windows that lie in here wholly.
    package let from: Int64, to: Int64
    package private(set) var records = 0
    private let windowsMax: Int, seed: UInt64
    private var hosts: [IPAddress: [Int64: HostWindow]] = [:]
    private var count = 0
    /// Hosts whose hash is above are left out.
    private var hashMax = UInt64.max
    private var leftOut = Marks()

    package static let windowsMax = 400_000

    /// - Parameter windowsMax: of all hosts together, some 250 octets each.
    package init(cut: WindowCut, from: Int64, to: Int64, seed: UInt64, windowsMax: Int = windowsMax) {
        (self.cut, self.from, self.to, self.seed) = (cut, max(from, 0), max(to, 0), seed)
        self.windowsMax = max(windowsMax, 1)
    }

    package mutating func add(_ columns: borrowing FlowColumns, rows: some Sequence<Int>) {
        for row in rows {
            guard let record = WindowRecord(columns, row: row, cut) else { continue }
            let window = cut.number(of: record.time)
            guard window * cut.width >= from, window * cut.width <= to - cut.width else { continue }
            records += 1
            if record.isSourceInside { update(record.source, window) { $0.addSource(record) } }
            if record.isDestinationInside { update(record.destination, window) { $0.addDestination(record) } }
        }
    }

    private mutating func update(_ host: IPAddress, _ window: Int64, _ change: (inout HostWindow) -> Void) {
        let hash = Numbers.mix(Numbers.mix(host) ^ seed)
        guard hash <= hashMax else { return leftOut.add(hash) }
        var place = hosts[host, default: [:]]
        hosts[host] = nil  // so that the windows have one owner and are not copied
        let before = place.count
        change(&place[window, default: HostWindow()])
        count += place.count - before
        hosts[host] = place
        while count > windowsMax, hashMax > 0 { makeRoom() }
    }
    /// Halves the hosts.
    private mutating func makeRoom() {
        hashMax >>= 1
        for (host, windows) in hosts {
            let hash = Numbers.mix(Numbers.mix(host) ^ seed)
            guard hash > hashMax else { continue }
            leftOut.add(hash)
            count -= windows.count
            hosts[host] = nil
        }
    }
    /// About how many hosts found no room.
    package var hostsLeftOut: Int { leftOut.count }
    package var windowCount: Int { count }

    /// By window, then host; of hosts that did something.
    package func samples() -> [WindowSample] {
        var samples: [WindowSample] = []
        samples.reserveCapacity(count)
        for (host, windows) in hosts {
            for (window, state) in windows where state.isTelling {
                samples.append(WindowSample(host: host, window: window, features: state.features))
            }
        }
        return samples.sorted { ($0.window, $0.host) < ($1.window, $1.host) }
    }
}

/// Tells different hashes apart, up to some ten thousand.
private struct Marks {
    private var words = [UInt64](repeating: 0, count: 256)

    mutating func add(_ hash: UInt64) { words[Int(hash >> 6 & 255)] |= 1 << (hash & 63) }
    var count: Int {
        let size = 256.0 * 64, free = size - Double(words.reduce(0) { $0 + $1.nonzeroBitCount })
        return Int((size * Numbers.ln2 * Numbers.log2(size / max(free, 1))).rounded())
    }
}
