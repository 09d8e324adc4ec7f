import TestKit

extension SimDisk {
    /// What a disk holds, to take it back there.
    struct Image {
        let durable: [String: [UInt8]], folders: Set<String>
    }
    /// As a power cut would leave it.
    func image() -> Image {
        state.with { Image(durable: $0.durableNames.mapValues(\.durable), folders: $0.folders) }
    }
    /// The process must be dead.
    func restore(_ image: Image) {
        state.with { state in
            state.nodes = image.durable.mapValues { bytes in
                let node = Node()
                (node.live, node.durable) = (bytes, bytes)
                return node
            }
            state.durableNames = state.nodes
            state.folders = image.folders
            (state.fault, state.locks) = (nil, [])
        }
    }
}
