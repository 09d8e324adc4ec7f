#define _GNU_SOURCE
#include "CSockets.h"
#include "Internal.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 128 };

void weir_note_address(const struct sockaddr_storage *from, uint8_t address[16], uint16_t *port) {
    if (from->ss_family == AF_INET6) {
        const struct sockaddr_in6 *a = (const void *)from;
        memcpy(address, &a->sin6_addr, 16);
        *port = ntohs(a->sin6_port);
    } else {
        const struct sockaddr_in *a = (const void *)from;
        memset(address, 0, 10);
        address[10] = address[11] = 0xff;
        memcpy(address + 12, &a->sin_addr, 4);
        *port = ntohs(a->sin_port);
    }
}

socklen_t weir_read_address(const char *address, uint16_t port, struct sockaddr_storage *out) {
    memset(out, 0, sizeof *out);
    if (strchr(address, ':') != NULL) {
        struct sockaddr_in6 *a = (void *)out;
        a->sin6_family = AF_INET6;
        a->sin6_port = htons(port);
        return inet_pton(AF_INET6, address, &a->sin6_addr) == 1 ? sizeof *a : 0;
    }
    struct sockaddr_in *a = (void *)out;
    a->sin_family = AF_INET;
    a->sin_port = htons(port);
    return inet_pton(AF_INET, address, &a->sin_addr) == 1 ? sizeof *a : 0;
}

// What a new socket would be granted without CAP_NET_ADMIN: net.core.rmem_max caps the request.
static int grantable(int receive_bytes) {
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), granted = 0;
    socklen_t length = sizeof granted;
    if (fd < 0) return 0;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes) != 0
        || getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &granted, &length) != 0)
        granted = 0;
    close(fd);
    return granted;
}

static void set_receiving(int fd, int receive_bytes, int wants_times, int *granted_bytes) {
    int one = 1;
    socklen_t length = sizeof *granted_bytes;
    if (wants_times) setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof one);
    // FORCE needs CAP_NET_ADMIN. Without it, what a service manager that had it has set is not made less.
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &receive_bytes, sizeof receive_bytes) != 0
        && (getsockopt(fd, SOL_SOCKET, SO_RCVBUF, granted_bytes, &length) != 0
            || *granted_bytes < grantable(receive_bytes)))
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
    length = sizeof *granted_bytes;
    getsockopt(fd, SOL_SOCKET, SO_RCVBUF, granted_bytes, &length);
}

int weir_bind(const weir_binding *binding, int *granted_bytes) {
    struct sockaddr_storage address;
    socklen_t length = weir_read_address(binding->address, binding->port, &address);
    if (length == 0) return -EINVAL;
    int kind = (binding->is_stream ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK;
    int fd = socket(address.ss_family, kind, 0);
    if (fd < 0) return -errno;
    int one = 1, zero = 0;
    if (address.ss_family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
    // Connections of a sensor that ended linger for a minute; they must not keep the next from listening.
    if (binding->is_stream) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    int failed = binding->shares_port && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) != 0;
    if (!failed && !binding->is_stream)
        set_receiving(fd, binding->receive_bytes, binding->wants_times, granted_bytes);
    if (!failed) failed = bind(fd, (void *)&address, length) != 0;
    if (!failed && binding->is_stream) failed = listen(fd, BACKLOG) != 0;
    if (!failed) return fd;
    int error = errno;
    close(fd);
    return -error;
}

// The filter sees the packet from behind its UDP or TCP header; SKF_NET_OFF reaches back to the IP header. A result
// that is no socket's index (all are bound within a moment of each other) makes the kernel hash the 4-tuple instead.
int weir_steer_by_source(int fd, uint32_t count) {
    enum { NET = SKF_NET_OFF };
#define MULTIPLY(factor) BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, factor)
#define FOLD(bits) \
    BPF_STMT(BPF_MISC | BPF_TAX, 0), BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, bits), BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0)
#define JOIN(offset) \
    BPF_STMT(BPF_MISC | BPF_TAX, 0), BPF_STMT(BPF_LD | BPF_W | BPF_ABS, NET + (offset)), \
        BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0)
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, NET),
        BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 4),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 6, 2, 0),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, NET + 12), // IPv4: its one source word
        BPF_STMT(BPF_JMP | BPF_JA, 13),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, NET + 8), // IPv6: four
        MULTIPLY(0x9E3779B1), JOIN(12), MULTIPLY(0x9E3779B1), JOIN(16), MULTIPLY(0x9E3779B1), JOIN(20),
        FOLD(16), MULTIPLY(0x85EBCA6B), FOLD(13), MULTIPLY(0xC2B2AE35), FOLD(16),
        BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, count),
        BPF_STMT(BPF_RET | BPF_A, 0),
    };
#undef MULTIPLY
#undef FOLD
#undef JOIN
    struct sock_fprog program = {.len = sizeof code / sizeof code[0], .filter = code};
    if (count == 0) return -EINVAL;
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof program) == 0 ? 0 : -errno;
}

int weir_socket_describe(int fd, weir_socket *out) {
    struct sockaddr_storage bound;
    socklen_t length = sizeof bound, kind_length = sizeof(int);
    int kind = 0, listening = 0;
    if (getsockname(fd, (void *)&bound, &length) != 0) return -errno;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &kind, &kind_length) != 0) return -errno;
    if (bound.ss_family != AF_INET && bound.ss_family != AF_INET6) return -EPROTONOSUPPORT;
    if (kind != SOCK_DGRAM && kind != SOCK_STREAM) return -EPROTONOSUPPORT;
    kind_length = sizeof listening;
    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &kind_length);
    weir_note_address(&bound, out->address, &out->port);
    out->is_v6 = bound.ss_family == AF_INET6;
    out->is_stream = kind == SOCK_STREAM;
    out->is_listening = listening != 0;
    return 0;
}

int weir_socket_adopt(int fd, int receive_bytes, int wants_times, int *granted_bytes) {
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) return -errno;
    int kind = 0;
    socklen_t length = sizeof kind;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &kind, &length) != 0) return -errno;
    if (kind == SOCK_DGRAM) set_receiving(fd, receive_bytes, wants_times, granted_bytes);
    return 0;
}

int weir_socket_port(int fd) {
    struct sockaddr_storage bound;
    socklen_t length = sizeof bound;
    if (getsockname(fd, (void *)&bound, &length) != 0) return -errno;
    uint8_t address[16];
    uint16_t port;
    weir_note_address(&bound, address, &port);
    return port;
}

int weir_udp_memory(int fd, uint32_t *held_bytes, uint32_t *drops) {
    uint32_t info[SK_MEMINFO_VARS];
    socklen_t length = sizeof info;
    if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &length) != 0) return -errno;
    *held_bytes = info[SK_MEMINFO_RMEM_ALLOC];
    *drops = info[SK_MEMINFO_DROPS];
    return 0;
}

int weir_notify(const char *path, const char *text) {
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t length = strlen(path);
    if (length < 2 || length > sizeof to.sun_path - 1 || (path[0] != '/' && path[0] != '@')) return -EINVAL;
    memcpy(to.sun_path, path, length);
    if (path[0] == '@') to.sun_path[0] = 0; // the abstract name space has no end mark
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -errno;
    ssize_t sent = sendto(fd, text, strlen(text), MSG_NOSIGNAL, (void *)&to, size);
    int result = sent < 0 ? -errno : 0;
    close(fd);
    return result;
}
