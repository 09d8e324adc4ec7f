"""A sensor's spool as its own documentation tells (Sensor/Spool/SegmentLayout.swift), read and changed without the sensor's code."""
import glob
import hashlib
import os
import shutil
import sqlite3
import struct
import tempfile

RECORD = struct.Struct("<4sIIIQQQQQQQQ32s4sIQ")
HEAD_BYTES = 64
TABLE = []
for octet in range(256):
    for _ in range(8):
        octet = octet >> 1 ^ (0x82F63B78 if octet & 1 else 0)
    TABLE.append(octet)


def crc32c(data):
    value = 0xFFFFFFFF
    for octet in data:
        value = TABLE[(value ^ octet) & 255] ^ value >> 8
    return value ^ 0xFFFFFFFF


class Batch:
    """A record of a segment: where it lies and what it says. `key` is (epoch, sequence) as the aggregator stores them."""

    def __init__(self, path, offset, seed, head, body):
        self.path, self.offset, self.seed, self.body = path, offset, seed, body
        fields = RECORD.unpack(head)
        self.key, self.sequence = (struct.pack(">QQ", fields[4], fields[5]), fields[6]), fields[6]
        self.flows, self.digest, self.head = fields[9], fields[12], head
        self.sealed, self.counts = fields[7], fields[8:12]
        self.is_open = fields[13] in (b"\0\0\0\0",)
        self.ordinal, self.place = fields[2], None  # of the record in its append: records before it, octets to the end
        if self.is_open and fields[14] == crc32c(seed + struct.pack("<IIQ", fields[2], 0, fields[15])):
            self.place = (fields[15] & 0xFFFFFFFF, fields[15] >> 32)
        self.is_sound = hashlib.sha256(body).digest() == self.digest

    def write(self, body, digest):
        """Puts other bytes of the same length in the body's place, and `digest` in the head."""
        rest = self.head[8:80] + digest
        head = b"WBAT" + struct.pack("<I", crc32c(self.seed + rest)) + rest + self.head[112:]
        with open(self.path, "r+b") as file:
            file.seek(self.offset)
            file.write(head + body)


def batches(folder):
    """All records of all segments, oldest first, as far as they can be made out."""
    found = []
    paths = glob.glob(os.path.join(folder, "segment-*.spool"))
    for path in sorted(paths, key=lambda path: int(path.rpartition("-")[2].partition(".")[0])):
        with open(path, "rb") as file:
            content = file.read()
        seed, at = content[16:32], HEAD_BYTES
        while at + RECORD.size <= len(content):
            head = content[at:at + RECORD.size]
            length = struct.unpack_from("<I", head, 12)[0]
            end = at + RECORD.size + length
            if head[:4] != b"WBAT" or end > len(content) or crc32c(seed + head[8:112]) != struct.unpack_from("<I", head, 4)[0]:
                at += 8
                continue
            found.append(Batch(path, at, seed, head, content[at + RECORD.size:end]))
            at = end + 7 & ~7
    return found


def kept(own):
    """Of one file's records what the next start keeps: the last append ends before its first torn record, unless something tells that it
    was synced."""
    if not own or own[-1].place is None:
        return own
    last = own[-1]
    first = last.ordinal - last.place[0]
    group = [one for one in own if one.ordinal >= first]
    if not all(one.is_open for one in group) or os.path.getsize(last.path) > last.offset + last.place[1]:
        return own
    for number, one in enumerate(group):
        if one.ordinal != first + number or not one.is_sound:
            return own[:len(own) - len(group) + number]
    return own


def promised(folder):
    """(epoch, sequence) -> digest of what a dead sensor's files hold and have yet to send, those of older versions included."""
    files = {}
    for one in batches(folder):
        files.setdefault(one.path, []).append(one)
    found = {one.key: one.digest for own in files.values() for one in kept(own) if one.is_open and one.is_sound}
    for path in glob.glob(os.path.join(folder, "spool*.sqlite")):
        with tempfile.TemporaryDirectory() as copy:
            for suffix in ("", "-wal"):
                if os.path.exists(path + suffix):
                    shutil.copy(path + suffix, copy)
            try:
                database = sqlite3.connect(os.path.join(copy, os.path.basename(path)))
                rows = database.execute(
                    "SELECT high, low, sequence, sha256 FROM batch JOIN epoch ON epoch.id = batch.epoch").fetchall()
                gone = set(database.execute("SELECT high, low, sequence FROM abandoned").fetchall())
            except sqlite3.DatabaseError:
                continue
        for high, low, sequence, digest in rows:
            if (high, low, sequence) not in gone:
                found[(struct.pack(">qq", high, low), sequence)] = digest
    return found
