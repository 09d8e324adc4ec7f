"""T4, T8, S17: shared connections, a tenant who asks for too much, secrets in what is said."""
import os
import random
import re
import socket
import struct
import threading
import time

import http2
from world import Bystander, demand, percentile

def netflow5(records, sequence):
    """A datagram (NetFlow v5) of (source, destination, source port, destination port, octets)."""
    now = time.time()
    head = struct.pack("!HHIIIIBBH", 5, len(records), 3600000, int(now), 0, sequence, 0, 0, 0)
    body = b"".join(
        struct.pack("!IIIHHIIIIHHBBBBHHBBH", source, destination, 0, 1, 2, 3, octets, 3590000, 3599000, sport, dport, 0,
                    0x1B, 6, 0, 0, 0, 0, 0, 0) for source, destination, sport, dport, octets in records)
    return head + body


def feed(world, tenant, base, count):
    """Sends records of hosts base.* through a sensor of the tenant, and waits until they are stored."""
    world.start_sensor(tenant)
    time.sleep(1)
    sender, rng = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), random.Random(base)
    for sequence in range(0, count, 20):
        records = [(base | rng.randrange(1 << 12), 0xC6336401 + rng.randrange(200), rng.randrange(1024, 65000), 443,
                    rng.randrange(100, 100000)) for _ in range(20)]
        sender.sendto(netflow5(records, sequence), ("127.0.0.1", world.udp_port))
        time.sleep(0.002)
    world.wait("flows of " + tenant, lambda: len(
        world.ask("GET", "/v1/flows?limit=100", key=world.keys[tenant]).json()["items"]) == 100)
    sensor = world.processes.pop("sensor")
    sensor.terminate()
    sensor.wait(20)


