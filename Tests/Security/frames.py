"""S6: what RFC 9113 says a server does with each frame that must not come so, section by section, as h2spec asks it.

`CONNECTION`: a GOAWAY, or the connection ends. `STREAM`: RST_STREAM, or any of the former; a request that is malformed
may also get an answer of 4xx (§8.1.1). `FINE`: nothing of that, and a request afterwards is answered."""
import struct

import http2
from http2 import (ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PADDED, PING, PRIORITY, PUSH_PROMISE,
                   RST_STREAM, SETTINGS, WINDOW_UPDATE, frame, literal, request)
from world import demand

CONNECTION, STREAM, FINE = "connection", "stream", "fine"
OPEN = frame(HEADERS, END_HEADERS, 1, request("POST", "/v1/session"))  # more is to come
WHOLE = frame(HEADERS, END_HEADERS | END_STREAM, 1, request())
BEGUN = frame(HEADERS, END_STREAM, 1, request())  # its block goes on


def number(value):
    return struct.pack(">I", value)


def setting(name, value):
    return frame(SETTINGS, payload=struct.pack(">HI", name, value))


def asked(fields):
    """A request of these fields alone."""
    return frame(HEADERS, END_HEADERS | END_STREAM, 1, b"".join(literal(*one) for one in fields))


PSEUDO = [(":method", "GET"), (":scheme", "https"), (":path", "/healthz"), (":authority", "localhost")]

