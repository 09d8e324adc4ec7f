"""The disk under a program that runs with faults.c: control of its faults, and what a power cut leaves of its files."""
import os
import shutil
import struct
import subprocess

CONTROL = struct.Struct("<qiiiii108s")
ENTRY = struct.Struct("<IIIIIQqq")
MAGIC = 0x57454952
WROTE, TRUNCATED, CREATED, UNLINKED, RENAMED, SYNCED, FOLDER_SYNCED, SYNC_FAILED = range(1, 9)
SYNC, WRITE, OPEN, RENAME, UNLINK = 1, 2, 4, 8, 16
ANY = 31
KILL, KILL_AFTER, SHORT = -1, -2, -3  # instead of an errno: the program dies before the call, or after it; half a write
SECTOR = 512


def build(folder):
    """Compiles faults.c; returns the library's path."""
    library = os.path.join(folder, "faults.so")
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "faults.c")
    compiler = shutil.which("cc") or "clang"
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return library


class Disk:
    """One program's files below `root`, with its journal in `folder`."""

    def __init__(self, library, folder, root):
        self.library, self.folder, self.root = library, folder, os.path.realpath(root)
        os.makedirs(folder, exist_ok=True)
        self.offset, self.fault = 0, (0, 0, 0, 0, b"")
        self._write()

    def environment(self):
        return {"LD_PRELOAD": self.library, "WEIR_FAULTS": self.folder, "WEIR_FAULTS_UNDER": self.root}

    def _write(self):
        calls, code, countdown, times, path = self.fault
        data = CONTROL.pack(self.offset, calls, code, countdown, times, 0, path)
        with open(os.path.join(self.folder, "control"), "r+b" if self._exists() else "w+b") as file:
            file.write(data.ljust(4096, b"\0") if os.fstat(file.fileno()).st_size == 0 else data)

    def _exists(self):
        return os.path.exists(os.path.join(self.folder, "control"))

    def fail(self, calls, code, path="", countdown=1, times=1):
        """The countdown-th of `calls` from now on a file whose path contains `path` fails with errno `code`."""
        self.fault = (calls, code, countdown, times, path.encode())
        self._write()

    def heal(self):
        self.fault = (0, 0, 0, 0, b"")
        self._write()

    def failures(self):
        with open(os.path.join(self.folder, "control"), "rb") as file:
            return CONTROL.unpack(file.read(CONTROL.size))[5]

    def shift_clock(self, seconds):
        """Sets how far the program's wall clock is ahead."""
        self.offset = int(seconds * 1e9)
        self._write()

    def points(self):
        """The calls and files that the program has changed something with since the journal began, as `fail` takes them."""
        found = set()
        for kind, _, _, _, path, _, _ in self._entries():
            call = {WROTE: WRITE, CREATED: OPEN, UNLINKED: UNLINK, RENAMED: RENAME, SYNCED: SYNC, FOLDER_SYNCED: SYNC}.get(kind)
            if call is None or os.path.isdir(path) and kind == CREATED:
                continue
            own = os.path.relpath(path, self.root)
            leaf = os.path.basename(own)
            if own == ".":
                place = os.path.basename(self.root) + "$"
            elif leaf.startswith("segment-"):
                place = "/segment-"
            elif leaf.startswith(".dat.nosync"):  # Foundation's, before it is renamed: the rest is chance
                place = "/.dat.nosync"
            elif leaf[:1].isdigit():  # of a day
                place = leaf[10:] + "$"
            else:
                place = "/" + leaf + "$"
            found.add((call, place))
        return sorted(found)

    def forget(self):
        """All is as if synced: for a start with old files."""
        for name in os.listdir(self.folder):
            if name == "journal" or name.startswith("saved-"):
                os.remove(os.path.join(self.folder, name))

    def cut(self, rng):
        """The power fails: the program must be dead. What was synced stays; of the rest, any sectors in any order and the first few
        changes of names, which is what `rng` decides. Returns how many unsynced changes there were."""
        entries = list(self._entries())
        names = self._unsynced_names(entries)
        kept = rng.choice([0, 0, rng.randint(0, len(names))])
        files = self._contents(entries, rng)
        for entry in reversed(names[kept:]):
            self._undo_name(entry)
        found = {}
        for folder, _, leaves in os.walk(self.root):
            for leaf in leaves:
                path = os.path.join(folder, leaf)
                if leaf.endswith("-shm"):
                    os.remove(path)
                else:
                    found[os.stat(path).st_ino] = path
        changed = 0
        for inode, (content, unsynced) in files.items():
            if inode in found and unsynced:
                changed += unsynced
                with open(found[inode], "r+b") as file:
                    file.write(content)
                    file.truncate(len(content))
        self.forget()
        return changed + len(names) - kept

    def trim(self):
        """Takes off the entry that a kill has cut short. Nobody may be writing the journal."""
        path = os.path.join(self.folder, "journal")
        end = sum(ENTRY.size + len(entry[4].encode()) + len(entry[5]) + len(entry[6]) for entry in self._entries())
        if os.path.exists(path):
            os.truncate(path, end)

    def _entries(self):
        path = os.path.join(self.folder, "journal")
        if not os.path.exists(path):
            return
        with open(path, "rb") as file:
            while True:
                head = file.read(ENTRY.size)
                if len(head) < ENTRY.size:
                    return
                magic, kind, path_bytes, before_bytes, after_bytes, inode, offset, size = ENTRY.unpack(head)
                assert magic == MAGIC, "the journal is damaged"
                rest = file.read(path_bytes + before_bytes + after_bytes)
                if len(rest) < path_bytes + before_bytes + after_bytes:
                    return
                yield (kind, inode, offset, size, rest[:path_bytes].decode(), rest[path_bytes:path_bytes + before_bytes],
                       rest[path_bytes + before_bytes:])

    # Names: a change lasts once its folder was synced.

    def _unsynced_names(self, entries):
        pending = []
        for entry in entries:
            if entry[0] in (CREATED, UNLINKED, RENAMED):
                pending.append(entry)
            elif entry[0] == FOLDER_SYNCED:
                pending = [other for other in pending if os.path.dirname(other[4]) != entry[4]]
        return pending

    def _undo_name(self, entry):
        kind, _, number, _, path, before, _ = entry
        saved = os.path.join(self.folder, "saved-%d" % number)
        if kind == CREATED and os.path.isdir(path):
            shutil.rmtree(path)
        elif kind == CREATED and os.path.exists(path):
            os.remove(path)
        elif kind == UNLINKED and os.path.exists(saved) and not os.path.exists(path):
            os.link(saved, path)
        elif kind == RENAMED and os.path.exists(path):
            os.rename(path, before.decode())
            if os.path.exists(saved):
                os.link(saved, path)

    # Contents: a change lasts once its file was synced; after a failed sync the system may have dropped it for good.

    def _contents(self, entries, rng):
        """By inode: what is on the disk, and how many changes were not synced."""
        history = {}
        for entry in entries:
            if entry[0] in (WROTE, TRUNCATED, SYNCED, SYNC_FAILED):
                history.setdefault(entry[1], []).append(entry)
        paths = self._paths(set(history))
        result = {}
        for inode, changes in history.items():
            if inode not in paths:
                continue
            with open(paths[inode], "rb") as file:
                content = bytearray(file.read())
            for change in reversed(changes):
                undo(content, change)
            pending, dropped = [], 0
            for change in changes:
                if change[0] == SYNCED:
                    for earlier in pending:
                        redo(content, earlier)
                    pending = []
                elif change[0] == SYNC_FAILED:
                    dropped += len(pending)
                    pending = []
                else:
                    pending.append(change)
            if rng.random() < 0.5:
                for change in pending:
                    redo_some(content, change, rng)
            result[inode] = (bytes(content), len(pending) + dropped)
        return result

    def _paths(self, inodes):
        paths = {}
        for top in (self.folder, self.root):
            for folder, _, leaves in os.walk(top):
                for leaf in leaves:
                    path = os.path.join(folder, leaf)
                    inode = os.stat(path).st_ino
                    if inode in inodes:
                        paths[inode] = path
        return paths


def undo(content, change):
    kind, _, offset, size, _, before, after = change
    if kind == WROTE:
        grow(content, offset + len(before))
        content[offset:offset + len(before)] = before
        resize(content, size)
    elif kind == TRUNCATED:
        resize(content, offset)
        content += before
        resize(content, size)


def redo(content, change):
    kind, _, offset, _, _, _, after = change
    if kind == WROTE:
        grow(content, offset + len(after))
        content[offset:offset + len(after)] = after
    elif kind == TRUNCATED:
        resize(content, offset)


def redo_some(content, change, rng):
    """Any of the write's sectors, torn where the disk likes."""
    kind, inode, offset, size, path, before, after = change
    if kind != WROTE:
        if rng.random() < 0.5:
            redo(content, change)
        return
    for start in range(0, len(after), SECTOR):
        if rng.random() < 0.5:
            redo(content, (kind, inode, offset + start, size, path, b"", after[start:start + SECTOR]))


def grow(content, size):
    if len(content) < size:
        content += bytes(size - len(content))


def resize(content, size):
    grow(content, size)
    del content[size:]
