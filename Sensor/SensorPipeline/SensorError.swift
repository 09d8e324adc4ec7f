/// Why a sensor can't start or go on. Settings were right as far as they could be checked; this is the machine's
/// answer.
package enum SensorError: Error, Equatable, Sendable, CustomStringConvertible {
    /// errno of pthread_create(3).
    case noThread(code: Int32)
    /// errno of pipe(2).
    case noDescriptor(code: Int32)
    /// A port that can't be opened: which, and why in words.
    case cantListen(_ address: String, _ reason: String)
    case identity(reason: String)
    case spool(reason: String)
    case ship(reason: String)
    case capture(file: String, reason: String)

    package var description: String {
        switch self {
        case .noThread(let code): "no thread: error \(code)"
        case .noDescriptor(let code): "no descriptor: error \(code)"
        case .cantListen(let address, let reason): "can't listen on \(address): \(reason)"
        case .identity(let reason): "can't use the certificate files: \(reason)"
        case .spool(let reason): "can't use the spool: \(reason)"
        case .ship(let reason): "can't ship: \(reason)"
        case .capture(let file, let reason): "\(file): \(reason)"
        }
    }
}
