"""HTTP/2 frames (RFC 9113) by hand: what no client library would send."""
import socket
import ssl
import struct
import time

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED = 1, 1, 4, 8


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def integer(value, bits, first=0):
    """RFC 7541 §5.1."""
    most = (1 << bits) - 1
    if value < most:
        return bytes((first | value,))
    out, value = [first | most], value - most
    while value >= 128:
        out.append(value % 128 + 128)
        value //= 128
    return bytes(out + [value])


def literal(name, value):
    """A field that is not to be indexed (RFC 7541 §6.2.2), without Huffman coding."""
    return b"\0" + integer(len(name), 7) + name.encode() + integer(len(value), 7) + value.encode()


def kept(name, value):
    """A field that goes into the dynamic table (§6.2.1)."""
    return b"\x40" + literal(name, value)[1:]


def request(method="GET", path="/healthz", fields=()):
    all_fields = [(":method", method), (":scheme", "https"), (":path", path), (":authority", "localhost"), *fields]
    return b"".join(literal(name, value) for name, value in all_fields)


def settings(*pairs):
    return frame(SETTINGS, payload=b"".join(struct.pack(">HI", *pair) for pair in pairs))


class Peer:
    """One connection; what comes back is read frame by frame. `is_open` is false once the other end has closed."""

    def __init__(self, connection):
        self.connection, self.buffer, self.is_open, self.frames = connection, b"", True, []

    def begin(self, *pairs):
        return self.send(PREFACE + settings(*pairs))

    def send(self, octets):
        """Whether it could be sent; gives up a connection whose other end reads nothing for its timeout."""
        try:
            self.connection.sendall(octets)
        except (OSError, ssl.SSLError):
            self.is_open = False
        return self.is_open

    def read(self, seconds):
        """Reads until the connection ends or so long; returns (type, flags, stream, payload) of all that came."""
        deadline, found = time.monotonic() + seconds, []
        while self.is_open and time.monotonic() < deadline:
            self.connection.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                octets = self.connection.recv(1 << 16)
            except (socket.timeout, ssl.SSLWantReadError):
                break
            except OSError:
                octets = b""
            if not octets:
                self.is_open = False
            self.buffer += octets
            while len(self.buffer) >= 9:
                length = int.from_bytes(self.buffer[:3], "big")
                if len(self.buffer) < 9 + length:
                    break
                found.append((self.buffer[3], self.buffer[4], int.from_bytes(self.buffer[5:9], "big") & 0x7FFFFFFF,
                              self.buffer[9:9 + length]))
                self.buffer = self.buffer[9 + length:]
        self.connection.settimeout(10)
        self.frames += found
        return found

    def await_end(self, seconds):
        """Whether the other end closed within so long."""
        deadline = time.monotonic() + seconds
        while self.is_open and time.monotonic() < deadline:
            self.read(min(0.2, max(0.01, deadline - time.monotonic())))
        return not self.is_open

    def close(self):
        try:
            self.connection.close()
        except OSError:
            pass
