"""S3: certificates change under load, well and badly: no batch fails, and what is bad is not taken."""
import os
import shutil
import socket
import ssl
import threading
import time

import load
from world import demand

WITHIN = 15  # s; the files are looked at every 2 s, and the plan says 60


def fingerprint(world, port, leaf=None):
    """Of the certificate that a listener shows."""
    connection = world.connect(port, leaf)
    try:
        return connection.getpeercert(binary_form=True)
    finally:
        connection.close()


def der(world, name):
    with open(world.path("pki/%s.pem" % name)) as file:
        return ssl.PEM_cert_to_DER_cert(file.read().partition("-----END")[0] + "-----END CERTIFICATE-----\n")


def put(world, name, other, suffixes=(".pem", ".key")):
    """The files of `other` in the place of those of `name`, each at once."""
    for suffix in suffixes:
        shutil.copy(world.path(other + suffix), world.path("pki/new"))
        os.replace(world.path("pki/new"), world.path("pki/" + name + suffix))


def stored(world, tenant):
    total = world.ask("GET", "/v1/flows/top?limit=1", key=world.keys[tenant]).json()["total"]
    return int(total["deltaFlowCount"])


def refusals(world):
    return world.metric("weir_tls_reload_refusals_total", listener="sensors")


def connections(world, name):
    return sum('"A peer connected."' in line and name in line for line in world.read("aggregator.log").splitlines())


def rotation(world):
    """A new leaf on either side, half a file, a key of another, under load: all flows arrive once, the old pair stays."""
    tenant = "globex"
    number = next(world.names)
    node, later = "node2-%d" % number, "later-%d" % number
    world.must("weirctl", "certs", "issue", "aggregator", "pki", "--name", node)
    name = "edge-" + tenant  # a spool is one sensor's: the name stays
    shutil.copytree(world.path("pki"), world.path(later))
    os.remove(world.path("%s/%s.pem" % (later, name)))
    os.remove(world.path("%s/%s.key" % (later, name)))
    world.must("weirctl", "certs", "issue", "sensor", later, "--tenant", tenant, "--site", "hq", "--name", name)
    world.start_sensor(tenant)
    time.sleep(1)
    before, sent, is_wanted = stored(world, tenant), [0], [True]

    def send():
        sender, sequence = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), 1 << 20
        while is_wanted[0]:
            records = [(0x0A580000 | (sent[0] + one) & 0xFFF, 0xC6336401, 1024 + (sent[0] + one) % 60000, 443, 100)
                       for one in range(20)]
            sender.sendto(load.netflow5(records, sequence), ("127.0.0.1", world.udp_port))
            sequence += 20
            sent[0] += 20
            time.sleep(0.02)

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    try:
        sensors, leaf = world.sensors_port, world.sensor_leaf("acme")
        old = fingerprint(world, sensors, leaf)
        bad = refusals(world)
        with open(world.path("pki/node1.pem")) as file:
            whole = file.read()
        world.write("pki/node1.pem", whole[:len(whole) // 2])
        world.wait("half a file to be noticed", lambda: refusals(world) > bad, WITHIN)
        demand(fingerprint(world, sensors, leaf) == old, "half a file changed what is shown")
        bad = refusals(world)
        put(world, "node1", "pki/" + node, (".pem",))  # and the key of before
        world.wait("a key of another to be noticed", lambda: refusals(world) > bad, WITHIN)
        demand(fingerprint(world, sensors, leaf) == old, "a mismatch changed what is shown")
        begin = time.monotonic()
        put(world, "node1", "pki/" + node)
        world.wait("the new leaf", lambda: fingerprint(world, sensors, leaf) == der(world, node), WITHIN)
        taken = time.monotonic() - begin
        connected = connections(world, name)
        begin = time.monotonic()
        put(world, name, later + "/" + name)
        world.wait("the sensor's new leaf", lambda: connections(world, name) > connected, 60)
        sensor_taken = time.monotonic() - begin
        is_wanted[0] = False
        thread.join()
        world.wait("all flows", lambda: stored(world, tenant) >= before + sent[0], 30)
    finally:
        is_wanted[0] = False
        thread.join()
        sensor = world.processes.pop("sensor")
        sensor.terminate()
        sensor.wait(20)
    demand(stored(world, tenant) == before + sent[0], "%d flows sent, %d stored" % (sent[0], stored(world, tenant) - before))
    yield "the listener's new leaf after %.1f s, the sensor's after %.1f s; two bad pairs kept the old; %d flows sent and stored" % (
        taken, sensor_taken, sent[0])
