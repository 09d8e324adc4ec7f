"""A WebSocket's client over TLS: wsproto's frames, over HTTP/1.1 or, with h2, an extended CONNECT of HTTP/2.

    client.py PORT CA CERTIFICATE KEY VERSION PATH PLAN [FIELD...]

Says what it sees, a line each. PLAN: listen (until N texts came: listen:N, or the server ends it), ping, data, raw:HEX.
"""
import socket
import ssl
import sys
import time

import h2.config
import h2.connection
import h2.events
import h2.settings
import wsproto
from wsproto.connection import Connection, ConnectionType
from wsproto.events import CloseConnection, Message, Ping, Pong, TextMessage
from wsproto.utilities import RemoteProtocolError

port, ca, certificate, key, version, path, plan, *fields = sys.argv[1:]
say = lambda *words: print(*words, flush=True)
context = ssl.create_default_context(cafile=ca)
context.check_hostname = False
context.load_cert_chain(certificate, key)
context.set_alpn_protocols(["h2" if version == "2" else "http/1.1"])
connection = context.wrap_socket(socket.create_connection(("127.0.0.1", int(port)), timeout=20))
connection.settimeout(20)
fields = [tuple(field.split(": ", 1)) for field in fields]


class One:
    """HTTP/1.1, RFC 6455 section 4."""

    def open(self):
        lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Upgrade: websocket", "Connection: Upgrade",
                 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]
        if not any(name.lower() == "sec-websocket-version" for name, _ in fields):
            lines.append("Sec-WebSocket-Version: 13")
        lines += [f"{name}: {value}" for name, value in fields]
        # What comes behind the request in the same packet is the WebSocket's already.
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        head = b""
        while b"\r\n\r\n" not in head:
            more = connection.recv(4096)
            if not more:
                break
            head += more
        head, _, self.rest = head.partition(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1])
        if status == 101:
            assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head, head
            assert b"transfer-encoding" not in head.lower() and b"content-length" not in head.lower(), head
        return status

    def send(self, octets):
        connection.sendall(octets)

    def receive(self):
        if self.rest:
            octets, self.rest = self.rest, b""
            return octets
        return connection.recv(65536)


class Two:
    """HTTP/2, RFC 8441."""

    def open(self):
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
        self.h2.initiate_connection()
        connection.sendall(self.h2.data_to_send())
        self.octets, self.status, self.isOver = b"", None, False
        while self.h2.remote_settings.get(h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL) != 1:
            self.turn()
        names = [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "https"), (":path", path),
                 (":authority", f"127.0.0.1:{port}"), ("sec-websocket-version", "13")]
        self.h2.send_headers(1, names + [(name.lower(), value) for name, value in fields])
        connection.sendall(self.h2.data_to_send())
        while self.status is None:
            self.turn()
        return self.status

    def turn(self):
        octets = connection.recv(65536)
        if not octets:
            self.isOver = True
            return
        for event in self.h2.receive_data(octets):
            if isinstance(event, h2.events.ResponseReceived):
                self.status = int(dict(event.headers)[":status"])
            elif isinstance(event, h2.events.DataReceived):
                self.octets += event.data
                self.h2.acknowledge_received_data(event.flow_controlled_length, 1)
            elif isinstance(event, (h2.events.StreamEnded, h2.events.StreamReset)):
                self.isOver = True
        connection.sendall(self.h2.data_to_send())

    def send(self, octets):
        self.h2.send_data(1, octets)
        connection.sendall(self.h2.data_to_send())

    def receive(self):
        while not self.octets and not self.isOver:
            self.turn()
        octets, self.octets = self.octets, b""
        return octets


wire = Two() if version == "2" else One()
status = wire.open()
say("status", status)
if status not in (101, 200):
    if version == "1":
        while connection.recv(65536):
            pass
        say("gone")
    sys.exit(0)
frames = Connection(ConnectionType.CLIENT)
kind, _, argument = plan.partition(":")
if kind == "ping":
    wire.send(frames.send(Ping(payload=b"hello")))
elif kind == "data":
    wire.send(frames.send(TextMessage(data="hello")))
elif kind == "raw":
    wire.send(bytes.fromhex(argument))
wanted = int(argument) if kind == "listen" and argument else None
texts, parts = 0, ""
while True:
    octets = wire.receive()
    if not octets:
        say("gone")
        break
    frames.receive_data(octets)
    for event in frames.events():
        if isinstance(event, Message):
            parts += event.data
            if event.message_finished:
                say("text", parts)
                texts, parts = texts + 1, ""
        elif isinstance(event, Ping):
            wire.send(frames.send(event.response()))
        elif isinstance(event, Pong):
            say("pong", bytes(event.payload).decode())
            wire.send(frames.send(CloseConnection(code=1000)))
        elif isinstance(event, CloseConnection):
            say("close", event.code)
            if frames.state.name != "CLOSED":
                try:
                    wire.send(frames.send(event.response()))
                except OSError:
                    pass
        if wanted is not None and texts == wanted:
            wanted = None
            wire.send(frames.send(CloseConnection(code=1000)))
