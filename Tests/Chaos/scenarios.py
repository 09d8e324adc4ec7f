"""Faults that are no kills, for storms, and exact sequences of faults with what must come of them.

A scenario is given a fresh world in which everything runs; afterwards the world settles and is judged. What it returns is added to what the
judge allows or demands: `damaged` batches that may be missing, and `complaints` of its own."""
import errno
import glob
import hashlib
import os
import shutil
import sqlite3
import time

import disk
import relay
import spool

# --- for storms


def network(site, rng):
    one = rng.choice(site.relays)
    one.mode = rng.choice([relay.DROP, relay.REFUSE, relay.SILENT, relay.DEAF, relay.DEAF, relay.SLOW])
    site.run(rng.uniform(0.2, 1.5))
    one.mode = relay.PASS


def frozen(site, rng):
    site.freeze(rng.choice(site.all), rng.uniform(0.2, 3.0))


def bad_disk(site, rng):
    """The n-th sync or write fails. The aggregator ends itself and is started again, a sensor goes on with a new file."""
    victim = rng.choice(site.all)
    call, code = rng.choice([(disk.SYNC, errno.EIO), (disk.SYNC, errno.ENOSPC), (disk.WRITE, errno.EIO), (disk.WRITE, errno.ENOSPC)])
    victim.disk.fail(call, code, "sqlite", rng.randint(1, 12))
    site.run(rng.uniform(0.5, 2.0))
    victim.disk.heal()


def wrong_clock(site, rng):
    victim = rng.choice(site.all)
    victim.disk.shift_clock(rng.choice([-3600, 3600, -1, 1, -86400, 5]))
    site.run(rng.uniform(0.3, 1.5))
    victim.disk.shift_clock(0)


def disturb(site, rng):
    rng.choice([network, network, frozen, bad_disk, wrong_clock])(site, rng)


# --- power, one end at a time


def cut_sensors(site, rng):
    """The aggregator is away, the sensors' power fails: what they said is in their spools is there."""
    site.crash(site.aggregator)
    site.run(2.5)
    for sensor in site.sensors:
        site.restart(sensor, rng)
    site.start(site.aggregator)


def cut_new_files(site, rng):
    """The power fails soon after a start: the new file and its name are there."""
    site.crash(site.aggregator)
    site.run(1.5)
    sensor = site.sensors[0]
    for _ in range(4):
        site.restart(sensor)
        site.wait("sealing", lambda: sensor.figures().get("weir_seal_records_total", 0) > 0)
        site.run(0.4)
        site.restart(sensor, rng)
    site.start(site.aggregator)


def cut_aggregator(site, rng):
    """Everything was answered for when the aggregator's power fails: the sensors have nothing left to send again."""
    site.run(2)
    for sensor in site.sensors:
        site.tell("pause", name=sensor.name)
    site.wait("empty spools", lambda: all(one.figures().get("weir_spool_batches") == 0 for one in site.sensors))
    site.restart(site.aggregator, rng)
    for sensor in site.sensors:
        site.tell("resume", name=sensor.name)
    site.run(1)


def cut_all(site, rng):
    site.run(1.5)
    for program in site.all:
        program.kill()
    for program in site.all:
        site.crash(program, rng)
    for program in site.all:
        site.start(program)
    site.run(1)


def restarts(site, rng):
    """A sensor that starts again must not use a key again."""
    for _ in range(3):
        site.run(0.7)
        site.restart(site.sensors[0])
    site.run(0.7)


# --- spools with something wrong in them


