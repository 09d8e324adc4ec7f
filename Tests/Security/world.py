"""A real aggregator and sensor with certificates, tenants, keys and people, for attackers to stand before."""
import http.client
import itertools
import json
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time

TRUST_DOMAIN = "weir.test"
PASSWORD = "correct horse battery staple %d"


class Fault(Exception):
    """What must hold did not."""


class Skip(Exception):
    """Not tried: what it needs is not here."""


def demand(condition, text):
    if not condition:
        raise Fault(text)


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def median(values):
    ordered = sorted(values)
    return ordered[len(ordered) // 2]


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


class Answer:
    def __init__(self, status, fields, body):
        self.status, self.fields, self.body = status, fields, body

    def json(self):
        return json.loads(self.body)

    def field(self, name):
        return next((value for key, value in self.fields if key.lower() == name.lower()), None)


class World:
    """Folder, programs and what they listen on. `more` is added to the aggregator's settings."""

    def __init__(self, programs, more="", tenants=("acme", "globex")):
        self.programs, self.tenants = programs, tenants
        self.folder = tempfile.mkdtemp(prefix="weir-security-")
        self.sensors_port, self.api_port, self.udp_port = free_port(), free_port(), free_port(socket.SOCK_DGRAM)
        self.processes, self.names = {}, itertools.count()
        self.must("weirctl", "certs", "init", "pki", "--trust-domain", TRUST_DOMAIN)
        self.must("weirctl", "certs", "issue", "aggregator", "pki", "--name", "node1")
        for tenant in tenants:
            self.must("weirctl", "certs", "issue", "sensor", "pki", "--tenant", tenant, "--site", "hq", "--name",
                      "edge-" + tenant)
        self.write("aggregator.yaml", AGGREGATOR.format(sensors=self.sensors_port, api=self.api_port) + more)
        self.keys = {}
        for tenant in tenants:
            self.must("weir-aggregator", "tenants", "create", tenant, "--config", "aggregator.yaml")
            self.keys[tenant] = self.key(tenant)
        self.trust = self.path("pki/ca.pem")
        self.start("aggregator", "weir-aggregator", "run", "--config", "aggregator.yaml")
        self.wait("the aggregator", self.is_ready)

    # Files and programs

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w") as file:
            file.write(text)
        return self.path(name)

    def read(self, name):
        with open(self.path(name), errors="replace") as file:
            return file.read()

    def must(self, program, *arguments):
        done = subprocess.run([os.path.join(self.programs, program), *arguments], cwd=self.folder,
                              capture_output=True, text=True)
        demand(done.returncode == 0, "%s %s: %s" % (program, " ".join(arguments), done.stderr))
        return done.stdout

    def start(self, name, program, *arguments):
        with open(self.path(name + ".log"), "ab") as log:
            self.processes[name] = subprocess.Popen(
                [os.path.join(self.programs, program), *arguments], cwd=self.folder, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, env=dict(os.environ, SWIFT_BACKTRACE="enable=no"))

    def start_sensor(self, tenant):
        """A sensor of the tenant, on `udp_port`, with a spool of its own: what is spooled is shipped as whoever ships."""
        self.write("sensor.yaml", SENSOR.format(sensors=self.sensors_port, udp=self.udp_port, name="edge-" + tenant))
        self.start("sensor", "weir-sensor", "run", "--config", "sensor.yaml")

    def close(self, keep=False):
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)

    def wait(self, what, condition, seconds=30):
        deadline = time.monotonic() + seconds
        while not condition():
            demand(time.monotonic() < deadline, "%s: not within %d s" % (what, seconds))
            demand(all(one.poll() is None for one in self.processes.values()), "a program has ended")
            time.sleep(0.05)

    def is_running(self):
        return all(one.poll() is None for one in self.processes.values())

    # The aggregator

    def key(self, tenant, *scopes):
        name = "key%d" % next(self.names)
        more = [word for scope in scopes for word in ("--scope", scope)]
        self.must("weir-aggregator", "keys", "create", "--tenant", tenant, "--name", name, "--out", name, *more,
                  "--config", "aggregator.yaml")
        return self.read(name).strip()

    def person(self, tenant, email, role="viewer"):
        """Invites somebody who accepts; returns the password."""
        name, password = "token%d" % next(self.names), PASSWORD % next(self.names)
        self.must("weir-aggregator", "people", "invite", email, "--tenant", tenant, "--role", role, "--out", name,
                  "--config", "aggregator.yaml")
        done = self.ask("POST", "/v1/invitations/accept", body={
            "token": self.read(name).strip(), "name": "Some Body", "password": password})
        demand(done.status == 204, "an invitation was not accepted: %d %s" % (done.status, done.body))
        return password

    def is_ready(self):
        try:
            return self.ask("GET", "/readyz").status == 200
        except OSError:
            return False

    def context(self, leaf=None):
        context = ssl.create_default_context(cafile=self.path("pki/ca.pem"))
        if leaf:
            context.set_ciphers("ALL:@SECLEVEL=0")  # the other end is who must refuse
            context.load_cert_chain(leaf + ".pem", leaf + ".key")
        return context

    def client(self, timeout=30):
        return http.client.HTTPSConnection("127.0.0.1", self.api_port, timeout=timeout, context=self.context())

    def ask(self, method, target, key=None, body=None, fields=None, client=None):
        """One request over HTTP/1.1; `body` is sent as JSON unless it is octets."""
        fields = dict(fields or {})
        if key:
            fields.setdefault("Authorization", "Bearer " + key)
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            fields.setdefault("Content-Type", "application/json")
        own = client or self.client()
        try:
            own.request(method, target, body=body, headers=fields)
            answer = own.getresponse()
            return Answer(answer.status, answer.getheaders(), answer.read())
        finally:
            if not client:
                own.close()

    def sign_in(self, email, password):
        """The field that says who one is."""
        done = self.ask("POST", "/v1/session", body={"email": email, "password": password})
        demand(done.status == 200, "signing in: %d %s" % (done.status, done.body))
        return done.field("Set-Cookie").split(";")[0]

    def connect(self, port=None, leaf=None, protocols=("h2",), timeout=10):
        """A TLS connection, by default to the API."""
        context = self.context(leaf)
        context.set_alpn_protocols(list(protocols))
        plain = socket.create_connection(("127.0.0.1", port or self.api_port), timeout=timeout)
        try:
            return context.wrap_socket(plain, server_hostname="localhost")
        except Exception:
            plain.close()
            raise

    def sensor_leaf(self, tenant="acme"):
        return self.path("pki/edge-" + tenant)

    def metric(self, name, **labels):
        """The sum over the labels that aren't given."""
        text = self.ask("GET", "/metrics").body.decode()
        wanted = ['%s="%s"' % pair for pair in labels.items()]
        return sum(float(line.rpartition(" ")[2]) for line in text.splitlines()
                   if line.startswith((name + " ", name + "{")) and all(one in line for one in wanted))

    def memory(self):
        """MiB in use now."""
        return self._status("VmRSS")

    def memory_peak(self):
        return self._status("VmHWM")

    def forget_peak(self):
        with open("/proc/%d/clear_refs" % self.processes["aggregator"].pid, "w") as file:
            file.write("5")

    def _status(self, name):
        with open("/proc/%d/status" % self.processes["aggregator"].pid) as file:
            return next(int(line.split()[1]) / 1024 for line in file if line.startswith(name + ":"))


