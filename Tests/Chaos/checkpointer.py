"""A second program with a connection to the log: reads and checkpoints, again and again, until its standard input ends. It runs on the
aggregator's misbehaving disk. It is not killed: what it notes of the disk would break off amid what others note."""
import select
import sqlite3
import sys
import time

database = sqlite3.connect(sys.argv[1], timeout=1, isolation_level=None)
database.execute("PRAGMA synchronous = FULL")
while not select.select([sys.stdin], [], [], 0)[0]:
    try:
        database.execute("SELECT count(*) FROM batch_key").fetchone()
        database.execute("PRAGMA wal_checkpoint(%s)" % ("PASSIVE" if time.monotonic() % 1 < 0.8 else "RESTART"))
    except sqlite3.OperationalError:
        pass  # busy
    time.sleep(0.01)
