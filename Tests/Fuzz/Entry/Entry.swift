import FuzzTargets
import Glibc
import Platform

/// The fuzzer's entry points. libFuzzer brings `main`, so this is built as a library and linked with
/// `-sanitize=fuzzer`: see `deploy/fuzz`.
///
///     WEIR_FUZZ_TARGET    which target; one of `FuzzTarget`
///     WEIR_FUZZ_SEEDS     a folder: write its seeds there and end
///     WEIR_FUZZ_CAPTURES  captures, one a line, whose datagrams become seeds too
private let target: FuzzTarget = {
    let name = environmentVariable("WEIR_FUZZ_TARGET") ?? ""
    guard let target = FuzzTarget(rawValue: name) else {
        stop("WEIR_FUZZ_TARGET=\(name): there are \(FuzzTarget.allCases.map(\.rawValue).joined(separator: ", "))")
    }
    return target
}()

private func stop(_ text: String) -> Never {
    writeAll([UInt8]("weir-fuzz: \(text)\n".utf8), to: 2)
    abort()
}

@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ data: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = Array(UnsafeBufferPointer(start: data, count: count))
    do throws(Violation) {
        try target.run(input)
    } catch {
        stop("violation: \(error)")
    }
    return 0
}

@_cdecl("LLVMFuzzerInitialize")
public func initialize(
    _ argc: UnsafeMutablePointer<CInt>?,
    _ argv: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?>?
) -> CInt {
    guard let folder = environmentVariable("WEIR_FUZZ_SEEDS") else { return 0 }
    var seeds = FuzzSeeds.all(for: target).map { ($0.name, $0.bytes) }
    for path in (environmentVariable("WEIR_FUZZ_CAPTURES") ?? "").split(separator: "\n") {
        guard let bytes = try? readFile(String(path)) else { continue }
        let name = path.split(separator: "/").last.map(String.init) ?? "capture"
        for (number, seed) in FuzzSeeds.of(capture: bytes, for: target).enumerated() {
            seeds.append(("\(name).\(number)", seed))
        }
    }
    for (name, bytes) in seeds {
        let file = open("\(folder)/\(name)", O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        guard file >= 0, writeAll(bytes, to: file) else { stop("\(folder)/\(name) can't be written") }
        close(file)
    }
    exit(0)
}
