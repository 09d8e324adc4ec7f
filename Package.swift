// swift-tools-version: 6.2
// The architecture, as the compiler sees it: a module imports only what its line lists, and lists only what lies
// below it. Tier 0 Common, tier 1 one module a stage, tier 2 the pipelines, tier 3 the executables (Common/Handbook,
// "Code map").
import PackageDescription

/// Release builds for x86-64 are for processors from 2013 on (AVX2, BMI2: the level x86-64-v3 of its ABI), which saves
/// up to a tenth of the sensor's work. `WEIR_PROCESSOR=x86-64` in the environment of the build is for older ones.
/// Programs that meet one say so (`CProcessor`).
#if arch(x86_64)
let processor: String? = Context.environment["WEIR_PROCESSOR"] ?? "x86-64-v3"
#else
let processor: String? = nil
#endif
let processorFlags: [SwiftSetting] =
    processor.map { [.unsafeFlags(["-Xcc", "-march=\($0)"], .when(configuration: .release))] } ?? []

let strict: [SwiftSetting] =
    [.swiftLanguageMode(.v6), .strictMemorySafety(), .treatAllWarnings(as: .error)]
    + ["ExistentialAny", "InternalImportsByDefault", "MemberImportVisibility"].map { .enableUpcomingFeature($0) }
    + [.enableExperimentalFeature("Lifetimes")] + processorFlags

/// Test code may touch `[T].span.bytes` and C pointers without ceremony, so it does without strict memory safety.
let lenient: [SwiftSetting] =
    [.swiftLanguageMode(.v6), .treatAllWarnings(as: .error)]
    + ["ExistentialAny", "InternalImportsByDefault", "MemberImportVisibility"].map { .enableUpcomingFeature($0) }

func system(_ name: String, pkgConfig: String, apt: String) -> Target {
    .systemLibrary(
        name: name, path: "Common/CLibraries/\(name)", pkgConfig: pkgConfig, providers: [.apt([apt])])
}
func cModule(_ name: String, uses: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: uses, path: "Common/CLibraries/\(name)")
}
/// With `WEIR_PLANTED=1` in the environment of the build these modules have bugs to choose from (Handbook,
/// "Reliability").
let isPlanted = Context.environment["WEIR_PLANTED"] == "1"
let modulesWithPlants: Set = ["AggregatorPipeline", "FlowLog", "Ship", "Spool"]

func module(
    _ name: String, in tier: String, uses: [Target.Dependency] = [], resources: [Resource] = [], beside: [String] = []
) -> Target {
    let hasPlants = isPlanted && modulesWithPlants.contains(name)
    return .target(
        name: name, dependencies: uses + (hasPlants ? ["Planted"] : []), path: "\(tier)/\(name)", exclude: beside,
        resources: resources, swiftSettings: strict + (hasPlants ? [.define("WEIR_PLANTED")] : []))
}
func program(_ name: String, at path: String, uses: [Target.Dependency], beside: [String] = []) -> Target {
    .executableTarget(name: name, dependencies: uses, path: path, exclude: beside, swiftSettings: strict)
}
func tests(_ name: String, uses: [Target.Dependency]) -> Target {
    .testTarget(name: name, dependencies: uses + ["TestKit"], path: "Tests/\(name)", swiftSettings: lenient)
}

// Products of the packages below, by the names used in the tables.
let nioCore: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let hummingbird: [Target.Dependency] = [
    .product(name: "Hummingbird", package: "hummingbird"), .product(name: "HummingbirdCore", package: "hummingbird"),
    .product(name: "HTTPTypes", package: "swift-http-types"), nioCore,
]
let nioSSL: Target.Dependency = .product(name: "NIOSSL", package: "swift-nio-ssl")
let nioServer: [Target.Dependency] =
    ["NIOTLS", "NIOHTTP1", "NIOConcurrencyHelpers"].map { .product(name: $0, package: "swift-nio") }
    + ["NIOHTTPTypes", "NIOHTTPTypesHTTP1", "NIOHTTPTypesHTTP2"].map { .product(name: $0, package: "swift-nio-extras") }
    + [.product(name: "NIOHTTP2", package: "swift-nio-http2"), nioSSL]