class Bystander:
    """Somebody with nothing to do with the attack, who asks for `target` again and again meanwhile."""

    def __init__(self, world, target="/healthz", key=None, pause=0.02):
        self.world, self.target, self.key, self.pause = world, target, key, pause
        self.seconds, self.failures, self.is_wanted = [], [], True
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.is_wanted = False
        self.thread.join()

    def _run(self):
        client = self.world.client()
        while self.is_wanted:
            begin = time.monotonic()
            try:
                status = self.world.ask("GET", self.target, key=self.key, client=client).status
                if status != 200:
                    self.failures.append(status)
            except (OSError, http.client.HTTPException) as failure:
                self.failures.append(repr(failure))
                client.close()
                client = self.world.client()
            self.seconds.append(time.monotonic() - begin)
            time.sleep(self.pause)
        client.close()

    def p99(self):
        return percentile(self.seconds, 0.99) * 1000


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
"""
SENSOR = """trustDomain: weir.test
aggregators: ["127.0.0.1:{sensors}"]
listen:
  addresses: ["127.0.0.1:{udp}"]
tls:
  certificate: pki/{name}.pem
  key: pki/{name}.key
  trust: pki/ca.pem
spool:
  directory: spool-{name}
aggregate:
  window: 100ms
metrics:
  listen: ""
"""
