#define _GNU_SOURCE
#include "CSockets.h"
#include "Internal.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

// Nearly all exporters keep within an Ethernet frame. Such datagrams lie close together in `slots`, so that a batch
// stays in the processor's cache from the kernel's copy until it is decoded. What a longer one has beyond that goes
// behind a gap in `spills`, and its beginning is copied into the gap.
enum { CONTROL_BYTES = 96, SMALL_BYTES = 2048 };

struct weir_receiver {
    uint32_t batch, slot_bytes, small_bytes, used;
    uint8_t *slots, *spills, *control;
    struct mmsghdr *messages;
    struct iovec *vectors;
    struct sockaddr_storage *senders;
    weir_datagram *datagrams;
};

static void reset(weir_receiver *r, uint32_t i) {
    r->messages[i].msg_hdr.msg_namelen = sizeof r->senders[i];
    r->messages[i].msg_hdr.msg_controllen = CONTROL_BYTES;
    r->messages[i].msg_hdr.msg_flags = 0;
}

static uint8_t *spill(const weir_receiver *r, uint32_t i) { return r->spills + (size_t)i * r->slot_bytes; }

weir_receiver *weir_receiver_new(uint32_t batch, uint32_t slot_bytes) {
    weir_receiver *r = calloc(1, sizeof *r);
    if (r == NULL) return NULL;
    r->batch = batch;
    r->slot_bytes = slot_bytes;
    r->small_bytes = slot_bytes < SMALL_BYTES ? slot_bytes : SMALL_BYTES;
    r->slots = calloc(batch, r->small_bytes);
    r->spills = calloc(batch, slot_bytes); // what is never filled is never touched: address space, no memory
    r->control = calloc(batch, CONTROL_BYTES);
    r->messages = calloc(batch, sizeof *r->messages);
    r->vectors = calloc(batch, 2 * sizeof *r->vectors);
    r->senders = calloc(batch, sizeof *r->senders);
    r->datagrams = calloc(batch, sizeof *r->datagrams);
    if (!r->slots || !r->spills || !r->control || !r->messages || !r->vectors || !r->senders || !r->datagrams) {
        weir_receiver_free(r);
        return NULL;
    }
    for (uint32_t i = 0; i < batch; i++) {
        struct iovec *vectors = r->vectors + 2 * (size_t)i;
        vectors[0] = (struct iovec){r->slots + (size_t)i * r->small_bytes, r->small_bytes};
        vectors[1] = (struct iovec){spill(r, i) + r->small_bytes, slot_bytes - r->small_bytes};
        r->messages[i].msg_hdr = (struct msghdr){
            .msg_name = &r->senders[i], .msg_iov = vectors, .msg_iovlen = 2,
            .msg_control = r->control + (size_t)i * CONTROL_BYTES};
        reset(r, i);
    }
    return r;
}

void weir_receiver_free(weir_receiver *r) {
    free(r->slots);
    free(r->spills);
    free(r->control);
    free(r->messages);
    free(r->vectors);
    free(r->senders);
    free(r->datagrams);
    free(r);
}

const weir_datagram *weir_receiver_datagrams(const weir_receiver *r) { return r->datagrams; }
const uint8_t *weir_receiver_slot(const weir_receiver *r, uint32_t index) {
    return r->datagrams[index].length > r->small_bytes ? spill(r, index) : r->slots + (size_t)index * r->small_bytes;
}

static void note_control(weir_datagram *d, struct msghdr *header) {
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c != NULL; c = CMSG_NXTHDR(header, c)) {
        if (c->cmsg_level != SOL_SOCKET) continue;
        if (c->cmsg_type == SCM_TIMESTAMPNS) {
            struct timespec at;
            memcpy(&at, CMSG_DATA(c), sizeof at);
            d->milliseconds = (int64_t)at.tv_sec * 1000 + at.tv_nsec / 1000000;
        }
    }
}

int weir_receiver_take(weir_receiver *r, int fd) {
    // The kernel wrote lengths and flags into the headers of the last batch only.
    for (uint32_t i = 0; i < r->used; i++) reset(r, i);
    r->used = 0;
    int n = recvmmsg(fd, r->messages, r->batch, MSG_DONTWAIT, NULL);
    if (n < 0) return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? 0 : -errno;
    r->used = (uint32_t)n;
    for (int i = 0; i < n; i++) {
        weir_datagram *d = &r->datagrams[i];
        struct msghdr *header = &r->messages[i].msg_hdr;
        memset(d, 0, sizeof *d);
        d->length = r->messages[i].msg_len;
        if (d->length > r->small_bytes) memcpy(spill(r, (uint32_t)i), r->slots + (size_t)i * r->small_bytes, r->small_bytes);
        d->is_truncated = (header->msg_flags & MSG_TRUNC) != 0;
        weir_note_address(&r->senders[i], d->address, &d->port);
        if (header->msg_controllen > 0) note_control(d, header);
    }
    return n;
}
