package import Enrichment
package import Identity
package import Intelligence
package import Logging
package import Platform
package import Telemetry

/// Whose feeds: those of all tenants, or one tenant's own.
package enum FeedLayer: Hashable, Sendable {
    case shared
    case tenant(TenantID)

    /// In metrics and file names; `*` is in no tenant's name.
    var label: String {
        switch self {
        case .shared: "*"
        case .tenant(let tenant): tenant.rawValue
        }
    }
}

/// Keeps feeds and allow-lists up to date and gives `CurrentIntelligence` what they say.
///
/// A feed's last good contents are on disk (`FeedCopy`), and sets are made from there, so that what is in memory is the
/// sets alone: some 41 MB a million indicators, twice that while one is replaced, and what reading takes, once. What
/// has been confirmed ages anew: a set is made again a day after that at the latest.
/// Invariants: a broken, empty-by-mistake or unreachable feed leaves in use what was; every such case has a reason, a
/// count and a log line. Who calls `load` and `refresh` does so one at a time.
package actor FeedUpkeep {
    struct Feed {
        let settings: FeedSettings
        let layer: FeedLayer
        let isAllowList: Bool
        let copy: FeedCopy
        let metrics: FeedMetrics
        /// Of the file that was read last.
        var stamp: FileStamp?
        /// By the monotonic clock.
        var due = Duration.zero
        /// When the copy's confirmation was written last, in ms since 1970 UTC.
        var written: Int64 = 0
        var state: FeedState
    }
    let settings: KnowledgeSettings
    let folder: String
    let current: CurrentIntelligence
    let enrichment: CurrentEnrichment
    let transport: any FeedTransport
    let time: any TimeSource
    let metrics: KnowledgeMetrics
    let logger: Logger
    var feeds: [Feed] = []
    var sets: [FeedLayer: IndicatorSet] = [:]
    private var allowLists: [FeedLayer: [AllowList]] = [:]
    /// The networks of each layer's systems, and what they were told by and for.
    private var placed: [FeedLayer: PlacedSystems] = [:]
    /// The latest confirmation of a feed that the layer's set was made with.
    private var madeAt: [FeedLayer: Int64] = [:]
    /// What each layer's indicators were that history was searched for; nil: not read yet.
    var hunted: [FeedLayer: HuntedIndicators] = [:]
    /// Layers whose indicators may be newer than that.
    var unhunted: Set<FeedLayer> = []
    var huntDue = Duration.zero
    var generation: UInt64 = 0

    static let agingMilliseconds: Int64 = 86_400_000, writtenMilliseconds: Int64 = 600_000
    static let pagesOctetsMax = 64 << 20
    static let retryFirst = Duration.seconds(30)

    /// - Parameters:
    ///   - folder: for copies; made when it is needed, deleted at will.
    ///   - enrichment: tells which networks listed systems have.
    package init(
        _ settings: KnowledgeSettings, folder: String, current: CurrentIntelligence,
        enrichment: CurrentEnrichment = CurrentEnrichment(.none), transport: any FeedTransport,
        time: any TimeSource, registry: MetricRegistry, logger: Logger
    ) {
        (self.settings, self.folder, self.current, self.transport) = (settings, folder, current, transport)
        self.enrichment = enrichment
        (self.time, self.logger) = (time, logger)
        metrics = KnowledgeMetrics(registry)
        let all: [(FeedLayer, [FeedSettings], Bool)] =
            [(.shared, settings.feeds, false), (.shared, settings.allowLists, true)]
            + settings.tenants.sorted { $0.key.rawValue < $1.key.rawValue }.flatMap { tenant, own in
                [(.tenant(tenant), own.feeds, false), (.tenant(tenant), own.allowLists, true)]
            }
        for (layer, some, isAllowList) in all {
            for feed in some {
                feeds.append(Self.made(feed, layer, isAllowList, folder, registry, time))
            }
        }
    }
    private static func made(
        _ feed: FeedSettings, _ layer: FeedLayer, _ isAllowList: Bool, _ folder: String, _ registry: MetricRegistry,
        _ time: any TimeSource
    ) -> Feed {
        let kind = FeedState.Kind.indicators, name = feed.source.name
        let place: String
        switch feed.place {
        case .file(let path): place = "file \(path)"
        case .url(let url): place = "url \(url) \(feed.collection ?? "")"
        }
        let key = FeedKey.text(layer: layer.label, name: name, isAllowList: isAllowList)
        return Feed(
            settings: feed, layer: layer, isAllowList: isAllowList,
            copy: FeedCopy(folder: folder, key: key, place: place, format: feed.format.rawValue),
            metrics: FeedMetrics(registry, feed: name, layer: layer.label, time: time),
            state: FeedState(feed, kind: isAllowList ? .allowList : kind, isShared: layer == .shared))
    }

    /// What a tenant may know of its feeds.
    package func states(for tenant: TenantID) -> [FeedState] {
        feeds.filter { $0.layer == .shared || $0.layer == .tenant(tenant) }.map(\.state)
    }

    /// What can be had without a network: files, and copies of what was fetched. Before the first records.
    package func load() async {
        guard !feeds.isEmpty else { return }
        do throws(SystemError) { try makeFolders(folder) } catch {
            logger.error("Feeds can't be kept on disk.", metadata: ["folder": "\(folder)", "reason": "\(error)"])
        }
        readHunted()
        await refresh(fetching: false)
        let untouched = Set(feeds.map(\.layer)).subtracting(sets.keys)
        for layer in untouched { await make(layer, fresh: [:]) }
        if !untouched.isEmpty { publish(changed: untouched) }
    }

    /// Does what is due.
    package func refresh() async { await refresh(fetching: true) }

    private func refresh(fetching: Bool) async {
        var fresh: [Int: FeedParse] = [:], changed: Set<FeedLayer> = []
        for index in feeds.indices where !Task.isCancelled {
            let parse: FeedParse?
            switch feeds[index].settings.place {
            case .file(let path): parse = await readFile(index, path)
            case .url(let url): parse = fetching ? await fetch(index, url) : nil
            }
            if let parse {
                fresh[index] = parse
                changed.insert(feeds[index].layer)
            }
        }
        for layer in Set(feeds.map(\.layer)) where isAged(layer) || isMoved(layer) { changed.insert(layer) }
        guard !changed.isEmpty else { return }
        for layer in changed { await make(layer, fresh: fresh.filter { feeds[$0.key].layer == layer }) }
        publish(changed: changed)
    }

    /// Whether a day has passed in which the layer's feeds were confirmed, and their indicators did not get younger.
    private func isAged(_ layer: FeedLayer) -> Bool {
        guard let made = madeAt[layer] else { return false }
        let confirmed = feeds.filter { $0.layer == layer }.compactMap(\.state.confirmed).max() ?? 0
        return confirmed - made >= Self.agingMilliseconds
    }

    /// Whether the layer has systems, and the table that told their networks is another now.
    private func isMoved(_ layer: FeedLayer) -> Bool {
        guard let set = sets[layer], !set.systems.isEmpty else { return false }
        return placed[layer]?.generation != enrichment.value.generation
    }

    // MARK: Sets

    /// Makes the layer's set and allow-lists from the copies, but for what was just read.
    private func make(_ layer: FeedLayer, fresh: [Int: FeedParse]) async {
        var reads: [FeedRead] = [], lists: [AllowList] = [], confirmed: Int64 = 0
        for index in feeds.indices where feeds[index].layer == layer {
            var known = fresh[index]
            if known == nil { known = await parseCopy(index) }
            guard let parse = known else { continue }
            feeds[index].state.note(parse, confirmed: parse.read.time)
            feeds[index].metrics.note(feeds[index].state)
            confirmed = max(confirmed, parse.read.time)
            if feeds[index].isAllowList {
                if let list = parse.allowList { lists.append(list) }
            } else {
                reads.append(parse.read)
            }
        }
        let all = reads, table = enrichment.value, before = placed[layer]
        let (set, after) = await onThread {
            var after: PlacedSystems?
            let set = IndicatorSet(reads: all) { systems in
                let now = PlacedSystems(systems, in: table, before: before)
                after = now
                return now.networks
            }
            return (set, after)
        }
        sets[layer] = set
        placed[layer] = after
        allowLists[layer] = lists
        madeAt[layer] = confirmed
        if set.refused > 0 {
            logger.warning(
                "There are more indicators than one set may have.",
                metadata: ["tenant": "\(layer.label)", "left out": "\(set.refused)"])
        }
        if set.announced.leftOut > 0 {
            logger.warning(
                "Listed systems have more networks than one set may have.",
                metadata: ["tenant": "\(layer.label)", "left out": "\(set.announced.leftOut)"])
        }
        metrics.note(set, layer: layer)
    }

    private func parseCopy(_ index: Int) async -> FeedParse? {
        let feed = feeds[index]
        guard let meta = feed.copy.meta() else { return nil }
        do throws(FeedCopy.Fault) {
            let bytes = try feed.copy.body(meta, bytesMax: Limit.feedOctetsMax)
            return await onThread {
                FeedParse(bytes, of: feed.settings, isAllowList: feed.isAllowList, time: meta.confirmed)
            }
        } catch {
            feed.metrics.failed("copy")
            logger.error(
                "The copy of a feed can't be used: it is fetched anew.",
                metadata: ["feed": "\(feed.state.name)", "reason": "\(error)"])
            feeds[index].stamp = nil
            feeds[index].due = .zero
            return nil
        }
    }

    private func publish(changed: Set<FeedLayer>) {
        let shared = sets[.shared] ?? .empty, lists = allowLists[.shared] ?? []
        let rules = settings.scoring, allowed = AllowTable(lists)
        var own: [TenantID: Intelligence] = [:]
        let scored = settings.tenants.filter { $0.value.scoring != nil }.keys.map { FeedLayer.tenant($0) }
        for case .tenant(let tenant) in Set(feeds.map(\.layer)).union(scored) {
            let layer = FeedLayer.tenant(tenant), more = allowLists[layer] ?? []
            own[tenant] = Intelligence(
                layers: IndicatorLayers(shared: shared, own: sets[layer] ?? .empty),
                allowed: more.isEmpty ? allowed : AllowTable(lists + more),
                rules: settings.tenants[tenant]?.scoring ?? rules)
        }
        generation = current.replace(
            shared: Intelligence(indicators: shared, allowed: allowed, rules: rules), own: own)
        unhunted.formUnion(changed)
        huntDue = .zero
        logger.info(
            "Threat intelligence was renewed.",
            metadata: [
                "generation": "\(generation)",
                "indicators": "\(sets.values.reduce(0) { $0 + $1.count })",
            ])
    }
}

