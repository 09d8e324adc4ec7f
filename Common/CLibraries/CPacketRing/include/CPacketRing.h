#pragma once
// Packets of a network interface through AF_PACKET's ring (packet(7), TPACKET_V3): the kernel fills blocks of shared
// memory, so a packet costs no system call. Needs CAP_NET_RAW. Everything returns -errno on failure and never blocks.
#include <stdint.h>

typedef struct weir_ring weir_ring;

typedef struct {
    const uint8_t *bytes;  // from the link layer's header on; valid until the next call
    uint32_t captured;     // how many of them there are
    uint32_t length;       // how many the packet had on the link
    int64_t milliseconds;  // when the kernel saw it, in ms since 1970 UTC
    uint16_t vlan;         // the tag that the kernel or the card took off, if has_vlan
    uint8_t has_vlan;
    uint8_t is_outgoing;   // sent by this machine
} weir_packet;

/// Opens a ring of `blocks` blocks of `block_bytes` (a power of two) on an interface. NULL, and `*error` = -errno: -ENODEV
/// for no such interface, -EPERM without the right, -EPROTONOSUPPORT for a link that is not Ethernet-like.
weir_ring *weir_ring_open(const char *interface, uint32_t blocks, uint32_t block_bytes, int promiscuous, int *error);
void weir_ring_close(weir_ring *ring);
int weir_ring_descriptor(const weir_ring *ring);
uint32_t weir_ring_interface(const weir_ring *ring);

/// The next packet that waits: 1, or 0 when there is none. A block that is used up goes back to the kernel.
int weir_ring_next(weir_ring *ring, weir_packet *out);
/// Packets that the kernel dropped since the last call for want of room, or -errno.
int64_t weir_ring_drops(weir_ring *ring);