let x509: [Target.Dependency] = [
    .product(name: "X509", package: "swift-certificates"), .product(name: "SwiftASN1", package: "swift-asn1"),
]
let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let cryptoExtras: Target.Dependency = .product(name: "CryptoExtras", package: "swift-crypto")
let grdb: Target.Dependency = .product(name: "GRDB", package: "GRDB.swift")
let yams: Target.Dependency = .product(name: "Yams", package: "Yams")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let lifecycle: Target.Dependency = .product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let arguments: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let httpClient: Target.Dependency = .product(name: "AsyncHTTPClient", package: "async-http-client")
/// An HTTP client of one's own, with headers and trust.
let outgoing: [Target.Dependency] = [
    httpClient, nioCore, nioSSL, .product(name: "NIOHTTP1", package: "swift-nio"),
]

let common: [Target] = [
    system("COpenSSL", pkgConfig: "openssl", apt: "libssl-dev"),
    system("CNghttp2", pkgConfig: "libnghttp2", apt: "libnghttp2-dev"),
    system("CZstd", pkgConfig: "libzstd", apt: "libzstd-dev"),
    system("CZlib", pkgConfig: "zlib", apt: "zlib1g-dev"),
    system("CSQLite", pkgConfig: "sqlite3", apt: "libsqlite3-dev"),
    system("CArgon2", pkgConfig: "libargon2", apt: "libargon2-dev"),
    system("CMaxMindDB", pkgConfig: "libmaxminddb", apt: "libmaxminddb-dev"),
    cModule("CAddressDatabase", uses: ["CMaxMindDB"]),
    cModule("CMemory"),
    cModule("CPacketRing"),
    cModule("CProcesses"),
    .systemLibrary(name: "CGather", path: "Common/CLibraries/CGather"),
    .systemLibrary(name: "CPrefetch", path: "Common/CLibraries/CPrefetch"),
    .target(
        name: "CProcessor", path: "Common/CLibraries/CProcessor",
        cSettings: processor == "x86-64-v3" ? [.define("WEIR_PROCESSOR_V3", .when(configuration: .release))] : []),
    cModule("CSockets"),
    cModule("CTLS", uses: ["COpenSSL"]),
    module("WireBytes", in: "Common", uses: ["CGather", "CPrefetch"]),
    module("FlowModel", in: "Common"),
    module("NetworkTable", in: "Common", uses: ["FlowModel"]),
    module("Platform", in: "Common", uses: ["CMemory", "CProcessor", "CSockets"]),
    module("Telemetry", in: "Common", uses: ["Platform", "Settings", logging]),
    module("Settings", in: "Common", uses: ["Platform"]),
    module("Identity", in: "Common"),
    module("Delivery", in: "Common", uses: ["COpenSSL", "FlowModel", "Telemetry"]),
    module("BatchFormat", in: "Common", uses: ["CZstd", "FlowModel", "WireBytes"]),
    module("Capture", in: "Common", uses: ["FlowModel", "WireBytes"]),
    module(
        "InformationElements", in: "Common", uses: ["FlowModel", "Platform", "Settings"],
        resources: [.embedInCode("elements.csv")]),
    module("FlowText", in: "Common", uses: ["FlowModel", "InformationElements"]),
    module("SQLite", in: "Common", uses: ["CSQLite"]),
    module("TLSFaults", in: "Common", uses: ["COpenSSL", "Platform"]),
    module("HTTP2Client", in: "Common", uses: ["COpenSSL", "CNghttp2", "CTLS", "Platform", "TLSFaults"]),
    module("Simulator", in: "Common", uses: ["FlowModel", "Platform"]),
]

