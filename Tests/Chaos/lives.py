"""What happens to whole installations: lost disks, backups, copies of sensors, changes of version."""
import os
import shutil
import sqlite3
import struct
import subprocess

import disk
import spool
import world


def lost_disk(site, rng):
    """The aggregator's data disk is destroyed after it has answered for everything: the sensors send their tails again."""
    site.run(2)
    site.drain(*site.sensors)
    site.crash(site.aggregator)
    shutil.rmtree(site.aggregator.data)
    os.mkdir(site.aggregator.data)
    site.aggregator.found()
    site.aggregator.disk.forget()
    again = [one.figures().get("weir_spool_reshipped_batches_total", 0) for one in site.sensors]
    begin = site.clock()
    site.start(site.aggregator)
    site.wait("a reship", lambda: all(
        one.figures().get("weir_spool_reshipped_batches_total", 0) > before for one, before in zip(site.sensors, again)))
    for sensor in site.sensors:
        site.tell("resume", name=sensor.name)
    site.run(1)
    site.wait("empty spools", lambda: all(one.figures().get("weir_spool_batches", 99) < 9 for one in site.sensors))
    return {"note": "all of the tail back within %.0f s of the start; RPO 0" % (site.clock() - begin)}


def restored(site, rng, seconds=2):
    """A backup while running, a second one, the disk destroyed, a restore: with the sensors' tails nothing is missing."""
    kek = os.path.join(site.folder, "node.kek")
    with open(kek, "wb") as file:
        file.write(rng.randbytes(32))
    os.chmod(kek, 0o600)
    site.aggregator.add("backup:\n  to: folder:%s\nkeys:\n  wrap: file:%s\n" % (os.path.join(site.folder, "backups"), kek))
    site.crash(site.aggregator)
    shutil.rmtree(site.aggregator.data)
    os.mkdir(site.aggregator.data)
    site.aggregator.disk.forget()
    site.aggregator.found()
    site.start(site.aggregator)
    for _ in range(2):
        site.run(seconds)
        site.must("weir-aggregator", "backup", "--config", site.aggregator.settings)
    site.run(1)
    site.must("weir-aggregator", "verify", "--config", site.aggregator.settings)
    site.crash(site.aggregator)
    size = sum(os.path.getsize(os.path.join(folder, leaf))
               for folder, _, leaves in os.walk(site.aggregator.data) for leaf in leaves)
    shutil.rmtree(site.aggregator.data)
    site.aggregator.disk.forget()
    begin = site.clock()
    site.must("weir-aggregator", "restore", "--config", site.aggregator.settings)
    site.start(site.aggregator)
    took = site.clock() - begin
    site.run(2)
    site.wait("empty spools", lambda: all(one.figures().get("weir_spool_batches", 99) < 9 for one in site.sensors))
    return {"note": "%.1f MB back and ready in %.1f s (RTO); RPO 0 with the sensors' tails" % (size / 1e6, took)}


def cloned(site, rng):
    """A sensor's machine is copied and both run: what both have is stored once, what each makes is kept, and it is noticed."""
    sensor = site.sensors[0]
    site.crash(site.aggregator)
    site.run(1.5)
    site.crash(sensor)
    twin = world.Sensor(site, "twin", like=sensor.name, copy=sensor.spool)
    site.start(sensor)
    site.start(site.aggregator)
    before = site.aggregator.metric("weir_ingest_clones_total")
    twin.start()
    begin = site.clock()
    try:
        site.wait("the alarm", lambda: site.aggregator.metric("weir_ingest_clones_total") > before, 60)
    finally:
        twin.kill()
    return {"note": "noticed after %.0f s" % (site.clock() - begin)}


def replayed(site, rng, times=3):
    """An old state of a sensor's disk comes back again and again, a week later by the clock: its batches are known each time."""
    sensor = site.sensors[0]
    site.crash(site.aggregator)
    site.run(1.5)
    site.crash(sensor)
    copy = sensor.snapshot()
    site.start(sensor)
    site.start(site.aggregator)
    for _ in range(times):
        site.drain(sensor)  # what the disk has alone goes with it
        site.crash(sensor)
        sensor.take_back(copy)
        sensor.disk.shift_clock(7 * 86400)
        site.start(sensor)
        site.run(0.4)
    sensor.disk.shift_clock(0)
    repeated = site.aggregator.metric("weir_ingest_batches_repeated_total")
    return {"note": "%d batches came again" % repeated, "complaints": [] if repeated else ["nothing came again"]}


