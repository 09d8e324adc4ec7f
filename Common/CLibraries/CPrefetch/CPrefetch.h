#ifndef WEIR_CPREFETCH_H
#define WEIR_CPREFETCH_H

#include <stddef.h>

/// Asks for the cache lines of some bytes without waiting for them; a hint, which no address can make fail.
static inline void weirPrefetch(const void *_Nullable start, size_t count) {
    for (size_t at = 0; at < count; at += 64) __builtin_prefetch((const char *)start + at);
}
/// Reads a byte of each cache line; what it returns means nothing, and keeps the reads.
static inline unsigned char weirWarm(const void *_Nullable start, size_t count) {
    const unsigned char *bytes = start;
    unsigned char sum = 0;
    _Pragma("clang loop unroll_count(4)")
    for (size_t at = 0; at < count; at += 64) sum ^= bytes[at];
    return sum;
}

#endif
