"""What the checks of this folder share: lines that deploy/test counts, and a small Weir on free ports of 127.0.0.1."""
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
