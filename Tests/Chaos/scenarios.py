"""Faults that are no kills, for storms, and exact sequences of faults with what must come of them.

A scenario is given a fresh world in which everything runs; afterwards the world settles and is judged. What it returns is added to what the
judge allows or demands: `damaged` batches that may be missing, and `complaints` of its own."""
import errno
import glob
import hashlib
import os
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
    """The aggregator is away, the sensors' power fails: what they said is in their spools is there, large appends too."""
    site.crash(site.aggregator)
    site.run(2.5)
    for sensor in site.sensors:
        site.tell("burst", name=sensor.name, records=10000)
        site.run(rng.uniform(0.1, 1))
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
    for sensor in site.sensors:
        sensor.keep_nothing()
        site.restart(sensor)
    site.run(2)
    site.drain(*site.sensors)
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
    sensor.keep_nothing()
    site.crash(site.aggregator)
    site.restart(sensor)
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
    copy = sensor.snapshot()
    site.start(sensor)
    site.start(site.aggregator)
    site.run(1)
    site.drain(sensor)  # what the disk has alone goes with it
    site.crash(sensor)
    sensor.take_back(copy)
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


def small_disk(site, rng):
    """The spool's own file system of 64 MiB fills up and is freed: what waited stays, what came is counted, all goes on in 5 s."""
    sensor = site.sensors[0]
    site.drain(sensor)  # what is in the folder now will be out of sight
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