/// The networks of some systems, by the table of one generation.
struct PlacedSystems: Sendable {
    let generation: UInt64, systems: Set<UInt32>
    let networks: AnnouncedNetworks

    /// - Parameter before: taken, where it is of the same: going through a table takes seconds.
    init(_ systems: Set<UInt32>, in table: Enrichment, before: PlacedSystems?) {
        (generation, self.systems) = (table.generation, systems)
        if let before, before.generation == table.generation, before.systems == systems {
            networks = before.networks
            return
        }
        networks = AnnouncedNetworks(
            table.ranges(ofSystems: systems).lazy.flatMap { range in
                range.networks.map { (network: $0, system: range.system) }
            })
    }
}

/// Names of files.
enum FeedKey {
    static func text(layer: String, name: String, isAllowList: Bool) -> String {
        let plain = name.utf8.prefix(32).map { octet in
            (0x30...0x39).contains(octet) || (0x61...0x7A).contains(octet | 0x20) ? octet : UInt8(ascii: "-")
        }
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325  // FNV-1a
        for octet in "\(layer)/\(isAllowList)/\(name)".utf8 { hash = (hash ^ UInt64(octet)) &* 0x100_0000_01B3 }
        return String(decoding: plain, as: UTF8.self) + "-" + String(hash, radix: 16)
    }
}
