/* A library to preload (LD_PRELOAD) under a program whose disk and clock are to misbehave.
 *
 * Every change to a file below WEIR_FAULTS_UNDER is noted, with the bytes before and after, in <WEIR_FAULTS>/journal before it is made;
 * every sync is noted after it would have returned. From the journal disk.py works out what a power cut leaves: what was synced, and any
 * part of the rest. Syncs themselves are not passed on: nothing here survives the machine, and needs not.
 *
 * <WEIR_FAULTS>/control is mapped: the test sets a clock offset, and a call to fail, while the program runs (struct control below).
 * Not noted: memory-mapped writes. SQLite maps its -shm file only, which never survives. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { failsSync = 1, failsWrite = 2, failsOpen = 4, failsRename = 8, failsUnlink = 16 };
struct control {
    int64_t clockOffset;  /* ns, added to the wall clock */
    int32_t calls;        /* which calls fail: the bits above; 0: none */
    int32_t code;         /* their errno; -1: the program is killed before the call; -2: after it; -3: a write is short */
    int32_t countdown;    /* fails from the n-th on (1: the next) */
    int32_t times;        /* so often; -1: until told otherwise */
    int32_t failed;       /* how many have failed: for the test to read */
    char path[108];       /* of files whose path contains this, or, with a $ behind it, ends with it */
};
/* One entry: this header, the path, and both byte strings. Little-endian, packed. */
struct __attribute__((packed)) entry {
    uint32_t magic, kind, pathBytes, beforeBytes, afterBytes;
    uint64_t inode;
    int64_t offset, sizeBefore;
};
enum { wrote = 1, truncated, created, unlinked, renamed, synced, folderSynced, syncFailed };

static struct control *control;
static int journal = -1;
static char under[PATH_MAX], folder[PATH_MAX];
static size_t underBytes;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t tracked[65536];  /* by descriptor: the inode of a file that is watched, else 0 */
static unsigned saved;