def with_waiting(site, change):
    """Batches pile up in a sensor's spool, `change` works on one in the middle while the sensor is dead; returns what it returns."""
    sensor = site.sensors[0]
    site.crash(site.aggregator)
    site.run(2)
    sensor.kill()
    waiting = [one for one in spool.batches(sensor.spool) if one.is_open]
    result = change(waiting[len(waiting) // 2])
    sensor.disk.forget()
    sensor.died()
    return result


def poison(batch):
    """Makes it one that no aggregator takes."""
    body = (b"poison" * len(batch.body))[:len(batch.body)]
    batch.write(body, hashlib.sha256(body).digest())
    return body, batch.flows


def is_kept(sensor, body):
    """Whether a batch is whole among the dead letters, or still in the spool."""
    for path in glob.glob(os.path.join(sensor.spool, "dead-letter", "*.weir")):
        with open(path, "rb") as file:
            if file.read() == body:
                return True
    return any(one.body == body and one.is_open for one in spool.batches(sensor.spool))


def dead_letter(site, rng, fault=None):
    """A batch that is refused survives, whatever happens as it is set aside, and the others get where they belong."""
    sensor = site.sensors[0]
    body, rows = with_waiting(site, poison)
    sensor.start()
    site.await_ready(sensor)
    if fault:
        sensor.disk.fail(*fault)
    site.start(site.aggregator)
    folder = os.path.join(sensor.spool, "dead-letter", "*.weir")
    deadline = time.monotonic() + (4 if fault and fault[-1] < 0 else 20)
    while time.monotonic() < deadline and not glob.glob(folder):
        site.run(0.02)
    site.crash(sensor, rng)
    complaints = [] if is_kept(sensor, body) else ["the refused batch is neither in the spool nor set aside"]
    site.start(sensor)
    return {"damaged": 1, "rows": rows, "complaints": complaints}


def dead_letter_retried(site, rng):
    return dead_letter(site, rng, (disk.SYNC, errno.EIO, ".weir.part", 1, 1))


def dead_letter_refused(site, rng):
    return dead_letter(site, rng, (disk.SYNC | disk.WRITE, errno.EIO, "dead-letter", 1, -1))


def damage(site, rng):
    """One bit of one waiting batch is wrong: that batch is set aside and counted, and nothing else is."""

    def flip(batch):
        body = bytearray(batch.body)
        body[rng.randrange(len(body))] ^= 1 << rng.randrange(8)
        batch.write(bytes(body), batch.digest)
        return batch.flows

    rows = with_waiting(site, flip)
    site.start(site.sensors[0])
    site.start(site.aggregator)
    site.wait("empty spools", lambda: all(one.figures().get("weir_spool_batches", 9) < 2 for one in site.sensors))
    counted = site.sensors[0].figures().get("weir_spool_damaged_batches_total")
    return {"damaged": 1, "rows": rows, "complaints": [] if counted == 1 else ["%s damaged batches were counted" % counted]}


def drained(site, rng):
    """The sensor dies as it notes that a file has gone: after the start nothing is thought to be missing."""
    sensor = site.sensors[0]
    site.crash(site.aggregator)
    site.run(1)
    site.restart(sensor)
    site.run(0.5)
    sensor.disk.fail(disk.WRITE, disk.KILL, "/ledger")
    site.start(site.aggregator)
    site.await_end(sensor, 20)
    site.crash(sensor)
    site.start(sensor)
    counted = sensor.figures().get("weir_spool_damaged_batches_total")
    return {"complaints": ["%d batches are thought to be damaged" % counted] if counted else []}


def bad_sync(site, rng):
    """A sync of the spool fails and then the power: what was sealed since is on the disk."""
    sensor = site.sensors[0]
    site.crash(site.aggregator)
    for _ in range(3):
        site.run(0.4)
        sensor.disk.fail(disk.SYNC, errno.EIO, "segment", 1, 1)
    site.run(0.6)
    site.restart(sensor, rng)
    site.start(site.aggregator)


def rollback(site, rng):
    """The sensor's disk is taken back to an earlier state that had batches waiting: they come again, and are known."""
    sensor = site.sensors[0]
    site.crash(site.aggregator)
    site.run(1.5)
    site.crash(sensor)
    copy = os.path.join(site.folder, "snapshot")
    shutil.copytree(sensor.spool, copy)
    site.start(sensor)
    site.start(site.aggregator)
    site.run(2)
    site.crash(sensor)
    shutil.rmtree(sensor.spool)
    shutil.copytree(copy, sensor.spool)
    sensor.disk.forget()
    site.start(sensor)
    site.run(1.5)


# --- disks


def full_spool(site, rng):
    """No room in the spool: new data is lost and counted, old data stays, and 5 s after there is room all is well."""
    sensor = site.sensors[0]
    site.crash(site.aggregator)
    site.run(1)
    sensor.disk.fail(disk.WRITE, errno.ENOSPC, "spool", 1, -1)
    site.run(2)
    sensor.disk.heal()
    before = sensor.figures().get("weir_seal_records_total", 0)
    begin = time.monotonic()
    site.wait("sealing again", lambda: sensor.figures().get("weir_seal_records_total", 0) > before, 5)
    site.start(site.aggregator)
    return {"resumed": time.monotonic() - begin}


def full_log(site, rng):
    site.run(0.5)
    site.aggregator.disk.fail(disk.WRITE, errno.ENOSPC, "log.sqlite", 1, -1)
    site.run(2)
    site.aggregator.disk.heal()
    site.run(1)
    site.restart(site.aggregator)


def bad_store(site, rng):
    """History can't be written while batches come in: they wait in the log, over the end and the start of the process."""
    site.run(1)
    site.aggregator.disk.fail(disk.WRITE | disk.SYNC, errno.EIO, "/flows/", 1, -1)
    site.run(2)
    site.aggregator.disk.heal()
    site.run(1)


def bad_checkpoint(site, rng):
    """The checkpoint can't be written: all batches behind the last good one are still in the log."""
    site.aggregator.disk.fail(disk.WRITE | disk.SYNC, errno.EIO, "checkpoint.sqlite", 1, -1)
    site.run(12)
    site.aggregator.kill()
    missing = unread(site.aggregator.data)
    site.aggregator.disk.heal()
    site.start(site.aggregator)
    return {"complaints": ["%d batches after the checkpoint are not in the log" % missing] if missing else []}


def unread(folder):
    """Batches that detectors have yet to see and that the log no longer has."""
    log = sqlite3.connect("file:%s/log.sqlite?mode=ro" % folder, uri=True)
    path = os.path.join(folder, "checkpoint.sqlite")
    position = sqlite3.connect("file:%s?mode=ro" % path, uri=True).execute('SELECT "offset" FROM position').fetchone()[0]
    return log.execute(
        'SELECT count(*) FROM batch_key WHERE "offset" > ? AND "offset" NOT IN (SELECT "offset" FROM batch)', (position,)).fetchone()[0]


# --- every call, every file, every clock


def sweep(site, rng, calls=4):
    """Each program dies at its n-th call to the disk, for a few n or, at night, for each; every second time its power goes too."""
    for victim in (site.sensors[0], site.aggregator):
        for number in range(1, calls + 1) if calls > 10 else rng.sample(range(1, 40), calls):
            victim.disk.fail(disk.ANY, disk.KILL, "", number)
            site.await_end(victim, 3)
            site.crash(victim, rng if number % 2 else None)
            site.start(victim)
            site.run(0.3)


def failing(site, rng, calls=4):
    """Each program's n-th call to the disk fails, with each error; what that costs is time."""
    for victim in (site.sensors[0], site.aggregator):
        for number in range(1, calls + 1) if calls > 10 else rng.sample(range(1, 40), calls):
            victim.disk.fail(disk.ANY, rng.choice([errno.EIO, errno.ENOSPC]), "", number)
            site.run(0.8)
            victim.disk.heal()
            if rng.random() < 0.3:
                site.restart(victim, rng)


def mutate(path, rng):
    """One thing that happens to files; returns what it was."""
    size = os.path.getsize(path)
    kind = rng.choice(["flip", "flip", "cut", "zero", "swap", "delete"])
    if kind == "delete":
        os.remove(path)
        return kind
    with open(path, "r+b") as file:
        if kind == "cut":
            file.truncate(rng.randrange(size))
            return kind
        at = rng.randrange(size)
        file.seek(at)
        old = file.read(rng.choice([1, 512, 4096]))
        new = {"flip": bytes([old[0] ^ 1 << rng.randrange(8)]) + old[1:], "zero": bytes(len(old)), "swap": old[::-1]}[kind]
        file.seek(at)
        file.write(new)
    return kind


def mutations(site, rng, rounds=6):
    """Files of dead programs are damaged at random: each start works, and nothing wrong is ever told."""
    for _ in range(rounds):
        site.run(0.6)
        victim = rng.choice([site.aggregator, site.sensors[0]])
        site.crash(victim)
        root = victim.root
        files = [os.path.join(folder, leaf) for folder, _, leaves in os.walk(root) for leaf in leaves
                 if leaf.endswith((".sqlite", ".sqlite-wal", ".spool", "ledger")) and "control" not in leaf]
        files = [path for path in files if os.path.getsize(path)]
        if files:
            path = rng.choice(files)
            site.note("%s of %s" % (mutate(path, rng), os.path.relpath(path, site.folder)))
        victim.disk.forget()
        site.start(victim)
    return {"anyLoss": True}


HOUR, DAY = 3600, 86400
CLOCKS = [HOUR, -HOUR, 400 * DAY, -400 * DAY, 13 * 365 * DAY, -10 * 365 * DAY, 1, -1, -30, 30, 7 * DAY, -7 * DAY]


def clocks(site, rng, cases=4):
    """Wall clocks jump while all runs, and over a start; the 24 cases are 12 jumps of either end's clock."""
    # Age-based retention believes the aggregator's clock: history that is meant to stay must be younger than the jumps.
    with open(site.aggregator.settings, "a") as file:
        file.write("history:\n  days: 3650\n")
    site.restart(site.aggregator)
    every = [(site.aggregator, min(jump, 9 * 365 * DAY)) for jump in CLOCKS] + [(site.sensors[0], jump) for jump in CLOCKS]
    for victim, jump in every if cases >= len(every) else rng.sample(every, cases):
        victim.disk.shift_clock(jump)
        site.run(0.5)
        if abs(jump) <= 7 * DAY:
            site.restart(victim)
            site.run(0.5)
        for step in range(10):  # and back, a second each 0.05 s, before the rest
            victim.disk.shift_clock(jump - step)
            time.sleep(0.05)
        victim.disk.shift_clock(0)
        site.run(0.2)


def small_disk(site, rng):
    """The spool's own file system of 64 MiB fills up and is freed: what waited stays, what came is counted, all goes on in 5 s."""
    sensor = site.sensors[0]
    site.crash(site.aggregator)
    site.crash(sensor)
    if not site.mount(sensor.spool, "64m"):
        site.start(sensor)
        site.start(site.aggregator)
        return {"note": "skipped: no right to mount"}
    site.start(sensor)
    site.run(1)
    filler = os.path.join(sensor.spool, "filler")
    room = os.statvfs(sensor.spool)
    with open(filler, "wb") as file:
        file.write(bytes(max(room.f_bavail * room.f_frsize - 65536, 0)))
    site.wait("a full disk", lambda: sensor.figures().get("lost", 0) > 0, 60)
    site.run(1)
    os.remove(filler)
    before = sensor.figures().get("weir_seal_records_total", 0)
    site.wait("sealing again", lambda: sensor.figures().get("weir_seal_records_total", 0) > before, 5)
    site.start(site.aggregator)


def upgrades(site, rng, rounds=6):
    """Each kill is a change of version, there and back, with load."""
    for _ in range(rounds):
        site.run(rng.uniform(0.4, 1.2))
        sensor = rng.choice(site.sensors)
        sensor.use(rng.choice([site.programs, site.old]))
        site.restart(sensor)
    for sensor in site.sensors:
        sensor.use(site.programs)
        site.restart(sensor)


def upgrade(site, rng):
    """From the old version to the new one, killed on the way, with batches waiting in the old one's files."""
    for program in site.all:
        program.use(site.old)
        site.restart(program)
    site.run(1)
    site.crash(site.aggregator)
    site.run(1.5)
    for program in site.all:
        program.use(site.programs)
    for sensor in site.sensors:
        site.crash(sensor)
        for number in (2, 5, 9):
            sensor.disk.fail(disk.ANY, disk.KILL, "", number)
            sensor.start()
            site.await_end(sensor, 1.5)
            sensor.kill()
        site.crash(sensor)
        site.start(sensor)
    site.start(site.aggregator)
    site.run(1)


ALL = {
    one.__name__: one for one in (
        cut_sensors, cut_new_files, cut_aggregator, cut_all, restarts, dead_letter, dead_letter_retried, dead_letter_refused, damage, drained,
        bad_sync, rollback, full_spool, small_disk, full_log, bad_store, bad_checkpoint, sweep, failing, mutations, clocks, upgrade)
}
# What a night has time for.
NIGHTLY = {"sweep": {"calls": 60}, "failing": {"calls": 60}, "mutations": {"rounds": 100}, "clocks": {"cases": 24}}
