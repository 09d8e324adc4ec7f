"""The oracle: a process outside the faults that knows what was sent, what the sensors said they keep, and so what must be found.

Each record is made from its id alone, addresses, ports, octets and packets: `record(id)`. It goes out as NetFlow v9 (RFC 3954), each
sensor's ids in order from one socket. A sensor's page of metrics says how many records of its present life are in its spool; since order
is kept, these are the first so many of the life, and they must be found in the end, once each, with the octets that follow from the id.
So must every batch that lies in a spool when its sensor has just died, by key and digest.

Commands come as lines of JSON on standard input, each is answered by one line:
  sensor {name, port, metrics}    a sensor to feed              live {name}    it is up: a new life begins, sending starts
  die {name, folder, cut}         it is dead: sending stops, its spool is looked at (a copy is opened); whether the power went too
  pause {name} / resume {name}    sending only                  state {}       ids sent and claimed, by sensor
  burst {name, records}           many at once, so that its next append to the spool is a large one
  judge {url, ca, key, data}      what was lost, what is there twice, which files are unsound
"""
import glob
import json
import os
import socket
import sqlite3
import ssl
import struct
import sys
import threading
import time
import urllib.error
import urllib.request

import spool

TEMPLATE_ID = 256
FIELDS = [(8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (1, 4), (2, 4), (22, 4), (21, 4)]
IDS_PER_SENSOR = 1 << 20
RECORDS_PER_DATAGRAM = 5
DATAGRAMS_PER_SECOND = 25


def record(number):
    """Source, destination, ports, protocol, octets and packets of record `number` (below 2^24)."""
    mixed = (number * 2654435761) & 0xFFFFFFFF
    octets = 64 + (mixed >> 8) % 60000
    return (0x0A000000 | number, 0xC6120000 | mixed >> 16, 1024 + mixed % 60000, 443, 17 if mixed & 1 else 6, octets,
            1 + octets // 1400)


class Life:
    """From one start of a sensor to its end: the ids sent, and what it said of them."""

    def __init__(self, first):
        self.first, self.end = first, None
        self.claimed = 0  # the first so many are in the spool
        self.sealed, self.lost = 0, 0  # in all, as it counts them

    def hear(self, sealed, lost):
        self.sealed, self.lost = sealed, lost
        if not lost:  # once some were dropped, it is no longer known which the sealed ones are
            self.claimed = max(self.claimed, sealed)


class Feed:
    """One sensor's exporter: sends while it may, and reads what the sensor claims to keep."""

    def __init__(self, index, port, metrics):
        self.base, self.next = index * IDS_PER_SENSOR, index * IDS_PER_SENSOR
        self.lives = []
        self.batches = {}  # (epoch, sequence) -> digest, seen in a spool
        self.unsure = {}  # the same, of a process that was killed: perhaps in the page cache only, until the power fails
        self.metrics, self.is_sending, self.sequence = metrics, False, 0
        self.lock = threading.Lock()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.%d" % (10 + index), 0))
        self.target = ("127.0.0.1", port)
        self.boot = time.time() - 10000
        threading.Thread(target=self.send, daemon=True).start()
        threading.Thread(target=self.listen, daemon=True).start()

    def live(self):
        with self.lock:
            self.lives.append(Life(self.next))
            self.is_sending = True

    def end(self):
        with self.lock:
            self.is_sending = False
            if self.lives and self.lives[-1].end is None:
                self.lives[-1].end = self.next

    def send(self):
        while True:
            with self.lock:
                if self.is_sending:
                    self.socket.sendto(self.datagram(), self.target)
            time.sleep(1 / DATAGRAMS_PER_SECOND)

    def burst(self, records):
        for sent in range(records // RECORDS_PER_DATAGRAM):
            with self.lock:
                if self.is_sending:
                    self.socket.sendto(self.datagram(), self.target)
            if sent % 50 == 49:
                time.sleep(1e-3)  # no more than its socket takes in

    def datagram(self):
        now = time.time()
        uptime = int((now - self.boot) * 1000)
        template = struct.pack(">HH", TEMPLATE_ID, len(FIELDS)) + b"".join(struct.pack(">HH", *field) for field in FIELDS)
        body = struct.pack(">HH", 0, len(template) + 4) + template
        rows = b"".join(
            struct.pack(">IIHHBIIII", *record(number), uptime - 2000, uptime - 1000)
            for number in range(self.next, self.next + RECORDS_PER_DATAGRAM))
        rows += bytes(-(len(rows) + 4) % 4)
        body += struct.pack(">HH", TEMPLATE_ID, len(rows) + 4) + rows
        head = struct.pack(">HHIIII", 9, RECORDS_PER_DATAGRAM + 1, uptime, int(now), self.sequence, 7)
        self.sequence += 1
        self.next += RECORDS_PER_DATAGRAM
        return head + body

    def listen(self):
        """Asks again and again how many records the sensor's present life has in its spool."""
        while True:
            time.sleep(0.1)
            life = self.lives[-1] if self.lives else None
            figures = metrics(self.metrics) if life and life.end is None else None
            # Asked before the death was noted: the answer is the dead sensor's, and a claim all the same.
            if figures and life is self.lives[-1]:
                life.hear(int(figures.get("weir_seal_records_total", 0)), int(figures.get("lost", 0)))

    def look(self, folder, is_cut):
        """Notes the batches of a dead sensor's spool: what its next start finds must arrive. Only a power cut may take what was written
        but not synced yet when the sensor was killed, and what is left after one is on the disk."""
        found = spool.promised(folder)
        if is_cut:
            self.batches.update(found)
            self.unsure = {}
        else:
            self.unsure.update(found)
        return len(found)

    def must(self):
        """Ids that must be found."""
        return {number for life in self.lives for number in range(life.first, life.first + life.claimed)}

    def shortfall(self, found):
        """By how many records the lives that lost some, and lived to say how many, are off."""
        off = 0
        for life in self.lives:
            end = self.next if life.end is None else life.end
            if life.lost and life.sealed + life.lost == end - life.first:
                off += abs(life.sealed - sum(1 for number in range(life.first, end) if number in found))
        return off


def metrics(port):
    """A page of metrics as a dictionary, sums over labels; None when nobody answers."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=0.5) as connection:
            connection.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            text = b""
            while part := connection.recv(65536):
                text += part
    except OSError:
        return None
    sums = {}
    for line in text.decode().splitlines():
        name, _, value = line.rpartition(" ")
        if name.startswith("weir_"):
            if name.startswith("weir_sensor_lost_total") and 'reason="spool_' in name:
                sums["lost"] = sums.get("lost", 0) + float(value)
            name = name.partition("{")[0]
            sums[name] = sums.get(name, 0) + float(value)
    return sums


# --- judging


def ask(order, path):
    request = urllib.request.Request(order["url"] + path, headers={"Authorization": "Bearer " + order["key"]})
    context = ssl.create_default_context(cafile=order["ca"])
    for _ in range(30):
        try:
            with urllib.request.urlopen(request, timeout=300, context=context) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as problem:
            if problem.code not in (429, 503):
                raise
        time.sleep(1)  # it says that it is busy
    raise TimeoutError("no answer to %s" % path)


def stored(order):
    """Every stored record as the API gives it: id -> [times, sound]."""
    found, cursor = {}, ""
    while cursor is not None:
        page = ask(order, "/v1/flows?limit=1000" + (cursor and "&cursor=" + cursor))
        assert page["complete"] or page["next"], "the answer leaves something out"
        for row in page["items"]:
            a, b, c, d = (int(part) for part in row["sourceIPv4Address"].split("."))
            number = b << 16 | c << 8 | d
            seen = found.setdefault(number, [0, True])
            seen[0] += row.get("deltaFlowCount", 1)
            source, _, sport, dport, protocol, octets, packets = record(number)
            told = (row["sourceTransportPort"], row["destinationTransportPort"], row["protocolIdentifier"],
                    row["octetDeltaCount"], row["packetDeltaCount"])
            if a != 10 or told != (sport, dport, protocol, octets, packets):
                seen[1] = False
        cursor = page["next"]
    return found


def keys(log):
    """(epoch, sequence) -> digests, as the aggregator remembers them."""
    database = sqlite3.connect("file:%s?mode=ro" % log, uri=True)
    found = {}
    for epoch, sequence, digest in database.execute("SELECT epoch, sequence, sha256 FROM batch_key"):
        found.setdefault((bytes(epoch), sequence), []).append(digest)
    return found


def unsound(folder):
    """SQLite's own opinion of its files."""
    paths = glob.glob(os.path.join(folder, "*.sqlite")) + glob.glob(os.path.join(folder, "flows", "*", "*.sqlite"))
    found = []
    for path in paths:
        said = opinion(path)
        if said != "ok":
            found.append("%s: %s" % (os.path.relpath(path, folder), said))
    return found


def opinion(path):
    """SQLite's of one file. Who only reads takes a journal that goes in the very moment for one that was left behind."""
    said = ""
    for _ in range(5):
        database = sqlite3.connect("file:%s?mode=ro" % path, uri=True, timeout=60)
        try:
            said = database.execute("PRAGMA integrity_check(1)").fetchone()[0]
        except sqlite3.DatabaseError as problem:
            said = str(problem)
        finally:
            database.close()
        if "readonly" not in said:
            break
        time.sleep(0.5)
    return said


def judge(feeds, order):
    known, found = keys(os.path.join(order["data"], "log.sqlite")), stored(order)
    sent = {number for feed in feeds.values() for number in range(feed.base, feed.next)}
    must = set().union(*(feed.must() for feed in feeds.values()))
    promised = [(key, digest) for feed in feeds.values() for key, digest in (feed.batches | feed.unsure).items()]
    lost_records = sorted(number for number in must if number not in found)
    wrong = sorted(number for number, (_, is_sound) in found.items() if not is_sound or number not in sent)
    lost_batches = [key for key, digest in promised if digest not in known.get(key, [])]
    off = sum(feed.shortfall(found) for feed in feeds.values())
    gaps = 0
    for epoch in {key[0] for key in known}:
        sequences = sorted(key[1] for key in known if key[0] == epoch)
        gaps += sequences[-1] + 1 - len(sequences)
    return {
        "batches": len(known), "records": len(found), "sent": len(sent), "promised": len(must), "inSpools": len(promised),
        "lostRecords": len(lost_records), "lostBatches": len(lost_batches), "gaps": gaps, "wrong": len(wrong), "off": off,
        "dropped": sum(life.lost for feed in feeds.values() for life in feed.lives),
        "unsound": unsound(order["data"]), "firstLost": lost_records[:5], "firstWrong": wrong[:5],
        "lost": len(lost_records) + len(lost_batches) + gaps + len(wrong) + off,
        "duplicated": sum(times - 1 for times, _ in found.values() if times > 1)
        + sum(len(digests) - 1 for digests in known.values()),
    }


def main():
    feeds = {}
    for line in sys.stdin:
        order = json.loads(line)
        what, answer = order["do"], {}
        try:
            feed = feeds.get(order.get("name"))
            if what == "sensor":
                feeds[order["name"]] = Feed(len(feeds), order["port"], order["metrics"])
            elif what == "live":
                feed.live()
            elif what == "die":
                feed.end()
                answer["batches"] = feed.look(order["folder"], order.get("cut", False))
            elif what == "pause":
                feed.is_sending = False
            elif what == "resume":
                feed.is_sending = True
            elif what == "burst":
                feed.burst(order["records"])
            elif what == "state":
                answer = {
                    name: {"life": feed.next - feed.lives[-1].first, "sealed": feed.lives[-1].sealed, "lost": feed.lives[-1].lost}
                    for name, feed in feeds.items() if feed.lives}
            elif what == "judge":
                answer = judge(feeds, order)
        except Exception as problem:  # the harness decides whether to ask again
            answer = {"error": "%s: %s" % (type(problem).__name__, problem)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
