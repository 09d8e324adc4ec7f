"""What the checks of this folder share: lines that deploy/test counts, and a small Weir on free ports of 127.0.0.1."""
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
HANDBOOK = os.path.join(ROOT, "Common/Handbook/Handbook.docc")
failures = []


def check(name, problem, detail=""):
    """`problem` is what is wrong; empty: nothing."""
    if problem:
        failures.append(name)
        print(f'✘ Test "{name}" failed after 0 seconds: {problem}')
    else:
        print(f'✔ Test "{name}" passed after 0 seconds: {detail}')
    sys.stdout.flush()


def tool(*command):
    """What a tool says when it is not content."""
    run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    return "" if run.returncode == 0 else (run.stdout + run.stderr).strip() or f"exit {run.returncode}"


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class World:
    """An aggregator and a sensor with identities for a trial."""

    def __init__(self, programs, folder):
        self.programs, self.folder, self.children = programs, folder, []
        self.ingest, self.api, self.metrics = (free_port() for _ in range(3))
        self.udp = free_port(socket.SOCK_DGRAM)

    def path(self, name):
        return os.path.join(self.folder, name)

    def call(self, program, *arguments):
        run = subprocess.run([os.path.join(self.programs, program), *arguments], cwd=self.folder, capture_output=True, text=True)
        if run.returncode != 0:
            sys.exit(f"{program} {' '.join(arguments)}: {run.stdout}{run.stderr}")

    def start(self, name, *command):
        with open(self.path(f"{name}.log"), "w", encoding="utf-8") as log:
            child = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log)
        self.children.append(child)
        return child

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)

    def get(self, url):
        context = ssl.create_default_context(cafile=self.path("pki/ca.pem")) if url.startswith("https") else None
        with urllib.request.urlopen(url, timeout=10, context=context) as answer:
            return answer.read().decode()

    def wait(self, url, seconds=60):
        until = time.monotonic() + seconds
        while True:
            try:
                return self.get(url)
            except OSError as error:
                if time.monotonic() > until:
                    sys.exit(f"{url}: {error}")
                time.sleep(0.3)

    def identities(self):
        self.call("weirctl", "certs", "init", "pki", "--trust-domain", "weir.test")
        self.call("weirctl", "certs", "issue", "aggregator", "pki", "--name", "node1")
        self.call("weirctl", "certs", "issue", "sensor", "pki", "--tenant", "acme", "--site", "hq", "--name", "edge1")

    def settings(self):
        self.write("aggregator.yaml", f"""trustDomain: weir.test
dataDirectory: data
sensors:
  listen: 127.0.0.1:{self.ingest}
  certificate: pki/node1.pem
  key: pki/node1.key
  trust: pki/ca.pem
api:
  listen: 127.0.0.1:{self.api}
  certificate: pki/node1.pem
  key: pki/node1.key
""")
        self.write("sensor.yaml", f"""trustDomain: weir.test
aggregators: ["127.0.0.1:{self.ingest}"]
listen:
  addresses: ["127.0.0.1:{self.udp}"]
tls:
  certificate: pki/edge1.pem
  key: pki/edge1.key
  trust: pki/ca.pem
spool:
  directory: spool
metrics:
  listen: 127.0.0.1:{self.metrics}
""")

    def run(self):
        self.call("weir-aggregator", "tenants", "create", "acme", "--config", "aggregator.yaml")
        self.start("aggregator", os.path.join(self.programs, "weir-aggregator"), "run", "--config", "aggregator.yaml")
        self.wait(f"https://127.0.0.1:{self.api}/readyz")
        self.sensor = self.start("sensor", os.path.join(self.programs, "weir-sensor"), "run", "--config", "sensor.yaml")
        self.wait(f"http://127.0.0.1:{self.metrics}/livez")

    def simulate(self, protocol, seconds):
        """Begins to send, in real time; wait for what it returns."""
        return self.start(f"simulate-{protocol}", os.path.join(self.programs, "weirctl"), "simulate", "--scenario", "mixed",
                          "--protocol", protocol, "--rate", "100", "--duration", str(seconds), "--to", f"127.0.0.1:{self.udp}")

    def sensor_page(self):
        return self.get(f"http://127.0.0.1:{self.metrics}/metrics")

    def aggregator_page(self):
        return self.get(f"https://127.0.0.1:{self.api}/metrics")

    def show_logs(self):
        for name in sorted(os.listdir(self.folder)):
            if name.endswith(".log"):
                with open(self.path(name), encoding="utf-8") as file:
                    print(f"--- {name}\n" + "".join(file.readlines()[-6:]))

    def stop(self):
        for child in reversed(self.children):
            if child.poll() is None:
                child.send_signal(signal.SIGTERM)
        for child in self.children:
            try:
                child.wait(timeout=15)
            except subprocess.TimeoutExpired:
                child.kill()


