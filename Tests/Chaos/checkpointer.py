"""A second program with a connection to the log: reads and checkpoints, again and again. It runs on the aggregator's misbehaving disk."""
import sqlite3
import sys
import time

database = sqlite3.connect(sys.argv[1], timeout=1, isolation_level=None)
database.execute("PRAGMA synchronous = FULL")
while True:
    try:
        database.execute("SELECT count(*) FROM batch_key").fetchone()
        database.execute("PRAGMA wal_checkpoint(%s)" % ("PASSIVE" if time.monotonic() % 1 < 0.8 else "RESTART"))
    except sqlite3.OperationalError:
        pass  # busy
    time.sleep(0.01)
