#define _GNU_SOURCE
#include "CProcesses.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

int weir_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC); }

static int add_actions(posix_spawn_file_actions_t *actions, const char *folder, const int ends[3]) {
    for (int place = 0; place < 3; place++) {
        int failed = posix_spawn_file_actions_adddup2(actions, ends[place], place);
        if (failed != 0) return failed;
    }
    int failed = posix_spawn_file_actions_addclosefrom_np(actions, 3);
    if (failed != 0 || folder == NULL) return failed;
    return posix_spawn_file_actions_addchdir_np(actions, folder);
}

static void set_attributes(posix_spawnattr_t *attributes) {
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(attributes, &none);
    posix_spawnattr_setsigdefault(attributes, &all);
    posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
}

int weir_spawn(
    pid_t *child, char *const arguments[], char *const environment[], const char *folder, int input, int output,
    int errors) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    const int ends[3] = {input, output, errors};
    int failed = posix_spawn_file_actions_init(&actions);
    if (failed != 0) return failed;
    failed = posix_spawnattr_init(&attributes);
    if (failed == 0) {
        set_attributes(&attributes);
        failed = add_actions(&actions, folder, ends);
        if (failed == 0) failed = posix_spawn(child, arguments[0], &actions, &attributes, arguments, environment);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return failed;
}

int weir_has_ended(pid_t child) {
    siginfo_t information = {0};
    int failed = waitid(P_PID, (id_t)child, &information, WEXITED | WNOHANG | WNOWAIT);
    return failed != 0 || information.si_pid != 0;
}