SCHEMA_1 = """
PRAGMA page_size = 65536; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL;
CREATE TABLE epoch (
    id INTEGER PRIMARY KEY, high INTEGER NOT NULL, low INTEGER NOT NULL, started_ms INTEGER NOT NULL, UNIQUE (high, low)) STRICT;
CREATE TABLE batch (
    id INTEGER PRIMARY KEY, epoch INTEGER NOT NULL REFERENCES epoch, sequence INTEGER NOT NULL, sealed_ms INTEGER NOT NULL,
    sha256 BLOB NOT NULL, rows INTEGER NOT NULL, flows INTEGER NOT NULL, octets INTEGER NOT NULL, packets INTEGER NOT NULL,
    bytes INTEGER NOT NULL, UNIQUE (epoch, sequence)) STRICT;
CREATE TABLE body (batch INTEGER PRIMARY KEY REFERENCES batch, content BLOB NOT NULL) STRICT;
CREATE TABLE abandoned (
    high INTEGER NOT NULL, low INTEGER NOT NULL, sequence INTEGER NOT NULL, PRIMARY KEY (high, low, sequence)) STRICT, WITHOUT ROWID;
PRAGMA application_id = 1464158546;
PRAGMA user_version = 1;
"""


def age_spool(folder):
    """Puts a spool as the first schema has it in the place of one of segments. Returns how many batches wait in it."""
    waiting = [one for one in spool.batches(folder) if one.is_open]
    for leaf in os.listdir(folder):
        if leaf.endswith(".spool") or leaf == "ledger":
            os.remove(os.path.join(folder, leaf))
    database = sqlite3.connect(os.path.join(folder, "spool.sqlite"))
    database.executescript(SCHEMA_1)
    epochs = {}
    for number, one in enumerate(waiting, 1):
        high, low = struct.unpack(">qq", one.key[0])
        if one.key[0] not in epochs:
            epochs[one.key[0]] = len(epochs) + 1
            database.execute("INSERT INTO epoch VALUES (?, ?, ?, 1)", (epochs[one.key[0]], high, low))
        rows, flows, octets, packets = one.counts
        database.execute("INSERT INTO batch VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (
            number, epochs[one.key[0]], one.sequence, one.sealed, one.digest, rows, flows, octets, packets, len(one.body)))
        database.execute("INSERT INTO body VALUES (?, ?)", (number, one.body))
    database.commit()
    database.close()
    return len(waiting)


def age_log(path):
    """Takes a log back to its first schema."""
    database = sqlite3.connect(path)
    database.execute("ALTER TABLE log_head DROP COLUMN born_ms")
    database.execute("ALTER TABLE log_head DROP COLUMN trimmed")
    database.execute("DELETE FROM grdb_migrations WHERE identifier IN ('2 birth', '3 trimmed')")
    database.commit()
    database.close()


def old_files(site, rng, times=1):
    """Files of the first schemas, batches waiting in them, are brought over, with a kill at one call after the other."""
    for _ in range(times):
        site.crash(site.aggregator)
        site.run(1.2)
        age_log(os.path.join(site.aggregator.data, "log.sqlite"))
        site.aggregator.disk.forget()
        for sensor in site.sensors:
            sensor.kill()
            if not age_spool(sensor.spool):
                return {"complaints": ["nothing waited in the old spool"]}
            sensor.disk.forget()
            sensor.died()
        for program in site.all:
            for number in rng.sample(range(1, 12), 3):
                program.disk.fail(disk.ANY, rng.choice([disk.KILL, disk.KILL_AFTER]), "", number)
                program.start()
                site.await_end(program, 2)
                site.crash(program, rng if number % 2 else None)
            site.start(program)
        site.run(0.5)


def traced_sync(site, rng):
    """No library below the sensor but strace: every 30th sync fails with EIO, and the process is killed. What is in the spool is there."""
    sensor = site.sensors[0]
    if not shutil.which("strace"):
        return {"note": "skipped: strace is not installed"}
    tried = subprocess.run(["strace", "-f", "-D", "-o", "/dev/null", "true"], capture_output=True)
    if tried.returncode != 0:
        return {"note": "skipped: no right to trace"}
    site.crash(sensor)
    environment, command = sensor.disk.environment, sensor.command
    sensor.disk.environment = dict
    sensor.command = ["strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync,fsync",
                      "-e", "inject=fdatasync:error=EIO:when=10+30"] + command
    site.start(sensor)
    site.wait("a failed sync", lambda: sensor.figures().get("weir_spool_retired_files_total", 0) > 1, 60)
    retired = sensor.figures().get("weir_spool_retired_files_total", 0)
    sensor.disk.environment, sensor.command = environment, command
    site.restart(sensor)
    return {"note": "%d files were given up after a failed sync" % retired}


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


