internal import Foundation
package import Notify
internal import Platform

/// What a notifier remembers beside its outbox.
package struct NotifierState: Equatable, Sendable, Codable {
    package static let currentVersion = 1
    package var version = Self.currentVersion
    /// Of the last event that was taken in; 0 before the first.
    package var position: Int64 = 0
    package var router = NewsRouter.State()

    package init(position: Int64 = 0, router: NewsRouter.State = .init()) {
        self.position = position
        self.router = router
    }
}

/// Where a notifier's state survives a restart.
package protocol NotifierStateStore: Sendable {
    /// Nil when there is none, or it can't be read: then all that the feed still has is told.
    func load() throws -> NotifierState?
    /// Durable on return, whole or not at all.
    func save(_ state: NotifierState) throws
}

/// The state in a file. One that is damaged, or of a version that is not known, is set aside.
package struct FileNotifierState: NotifierStateStore {
    private let path: String
    private static let bytesMax = 256 << 20

    package init(path: String) { self.path = path }

    package func load() throws -> NotifierState? {
        guard fileStatus(path) != nil else { return nil }
        let octets = try readFile(path, bytesMax: Self.bytesMax)
        let state = try? JSONDecoder().decode(NotifierState.self, from: Data(octets))
        if let state, state.version == NotifierState.currentVersion { return state }
        try? FileManager.default.removeItem(atPath: path + ".damaged")
        try FileManager.default.moveItem(atPath: path, toPath: path + ".damaged")
        return nil
    }

    package func save(_ state: NotifierState) throws {
        try placeFile(path, with: Array(try JSONEncoder().encode(state)), draft: path + ".part", replacing: true)
    }
}
