import Glibc
import Platform

/// CPU seconds of this process so far, user and system.
func cpuSeconds() -> Double {
    var usage = rusage()
    unsafe getrusage(RUSAGE_SELF.rawValue, &usage)
    func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1_000_000 }
    return seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

/// Makes the kernel forget the highest resident size, so that each measurement has its own (proc(5), clear_refs).
func resetPeakRSS() {
    let descriptor = unsafe open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    writeAll([UInt8("5".utf8.first ?? 0)], to: descriptor)
    close(descriptor)
}
/// The highest resident size since the reset, in bytes.
func peakRSSBytes() -> Int {
    guard let status = try? readFile("/proc/self/status") else { return 0 }
    let line = String(decoding: status, as: UTF8.self).split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
    return (line?.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first.flatMap { Int($0) } ?? 0) << 10
}
func exitProcess(_ code: Int32) -> Never { exit(code) }
/// CPU seconds of the calling thread so far.
func threadSeconds() -> Double {
    var time = timespec()
    unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1_000_000_000
}
