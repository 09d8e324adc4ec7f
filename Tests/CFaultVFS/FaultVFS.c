#include "CFaultVFS.h"
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char watched[512];
static int plan_call, plan_fault, plan_on, plan_sticks, calls, failures;
static sqlite3_vfs *real_vfs, shim_vfs;
static sqlite3_io_methods shim_methods;

// Before the system's own file.
typedef struct {
    sqlite3_file base;
    int is_watched;
    char path[512];
} ShimFile;

static sqlite3_file *inner(sqlite3_file *file) { return (sqlite3_file *)((char *)file + sizeof(ShimFile)); }

void fault_vfs_plan(const char *folder, int call, int fault, int on, int sticks) {
    pthread_mutex_lock(&lock);
    strncpy(watched, folder, sizeof watched - 1);
    plan_call = call, plan_fault = fault, plan_on = on, plan_sticks = sticks, calls = failures = 0;
    pthread_mutex_unlock(&lock);
}
int fault_vfs_calls(void) {
    pthread_mutex_lock(&lock);
    int result = calls;
    pthread_mutex_unlock(&lock);
    return result;
}
int fault_vfs_failures(void) {
    pthread_mutex_lock(&lock);
    int result = failures;
    pthread_mutex_unlock(&lock);
    return result;
}

// What this call must do instead of succeeding.
static int verdict(sqlite3_file *file, int kind) {
    if (!((ShimFile *)file)->is_watched) return FAULT_NONE;
    pthread_mutex_lock(&lock);
    int result = FAULT_NONE;
    if (plan_on == FAULT_ON_ANY || plan_on == kind) {
        calls++;
        if (plan_fault != FAULT_NONE && (calls == plan_call || (plan_sticks && calls > plan_call))) {
            result = plan_fault;
            failures++;
        }
    }
    pthread_mutex_unlock(&lock);
    return result;
}

static int shim_close(sqlite3_file *file) { return inner(file)->pMethods->xClose(inner(file)); }
static int shim_read(sqlite3_file *file, void *bytes, int count, sqlite3_int64 offset) {
    return inner(file)->pMethods->xRead(inner(file), bytes, count, offset);
}
static int shim_write(sqlite3_file *file, const void *bytes, int count, sqlite3_int64 offset) {
    switch (verdict(file, FAULT_ON_WRITE)) {
    case FAULT_EIO: return SQLITE_IOERR_WRITE;
    case FAULT_ENOSPC: return SQLITE_FULL;
    case FAULT_SHORT_WRITE:
        inner(file)->pMethods->xWrite(inner(file), bytes, count / 2, offset);
        return SQLITE_FULL;
    default: return inner(file)->pMethods->xWrite(inner(file), bytes, count, offset);
    }
}
static int shim_truncate(sqlite3_file *file, sqlite3_int64 size) {
    return inner(file)->pMethods->xTruncate(inner(file), size);
}
static void keep_durable(const ShimFile *file) {
    char name[600], bytes[65536];
    snprintf(name, sizeof name, "%s.durable", file->path);
    FILE *from = fopen(file->path, "rb"), *to = fopen(name, "wb");
    size_t count;
    while (from && to && (count = fread(bytes, 1, sizeof bytes, from)) > 0) fwrite(bytes, 1, count, to);
    if (from) fclose(from);
    if (to) fclose(to);
}
static int shim_sync(sqlite3_file *file, int flags) {
    if (verdict(file, FAULT_ON_SYNC) != FAULT_NONE) return SQLITE_IOERR_FSYNC;
    int code = inner(file)->pMethods->xSync(inner(file), flags);
    if (code == SQLITE_OK && ((ShimFile *)file)->is_watched) keep_durable((ShimFile *)file);
    return code;
}
static int shim_size(sqlite3_file *file, sqlite3_int64 *size) {
    return inner(file)->pMethods->xFileSize(inner(file), size);
}
static int shim_lock(sqlite3_file *file, int level) { return inner(file)->pMethods->xLock(inner(file), level); }
static int shim_unlock(sqlite3_file *file, int level) { return inner(file)->pMethods->xUnlock(inner(file), level); }
static int shim_check_lock(sqlite3_file *file, int *result) {
    return inner(file)->pMethods->xCheckReservedLock(inner(file), result);
}
static int shim_control(sqlite3_file *file, int op, void *argument) {
    return inner(file)->pMethods->xFileControl(inner(file), op, argument);
}
static int shim_sector(sqlite3_file *file) { return inner(file)->pMethods->xSectorSize(inner(file)); }
static int shim_traits(sqlite3_file *file) { return inner(file)->pMethods->xDeviceCharacteristics(inner(file)); }
static int shim_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **address) {
    return inner(file)->pMethods->xShmMap(inner(file), page, size, extend, address);
}
static int shim_shm_lock(sqlite3_file *file, int offset, int count, int flags) {
    return inner(file)->pMethods->xShmLock(inner(file), offset, count, flags);
}
static void shim_shm_barrier(sqlite3_file *file) { inner(file)->pMethods->xShmBarrier(inner(file)); }
static int shim_shm_unmap(sqlite3_file *file, int remove) {
    return inner(file)->pMethods->xShmUnmap(inner(file), remove);
}

static int shim_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags, int *out) {
    ShimFile *own = (ShimFile *)file;
    (void)vfs;
    own->base.pMethods = 0;
    pthread_mutex_lock(&lock);
    own->is_watched = name != 0 && watched[0] != 0 && strstr(name, watched) != 0;
    pthread_mutex_unlock(&lock);
    if (own->is_watched) snprintf(own->path, sizeof own->path, "%s", name);
    int code = real_vfs->xOpen(real_vfs, name, inner(file), flags, out);
    if (code == SQLITE_OK) own->base.pMethods = &shim_methods;
    return code;
}

int fault_vfs_install(void) {
    pthread_mutex_lock(&lock);
    int code = SQLITE_OK;
    if (real_vfs == 0) {
        real_vfs = sqlite3_vfs_find(0);
        shim_vfs = *real_vfs;
        shim_vfs.zName = "fault";
        shim_vfs.szOsFile += (int)sizeof(ShimFile);
        shim_vfs.xOpen = shim_open;
        shim_methods = (sqlite3_io_methods){
            2, shim_close, shim_read, shim_write, shim_truncate, shim_sync, shim_size, shim_lock, shim_unlock,
            shim_check_lock, shim_control, shim_sector, shim_traits, shim_shm_map, shim_shm_lock, shim_shm_barrier,
            shim_shm_unmap, 0, 0};
        code = sqlite3_vfs_register(&shim_vfs, 1);
    }
    pthread_mutex_unlock(&lock);
    return code;
}