CASES = [
    ("4.2 DATA of more than 16,384 octets", STREAM, OPEN + frame(DATA, 0, 1, bytes(16385))),
    ("4.2 HEADERS of more than 16,384 octets", CONNECTION, frame(HEADERS, END_HEADERS, 1, request() + bytes(16385))),
    ("4.3 a field block that can't be read", CONNECTION, frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\x40")),
    ("4.3 an index that no table has", CONNECTION, frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\xff\xff\x7f")),
    ("4.3 PRIORITY in a field block", CONNECTION, BEGUN + frame(PRIORITY, 0, 1, bytes(5))),
    ("4.3 another stream's HEADERS in a field block", CONNECTION, BEGUN + frame(HEADERS, END_HEADERS, 3, request())),
    ("5.1 DATA to an idle stream", CONNECTION, frame(DATA, END_STREAM, 1, b"x")),
    ("5.1 RST_STREAM to an idle stream", CONNECTION, frame(RST_STREAM, 0, 1, number(8))),
    ("5.1 WINDOW_UPDATE to an idle stream", CONNECTION, frame(WINDOW_UPDATE, 0, 1, number(1))),
    ("5.1 CONTINUATION to an idle stream", CONNECTION, frame(CONTINUATION, END_HEADERS, 1, request())),
    ("5.1 DATA after the end of a stream", STREAM, WHOLE + frame(DATA, END_STREAM, 1, b"x")),
    ("5.1 HEADERS after the end of a stream", STREAM, WHOLE + frame(HEADERS, END_HEADERS | END_STREAM, 1, request())),
    ("5.1 CONTINUATION after the end of a stream", CONNECTION, WHOLE + frame(CONTINUATION, END_HEADERS, 1, request())),
    ("5.1 DATA after RST_STREAM", STREAM, OPEN + frame(RST_STREAM, 0, 1, number(8)) + frame(DATA, END_STREAM, 1, b"x")),
    ("5.1.1 a stream of an even number", CONNECTION, frame(HEADERS, END_HEADERS | END_STREAM, 2, request())),
    ("5.1.1 a number lower than before", CONNECTION, frame(HEADERS, END_HEADERS | END_STREAM, 5, request())
     + frame(HEADERS, END_HEADERS | END_STREAM, 3, request())),
    ("5.1.2 more streams than were allowed", STREAM,
     b"".join(frame(HEADERS, END_HEADERS, 2 * one + 1, request("POST", "/v1/session")) for one in range(102))),
    ("5.5 a frame of unknown type", FINE, frame(0xEE, 0xFF, 0, b"what")),
    ("5.5 a frame of unknown type in a field block", CONNECTION, BEGUN + frame(0xEE, 0, 1, b"what")),
    ("6.1 DATA on stream 0", CONNECTION, frame(DATA, END_STREAM, 0, b"x")),
    ("6.1 DATA with more padding than payload", CONNECTION, OPEN + frame(DATA, PADDED | END_STREAM, 1, b"\x09x")),
    ("6.2 HEADERS on stream 0", CONNECTION, frame(HEADERS, END_HEADERS | END_STREAM, 0, request())),
    ("6.2 HEADERS with more padding than payload", CONNECTION,
     frame(HEADERS, END_HEADERS | END_STREAM | PADDED, 1, b"\xff" + request())),
    ("6.3 PRIORITY on stream 0", CONNECTION, frame(PRIORITY, 0, 0, bytes(5))),
    ("6.3 PRIORITY of 4 octets", STREAM, OPEN + frame(PRIORITY, 0, 1, bytes(4))),
    ("6.4 RST_STREAM on stream 0", CONNECTION, frame(RST_STREAM, 0, 0, number(8))),
    ("6.4 RST_STREAM of 3 octets", CONNECTION, OPEN + frame(RST_STREAM, 0, 1, bytes(3))),
    ("6.5 SETTINGS with ACK and payload", CONNECTION, frame(SETTINGS, ACK, 0, bytes(6))),
    ("6.5 SETTINGS on a stream", CONNECTION, frame(SETTINGS, 0, 1, bytes(6))),
    ("6.5 SETTINGS of 3 octets", CONNECTION, frame(SETTINGS, 0, 0, bytes(3))),
    ("6.5.2 ENABLE_PUSH of 2", CONNECTION, setting(2, 2)),
    ("6.5.2 INITIAL_WINDOW_SIZE of 2^31", CONNECTION, setting(4, 1 << 31)),
    ("6.5.2 MAX_FRAME_SIZE of 16,383", CONNECTION, setting(5, 16383)),
    ("6.5.2 MAX_FRAME_SIZE of 2^24", CONNECTION, setting(5, 1 << 24)),
    ("6.5.2 an unknown setting", FINE, setting(0xEE, 7)),
    ("6.6 PUSH_PROMISE from a client", CONNECTION, OPEN + frame(PUSH_PROMISE, END_HEADERS, 1, number(2) + request())),
    ("6.7 PING on a stream", CONNECTION, frame(PING, 0, 1, bytes(8))),
    ("6.7 PING of 6 octets", CONNECTION, frame(PING, 0, 0, bytes(6))),
    ("6.8 GOAWAY on a stream", CONNECTION, frame(GOAWAY, 0, 1, bytes(8))),
    ("6.9 WINDOW_UPDATE by 0", CONNECTION, frame(WINDOW_UPDATE, 0, 0, number(0))),
    ("6.9 WINDOW_UPDATE of a stream by 0", STREAM, OPEN + frame(WINDOW_UPDATE, 0, 1, number(0))),
    ("6.9 WINDOW_UPDATE of 3 octets", CONNECTION, frame(WINDOW_UPDATE, 0, 0, bytes(3))),
    ("6.9.1 a connection's window beyond 2^31 - 1", CONNECTION, 2 * frame(WINDOW_UPDATE, 0, 0, number((1 << 31) - 1))),
    ("6.9.1 a stream's window beyond 2^31 - 1", STREAM, OPEN + 2 * frame(WINDOW_UPDATE, 0, 1, number((1 << 31) - 1))),
    ("6.10 CONTINUATION on stream 0", CONNECTION, BEGUN + frame(CONTINUATION, END_HEADERS, 0, b"")),
    ("6.10 CONTINUATION after END_HEADERS", CONNECTION, OPEN + frame(CONTINUATION, END_HEADERS, 1, b"")),
    ("6.10 DATA in a field block", CONNECTION, BEGUN + frame(DATA, END_STREAM, 1, b"x")),
    ("8.1 trailers without the end", STREAM, OPEN + frame(HEADERS, END_HEADERS, 1, literal("a", "b"))),
    ("8.1.1 content-length that DATA belies", STREAM, frame(HEADERS, END_HEADERS, 1, request("POST", "/v1/session", [
        ("content-length", "1"), ("content-type", "application/json")])) + frame(DATA, END_STREAM, 1, b"{}")),
    ("8.2.1 a name in upper case", STREAM, asked(PSEUDO + [("X-Test", "1")])),
    ("8.2.2 a field of the connection", STREAM, asked(PSEUDO + [("connection", "keep-alive")])),
    ("8.2.2 TE other than trailers", STREAM, asked(PSEUDO + [("te", "gzip")])),
    ("8.3 an unknown pseudo-field", STREAM, asked(PSEUDO + [(":what", "1")])),
    ("8.3 a response's pseudo-field", STREAM, asked(PSEUDO + [(":status", "200")])),
    ("8.3 a pseudo-field behind others", STREAM, asked(PSEUDO[:2] + [("a", "b")] + PSEUDO[2:])),
    ("8.3.1 an empty path", STREAM, asked(PSEUDO[:2] + [(":path", ""), PSEUDO[3]])),
    ("8.3.1 no method", STREAM, asked(PSEUDO[1:])),
    ("8.3.1 no scheme", STREAM, asked(PSEUDO[:1] + PSEUDO[2:])),
    ("8.3.1 no path", STREAM, asked(PSEUDO[:2] + PSEUDO[3:])),
    ("8.3.1 two methods", STREAM, asked(PSEUDO[:1] + PSEUDO)),
    ("8.3.1 two paths", STREAM, asked(PSEUDO + [(":path", "/readyz")])),
]
OK = b"\x88"  # :status 200, indexed (RFC 7541 appendix A)


def is_over(found, peer):
    return not peer.is_open or any(kind == GOAWAY for kind, _, _, _ in found)


def seen(world, octets, port, leaf, want):
    """What came of it: connection, stream, refused (an answer other than 200), answered or nothing."""
    peer = http2.Peer(world.connect(port, leaf))
    try:
        peer.begin()
        peer.send(octets)
        found = []
        for _ in range(30):
            found += peer.read(0.05)
            if is_over(found, peer):
                return CONNECTION
            if any(kind == RST_STREAM for kind, _, _, _ in found):
                return STREAM
            if want != CONNECTION and any(kind == HEADERS and payload[:1] != OK for kind, _, _, payload in found):
                return "refused"
            if want == FINE:
                break
        if want == FINE:
            peer.send(frame(HEADERS, END_HEADERS | END_STREAM, 7, request()))
            found += peer.read(1)
            return FINE if any(kind == HEADERS and stream == 7 for kind, _, stream, _ in found) else "nothing"
        return "answered" if any(kind == HEADERS for kind, _, _, _ in found) else "nothing"
    finally:
        peer.close()


def rfc9113(world):
    """Each frame that must not come so, on both ports: the error that the RFC names, or a stricter one."""
    allowed = {CONNECTION: {CONNECTION}, STREAM: {STREAM, CONNECTION}, FINE: {FINE}}
    wrong, tried = [], 0
    for listener, port, leaf in (("api", world.api_port, None), ("sensors", world.sensors_port, world.sensor_leaf())):
        for name, want, octets in CASES:
            malformed = name.startswith("8.")
            came = seen(world, octets, port, leaf, want)
            tried += 1
            if came not in allowed[want] and not (malformed and came == "refused"):
                wrong.append("%s at %s: %s" % (name, listener, came))
        peer = http2.Peer(world.connect(port, leaf))
        peer.begin()
        peer.send(frame(PING, 0, 0, b"12345678"))
        found = peer.read(0.5)
        demand((PING, ACK, 0, b"12345678") in found, "6.7 at %s: a PING is not answered" % listener)
        demand(any(kind == SETTINGS and flags == ACK for kind, flags, _, _ in found), "6.5.3 at %s: no ACK" % listener)
        peer.close()
        peer = http2.Peer(world.connect(port, leaf))
        peer.send(b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n" + frame(SETTINGS))
        demand(peer.await_end(5), "3.4 at %s: a wrong preface goes on" % listener)
        peer.close()
    demand(not wrong, "%d of %d: %s" % (len(wrong), tried, "; ".join(wrong)))
    yield "%d rules on each port: none broken" % (len(CASES) + 3)
