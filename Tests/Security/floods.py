"""S5, S7: HTTP/2 attacks, bombs and slow clients, on both listeners, with somebody else asking meanwhile."""
import hashlib
import os
import struct
import time
import zlib

import http2
from world import Bystander, demand

GROWTH_MAX = 64  # MiB
CUT_WITHIN = 5  # seconds of attack
SERVED_WITHIN = 2000  # ms, of the bystander's requests all but one in a hundred: debug programs, two cores


def blocks(make):
    """Endless blobs of 200 pieces, `make` given the number of each piece."""
    number = 0
    while True:
        yield b"".join(make(number + one) for one in range(200))
        number += 200


def stream(number):
    return (2 * number + 1) & 0x7FFFFFFF


def rapid_reset(number):
    return (http2.frame(http2.HEADERS, http2.END_HEADERS | http2.END_STREAM, stream(number), http2.request())
            + http2.frame(http2.RST_STREAM, 0, stream(number), struct.pack(">I", 8)))


def made_you_reset(number):
    """CVE-2025-8671: the server is made to reset each stream, by a window's change by 0."""
    return (http2.frame(http2.HEADERS, http2.END_HEADERS | http2.END_STREAM, stream(number), http2.request())
            + http2.frame(http2.WINDOW_UPDATE, 0, stream(number), bytes(4)))


def made_you_reset_by_data(number):
    return (http2.frame(http2.HEADERS, http2.END_HEADERS | http2.END_STREAM, stream(number), http2.request())
            + http2.frame(http2.DATA, 0, stream(number), b"x"))


def continuation(number):
    if number == 0:
        return http2.frame(http2.HEADERS, http2.END_STREAM, 1, http2.request())
    return http2.frame(http2.CONTINUATION, 0, 1, http2.literal("x-%d" % number, "y" * 500))


def empty_continuation(number):
    if number == 0:
        return http2.frame(http2.HEADERS, http2.END_STREAM, 1, http2.request())
    return http2.frame(http2.CONTINUATION, 0, 1)


def hpack_bomb(number):
    """One long field in the dynamic table, and then its index, an octet each, ten thousand times a request."""
    if number == 0:
        first = http2.request() + http2.kept("bomb", "x" * 4000)
        return http2.frame(http2.HEADERS, http2.END_HEADERS | http2.END_STREAM, 1, first)
    return http2.frame(http2.HEADERS, http2.END_HEADERS | http2.END_STREAM, stream(number),
                       http2.request() + b"\xbe" * 10000)


def ping(number):
    return http2.frame(http2.PING, payload=struct.pack(">Q", number))


def settings(number):
    return http2.settings((4, 65535 + number % 2))


def priority(number):
    return http2.frame(http2.PRIORITY, 0, stream(number), struct.pack(">IB", 0, number % 256))


def window_update(number):
    return http2.frame(http2.WINDOW_UPDATE, 0, 0, struct.pack(">I", 1))


def empty_data(number):
    if number == 0:
        return http2.frame(http2.HEADERS, http2.END_HEADERS, 1, http2.request("POST", "/v1/session"))
    return http2.frame(http2.DATA, 0, 1)


def unknown_frames(number):
    return http2.frame(0xEE, 0xFF, 0, b"")


def settings_acks(number):
    return http2.frame(http2.SETTINGS, http2.ACK)


FLOODS = {
    "rapid reset": rapid_reset, "MadeYouReset by WINDOW_UPDATE": made_you_reset,
    "MadeYouReset by DATA": made_you_reset_by_data, "CONTINUATION": continuation,
    "empty CONTINUATION": empty_continuation, "HPACK bomb": hpack_bomb, "PING": ping, "SETTINGS": settings,
    "SETTINGS ACK": settings_acks, "PRIORITY": priority, "WINDOW_UPDATE": window_update, "empty DATA": empty_data,
    "unknown frames": unknown_frames,
}


def flood(world, name, make, port, leaf):
    """Sends as fast as it is read, answers unread, until the other end closes."""
    peer = http2.Peer(world.connect(port, leaf))
    begin, sent = time.monotonic(), 0
    peer.begin()
    for block in blocks(make):
        if time.monotonic() - begin > CUT_WITHIN or not peer.send(block):
            break
        sent += 200
    is_cut = not peer.is_open or peer.await_end(3)
    seconds = time.monotonic() - begin
    peer.close()
    return is_cut, seconds, sent


def http2_floods(world):
    """Each is cut, in 64 MiB, and somebody else is served meanwhile."""
    for listener, port, leaf in (("api", world.api_port, None), ("sensors", world.sensors_port, world.sensor_leaf())):
        for name, make in FLOODS.items():
            world.forget_peak()
            before = world.memory()
            with Bystander(world) as other:
                is_cut, seconds, sent = flood(world, name, make, port, leaf)
            growth = world.memory_peak() - before
            note = "%s at %s: cut %s after %.2f s, %d pieces; %+.0f MiB, bystander p99 %.0f ms" % (
                name, listener, is_cut, seconds, sent, growth, other.p99())
            yield note
            demand(is_cut, "not cut: " + note)
            demand(growth <= GROWTH_MAX, "memory: " + note)
            demand(not other.failures, "bystander failed: %s %s" % (other.failures[:3], note))
            demand(other.p99() <= SERVED_WITHIN, "bystander waited: " + note)


