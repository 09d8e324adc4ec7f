#pragma once
// Linux calls that `import Glibc` does not show: recvmmsg, sendmmsg, control messages, socket memory information, socket
// filters, epoll, eventfd. Everything returns -errno on failure and never blocks, but for weir_ask.
#include <stdint.h>

/// One received datagram; its bytes are in the slot of the same index.
typedef struct {
    int64_t milliseconds; // when the kernel took it, in ms since 1970 UTC; 0 unless the socket was asked for times
    uint32_t length;      // bytes in the slot
    uint16_t port;        // sender's port, host order
    uint8_t is_truncated; // the datagram was longer than the slot
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

/// What a socket is to be.
typedef struct {
    const char *address;   // numeric; dual stack where it has a ':'
    uint16_t port;         // 0: the kernel's choice
    uint8_t is_stream;     // a listening TCP socket rather than a UDP one
    uint8_t shares_port;   // SO_REUSEPORT: others of this user may bind the same address and port
    uint8_t wants_times;   // SO_TIMESTAMPNS
    int32_t receive_bytes; // UDP only: the buffer asked for
} weir_binding;

/// A bound non-blocking socket: the descriptor, or -errno (-EINVAL: no numeric address).
/// `granted_bytes` gets the receive buffer that the kernel gave, as getsockopt reports it (twice what is usable).
int weir_bind(const weir_binding *binding, int *granted_bytes);

/// Has the sockets that share the port of `fd` chosen by source address: the same of `count` for the same address,
/// whatever the port, in the order in which they were bound. 0 or -errno.
int weir_steer_by_source(int fd, uint32_t count);

/// What a descriptor is that somebody else opened.
typedef struct {
    uint8_t address[16]; // bound to: IPv6, or IPv4 as ::ffff:a.b.c.d
    uint16_t port;       // host order
    uint8_t is_v6;
    uint8_t is_stream, is_listening; // TCP; and listen(2) was called
} weir_socket;

/// 0, or -errno; -EPROTONOSUPPORT for what is neither UDP nor TCP over IP.
int weir_socket_describe(int fd, weir_socket *out);
/// Makes an inherited socket as `weir_bind` would have made it: non-blocking, closed on exec.
int weir_socket_adopt(int fd, int receive_bytes, int wants_times, int *granted_bytes);

/// The port a socket is bound to, or -errno.
int weir_socket_port(int fd);

/// Kernel memory that waiting datagrams take, and how many were dropped since the socket was opened, exact at any time
/// (SO_MEMINFO). 0 or -errno.
int weir_udp_memory(int fd, uint32_t *held_bytes, uint32_t *drops);

typedef struct {
    uint8_t address[16]; // IPv6, or IPv4 as ::ffff:a.b.c.d
    uint16_t port;       // host order
} weir_peer;

/// Accepts a connection that waits: its non-blocking descriptor, or -errno (-EAGAIN: none waits).
int weir_accept(int fd, weir_peer *peer);
/// Reads what waits: the count, 0 at the end of the stream, or -errno (-EAGAIN: nothing waits).
int64_t weir_read(int fd, uint8_t *bytes, uint32_t count);
/// Closes; with a reset instead of an orderly end where `resets`.
void weir_close(int fd, int resets);

/// An epoll set: the descriptor, or -errno.
int weir_epoll_new(void);
/// Adds or changes `fd`, known as `token` from then on; 0 or -errno.
int weir_epoll_set(int set, int fd, uint64_t token, int wants_read, int wants_write);
/// Removes `fd`; 0 or -errno.
int weir_epoll_remove(int set, int fd);
/// The tokens of what is ready now, at most `count`: how many, or -errno.
int weir_epoll_ready(int set, uint64_t *tokens, int count);

/// Sleeps until `fd` (none when negative) is readable, a signal comes, or the time is over. Whether it was the time.
int weir_nap(int fd, int64_t nanoseconds);

/// Sends `text` to a datagram socket of the file system, or of the abstract name space where `path` starts with '@':
/// 0 or -errno.
int weir_notify(const char *path, const char *text);

/// Connects to a TCP port, sends `count` octets and takes the answer until the other end closes or `room` is full: how
/// many came, or -errno (-EADDRNOTAVAIL: the name is unknown). Without octets to send it only connects. Blocks, at most
/// `milliseconds` beside the resolver's own time.
int64_t weir_ask(const char *host, uint16_t port, const uint8_t *bytes, uint32_t count, uint8_t *answer, uint32_t room,
                 uint32_t milliseconds);

/// What the kernel thinks of its clock (adjtimex(2)): 1 when something holds it to the time, 0 when nothing does, or
/// -errno. `error_milliseconds` gets the most that it may be off.
int weir_clock_state(int64_t *error_milliseconds);

/// How copies of datagrams leave.
typedef struct {
    const char *address; // numeric
    uint16_t port;
    uint8_t is_raw;       // the bytes start with an IP header (CAP_NET_RAW)
    int32_t send_bytes;   // the kernel's buffer
} weir_target;

/// A non-blocking socket connected to `target`: the descriptor, or -errno.
int weir_target_open(const weir_target *target);
/// Sends `count` (at most 128) datagrams that lie in `bytes`: how many the kernel took, or -errno when it refused the first.
int weir_send_batch(int fd, const uint8_t *bytes, const uint32_t *offsets, const uint32_t *lengths, uint32_t count);
