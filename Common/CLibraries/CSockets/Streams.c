#define _GNU_SOURCE
#include "CSockets.h"
#include "Internal.h"
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { KEEPALIVE_IDLE_SECONDS = 60, KEEPALIVE_INTERVAL_SECONDS = 15, KEEPALIVE_PROBES = 4, EVENTS_MAX = 64 };

int weir_accept(int fd, weir_peer *peer) {
    struct sockaddr_storage from;
    socklen_t length = sizeof from;
    int accepted = accept4(fd, (void *)&from, &length, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (accepted < 0) return -errno;
    weir_note_address(&from, peer->address, &peer->port);
    // An exporter that lost its power says nothing; without probes its connection would stay for the idle timeout.
    int one = 1, idle = KEEPALIVE_IDLE_SECONDS, interval = KEEPALIVE_INTERVAL_SECONDS, probes = KEEPALIVE_PROBES;
    setsockopt(accepted, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    setsockopt(accepted, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    setsockopt(accepted, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    setsockopt(accepted, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
    return accepted;
}

int64_t weir_read(int fd, uint8_t *bytes, uint32_t count) {
    ssize_t n = recv(fd, bytes, count, MSG_DONTWAIT);
    if (n >= 0) return n;
    return errno == EINTR || errno == EWOULDBLOCK ? -EAGAIN : -errno;
}

void weir_close(int fd, int resets) {
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    if (resets) setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
}

int weir_epoll_new(void) {
    int set = epoll_create1(EPOLL_CLOEXEC);
    return set < 0 ? -errno : set;
}

int weir_epoll_set(int set, int fd, uint64_t token, int wants_read, int wants_write) {
    struct epoll_event event = {
        .events = (wants_read ? EPOLLIN : 0) | (wants_write ? EPOLLOUT : 0), .data.u64 = token};
    if (epoll_ctl(set, EPOLL_CTL_MOD, fd, &event) == 0) return 0;
    if (errno != ENOENT) return -errno;
    return epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : -errno;
}

int weir_epoll_remove(int set, int fd) { return epoll_ctl(set, EPOLL_CTL_DEL, fd, NULL) == 0 ? 0 : -errno; }

int weir_epoll_ready(int set, uint64_t *tokens, int count) {
    struct epoll_event events[EVENTS_MAX];
    int n = epoll_wait(set, events, count < EVENTS_MAX ? count : EVENTS_MAX, 0);
    if (n < 0) return errno == EINTR ? 0 : -errno;
    for (int i = 0; i < n; i++) tokens[i] = events[i].data.u64;
    return n;
}

int weir_nap(int fd, int64_t nanoseconds) {
    struct pollfd only = {.fd = fd, .events = POLLIN};
    struct timespec time = {.tv_sec = nanoseconds / 1000000000, .tv_nsec = nanoseconds % 1000000000};
    return ppoll(&only, 1, &time, NULL) == 0;
}
