#define _GNU_SOURCE
#include "CSockets.h"
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

static int64_t now_milliseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/// 0 once `fd` can do it, -ETIMEDOUT, or -errno.
static int wait_for(int fd, short events, int64_t deadline) {
    for (;;) {
        int64_t left = deadline - now_milliseconds();
        if (left <= 0) return -ETIMEDOUT;
        struct pollfd one = {.fd = fd, .events = events};
        int ready = poll(&one, 1, (int)left);
        if (ready > 0) return 0;
        if (ready < 0 && errno != EINTR) return -errno;
    }
}

static int open_to(const struct addrinfo *target, int64_t deadline) {
    int fd = socket(target->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -errno;
    int status = connect(fd, target->ai_addr, target->ai_addrlen) == 0 ? 0 : -errno;
    if (status == -EINPROGRESS) {
        status = wait_for(fd, POLLOUT, deadline);
        socklen_t length = sizeof status;
        if (status == 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &status, &length) == 0) status = -status;
    }
    if (status == 0) return fd;
    close(fd);
    return status;
}

static int64_t exchange(int fd, const uint8_t *bytes, uint32_t count, uint8_t *answer, uint32_t room, int64_t deadline) {
    for (uint32_t sent = 0; sent < count;) {
        ssize_t n = send(fd, bytes + sent, count - sent, MSG_NOSIGNAL);
        if (n > 0) {
            sent += (uint32_t)n;
            continue;
        }
        if (n < 0 && errno != EAGAIN && errno != EINTR) return -errno;
        int status = wait_for(fd, POLLOUT, deadline);
        if (status < 0) return status;
    }
    uint32_t got = 0;
    while (got < room) {
        ssize_t n = recv(fd, answer + got, room - got, 0);
        if (n == 0) break;
        if (n > 0) {
            got += (uint32_t)n;
            continue;
        }
        if (errno != EAGAIN && errno != EINTR) return -errno;
        int status = wait_for(fd, POLLIN, deadline);
        if (status < 0) return status;
    }
    return got;
}

int64_t weir_ask(const char *host, uint16_t port, const uint8_t *bytes, uint32_t count, uint8_t *answer, uint32_t room,
                 uint32_t milliseconds) {
    int64_t deadline = now_milliseconds() + milliseconds;
    char service[8];
    int digits = 0;
    for (uint32_t rest = port, scale = 10000; scale > 0; scale /= 10) service[digits++] = (char)('0' + rest / scale % 10);
    service[digits] = 0;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *found = NULL;
    if (getaddrinfo(host, service, &hints, &found) != 0) return -EADDRNOTAVAIL;
    int64_t result = -ECONNREFUSED;
    for (struct addrinfo *each = found; each != NULL; each = each->ai_next) {
        int fd = open_to(each, deadline);
        result = fd;
        if (fd < 0) continue;
        result = count == 0 ? 0 : exchange(fd, bytes, count, answer, room, deadline);
        close(fd);
        break;
    }
    freeaddrinfo(found);
    return result;
}

int weir_clock_state(int64_t *error_milliseconds) {
    struct timex state = {0};
    if (adjtimex(&state) < 0) return -errno;
    *error_milliseconds = state.maxerror / 1000;
    return (state.status & STA_UNSYNC) == 0;
}