let sensor: [Target] = [
    module(
        "Intake", in: "Sensor", uses: ["COpenSSL", "CSockets", "FlowModel", "Platform", "TLSFaults", "WireBytes"]),
    module("Forward", in: "Sensor", uses: ["CSockets", "FlowModel", "Platform", "WireBytes"]),
    module("PacketHeader", in: "Sensor", uses: ["FlowModel", "WireBytes"]),
    module("Decode", in: "Sensor", uses: ["CGather", "FlowModel", "PacketHeader", "WireBytes"]),
    module("Meter", in: "Sensor", uses: ["CPacketRing", "FlowModel", "PacketHeader", "Platform"]),
    module("Dedupe", in: "Sensor", uses: ["FlowModel", "WireBytes"]),
    module("PreAggregate", in: "Sensor", uses: ["FlowModel"]),
    module("Spool", in: "Sensor", uses: ["Delivery", "FlowModel", "Platform", "SQLite", "WireBytes"]),
    module("Ship", in: "Sensor", uses: ["Delivery", "HTTP2Client", "Identity", "Platform", logging]),
    module(
        "SensorPipeline", in: "Sensor",
        uses: [
            "BatchFormat", "Capture", "Decode", "Dedupe", "Delivery", "FlowModel", "Forward", "HTTP2Client", "Identity",
            "InformationElements", "Intake", "Meter", "Platform", "PreAggregate", "Settings", "Ship", "Spool",
            "Telemetry", "WireBytes", logging,
        ]),
    program(
        "weir-sensor", at: "Sensor/weir-sensor",
        uses: [
            "Capture", "Decode", "FlowModel", "FlowText", "InformationElements", "Intake", "Platform", "SensorPipeline",
            "Settings", "Spool", "Telemetry", "WireBytes", logging,
        ]),
]