def unread_answers(world):
    """Many ask for the largest answers that need no key, and read none: by HTTP/2's window, and by TCP's."""
    for target in ("/openapi.json", "/metrics"):
        world.ask("GET", target)
        world.forget_peak()
        before, peers = world.memory(), []
        with Bystander(world) as other:
            for _ in range(10):
                peer = http2.Peer(world.connect())
                peer.begin((4, 0))  # SETTINGS_INITIAL_WINDOW_SIZE
                peer.send(b"".join(http2.frame(http2.HEADERS, http2.END_HEADERS | http2.END_STREAM, stream(number),
                                               http2.request(path=target)) for number in range(100)))
                peers.append(peer)
            time.sleep(3)
        growth = world.memory_peak() - before
        for peer in peers:
            peer.close()
        note = "1,000 answers of %s unread: %+.0f MiB, bystander p99 %.0f ms" % (target, growth, other.p99())
        yield note
        demand(growth <= GROWTH_MAX, "memory: " + note)
        demand(not other.failures, "bystander failed: %s" % other.failures[:3])


def bodies(world):
    """(what, headers, body) of bombs: each small, and large once it is opened."""
    zeros = zlib.compressobj(9, zlib.DEFLATED, 31)
    gzip = b"".join(zeros.compress(bytes(1 << 20)) for _ in range(64)) + zeros.flush()
    yield "gzip of 64 MiB", [("content-encoding", "gzip")], gzip
    # zstd: a frame that says 10 GB and has one block of a repeated octet, 128 KiB each, 80,000 times over.
    zstd = b"\x28\xb5\x2f\xfd\xe0" + struct.pack("<Q", 10 << 30)
    zstd += b"".join(((0 if one < 79999 else 1) | 1 << 1 | (128 << 10) << 3).to_bytes(3, "little") + b"\0"
                     for one in range(80000))
    yield "zstd of 10 GB", [("content-encoding", "zstd")], zstd
    yield "zstd that asks for a window of 2 TB", [], b"\x28\xb5\x2f\xfd\x00\xf8" + b"\x00" * 64
    yield "nested JSON", [], b"[" * 200000
    yield "random", [], os.urandom(1 << 20)


def post(world, path, fields, body, leaf, port, wait=10):
    """Over HTTP/2; returns the frames that came, and the seconds that they took."""
    peer = http2.Peer(world.connect(port, leaf))
    try:
        peer.begin()
        begin = time.monotonic()
        peer.send(http2.frame(http2.HEADERS, http2.END_HEADERS, 1, http2.request("POST", path, fields)))
        for start in range(0, len(body), 16384):
            last = http2.END_STREAM if start + 16384 >= len(body) else 0
            if not peer.send(http2.frame(http2.DATA, last, 1, body[start:start + 16384])):
                break
        found = []
        while peer.is_open and time.monotonic() - begin < wait:
            found += peer.read(0.05)
            if any(kind == http2.HEADERS or kind == http2.RST_STREAM for kind, _, _, _ in found):
                break
        return found, time.monotonic() - begin
    finally:
        peer.close()


def bombs(world):
    """Each is refused in no time and no memory, by both listeners."""
    stored = world.metric("weir_ingest_batches_stored_total")
    for what, fields, body in bodies(world):
        digest = hashlib.sha256(body).hexdigest()
        batch = [("weir-epoch", "0" * 31 + "1"), ("weir-sequence", "0"), ("weir-sha256", digest), *fields]
        for path, more, leaf, port in (
                ("/v1/batches", batch, world.sensor_leaf(), world.sensors_port),
                ("/v1/heartbeat", fields, world.sensor_leaf(), world.sensors_port),
                ("/v1/session", [("content-type", "application/json"), *fields], None, world.api_port),
                ("/v1/hunts", [("content-type", "application/json"), ("authorization", "Bearer " + world.keys["acme"]),
                               *fields], None, world.api_port)):
            world.forget_peak()
            before = world.memory()
            found, seconds = post(world, path, more, body, leaf, port)
            growth = world.memory_peak() - before
            note = "%s (%d octets) to %s: %.2f s, %+.0f MiB" % (what, len(body), path, seconds, growth)
            yield note
            statuses = [payload[:4] for kind, _, _, payload in found if kind == http2.HEADERS]
            demand(statuses or any(kind in (http2.RST_STREAM, http2.GOAWAY) for kind, _, _, _ in found),
                   "not answered: " + note)
            demand(all(payload[:1] != b"\x88" for payload in statuses), "accepted: " + note)  # :status 200, indexed
            demand(growth <= GROWTH_MAX, "memory: " + note)
    demand(world.metric("weir_ingest_batches_stored_total") == stored, "a bomb was stored")