#define REAL(name) \
    ({ \
        static __typeof__(name) *found; \
        if (!found) found = real(#name); \
        found; \
    })
static void *real(const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    if (!found) abort();
    return found;
}

__attribute__((constructor)) static void begin(void) {
    const char *place = getenv("WEIR_FAULTS"), *root = getenv("WEIR_FAULTS_UNDER");
    if (!place || !root) return;
    snprintf(folder, sizeof folder, "%s", place);
    snprintf(under, sizeof under, "%s", root);
    char path[PATH_MAX + 16];
    snprintf(path, sizeof path, "%s/control", folder);
    int fd = REAL(open)(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) abort();
    control = mmap(0, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (control == MAP_FAILED) abort();
    REAL(close)(fd);
    snprintf(path, sizeof path, "%s/journal", folder);
    journal = REAL(open)(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (journal < 0) abort();
    saved = (unsigned)getpid() * 4096u;
    underBytes = strlen(under);
}

static int isUnder(const char *path) { return underBytes && strncmp(path, under, underBytes) == 0 && !strstr(path, "-shm"); }
static void pathOf(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t count = readlink(link, path, PATH_MAX - 1);
    path[count > 0 ? count : 0] = 0;
}
static __thread int diesAfter;
static int isMeant(const char *path) {
    size_t all = strlen(path), count = strnlen(control->path, sizeof control->path);
    if (!count || control->path[count - 1] != '$') return strstr(path, control->path) != 0;
    count -= 1;
    return count <= all && memcmp(path + all - count, control->path, count) == 0;
}
static int shouldFail(int call, const char *path) {
    if (!control || !(control->calls & call) || control->times == 0 || !isMeant(path)) return 0;
    if (__atomic_sub_fetch(&control->countdown, 1, __ATOMIC_SEQ_CST) > 0) return 0;
    if (control->times > 0) __atomic_sub_fetch(&control->times, 1, __ATOMIC_SEQ_CST);
    __atomic_add_fetch(&control->failed, 1, __ATOMIC_SEQ_CST);
    if (control->code == -1) kill(getpid(), SIGKILL);
    if (control->code == -2) {
        diesAfter = 1;
        return 0;
    }
    errno = control->code == -3 ? EIO : control->code;
    return 1;
}
static void afterwards(void) {
    if (diesAfter) kill(getpid(), SIGKILL);
}
static void note(
    uint32_t kind, uint64_t inode, int64_t offset, int64_t size, const char *path, const void *before, size_t beforeBytes,
    const void *after, size_t afterBytes) {
    struct entry entry = {0x57454952, kind, strlen(path), beforeBytes, afterBytes, inode, offset, size};
    struct iovec parts[] = {
        {&entry, sizeof entry}, {(void *)path, entry.pathBytes}, {(void *)before, beforeBytes}, {(void *)after, afterBytes}};
    size_t all = sizeof entry + entry.pathBytes + beforeBytes + afterBytes;
    if (REAL(writev)(journal, parts, 4) != (ssize_t)all) abort();
}
/* What [offset, offset + count) of a file holds, as far as the file goes. Free it. Opened anew only where it must be: with any descriptor
   of a file that is closed, all of the process's locks on that file go. */
static void *bytesOf(int fd, int64_t offset, size_t count, size_t *got) {
    char link[64];
    void *bytes = malloc(count ? count : 1);
    int own = fd;
    if ((fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        own = REAL(open)(link, O_RDONLY | O_CLOEXEC);
    }
    ssize_t read = own < 0 ? 0 : pread(own, bytes, count, offset);
    if (own >= 0 && own != fd) REAL(close)(own);
    *got = read > 0 ? (size_t)read : 0;
    return bytes;
}
static int isTracked(int fd, struct stat *status) {
    return fd >= 0 && fd < 65536 && tracked[fd] && fstat(fd, status) == 0 && status->st_ino == tracked[fd];
}

/* --- opening */

static int opened(const char *name, int fd, int flags, int existed, void *before, size_t beforeBytes) {
    struct stat status;
    char path[PATH_MAX];
    if (fd < 0 || fd >= 65536 || fstat(fd, &status) != 0) return fd;
    tracked[fd] = 0;
    pathOf(fd, path);
    if (!isUnder(path) || !S_ISREG(status.st_mode)) return fd;
    (void)name;
    tracked[fd] = status.st_ino;
    if (!existed) note(created, status.st_ino, 0, 0, path, 0, 0, 0, 0);
    if ((flags & O_TRUNC) && beforeBytes) note(truncated, status.st_ino, 0, beforeBytes, path, before, beforeBytes, 0, 0);
    return fd;
}
static int openHere(const char *name, const char *path, int flags, mode_t mode) {
    if (!underBytes || (flags & O_DIRECTORY) || (flags & O_ACCMODE) == O_RDONLY) return REAL(open)(path, flags, mode);
    char full[PATH_MAX];
    int descriptor;
    if (sscanf(path, "/proc/self/fd/%d", &descriptor) == 1) {
        pathOf(descriptor, full); /* a file that is open is opened once more */
    } else if (path[0] != '/' && getcwd(full, sizeof full / 2)) {
        strncat(full, "/", 2);
        strncat(full, path, sizeof full / 2 - 2);
    } else {
        snprintf(full, sizeof full, "%s", path);
    }
    if (!isUnder(full)) return REAL(open)(path, flags, mode);
    if ((flags & O_CREAT) && shouldFail(failsOpen, full)) return -1;
    pthread_mutex_lock(&lock);
    struct stat status;
    int existed = stat(full, &status) == 0;
    void *before = 0;
    size_t beforeBytes = 0;
    if (existed && (flags & O_TRUNC) && status.st_size > 0) {
        int old = REAL(open)(full, O_RDONLY | O_CLOEXEC);
        if (old >= 0) before = bytesOf(old, 0, status.st_size, &beforeBytes);
        if (old >= 0) REAL(close)(old);
    }
    int fd = opened(name, REAL(open)(path, flags, mode), flags, existed, before, beforeBytes);
    int code = errno;
    free(before);
    pthread_mutex_unlock(&lock);
    afterwards();
    errno = code;
    return fd;
}
#define MODE(flags) \
    mode_t mode = 0; \
    if (flags & (O_CREAT | __O_TMPFILE)) { \
        va_list list; \
        va_start(list, flags); \
        mode = va_arg(list, mode_t); \
        va_end(list); \
    }
int open(const char *path, int flags, ...) {
    MODE(flags)
    return openHere("open", path, flags, mode);
}
int open64(const char *path, int flags, ...) {
    MODE(flags)
    return openHere("open", path, flags | O_LARGEFILE, mode);
}
int close(int fd) {
    if (fd >= 0 && fd < 65536) tracked[fd] = 0;
    return REAL(close)(fd);
}

/* --- writing */

static ssize_t writeHere(int fd, const void *bytes, size_t count, int64_t offset, int isPlaced) {
    struct stat status;
    if (!isTracked(fd, &status)) return isPlaced ? REAL(pwrite)(fd, bytes, count, offset) : REAL(write)(fd, bytes, count);
    char path[PATH_MAX];
    pathOf(fd, path);
    if (shouldFail(failsWrite, path)) {
        if (control->code != -3 || count < 2) return -1;
        count /= 2;
    }
    pthread_mutex_lock(&lock);
    if (!isPlaced) offset = (fcntl(fd, F_GETFL) & O_APPEND) ? status.st_size : lseek(fd, 0, SEEK_CUR);
    size_t beforeBytes;
    fstat(fd, &status);
    void *before = bytesOf(fd, offset, count, &beforeBytes);
    note(wrote, status.st_ino, offset, status.st_size, path, before, beforeBytes, bytes, count);
    free(before);
    ssize_t done = isPlaced ? REAL(pwrite)(fd, bytes, count, offset) : REAL(write)(fd, bytes, count);
    int code = errno;
    pthread_mutex_unlock(&lock);
    afterwards();
    errno = code;
    return done;
}
ssize_t write(int fd, const void *bytes, size_t count) { return writeHere(fd, bytes, count, 0, 0); }
ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset) { return writeHere(fd, bytes, count, offset, 1); }
ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset) { return writeHere(fd, bytes, count, offset, 1); }

/* As one write of all pieces: only its first bytes may get there, as of any other. */
static ssize_t writeAllHere(int fd, const struct iovec *pieces, int count, int64_t offset, int isPlaced) {
    size_t all = 0;
    for (int index = 0; index < count; index++) all += pieces[index].iov_len;
    char *bytes = malloc(all ? all : 1), *at = bytes;
    for (int index = 0; index < count; at += pieces[index++].iov_len) memcpy(at, pieces[index].iov_base, pieces[index].iov_len);
    ssize_t done = writeHere(fd, bytes, all, offset, isPlaced);
    int code = errno;
    free(bytes);
    errno = code;
    return done;
}
ssize_t writev(int fd, const struct iovec *pieces, int count) {
    struct stat status;
    return isTracked(fd, &status) ? writeAllHere(fd, pieces, count, 0, 0) : REAL(writev)(fd, pieces, count);
}
ssize_t pwritev(int fd, const struct iovec *pieces, int count, off_t offset) {
    struct stat status;
    return isTracked(fd, &status) ? writeAllHere(fd, pieces, count, offset, 1) : REAL(pwritev)(fd, pieces, count, offset);
}
ssize_t pwritev64(int fd, const struct iovec *pieces, int count, off64_t offset) { return pwritev(fd, pieces, count, offset); }

int ftruncate(int fd, off_t size) {
    struct stat status;
    if (!isTracked(fd, &status)) return REAL(ftruncate)(fd, size);
    char path[PATH_MAX];
    pathOf(fd, path);
    pthread_mutex_lock(&lock);
    size_t beforeBytes = 0;
    fstat(fd, &status);
    void *before = status.st_size > size ? bytesOf(fd, size, status.st_size - size, &beforeBytes) : 0;
    note(truncated, status.st_ino, size, status.st_size, path, before, beforeBytes, 0, 0);
    free(before);
    int result = REAL(ftruncate)(fd, size);
    pthread_mutex_unlock(&lock);
    return result;
}
int ftruncate64(int fd, off64_t size) { return ftruncate(fd, size); }

/* --- syncing */

static int syncHere(int fd, int (*real)(int)) {
    struct stat status;
    char path[PATH_MAX + 1];
    if (!underBytes || fstat(fd, &status) != 0) return real(fd);
    pathOf(fd, path);
    int isFolder = S_ISDIR(status.st_mode);
    if (isFolder) strcat(path, "/");
    if (!isUnder(path)) return real(fd);
    if (isFolder) path[strlen(path) - 1] = 0;
    int fails = shouldFail(failsSync, path), code = errno;
    pthread_mutex_lock(&lock);
    note(fails ? syncFailed : isFolder ? folderSynced : synced, status.st_ino, 0, 0, path, 0, 0, 0, 0);
    pthread_mutex_unlock(&lock);
    afterwards();
    errno = code;
    return fails ? -1 : 0;
}
int fsync(int fd) { return syncHere(fd, REAL(fsync)); }
int fdatasync(int fd) { return syncHere(fd, REAL(fdatasync)); }

/* --- names */

static void absolute(const char *path, char *full) {
    char cwd[PATH_MAX / 2];
    if (path[0] == '/' || !getcwd(cwd, sizeof cwd)) snprintf(full, PATH_MAX, "%s", path);
    else snprintf(full, PATH_MAX, "%s/%.2000s", cwd, path);
}
/* Another name for a file that is about to lose its own; its number goes into `offset`. */
static int64_t keep(const char *path) {
    char name[PATH_MAX + 32];
    snprintf(name, sizeof name, "%s/saved-%u", folder, ++saved);
    return link(path, name) == 0 ? saved : 0;
}
int unlink(const char *path) {
    char full[PATH_MAX];
    struct stat status;
    absolute(path, full);
    if (!isUnder(full) || stat(full, &status) != 0) return REAL(unlink)(path);
    if (shouldFail(failsUnlink, full)) return -1;
    pthread_mutex_lock(&lock);
    note(unlinked, status.st_ino, keep(full), 0, full, 0, 0, 0, 0);
    int result = REAL(unlink)(path);
    pthread_mutex_unlock(&lock);
    afterwards();
    return result;
}
int rename(const char *from, const char *to) {
    char source[PATH_MAX], target[PATH_MAX];
    struct stat status, old;
    absolute(from, source);
    absolute(to, target);
    if (!isUnder(target) || stat(source, &status) != 0) return REAL(rename)(from, to);
    if (shouldFail(failsRename, target)) return -1;
    pthread_mutex_lock(&lock);
    int64_t number = stat(target, &old) == 0 && S_ISREG(old.st_mode) ? keep(target) : 0;
    note(renamed, status.st_ino, number, 0, target, source, strlen(source), 0, 0);
    int result = REAL(rename)(from, to);
    pthread_mutex_unlock(&lock);
    afterwards();
    return result;
}
int mkdir(const char *path, mode_t mode) {
    char full[PATH_MAX];
    absolute(path, full);
    if (!isUnder(full)) return REAL(mkdir)(path, mode);
    pthread_mutex_lock(&lock);
    int result = REAL(mkdir)(path, mode), code = errno;
    struct stat status;
    if (result == 0 && stat(full, &status) == 0) note(created, status.st_ino, 0, 0, full, 0, 0, 0, 0);
    pthread_mutex_unlock(&lock);
    errno = code;
    return result;
}

/* --- the wall clock */

int clock_gettime(clockid_t clock, struct timespec *time) {
    int result = REAL(clock_gettime)(clock, time);
    if (result != 0 || !control || (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE)) return result;
    __int128 all = (__int128)time->tv_sec * 1000000000 + time->tv_nsec + control->clockOffset;
    time->tv_sec = all / 1000000000;
    time->tv_nsec = all % 1000000000;
    return 0;
}
int gettimeofday(struct timeval *restrict time, void *restrict zone) {
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    time->tv_sec = now.tv_sec;
    time->tv_usec = now.tv_nsec / 1000;
    return 0;
}
time_t time(time_t *out) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out) *out = now.tv_sec;
    return now.tv_sec;
}
