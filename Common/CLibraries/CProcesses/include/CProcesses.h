// Starting processes the way a sandbox needs: calls of glibc that its headers show to GNU sources only.
#ifndef WEIR_CPROCESSES_H
#define WEIR_CPROCESSES_H

#include <sys/types.h>

/// Makes a pipe whose ends no other process that is started meanwhile inherits. 0, or -1 with errno.
int weir_pipe(int ends[2]);

/// Starts `arguments[0]` in a session of its own, with these three descriptors and no others, no signal blocked or
/// ignored. `folder` may be null. 0, or an errno.
int weir_spawn(
    pid_t *child, char *const arguments[], char *const environment[], const char *folder, int input, int output,
    int errors);

/// 1 when the child has ended; it is not reaped by this. 0 while it runs.
int weir_has_ended(pid_t child);

#endif
