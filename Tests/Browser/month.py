"""A month of an office's flows with a thousand suspicious hosts in it: NetFlow v5 in a capture, which a sensor imports."""
import random
import socket
import struct
import time

HOSTS, DAYS, PORT = 1_000, 30, 4444
RULE = """title: A port that nobody uses
id: 33333333-2222-4333-8444-555555555555
status: test
logsource:
  category: network_connection
detection:
  odd:
    DestinationPort: %d
  condition: odd
level: medium
""" % PORT


def record(source, destination, port, at, packets, octets):
    """One flow of half a second that ended when its datagram was sent; the exporter has been up for a thousand seconds then."""
    return struct.pack(">4s4s4sHHIIIIHHBBBBHHBBH", socket.inet_aton(source), socket.inet_aton(destination), b"\0" * 4, 1, 2, packets, octets,
                       999_500, 1_000_000, at % 20_000 + 20_000, port, 0, 0x1B, 6, 0, 0, 0, 0, 0, 0)


def datagram(at, sequence, records):
    head = struct.pack(">HHIIIIBBH", 5, len(records), 1_000_000, at, 0, sequence, 0, 0, 0)
    payload = head + b"".join(records)
    udp = struct.pack(">HHHH", 40_000, 2055, 8 + len(payload), 0) + payload
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, socket.inet_aton("192.0.2.10"), socket.inet_aton("192.0.2.20"))
    total = sum(struct.unpack(">10H", ip))
    total = (total & 0xFFFF) + (total >> 16)
    ip = ip[:10] + struct.pack(">H", ~(total + (total >> 16)) & 0xFFFF) + ip[12:]
    frame = b"\0" * 12 + b"\x08\0" + ip + udp
    return struct.pack("<IIII", at, 0, len(frame), len(frame)) + frame


def write(path, now=None):
    """Five minutes of each day, since each window of a sensor is a batch; each odd host on one of them."""
    chance, end = random.Random(7), int(now or time.time()) - 900
    when = lambda day: end - day * 86_400 - chance.randrange(300)  # noqa: E731
    times = sorted([(when(day), None) for day in range(DAYS) for _ in range(190)] + [(when(host % DAYS), host) for host in range(HOSTS)],
                   key=lambda one: (one[0], one[1] or 0))
    sequence = 0
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 1))
        for at, host in times:
            if host is None:
                rows = [record("10.1.0.%d" % chance.randrange(1, 200), "198.51.100.%d" % chance.randrange(1, 60), chance.choice((443, 443, 53, 22, 25)), at,
                               chance.randrange(1, 90), chance.randrange(60, 90_000)) for _ in range(3)]
            else:
                rows = [record("10.9.%d.%d" % (host // 250, host % 250 + 1), "203.0.113.%d" % chance.randrange(1, 250), PORT, at, 3, 180)]
            file.write(datagram(at, sequence, rows))
            sequence += len(rows)
