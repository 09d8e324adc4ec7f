#!/usr/bin/env python3
"""A detector for Weir: one host calls many others on one port within five minutes.

Protocol: Weir's handbook, "Programs". Time is that of the records, never the clock, so that the same records give the
same findings. Memory is bounded: of more than PAIRS_MAX pairs of host and port, the oldest window's are forgotten.
"""
import json
import sys

WINDOW = 300_000  # ms
HOSTS_MIN = 50
PAIRS_MAX = 20_000

HELLO = {
    "type": "hello",
    "protocol": 1,
    "kind": "detector",
    "name": "fan-out",
    "version": "1.0",
    "fields": [
        "flowStartMilliseconds",
        "flowEndMilliseconds",
        "sourceIPv4Address",
        "sourceIPv6Address",
        "destinationIPv4Address",
        "destinationIPv6Address",
        "destinationTransportPort",
        "octetDeltaCount",
        "packetDeltaCount",
    ],
    "filter": "proto tcp",
    "batchRecordsMax": 2000,
    "rules": [
        {
            "id": "many-hosts",
            "title": "One host calls many others on one port",
            "tactics": ["TA0043"],
            "techniques": ["T1595.001"],
        }
    ],
}


def say(message):
    sys.stdout.write(json.dumps(message, separators=(",", ":")) + "\n")


class Pair:
    """What one host did on one port in one window."""

    def __init__(self, start):
        self.hosts, self.start, self.end = set(), start, start
        self.flows = self.packets = self.octets = 0
        self.next, self.update = HOSTS_MIN, 0


pairs = {}  # (window start, source, port) -> Pair


def observe(record):
    """Takes in one record; the key of its pair, or None when the record has not what is needed."""
    source = record.get("sourceIPv4Address") or record.get("sourceIPv6Address")
    target = record.get("destinationIPv4Address") or record.get("destinationIPv6Address")
    port, start = record.get("destinationTransportPort"), record.get("flowStartMilliseconds")
    if not (source and target and isinstance(port, int) and isinstance(start, int) and start > 0):
        return None
    window = max(start // WINDOW * WINDOW, 1)
    key = (window, source, port)
    if key not in pairs:
        if len(pairs) >= PAIRS_MAX:
            oldest = min(pairs)[0]
            for old in [k for k in pairs if k[0] == oldest]:
                del pairs[old]
        pairs[key] = Pair(start)
    pair = pairs[key]
    pair.hosts.add(target)
    pair.start = min(pair.start, start)
    pair.end = max(pair.end, start, record.get("flowEndMilliseconds", start))
    pair.flows += 1
    pair.packets += record.get("packetDeltaCount", 0)
    pair.octets += record.get("octetDeltaCount", 0)
    return key


def finding(batch, key):
    window, source, port = key
    pair = pairs[key]
    return {
        "type": "finding",
        "batch": batch,
        "rule": "many-hosts",
        "severity": "medium",
        "title": f"{source} called {len(pair.hosts)} hosts on port {port} within five minutes",
        "entities": [{"address": source, "role": "attacker"}],
        "key": str(port),
        "ports": [port],
        "windowStart": window,
        "start": pair.start,
        "end": pair.end,
        "observed": len(pair.hosts),
        "threshold": HOSTS_MIN,
        "unit": "hosts",
        "flows": pair.flows,
        "packets": min(pair.packets, 2**64 - 1),
        "octets": min(pair.octets, 2**64 - 1),
        "update": pair.update,
    }


def answer(batch, records):
    touched = {}  # in order of first touch, so that answers come in the same order again
    for _ in range(records):
        try:
            record = json.loads(sys.stdin.readline())
            key = observe(record) if isinstance(record, dict) else None
        except (ValueError, TypeError):
            continue
        if key:
            touched[key] = True
    for key in touched:
        pair = pairs.get(key)
        if pair and len(pair.hosts) >= pair.next:
            say(finding(batch, key))
            pair.next, pair.update = len(pair.hosts) * 2, pair.update + 1
    say({"type": "done", "batch": batch})
    sys.stdout.flush()


def main():
    for line in iter(sys.stdin.readline, ""):
        message = json.loads(line)
        if message.get("type") == "host":
            say(HELLO)
            sys.stdout.flush()
        elif message.get("type") == "batch":
            answer(message["batch"], message["records"])
        elif message.get("type") == "end":
            return


main()
