"""A node as it is run: an aggregator that serves the console, a sensor, and an office's traffic with attacks in it."""
import json
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PAGES = os.path.join(ROOT, "Aggregator/Console/Pages")
ASSETS = os.path.join(ROOT, ".build/console-assets")  # deploy/console-assets; without it there is no map to see

AGGREGATOR = """trustDomain: weir.test
dataDirectory: data
sensors:
  listen: 127.0.0.1:{sensors}
  certificate: pki/node1.pem
  key: pki/node1.key
  trust: pki/ca.pem
api:
  listen: 127.0.0.1:{api}
  certificate: pki/node1.pem
  key: pki/node1.key
enrichment:
  lists: [countries.txt]
"""
CONSOLE = """console:
  folder: {pages}
"""
# Countries for the networks that simulated attacks come from and go to.
COUNTRIES = (("203.0.113.0", "203.0.113.255", "BR"), ("198.51.100.0", "198.51.100.255", "DE"), ("198.18.0.0", "198.18.255.255", "US"),
             ("198.19.0.0", "198.19.255.255", "JP"), ("192.0.2.0", "192.0.2.255", "IN"))
SENSOR = """trustDomain: weir.test
aggregators:
  - 127.0.0.1:{sensors}
listen:
  addresses: ["127.0.0.1:{udp}"]
tls:
  certificate: pki/edge1.pem
  key: pki/edge1.key
  trust: pki/ca.pem
spool:
  directory: spool
aggregate:
  window: 5s
metrics:
  listen: ""
"""
# A rule of the tenant's own whose title is hostile: it becomes incidents' titles.
PAYLOAD = "<img src=x onerror=hit()><svg onload=hit()>\"'`--><script>hit()</script>{{hit()}}javascript:hit()"
RULE = """title: {title}
id: 11111111-2222-4333-8444-555555555555
status: test
logsource:
  category: network_connection
detection:
  any:
    DestinationPort: 443
    SourceIp: {host}
  condition: any
level: high
"""


def free_port():
    with socket.socket() as tcp:
        tcp.bind(("127.0.0.1", 0))
        return tcp.getsockname()[1]


class World:
    def __init__(self, programs):
        self.programs, self.folder, self.children = programs, tempfile.mkdtemp(prefix="weir-browser-"), []
        self.sensors, self.api, self.udp = free_port(), free_port(), free_port()
        self.url = "https://127.0.0.1:%d" % self.api
        os.makedirs(os.path.join(self.folder, "logs"))

    def settings(self):
        """The aggregator's settings file."""
        text = AGGREGATOR.format(sensors=self.sensors, api=self.api) + CONSOLE.format(pages=PAGES)
        return text + ("  assets: %s\n" % ASSETS if os.path.isdir(ASSETS) else "")

    def has_map(self):
        return os.path.exists(os.path.join(ASSETS, "world.json"))

    def run(self, program, *arguments):
        done = subprocess.run([os.path.join(self.programs, program), *arguments], cwd=self.folder, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError("%s %s: %s" % (program, " ".join(arguments), done.stderr))
        return done.stdout

    def spawn(self, program, *arguments):
        with open(os.path.join(self.folder, "logs", program), "ab") as log:
            child = subprocess.Popen([os.path.join(self.programs, program), *arguments], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log,
                                     stderr=log, env=dict(os.environ, SWIFT_BACKTRACE="enable=no"))
        self.children.append(child)
        return child

    def start(self):
        self.run("weirctl", "certs", "init", "pki", "--trust-domain", "weir.test")
        self.run("weirctl", "certs", "issue", "aggregator", "pki", "--name", "node1")
        self.run("weirctl", "certs", "issue", "sensor", "pki", "--tenant", "acme", "--site", "hq", "--name", "edge1")
        number = lambda address: int.from_bytes(socket.inet_aton(address), "big")  # noqa: E731
        countries = "".join("%d,%d,%s\n" % (number(first), number(last), code) for first, last, code in sorted(COUNTRIES, key=lambda one: number(one[0])))
        for name, text in (("countries.txt", countries), ("aggregator.yaml", self.settings()), ("sensor.yaml", SENSOR.format(sensors=self.sensors, udp=self.udp))):
            with open(os.path.join(self.folder, name), "w") as file:
                file.write(text)
        config = ("--config", "aggregator.yaml")
        self.run("weir-aggregator", "tenants", "create", "acme", *config)
        self.run("weir-aggregator", "keys", "create", "--tenant", "acme", "--name", "browser", "--out", "acme.key", *config)
        for name, role in (("ada", "owner"), ("carol", "analyst")):
            self.run("weir-aggregator", "people", "invite", name + "@example.net", "--tenant", "acme", "--role", role, "--out", name + ".token", *config)
        self.spawn("weir-aggregator", "run", *config)
        self.wait("the aggregator", lambda: self.ask("GET", "/readyz") is not None)
        self.spawn("weir-sensor", "run", "--config", "sensor.yaml")
        self.wait("the sensor's heartbeat", lambda: self.ask("GET", "/v1/sensors")["items"])
        # An office with attacks in it; not for long, since each question would have more to read.
        self.spawn("weirctl", "simulate", "--scenario", "mixed", "--protocol", "ipfix", "--rate", "40", "--duration", "30", "--seed", "7", "--to",
                   "127.0.0.1:%d" % self.udp)
        self.wait("traffic", lambda: self.ask("GET", "/v1/flows/top?filter=dst%20port%20443")["items"])
        self.add_hostile_rule()

    def add_hostile_rule(self):
        """About one host, so that there is one such incident among the others."""
        host = self.ask("GET", "/v1/flows/top?filter=dst%20port%20443&measure=deltaFlowCount")["items"][0]["key"]
        path = "/v1/sigma/rules/11111111-2222-4333-8444-555555555555"
        if not self.ask("PUT", path, {"text": RULE.format(title=json.dumps(PAYLOAD), host=host), "state": "enabled"}):
            raise RuntimeError("the hostile rule is refused: " + self.refusal)

    def wait_for_traffic(self):
        """Until there is something of everything that the pages show."""
        def enough():
            found = self.ask("GET", "/v1/incidents?limit=100")["items"]
            return len(found) >= 4 and any("<img" in one["title"] for one in found)
        self.wait("incidents", enough, 90)

    def read(self, name):
        with open(os.path.join(self.folder, name)) as file:
            return file.read().strip()

    def ask(self, method, path, body=None, headers=None):
        """The API's answer to the tenant's key; None for a refusal."""
        request = urllib.request.Request(self.url + path, method=method, data=None if body is None else json.dumps(body).encode())
        request.add_header("Authorization", "Bearer " + self.read("acme.key"))
        for name, value in (headers or {}).items():
            request.add_header(name, value)
        context = ssl.create_default_context(cafile=os.path.join(self.folder, "pki/ca.pem"))
        try:
            with urllib.request.urlopen(request, context=context, timeout=30) as answer:
                text = answer.read().decode()
        except (urllib.error.HTTPError, OSError) as error:
            self.refusal = error.read().decode() if isinstance(error, urllib.error.HTTPError) else str(error)
            return None
        try:
            return json.loads(text)
        except ValueError:
            return text

    def wait(self, what, check, seconds=40):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if check():
                    return
            except TypeError:
                pass  # a refusal: not yet
            time.sleep(0.25)
        raise RuntimeError("%s did not come in %d s; see %s/logs" % (what, seconds, self.folder))

    def stop(self, keep=False):
        for child in self.children:
            child.terminate()
        for child in self.children:
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                child.kill()
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)
