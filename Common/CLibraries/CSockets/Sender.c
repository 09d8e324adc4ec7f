#define _GNU_SOURCE
#include "CSockets.h"
#include "Internal.h"
#include <errno.h>
#include <netinet/in.h>
#include <unistd.h>

enum { BATCH_MAX = 128 };

int weir_target_open(const weir_target *target) {
    struct sockaddr_storage address;
    socklen_t length = weir_read_address(target->address, target->port, &address);
    if (length == 0) return -EINVAL;
    int is_v6 = address.ss_family == AF_INET6, one = 1, failed = 0;
    int kind = (target->is_raw ? SOCK_RAW : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK;
    int fd = socket(address.ss_family, kind, target->is_raw ? IPPROTO_RAW : IPPROTO_UDP);
    if (fd < 0) return -errno;
    if (target->is_raw) {
        failed = is_v6 ? setsockopt(fd, IPPROTO_IPV6, IPV6_HDRINCL, &one, sizeof one)
                       : setsockopt(fd, IPPROTO_IP, IP_HDRINCL, &one, sizeof one);
        // A raw socket of IPv6 takes a port for a protocol number.
        if (is_v6) ((struct sockaddr_in6 *)&address)->sin6_port = 0;
    }
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &target->send_bytes, sizeof target->send_bytes);
    if (!failed) failed = connect(fd, (void *)&address, length);
    if (!failed) return fd;
    int error = errno;
    close(fd);
    return -error;
}

int weir_send_batch(int fd, const uint8_t *bytes, const uint32_t *offsets, const uint32_t *lengths, uint32_t count) {
    struct mmsghdr messages[BATCH_MAX];
    struct iovec vectors[BATCH_MAX];
    if (count > BATCH_MAX) count = BATCH_MAX;
    for (uint32_t i = 0; i < count; i++) {
        vectors[i] = (struct iovec){(void *)(bytes + offsets[i]), lengths[i]};
        messages[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &vectors[i], .msg_iovlen = 1}};
    }
    int sent = sendmmsg(fd, messages, count, MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent < 0 ? -errno : sent;
}