def shared_connections(world):
    """Clients of two tenants on common HTTP/2 connections, requests cancelled at random: nobody sees another's hosts."""
    marks, wrong, asked = {"acme": (b"10.77.", b"10.88."), "globex": (b"10.88.", b"10.77.")}, [], [0]

    def client(seed):
        rng, peer, owner, number, bodies = random.Random(seed), None, {}, 0, {}
        deadline = time.monotonic() + 8
        while time.monotonic() < deadline:
            if peer is None or not peer.is_open:
                peer, owner, number, bodies = http2.Peer(world.connect()), {}, 0, {}
                peer.begin()
            for _ in range(8):
                tenant, stream = rng.choice(list(marks)), 2 * number + 1
                number += 1
                owner[stream] = tenant
                path = rng.choice(["/v1/flows?limit=20", "/v1/flows/top?limit=20", "/v1/sensors", "/v1/incidents"])
                peer.send(http2.frame(http2.HEADERS, http2.END_HEADERS | http2.END_STREAM, stream, http2.request(
                    path=path, fields=[("authorization", "Bearer " + world.keys[tenant])])))
                if rng.random() < 0.05:
                    peer.send(http2.frame(http2.RST_STREAM, 0, stream, struct.pack(">I", 8)))
            received = 0
            for kind, _, stream, payload in peer.read(0.1):
                if kind == http2.DATA:
                    bodies[stream] = bodies.get(stream, b"") + payload
                    received += len(payload)
            if received:
                peer.send(http2.frame(http2.WINDOW_UPDATE, 0, 0, struct.pack(">I", received)))
            for stream, body in bodies.items():
                asked[0] += 1
                if marks[owner[stream]][1] in body:
                    wrong.append((owner[stream], stream))
            bodies = {}
            if number > 200:
                peer.close()
                peer = None

    threads = [threading.Thread(target=client, args=(seed,)) for seed in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    demand(not wrong, "another tenant's data: %s" % wrong[:5])
    demand(asked[0] > 20, "only %d answers" % asked[0])
    yield "%d answers on connections of both tenants, 1 of 20 cancelled: no host of the other" % asked[0]


def settle(world, target):
    """Waits until what earlier cases asked is answered or given up: until then a question may be told to come again."""
    deadline, good = time.monotonic() + 20, 0
    while good < 5:
        demand(time.monotonic() < deadline, "nothing is asked, and %s is still refused" % target)
        good = good + 1 if world.ask("GET", target, key=world.keys["globex"]).status == 200 else 0
        time.sleep(0.1)


def noisy_tenant(world):
    """One tenant's heavy questions, many at once; another's are answered about as fast as before."""
    target = "/v1/flows/top?by=sourceAddress&limit=10"
    settle(world, target)

    def quiet(seconds):
        """The quiet tenant's questions, and its looks at a list, which no question is to hold up."""
        with Bystander(world, target, key=world.keys["globex"], pause=0.05) as asking, \
                Bystander(world, "/v1/incidents", key=world.keys["globex"], pause=0.05) as looking:
            time.sleep(seconds)
        demand(not asking.failures and not looking.failures, "%s %s" % (asking.failures[:3], looking.failures[:3]))
        return asking, looking

    alone, alone_looking = quiet(4)
    heavy = "/v1/flows/top?by=sourceAddress,destinationAddress,sourceTransportPort,destinationTransportPort&limit=1000"
    state, statuses = {"run": True}, {}

    def noise(number):
        # Each its own question: what is asked twice at once is answered once.
        connection, own = world.client(), "%s&from=%d" % (heavy, number)
        while state["run"]:
            status = world.ask("GET", own, key=world.keys["acme"], client=connection).status
            statuses[status] = statuses.get(status, 0) + 1
        connection.close()

    threads = [threading.Thread(target=noise, args=(number,), daemon=True) for number in range(20)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    try:
        beside, beside_looking = quiet(6)
    finally:
        state["run"] = False
        for thread in threads:
            thread.join()
    demand(set(statuses) <= {200, 429, 503}, "the noisy one: %s" % statuses)
    medians = [percentile(one.seconds, 0.5) * 1000 for one in (alone, beside)]
    yield "alone p50 %.0f p99 %.0f ms, a list p99 %.0f ms; beside 20 noisy clients p50 %.0f p99 %.0f ms, a list p99 %.0f ms; %s" % (
        medians[0], alone.p99(), alone_looking.p99(), medians[1], beside.p99(), beside_looking.p99(), statuses)
    # The clients take a part of the same cores; what the scheduler alone does to it is `TurnTableTests`' to say.
    demand(medians[1] <= 3 * medians[0] + 20, "the quiet tenant waits %.0f ms instead of %.0f" % (medians[1], medians[0]))
    demand(beside.p99() < 3000, "the quiet tenant waits %.0f ms" % beside.p99())


def secrets(world):
    """No key, password, token or private key is in a log, a command line, a metric or a file that others may read."""
    password = world.person("acme", "quiet@acme.example")
    cookie = world.sign_in("quiet@acme.example", password)
    world.ask("GET", "/v1/incidents", key="weir_" + "x" * 36)
    world.ask("GET", "/v1/flows?filter=" + world.keys["acme"], key=world.keys["acme"])
    world.ask("POST", "/v1/session", body={"email": "quiet@acme.example", "password": password + "!"})
    tokens = [open(world.path(name)).read().strip() for name in os.listdir(world.folder) if name.startswith("token")]
    words = [*world.keys.values(), password, cookie.partition("=")[2], "BEGIN PRIVATE KEY", "BEGIN EC PRIVATE KEY", *tokens]
    places, pages = 0, {"metrics": world.ask("GET", "/metrics").body}
    for process in world.processes.values():
        with open("/proc/%d/cmdline" % process.pid, "rb") as file:
            pages["cmdline"] = file.read()
    for name in os.listdir(world.folder):
        if name.endswith(".log"):
            with open(world.path(name), "rb") as file:
                pages[name] = file.read()
    for folder, _, names in os.walk(world.path("data")):
        for name in names:
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                pages[path] = file.read()
            demand(os.stat(path).st_mode & 0o007 == 0 or not re.search(r"\.(key|kek|token)$", name),
                   "others may read " + name)
    for place, page in pages.items():
        places += 1
        for number, word in enumerate(words):
            if place.endswith("set-up.token"):
                continue
            demand(word.encode() not in page, "secret %d is in %s" % (number, place))
    for name in ("pseudonyms.key", "factors.key", "node.kek", "set-up.token"):
        path = os.path.join(world.path("data"), name)
        if os.path.exists(path):
            demand(os.stat(path).st_mode & 0o077 == 0, "%s is readable by others" % name)
    yield "%d secrets in none of %d places: logs, metrics, command lines, every file of the data folder" % (len(words), places)