let aggregator: [Target] = [
    module(
        "ServerChannel", in: "Aggregator",
        uses: ["Identity", "Platform", "Telemetry", logging, lifecycle] + hummingbird + nioServer + x509),
    module(
        "DataKeys", in: "Aggregator", uses: ["Identity", "Platform", "Settings", crypto, grdb] + outgoing),
    module("ObjectStore", in: "Aggregator", uses: ["Platform", "Settings", crypto] + outgoing),
    module(
        "Backup", in: "Aggregator",
        uses: ["DataKeys", "Identity", "Incidents", "NotifyChannels", "ObjectStore", "Platform", "Settings", grdb]),
    module("FlowLog", in: "Aggregator", uses: ["Delivery", "FlowModel", "Identity", grdb]),
    module(
        "JetStream", in: "Aggregator",
        uses: [logging, nioCore, nioSSL, .product(name: "NIOPosix", package: "swift-nio")]),
    module(
        "ClusterLog", in: "Aggregator",
        uses: ["Delivery", "FlowLog", "FlowModel", "Identity", "JetStream", "Platform"]),
    module(
        "SegmentFormat", in: "Aggregator", uses: ["BatchFormat", "CZstd", "FlowModel", "Identity", "WireBytes"]),
    module(
        "FlowStore", in: "Aggregator",
        uses: [
            "BatchFormat", "Delivery", "FlowModel", "Identity", "Platform", "SegmentFormat", "WireBytes", grdb,
        ]),
    module(
        "QueryEngine", in: "Aggregator",
        uses: ["BatchFormat", "FilterLanguage", "FlowModel", "Identity", "InformationElements", "Platform"]),
    module(
        "Query", in: "Aggregator",
        uses: [
            "BatchFormat", "FilterLanguage", "FlowModel", "FlowStore", "Identity", "Platform", "QueryEngine",
            "SegmentFormat", "WireBytes",
        ]),
    module(
        "FlowClickHouse", in: "Aggregator",
        uses: [
            "BatchFormat", "Delivery", "FilterLanguage", "FlowModel", "FlowStore", "Identity", "Query", "QueryEngine",
            "Settings", "WireBytes",
        ] + outgoing),
    module(
        "Export", in: "Aggregator", uses: ["COpenSSL", "FlowModel", "FlowText", "InformationElements"]),
    module("FilterLanguage", in: "Aggregator", uses: ["FlowModel", "InformationElements"]),
    module("Enrichment", in: "Aggregator", uses: ["CAddressDatabase", "FlowModel", "NetworkTable"]),
    module("Intelligence", in: "Aggregator", uses: ["FlowModel", "Identity", "NetworkTable"]),
    module("ReverseNames", in: "Aggregator", uses: ["FlowModel", "Platform", "Settings", "Telemetry"]),
    module(
        "Knowledge", in: "Aggregator",
        uses: [
            "Detect", "Enrichment", "FlowModel", "Identity", "Intelligence", "NetworkTable", "Platform", "ReverseNames",
            "Settings", "Telemetry", "WireBytes", logging,
        ]),
    module("Detect", in: "Aggregator", uses: ["FlowModel", "Identity", "Intelligence"]),
    module(
        "Programs", in: "Aggregator",
        uses: [
            "CProcesses", "Detect", "FilterLanguage", "FlowModel", "FlowText", "Identity", "InformationElements",
            "Intelligence", "Platform",
        ], beside: ["examples"]),
    module(
        "ProgramDesk", in: "Aggregator",
        uses: [
            "Detect", "FlowModel", "Identity", "Intelligence", "Knowledge", "Platform", "Programs", "Settings",
            "Telemetry", logging, lifecycle,
        ]),
    module("Trends", in: "Aggregator"),
    module("Models", in: "Aggregator", uses: ["Detect", "FlowModel", "Identity"]),
    module("ModelRegister", in: "Aggregator", uses: ["Identity", "Models", grdb]),
    module(
        "ModelHistory", in: "Aggregator",
        uses: ["BatchFormat", "Detect", "FlowModel", "Identity", "Models", "Query"]),
    module(
        "Sigma", in: "Aggregator", uses: ["Detect", "FilterLanguage", "FlowModel", "Identity", yams]),
    module(
        "SigmaBacktest", in: "Aggregator",
        uses: ["BatchFormat", "Detect", "FilterLanguage", "FlowModel", "Identity", "Query", "Sigma"]),
    module(
        "DetectorBacktest", in: "Aggregator",
        uses: ["BatchFormat", "Detect", "FlowModel", "Identity", "Intelligence", "Platform", "Query"]),
    module("Incidents", in: "Aggregator", uses: ["Detect", "FlowModel", "Identity", "Settings", grdb]),
    module("Notify", in: "Aggregator", uses: ["Detect", "FlowModel", "Identity", "Incidents", "Settings", crypto]),
    module(
        "NotifyChannels", in: "Aggregator",
        uses: [
            "Detect", "FlowModel", "Identity", "Incidents", "Notify", "Platform", "Settings", "Telemetry", logging,
            lifecycle,
        ] + outgoing + [.product(name: "NIOPosix", package: "swift-nio")]),
    .target(name: "COpenAPI", path: "Aggregator/COpenAPI"),
    module("Tenancy", in: "Aggregator", uses: ["Identity", crypto, grdb]),
    module(
        "Enrolment", in: "Aggregator", uses: ["Identity", "Platform", "Settings", crypto] + x509),
    module("SecretServer", in: "Aggregator", uses: ["Platform", "Settings"] + outgoing),
    module("Passwords", in: "Aggregator", uses: ["CArgon2", "Platform", "Settings", crypto]),
    module("OpenID", in: "Aggregator", uses: ["Identity", "Platform", "Settings", "Tenancy", crypto, cryptoExtras]),
    module(
        "SignOnClient", in: "Aggregator",
        uses: ["FlowModel", "Identity", "Notify", "NotifyChannels", "OpenID", "Settings", "Tenancy"] + outgoing),
    module(
        "PeopleMail", in: "Aggregator", uses: ["Notify", "Platform", "Telemetry", "Tenancy", logging, lifecycle]),
    module(
        "Ingest", in: "Aggregator",
        uses: [
            "BatchFormat", "Delivery", "FlowLog", "FlowModel", "Identity", "Platform", "ServerChannel", "Telemetry",
            "Tenancy", "WireBytes", logging,
        ] + hummingbird),
    module(
        "AggregatorPipeline", in: "Aggregator",
        uses: [
            "BatchFormat", "Detect", "FlowLog", "FlowModel", "FlowStore", "Identity", "Incidents", "Intelligence",
            "ModelRegister", "Models", "ObjectStore", "Platform", "ProgramDesk", "Sigma", "Telemetry", "WireBytes",
            grdb, logging, lifecycle,
        ]),
    module(
        "Cluster", in: "Aggregator",
        uses: [
            "AggregatorPipeline", "Delivery", "Detect", "FlowLog", "Identity", "Incidents", "JetStream", "Platform",
            "Settings", "Telemetry", logging, lifecycle,
        ]),
    module(
        "KnowledgeUpkeep", in: "Aggregator",
        uses: [
            "Detect", "FilterLanguage", "FlowModel", "Identity", "Incidents", "Intelligence", "Knowledge", "Notify",
            "NotifyChannels", "Platform", "Query", "QueryEngine", "ReverseNames", "Settings", "Telemetry", logging,
            lifecycle, .product(name: "NIOPosix", package: "swift-nio"),
        ] + outgoing),
    module(
        "API", in: "Aggregator",
        uses: [
            "BatchFormat", "COpenAPI", "CZlib", "CZstd", "Detect", "DetectorBacktest", "Enrichment", "Enrolment",
            "Export",
            "FilterLanguage", "FlowLog", "FlowModel", "FlowStore", "FlowText", "Identity", "Incidents", "Ingest",
            "Intelligence", "Knowledge", "ModelHistory", "ModelRegister", "Models", "Notify", "OpenID", "Passwords",
            "Platform", "ProgramDesk", "Query", "QueryEngine", "ReverseNames", "Settings", "Sigma", "SigmaBacktest",
            "Telemetry", "Tenancy", "Trends", "WireBytes", crypto, logging, lifecycle,
        ] + hummingbird, beside: ["openapi.json"]),
    module("Console", in: "Aggregator", uses: ["Platform", crypto] + hummingbird, beside: ["Pages"]),
    program(
        "weir-aggregator", at: "Aggregator/weir-aggregator",
        uses: [
            "API", "AggregatorPipeline", "Backup", "Cluster", "ClusterLog", "Console", "DataKeys", "Detect",
            "Enrichment", "Enrolment", "FlowClickHouse", "FlowLog", "FlowStore", "Identity", "Incidents", "Ingest",
            "Intelligence", "JetStream", "Knowledge", "KnowledgeUpkeep",
            "ModelRegister", "Notify", "NotifyChannels", "ObjectStore", "OpenID", "Passwords", "PeopleMail",
            "Platform", "ProgramDesk", "Query", "ReverseNames", "SecretServer", "ServerChannel", "Settings", "Sigma",
            "SignOnClient", "Telemetry", "Tenancy", arguments, logging, lifecycle,
        ] + hummingbird + outgoing),
    program(
        "weir-program-test", at: "Aggregator/weir-program-test", uses: ["Identity", "Platform", "Programs"]),
    program(
        "weirctl", at: "Aggregator/weirctl",
        uses: [
            "Backup", "Capture", "DataKeys", "Decode", "Detect", "Enrolment", "FlowModel", "FlowText", "Identity",
            "Incidents", "ObjectStore", "OpenID", "Platform", "SensorPipeline", "Settings", "Sigma", "Simulator",
            "Tenancy",
            "WireBytes", arguments, crypto, .product(name: "NIOPosix", package: "swift-nio"),
        ] + outgoing + x509),
]

