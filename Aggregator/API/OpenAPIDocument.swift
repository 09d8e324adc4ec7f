internal import COpenAPI

/// `openapi.json`, byte for byte.
package let openAPIDocument: [UInt8] = {
    var count = 0
    let start = unsafe weir_openapi(&count)
    return unsafe Array(UnsafeBufferPointer(start: start, count: count))
}()
