internal import CMemory

/// Memory that a program frees again and again stays with it: given back and asked for anew, its pages, which come
/// zeroed one at a time, cost more than what is done with them. What is above goes back as ever. To be called once,
/// before there are threads.
/// - Parameters:
///   - blockBytes: pieces up to so many octets are kept.
///   - keptBytes: octets that each of the heap's parts keeps free.
package func keepFreedMemory(blockBytes: Int32, keptBytes: Int32) {
    weir_keep_memory(blockBytes, keptBytes)
}
