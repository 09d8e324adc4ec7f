#ifndef CFAULTVFS_H
#define CFAULTVFS_H

// A SQLite VFS over the system's own that fails calls on files of one folder. What it does to them is set by the
// calling test, a plan at a time; other files are left alone, so tests may run beside each other. After each sync that
// succeeds the file's contents are copied beside it, as `<file>.durable`: what a power cut would leave for certain.
enum { FAULT_NONE, FAULT_EIO, FAULT_ENOSPC, FAULT_SHORT_WRITE };
enum { FAULT_ON_ANY, FAULT_ON_SYNC, FAULT_ON_WRITE };

// Makes the VFS the default one. Once a process; later calls do nothing. 0 is success.
int fault_vfs_install(void);
// Plan for files whose path holds `folder`: call number `call` of those of kind `on` fails as `fault` says, 1 being the
// next, and, with `sticks`, all after it. Counts begin anew.
void fault_vfs_plan(const char *folder, int call, int fault, int on, int sticks);
// Calls of the plan's kind since it was set, and how many of them failed.
int fault_vfs_calls(void);
int fault_vfs_failures(void);

#endif
