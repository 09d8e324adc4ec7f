#ifndef WEIR_GATHER_H
#define WEIR_GATHER_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

// Fields of flow records, which lie `stride` octets apart, into rows `row` ..< `end` of columns: the big-endian integers
// at `at` of each record become an element each. Nothing is checked here: records and columns must be there (Decode,
// "RecordRows"; WireBytes, "Gather"). For hosts whose own order is little-endian.
//
// In C since sets have few records: a loop that is made for vectors costs more before it begins than it saves, and only
// here can it be said that it shall not be.

#define WEIR_EACH \
    _Pragma("clang loop vectorize(disable) interleave(disable) unroll(disable)") \
    for (; row < end; row++, records += stride)

static inline uint8_t weirLoad8(const uint8_t *from) { return *from; }
static inline uint16_t weirLoad16(const uint8_t *from) {
    uint16_t wire;
    memcpy(&wire, from, sizeof wire);
    return __builtin_bswap16(wire);
}
static inline uint32_t weirLoad32(const uint8_t *from) {
    uint32_t wire;
    memcpy(&wire, from, sizeof wire);
    return __builtin_bswap32(wire);
}
static inline uint64_t weirLoad64(const uint8_t *from) {
    uint64_t wire;
    memcpy(&wire, from, sizeof wire);
    return __builtin_bswap64(wire);
}

// One column, and two columns in one loop.
#define WEIR_GATHER(element, wire) \
    static inline void weirGather##element##From##wire( \
        uint##element##_t *to, const uint8_t *records, size_t at, size_t stride, size_t row, size_t end) { \
        WEIR_EACH to[row] = (uint##element##_t)weirLoad##wire(records + at); \
    } \
    static inline void weirGatherPair##element##From##wire( \
        uint##element##_t *to, uint##element##_t *also, const uint8_t *records, size_t at, size_t second, \
        size_t stride, size_t row, size_t end) { \
        WEIR_EACH { \
            to[row] = (uint##element##_t)weirLoad##wire(records + at); \
            also[row] = (uint##element##_t)weirLoad##wire(records + second); \
        } \
    }

WEIR_GATHER(8, 8)
WEIR_GATHER(16, 8)
WEIR_GATHER(16, 16)
WEIR_GATHER(32, 16)
WEIR_GATHER(32, 32)
WEIR_GATHER(64, 32)
WEIR_GATHER(64, 64)

static inline void weirGather8Plus(
    uint8_t *to, const uint8_t *records, size_t at, size_t stride, size_t row, size_t end, uint8_t base) {
    WEIR_EACH to[row] = (uint8_t)(records[at] + base);
}

static inline void weirGatherAddress(
    uint64_t *to, const uint8_t *records, size_t at, size_t stride, size_t row, size_t end, uint64_t prefix) {
    WEIR_EACH to[row] = prefix | weirLoad32(records + at);
}
static inline void weirGatherAddresses(
    uint64_t *to, uint64_t *also, const uint8_t *records, size_t at, size_t second, size_t stride, size_t row, size_t end,
    uint64_t prefix) {
    WEIR_EACH {
        to[row] = prefix | weirLoad32(records + at);
        also[row] = prefix | weirLoad32(records + second);
    }
}

static inline void weirGatherTimes(
    int64_t *to, int64_t *also, const uint8_t *records, size_t at, size_t second, size_t stride, size_t row,
    size_t end) {
    WEIR_EACH {
        to[row] = (int64_t)weirLoad64(records + at);
        also[row] = (int64_t)weirLoad64(records + second);
    }
}

/// Times on a clock of 32 bits that shows `uptime` at `moment`: the difference is a signed one, right across the wrap.
static inline void weirGatherUptimes(
    int64_t *to, int64_t *also, const uint8_t *records, size_t at, size_t second, size_t stride, size_t row, size_t end,
    int64_t moment, uint32_t uptime) {
    WEIR_EACH {
        to[row] = moment - (int32_t)(uptime - weirLoad32(records + at));
        also[row] = moment - (int32_t)(uptime - weirLoad32(records + second));
    }
}

/// `first`, `first + step` and so on.
static inline void weirNumberRows(uint32_t *to, uint32_t first, uint32_t step, size_t row, size_t end) {
    _Pragma("clang loop vectorize(disable) interleave(disable) unroll(disable)")
    for (; row < end; row++, first += step) to[row] = first;
}

/// What is the same in all rows.
static inline void weirFillRows(
    uint32_t *a, uint32_t one, uint32_t *b, uint32_t two, int64_t *c, int64_t three, int64_t *d, int64_t four,
    size_t row, size_t end) {
    _Pragma("clang loop vectorize(disable) interleave(disable) unroll(disable)")
    for (; row < end; row++) {
        a[row] = one;
        b[row] = two;
        c[row] = three;
        d[row] = four;
    }
}

#define WEIR_COPY(octets) \
    case octets: \
        _Pragma("clang loop vectorize(disable) interleave(disable) unroll(disable)") \
        for (; times > 0; times--, to += step, from += stride) { \
            memcpy(to, &stamp, 2); \
            memcpy(to + 2, from, octets); \
        } \
        break;

/// Writes two octets and copies `length` behind them, `times` times, from places `stride` apart to places `step` apart.
static inline void weirStampAndCopyRuns(
    uint8_t *to, size_t start, size_t step, uint16_t stamp, const void *data, size_t offset, size_t stride,
    size_t length, size_t times) {
    const uint8_t *from = (const uint8_t *)data + offset;
    to += start;
    switch (length) {
        WEIR_COPY(1)
        WEIR_COPY(2)
        WEIR_COPY(4)
        WEIR_COPY(8)
    default:
        for (; times > 0; times--, to += step, from += stride) {
            memcpy(to, &stamp, 2);
            memcpy(to + 2, from, length);
        }
    }
}
/// Copies `length` octets `times` times, from places `stride` apart to places `step` apart.
static inline void weirCopyRuns(
    uint8_t *to, size_t start, size_t step, const void *data, size_t offset, size_t stride, size_t length,
    size_t times) {
    const uint8_t *from = (const uint8_t *)data + offset;
    for (to += start; times > 0; times--, to += step, from += stride) memcpy(to, from, length);
}

#undef WEIR_COPY
#undef WEIR_EACH
#undef WEIR_GATHER
#endif
