#ifndef WEIR_CPREFETCH_H
#define WEIR_CPREFETCH_H

#include <stddef.h>

/// Asks for the cache lines of some bytes without waiting for them; a hint, which no address can make fail.
static inline void weirPrefetch(const void *_Nullable start, size_t count) {
    for (size_t at = 0; at < count; at += 64) __builtin_prefetch((const char *)start + at);
}

#endif
