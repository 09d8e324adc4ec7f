#define _GNU_SOURCE
#include "CSockets.h"
#include <arpa/inet.h>
#include <errno.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONTROL_BYTES = 64 };

struct weir_receiver {
    uint32_t batch, slot_bytes;
    uint8_t *slots, *control;
    struct mmsghdr *messages;
    struct iovec *vectors;
    struct sockaddr_storage *senders;
    weir_datagram *datagrams;
};

weir_receiver *weir_receiver_new(uint32_t batch, uint32_t slot_bytes) {
    weir_receiver *r = calloc(1, sizeof *r);
    if (r == NULL) return NULL;
    r->batch = batch;
    r->slot_bytes = slot_bytes;
    r->slots = calloc(batch, slot_bytes);
    r->control = calloc(batch, CONTROL_BYTES);
    r->messages = calloc(batch, sizeof *r->messages);
    r->vectors = calloc(batch, sizeof *r->vectors);
    r->senders = calloc(batch, sizeof *r->senders);
    r->datagrams = calloc(batch, sizeof *r->datagrams);
    if (!r->slots || !r->control || !r->messages || !r->vectors || !r->senders || !r->datagrams) {
        weir_receiver_free(r);
        return NULL;
    }
    return r;
}

void weir_receiver_free(weir_receiver *r) {
    free(r->slots);
    free(r->control);
    free(r->messages);
    free(r->vectors);
    free(r->senders);
    free(r->datagrams);
    free(r);
}

const weir_datagram *weir_receiver_datagrams(const weir_receiver *r) { return r->datagrams; }
const uint8_t *weir_receiver_slot(const weir_receiver *r, uint32_t index) {
    return r->slots + (size_t)index * r->slot_bytes;
}

static void note_sender(weir_datagram *d, const struct sockaddr_storage *sender) {
    if (sender->ss_family == AF_INET6) {
        const struct sockaddr_in6 *a = (const void *)sender;
        memcpy(d->address, &a->sin6_addr, 16);
        d->port = ntohs(a->sin6_port);
    } else {
        const struct sockaddr_in *a = (const void *)sender;
        d->address[10] = d->address[11] = 0xff;
        memcpy(d->address + 12, &a->sin_addr, 4);
        d->port = ntohs(a->sin_port);
    }
}

int weir_receiver_take(weir_receiver *r, int fd) {
    for (uint32_t i = 0; i < r->batch; i++) {
        r->vectors[i] = (struct iovec){r->slots + (size_t)i * r->slot_bytes, r->slot_bytes};
        r->messages[i].msg_hdr = (struct msghdr){
            .msg_name = &r->senders[i], .msg_namelen = sizeof r->senders[i],
            .msg_iov = &r->vectors[i], .msg_iovlen = 1,
            .msg_control = r->control + (size_t)i * CONTROL_BYTES, .msg_controllen = CONTROL_BYTES};
    }
    int n = recvmmsg(fd, r->messages, r->batch, MSG_DONTWAIT, NULL);
    if (n < 0) return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? 0 : -errno;
    for (int i = 0; i < n; i++) {
        weir_datagram *d = &r->datagrams[i];
        struct msghdr *header = &r->messages[i].msg_hdr;
        memset(d, 0, sizeof *d);
        d->length = r->messages[i].msg_len;
        d->is_truncated = (header->msg_flags & MSG_TRUNC) != 0;
        note_sender(d, &r->senders[i]);
        for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c != NULL; c = CMSG_NXTHDR(header, c))
            if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL) {
                memcpy(&d->drops, CMSG_DATA(c), sizeof d->drops);
                d->has_drops = 1;
            }
    }
    return n;
}

int weir_udp_bind(const char *address, uint16_t port, int receive_bytes, int *granted_bytes) {
    int is_v6 = strchr(address, ':') != NULL;
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    if (inet_pton(is_v6 ? AF_INET6 : AF_INET, address, is_v6 ? (void *)&v6.sin6_addr : (void *)&v4.sin_addr) != 1)
        return -EINVAL;
    int fd = socket(is_v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -errno;
    int one = 1, zero = 0;
    if (is_v6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
    setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &one, sizeof one);
    // FORCE needs CAP_NET_ADMIN; without it net.core.rmem_max caps the request.
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &receive_bytes, sizeof receive_bytes) != 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
    socklen_t length = sizeof *granted_bytes;
    getsockopt(fd, SOL_SOCKET, SO_RCVBUF, granted_bytes, &length);
    int failed = is_v6 ? bind(fd, (void *)&v6, sizeof v6) : bind(fd, (void *)&v4, sizeof v4);
    if (failed) {
        int error = errno;
        close(fd);
        return -error;
    }
    return fd;
}

int weir_socket_port(int fd) {
    struct sockaddr_storage bound;
    socklen_t length = sizeof bound;
    if (getsockname(fd, (void *)&bound, &length) != 0) return -errno;
    return ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port
                                             : ((struct sockaddr_in *)&bound)->sin_port);
}

int64_t weir_udp_drops(int fd) {
    uint32_t info[SK_MEMINFO_VARS];
    socklen_t length = sizeof info;
    if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &length) != 0) return -errno;
    return info[SK_MEMINFO_DROPS];
}
