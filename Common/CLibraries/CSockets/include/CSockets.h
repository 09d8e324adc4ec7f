#pragma once
// Linux calls that `import Glibc` does not show: recvmmsg, control messages, socket memory information.
#include <stdint.h>

/// One received datagram; its bytes are in the slot of the same index.
typedef struct {
    uint32_t length;      // bytes in the slot
    uint32_t drops;       // SO_RXQ_OVFL: datagrams the kernel dropped on this socket since it was opened, if has_drops
    uint16_t port;        // sender's port, host order
    uint8_t is_truncated; // the datagram was longer than the slot
    uint8_t has_drops;
    uint8_t address[16];  // sender's IPv6 address, or an IPv4 one as ::ffff:a.b.c.d
} weir_datagram;

typedef struct weir_receiver weir_receiver;

/// NULL when memory is short.
weir_receiver *weir_receiver_new(uint32_t batch, uint32_t slot_bytes);
void weir_receiver_free(weir_receiver *receiver);

/// Takes at most `batch` datagrams that wait on `fd`, without blocking: the count, 0 when there are none, or -errno.
int weir_receiver_take(weir_receiver *receiver, int fd);
const weir_datagram *weir_receiver_datagrams(const weir_receiver *receiver);
const uint8_t *weir_receiver_slot(const weir_receiver *receiver, uint32_t index);

/// A UDP socket bound to a numeric address (dual stack where it has a ':'); the descriptor, or -errno (-EINVAL: no address).
/// `granted_bytes` gets the receive buffer that the kernel gave, as getsockopt reports it (twice what is usable).
int weir_udp_bind(const char *address, uint16_t port, int receive_bytes, int *granted_bytes);

/// The port a socket is bound to, or -errno.
int weir_socket_port(int fd);

/// Datagrams that the kernel dropped on this socket, exact at any time (SO_MEMINFO); -errno on failure.
int64_t weir_udp_drops(int fd);