class LastingWorld(World):
    """Whose programs may end and come back: the sensor's socket is held for it as systemd holds it, nothing is left out as
    seen twice, and what was sent and what is stored can be compared."""

    def __init__(self, programs, folder):
        super().__init__(programs, folder)
        self.aggregator = self.sensor = None
        self.exports = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self.exports.setsockopt(socket.SOL_SOCKET, 33, 32 << 20)  # SO_RCVBUFFORCE
        except PermissionError:
            self.exports.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 << 20)
        self.exports.bind(("127.0.0.1", self.udp))
        self.loads = []

    def settings(self):
        super().settings()
        with open(self.path("sensor.yaml"), "a", encoding="utf-8") as file:
            file.write("dedupe:\n  mode: off\n")

    def run_aggregator(self):
        self.aggregator = self.start("aggregator", os.path.join(self.programs, "weir-aggregator"), "run", "--config", "aggregator.yaml")
        self.wait(f"https://127.0.0.1:{self.api}/readyz")

    def run_sensor(self):
        with open(self.path("sensor.log"), "a", encoding="utf-8") as log:
            self.sensor = subprocess.Popen(
                ["sh", "-c", 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"', "sh", os.path.join(self.programs, "weir-sensor"), "run",
                 "--config", "sensor.yaml"], cwd=self.folder, stdout=log, stderr=log, pass_fds=(3,),
                preexec_fn=lambda: os.dup2(self.exports.fileno(), 3))
        self.children.append(self.sensor)
        self.wait(f"http://127.0.0.1:{self.metrics}/livez")

    def run(self):
        self.call("weir-aggregator", "tenants", "create", "acme", "--config", "aggregator.yaml")
        self.call("weir-aggregator", "keys", "create", "--tenant", "acme", "--name", "check", "--config", "aggregator.yaml",
                  "--out", "acme.key")
        self.run_aggregator()
        self.run_sensor()

    def load(self, rate, seconds):
        """Begins to send, in real time."""
        name = f"load{len(self.loads)}"
        self.loads.append(name)
        return self.start(name, os.path.join(self.programs, "weirctl"), "simulate", "--scenario", "mixed", "--protocol", "ipfix",
                          "--exporters", "1", "--seed", str(len(self.loads)), "--rate", str(rate), "--duration", str(seconds),
                          "--to", f"127.0.0.1:{self.udp}")

    def sent(self):
        """(records, packets, octets) of all loads, which have ended."""
        total = (0, 0, 0)
        for name in self.loads:
            with open(self.path(f"{name}.log"), encoding="utf-8") as file:
                carried = json.loads(file.read().strip().splitlines()[-1])["sent"]["carried"]
            total = tuple(a + carried[key] for a, key in zip(total, ("records", "packets", "octets")))
        return total

    def stored(self):
        """(records, packets, octets) that the aggregator's log has ever taken; zeros while it can't be asked."""
        run = subprocess.run([os.path.join(self.programs, "weirctl"), "sensors", "--url", f"https://127.0.0.1:{self.api}", "--ca",
                              "pki/ca.pem", "--key-file", "acme.key", "--format", "ndjson"], cwd=self.folder, capture_output=True, text=True)
        rows = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
        return tuple(sum(row[key] for row in rows) for key in ("flows", "packets", "octets"))

    def until_stored(self, seconds):
        """Waits until all that was sent is stored, or so long: what is missing."""
        sent, until = self.sent(), time.monotonic() + seconds
        while (stored := self.stored()) != sent and time.monotonic() < until:
            time.sleep(0.5)
        return tuple(a - b for a, b in zip(sent, stored))