let checks: [Target] = [
    .target(
        name: "TestKit", dependencies: ["CProcesses", "FlowModel", "Platform"],
        path: "Tests/TestKit", exclude: ["Corpus"], swiftSettings: lenient),
    .target(
        name: "HistoryKit",
        dependencies: ["BatchFormat", "Delivery", "FlowModel", "FlowStore", "Identity", "Platform", "TestKit"],
        path: "Tests/HistoryKit", swiftSettings: lenient),
    program(
        "weir-bench", at: "Tests/Benchmarks",
        uses: [
            "BatchFormat", "Capture", "Decode", "Dedupe", "Delivery", "FilterLanguage", "FlowModel", "FlowStore",
            "FuzzTargets", "Identity", "Platform", "PreAggregate", "Query", "QueryEngine", "SegmentFormat",
            "SensorPipeline", "Spool", "WireBytes",
        ], beside: ["compare-peers", "latency"]),
    program(
        "weir-bench-detect", at: "Tests/DetectBenchmarks",
        uses: [
            "BatchFormat", "Capture", "Decode", "Delivery", "Detect", "FlowModel", "FlowStore", "Identity",
            "Intelligence", "Models", "Platform", "Programs", "Query", "Sigma", "SigmaBacktest", "Simulator",
            "WireBytes",
        ]),
    program(
        "weir-bench-store", at: "Tests/StoreBenchmarks",
        uses: [
            "BatchFormat", "COpenSSL", "Capture", "Dedupe", "Delivery", "FlowLog", "FlowModel", "FlowStore", "Identity",
            "Platform", "SensorPipeline", "WireBytes",
        ]),
    program(
        "weir-bench-intel", at: "Tests/IntelligenceBenchmarks",
        uses: ["Enrichment", "FlowModel", "Intelligence", "Platform"]),
    .target(
        name: "FuzzTargets",
        dependencies: [
            "BatchFormat", "Capture", "Decode", "Detect", "FlowModel", "Identity", "Intake", "PacketHeader", "Platform",
            "PreAggregate", "ReverseNames", "SegmentFormat", "SensorPipeline", "Sigma", "WireBytes",
        ], path: "Tests/Fuzz/Targets", swiftSettings: lenient),
    tests("FuzzSeedTests", uses: ["FuzzTargets"]),
    tests("WireBytesTests", uses: ["WireBytes"]),
    tests("FlowModelTests", uses: ["FlowModel"]),
    tests("NetworkTableTests", uses: ["FlowModel", "NetworkTable", "Platform"]),
    tests("SettingsTests", uses: ["Settings"]),
    tests("TelemetryTests", uses: ["Platform", "Settings", "Telemetry", logging]),
    tests("IdentityTests", uses: ["Identity"]),
    tests("BatchFormatTests", uses: ["BatchFormat", "FlowModel", "WireBytes"]),
    tests("CaptureTests", uses: ["Capture", "FlowModel", "WireBytes"]),
    tests(
        "InformationElementsTests",
        uses: [
            "Capture", "Decode", "FlowModel", "FlowText", "InformationElements", "Platform", "Settings", "WireBytes",
        ]),
    tests("FlowTextTests", uses: ["FlowText", "FlowModel", "InformationElements"]),
    tests("SimulatorTests", uses: ["Capture", "Decode", "FlowModel", "Simulator", "WireBytes"]),
    tests("PacketHeaderTests", uses: ["FlowModel", "PacketHeader", "Platform", "WireBytes"]),
    tests("DecodeTests", uses: ["Capture", "Decode", "FlowModel", "Platform", "WireBytes"]),
    tests("MeterTests", uses: ["FlowModel", "Meter", "WireBytes"]),
    tests("DedupeTests", uses: ["Dedupe", "FlowModel", "WireBytes"]),
    tests("PreAggregateTests", uses: ["FlowModel", "PreAggregate"]),
    tests("SpoolTests", uses: ["Delivery", "FlowModel", "Platform", "SQLite", "Spool"]),
    tests("ShipTests", uses: ["Delivery", "HTTP2Client", "Identity", "Platform", "Ship", logging]),
    tests("IntakeTests", uses: ["CSockets", "FlowModel", "Intake", "Platform", "WireBytes"]),
    tests("ForwardTests", uses: ["FlowModel", "Forward", "WireBytes"]),
    tests(
        "SensorPipelineTests",
        uses: [
            "BatchFormat", "Decode", "Dedupe", "Delivery", "FlowModel", "HTTP2Client", "Platform", "PreAggregate",
            "SensorPipeline", "Settings", "Telemetry", "WireBytes", logging,
        ]),
    tests(
        "DataKeysTests",
        uses: ["DataKeys", "Delivery", "FlowLog", "FlowModel", "Identity", "Platform", "SecretServer", "Settings"]),
    tests(
        "ObjectStoreTests",
        uses: [
            "AggregatorPipeline", "BatchFormat", "Delivery", "FlowModel", "FlowStore", "Identity", "ObjectStore",
            "Platform", "SegmentFormat", "Settings", "Telemetry",
        ]),
    tests(
        "BackupTests",
        uses: [
            "Backup", "DataKeys", "Delivery", "Detect", "FlowLog", "FlowModel", "Identity", "Incidents", "Notify",
            "NotifyChannels", "ObjectStore", "Platform", "Settings", "Tenancy", grdb,
        ]),
    tests(
        "SegmentFormatTests",
        uses: ["BatchFormat", "FlowModel", "Identity", "Platform", "SegmentFormat", "WireBytes"]),
    .target(name: "CFaultVFS", dependencies: ["CSQLite"], path: "Tests/CFaultVFS"),
    tests(
        "FlowLogTests",
        uses: [
            "CFaultVFS", "ClusterLog", "Delivery", "FlowLog", "FlowModel", "Identity", "JetStream", "Platform", grdb,
            logging,
        ]),
    tests(
        "ClusterTests",
        uses: ["AggregatorPipeline", "Cluster", "Delivery", "FlowLog", "Identity", "JetStream", logging]),
    tests("JetStreamTests", uses: ["JetStream", "Platform", logging, nioCore]),
    tests(
        "FlowStoreTests",
        uses: [
            "BatchFormat", "Delivery", "FlowModel", "FlowStore", "Identity", "Platform", "SegmentFormat", grdb,
        ]),
    tests(
        "QueryEngineTests",
        uses: [
            "BatchFormat", "FilterLanguage", "FlowModel", "Identity", "InformationElements", "Platform", "QueryEngine",
        ]),
    tests(
        "HistoryContractTests",
        uses: [
            "BatchFormat", "Delivery", "FilterLanguage", "FlowClickHouse", "FlowModel", "FlowStore", "HistoryKit",
            "Identity", "Platform", "Query", "QueryEngine", "Settings",
        ]),
    tests(
        "QueryTests",
        uses: [
            "BatchFormat", "Delivery", "FilterLanguage", "FlowModel", "FlowStore", "HistoryKit", "Identity", "Platform",
            "Query", "QueryEngine",
        ]),
    tests(
        "ExportTests",
        uses: [
            "Capture", "Decode", "Export", "FilterLanguage", "FlowModel", "InformationElements", "Platform",
            "Simulator", "WireBytes",
        ]),
    tests("FilterLanguageTests", uses: ["FilterLanguage", "FlowModel", "InformationElements", "Platform"]),
    tests(
        "DetectTests",
        uses: [
            "Capture", "Decode", "Detect", "FlowModel", "Identity", "Intelligence", "PreAggregate", "Simulator",
            "WireBytes",
        ]),
    tests("EnrichmentTests", uses: ["Enrichment", "FlowModel", "Platform"]),
    tests("IntelligenceTests", uses: ["FlowModel", "Identity", "Intelligence", "Platform"]),
    tests("ReverseNamesTests", uses: ["FlowModel", "Platform", "ReverseNames", "Settings", "Telemetry"]),
    tests(
        "KnowledgeTests",
        uses: [
            "Detect", "Enrichment", "FlowModel", "Identity", "Intelligence", "Knowledge", "Platform", "Settings",
            "Telemetry", "WireBytes", logging,
        ]),
    tests("TestKitTests", uses: []),
    tests(
        "ProgramsTests",
        uses: ["Detect", "FlowModel", "Identity", "Intelligence", "Platform", "Programs"]),
    tests(
        "ProgramDeskTests",
        uses: [
            "Detect", "FlowModel", "Identity", "Intelligence", "Knowledge", "Platform", "ProgramDesk", "Programs",
            "Settings", "Telemetry", logging,
        ]),
    tests("TrendsTests", uses: ["Trends"]),
    tests("ModelRegisterTests", uses: ["FlowModel", "Identity", "ModelRegister", "Models", "Platform"]),
    tests("ModelsTests", uses: ["Detect", "FlowModel", "Identity", "Models", "Platform"]),
    tests("SigmaTests", uses: ["Detect", "FilterLanguage", "FlowModel", "Identity", "Platform", "Sigma"]),
    tests(
        "SigmaBacktestTests",
        uses: [
            "BatchFormat", "Delivery", "Detect", "FlowModel", "FlowStore", "Identity", "Platform", "Query", "Sigma",
            "SigmaBacktest",
        ]),
    tests(
        "DetectorBacktestTests",
        uses: [
            "BatchFormat", "Delivery", "Detect", "DetectorBacktest", "FlowModel", "FlowStore", "Identity", "Platform",
            "Query",
        ]),
    tests(
        "IncidentsTests", uses: ["Detect", "FilterLanguage", "FlowModel", "Identity", "Incidents", "Settings", grdb]),
    tests(
        "NotifyTests", uses: ["Detect", "FlowModel", "Identity", "Incidents", "Notify", "Platform", "Settings"]),
    tests(
        "NotifyChannelsTests",
        uses: [
            "Detect", "FlowModel", "Identity", "Incidents", "Notify", "NotifyChannels", "Platform", "Settings",
            "Telemetry", logging, lifecycle,
        ]),
    tests("PasswordsTests", uses: ["Passwords", "Platform", "Settings"]),
    tests(
        "OpenIDTests",
        uses: [
            "FlowModel", "Identity", "Notify", "NotifyChannels", "OpenID", "Platform", "Settings", "SignOnClient",
            "Tenancy", crypto, cryptoExtras,
        ]),
    tests(
        "PeopleMailTests",
        uses: ["Notify", "PeopleMail", "Platform", "Telemetry", "Tenancy", logging, lifecycle]),
    tests("TenancyTests", uses: ["Identity", "Platform", "Tenancy", grdb]),
    tests(
        "KnowledgeUpkeepTests",
        uses: [
            "AggregatorPipeline", "BatchFormat", "Delivery", "Detect", "Enrichment", "FlowLog", "FlowModel",
            "FlowStore", "Identity", "Incidents", "Intelligence", "Knowledge", "KnowledgeUpkeep", "Platform", "Query",
            "ReverseNames", "Settings", "Telemetry", logging,
        ]),
    tests(
        "AggregatorPipelineTests",
        uses: [
            "AggregatorPipeline", "BatchFormat", "Delivery", "Detect", "FlowLog", "FlowModel", "FlowStore", "Identity",
            "Incidents", "Intelligence", "Knowledge", "ModelHistory", "ModelRegister", "Models", "ObjectStore",
            "Platform", "ProgramDesk", "Programs", "Query", "Sigma", "Telemetry", logging, lifecycle,
        ]),
    tests(
        "AggregatorServerTests",
        uses: [
            "API", "BatchFormat", "CZstd", "Console", "Delivery", "Detect", "Enrichment", "Export", "FlowLog",
            "FlowModel",
            "FlowStore", "HTTP2Client", "HistoryKit", "Identity", "Incidents", "Ingest", "Intelligence", "Knowledge",
            "ModelRegister", "Models", "Notify", "OpenID", "Passwords", "Platform", "ProgramDesk", "Programs", "Query",
            "ReverseNames", "ServerChannel", "Settings", "Sigma", "Telemetry", "Tenancy", crypto, logging, lifecycle,
            nioSSL,
            .product(name: "HummingbirdTesting", package: "hummingbird"),
        ] + hummingbird),
    tests(
        "AccessMatrixTests",
        uses: [
            "API", "BatchFormat", "Delivery", "Detect", "FlowLog", "FlowModel", "FlowStore", "Identity", "Incidents",
            "Ingest", "Intelligence", "Knowledge", "ModelRegister", "Notify", "Passwords", "Platform", "Query", "Sigma",
            "Telemetry", "Tenancy", .product(name: "HummingbirdTesting", package: "hummingbird"),
        ] + hummingbird),
    tests("ConformanceTests", uses: ["Capture", "Decode", "FlowModel", "FlowText", "WireBytes"]),
    tests(
        "CompatibilityTests",
        uses: ["BatchFormat", "Delivery", "Detect", "FlowModel", "Identity", "Spool", "WireBytes"]),
    tests(
        "SimulationTests",
        uses: ["Delivery", "FlowLog", "FlowModel", "HTTP2Client", "Identity", "Platform", "Ship", "Spool"]),
    tests("SystemTests", uses: ["Platform"]),
    tests("TidyTests", uses: []),
]

let planted: [Target] =
    isPlanted ? [.target(name: "Planted", path: "Tests/Chaos/Planted", swiftSettings: strict)] : []

/// The fuzzers' entry: a library, since libFuzzer brings `main`. Nothing links it without `-sanitize=fuzzer`, so it is
/// there for `deploy/fuzz` only.
let isFuzzing = Context.environment["WEIR_FUZZ"] == "1"
let fuzzing: [Target] =
    isFuzzing
    ? [
        .target(
            name: "WeirFuzz", dependencies: ["FuzzTargets", "Platform"], path: "Tests/Fuzz/Entry",
            swiftSettings: lenient)
    ] : []

let package = Package(
    name: "weir",
    platforms: [.macOS(.v15)],
    products: isFuzzing ? [.library(name: "WeirFuzz", type: .static, targets: ["WeirFuzz"])] : [],
    dependencies: [
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/apple/swift-certificates", from: "1.21.1"),
        .package(url: "https://github.com/apple/swift-asn1", from: "1.7.4"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-nio-http2", from: "1.46.0"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.2"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
    ],
    targets: common + sensor + aggregator + checks + planted + fuzzing)
