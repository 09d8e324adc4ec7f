"""One aggregator and some sensors as real processes on misbehaving disks, clocks and networks, and the oracle that watches them."""
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request

import disk
import oracle
import relay

HERE = os.path.dirname(os.path.abspath(__file__))


class Failure(Exception):
    """A promise was broken; the run is over."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Program:
    """A process that is started again after each fault, as a service manager would."""

    def __init__(self, world, name, command, root):
        self.world, self.name, self.command, self.root = world, name, command, root
        self.process, self.own_ends, self.is_wanted = None, 0, False
        os.makedirs(root, exist_ok=True)
        self.disk = disk.Disk(world.library, os.path.join(world.folder, "faults", name), root)
        self.environment = {}

    def start(self):
        environment = dict(os.environ, SWIFT_BACKTRACE="enable=no", **self.disk.environment(), **self.environment)
        with open(os.path.join(self.world.folder, "logs", self.name), "ab") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
        self.is_wanted = True
        self.started = time.monotonic()

    def use(self, programs):
        """From the next start on, the program of another version."""
        self.command[0] = os.path.join(programs, os.path.basename(self.command[0]))

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        self.is_wanted = False
        if self.is_running():
            self.process.kill()
        if self.process:
            self.process.wait()

    def stop(self, patience=40):
        """SIGTERM; returns the exit status, None when it had to be killed."""
        self.is_wanted = False
        self.process.terminate()
        try:
            return self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.kill()
            return None


class Sensor(Program):
    def __init__(self, world, name):
        self.port, self.metrics_port = free_port(), free_port()
        settings = os.path.join(world.folder, name + ".yaml")
        self.spool = os.path.join(world.folder, name)
        super().__init__(world, name, [world.program("weir-sensor"), "run", "--config", settings], self.spool)
        world.certificate("sensor", name, ["--tenant", "acme", "--site", "hq"])
        with open(settings, "w") as file:
            file.write(SENSOR.format(name=name, spool=self.spool, port=self.port, metrics=self.metrics_port,
                                     aggregators=json.dumps(["127.0.0.1:%d" % one.port for one in world.relays])))
        world.tell("sensor", name=name, port=self.port, metrics=self.metrics_port)

    def figures(self):
        return oracle.metrics(self.metrics_port) or {}

    def is_ready(self):
        return bool(self.figures())

    def went_live(self):
        self.world.tell("live", name=self.name)

    def died(self):
        self.world.tell("die", name=self.name, folder=self.spool)


class Aggregator(Program):
    def __init__(self, world):
        self.port, self.api_port = free_port(), free_port()
        self.settings = os.path.join(world.folder, "aggregator.yaml")
        self.data = os.path.join(world.folder, "data")
        super().__init__(world, "aggregator", [world.program("weir-aggregator"), "run", "--config", self.settings], self.data)
        world.certificate("aggregator", "node1", [])
        with open(self.settings, "w") as file:
            file.write(AGGREGATOR.format(port=self.port, api=self.api_port))
        world.must("weir-aggregator", "tenants", "create", "acme", "--config", self.settings)
        self.key_file = os.path.join(world.folder, "key")
        world.must("weir-aggregator", "keys", "create", "--tenant", "acme", "--name", "oracle", "--out", self.key_file,
                   "--config", self.settings)
        self.trust = os.path.join(world.folder, "pki", "ca.pem")

    def get(self, path):
        """The API's answer, None when there is none."""
        with open(self.key_file) as file:
            request = urllib.request.Request("https://127.0.0.1:%d%s" % (self.api_port, path),
                                             headers={"Authorization": "Bearer " + file.read().strip()})
        try:
            context = ssl.create_default_context(cafile=self.trust)
            with urllib.request.urlopen(request, timeout=10, context=context) as answer:
                return json.load(answer)
        except (OSError, ValueError):
            return None

    def is_ready(self):
        return self.get("/v1/incidents?limit=1") is not None

    def went_live(self):
        pass

    def died(self):
        pass

    def stored(self):
        """Flows that the API can find."""
        answer = self.get("/v1/flows/top?by=protocolIdentifier&limit=10")
        return None if answer is None else answer["total"]["deltaFlowCount"]


SENSOR = """trustDomain: weir.test
aggregators: {aggregators}
listen:
  addresses: ["127.0.0.1:{port}"]
tls:
  certificate: pki/{name}.pem
  key: pki/{name}.key
  trust: pki/ca.pem
spool:
  directory: {spool}
aggregate:
  window: 100ms
metrics:
  listen: 127.0.0.1:{metrics}
"""
AGGREGATOR = """trustDomain: weir.test
dataDirectory: data
sensors:
  listen: 127.0.0.1:{port}
  certificate: pki/node1.pem
  key: pki/node1.key
  trust: pki/ca.pem
api:
  listen: 127.0.0.1:{api}
  certificate: pki/node1.pem
  key: pki/node1.key
"""


class World:
    """All of it. `close` ends every process and, unless something failed, removes the folder."""

    def __init__(self, folder, programs, sensors=2, addresses=2, environment=None):
        self.folder, self.programs, self.old = folder, programs, None
        self.mounted, self.notes = [], []
        for name in ("logs", "faults"):
            os.makedirs(os.path.join(folder, name))
        self.library = disk.build(folder)
        self.slowest_start, self.own_ends = 0.0, 0
        self.must("weirctl", "certs", "init", os.path.join(folder, "pki"), "--trust-domain", "weir.test")
        self.oracle = subprocess.Popen([sys.executable, "-B", os.path.join(HERE, "oracle.py")], stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, text=True)
        self.aggregator = Aggregator(self)
        self.relays = [relay.Relay(self.aggregator.port) for _ in range(addresses)]
        self.sensors = [Sensor(self, "edge%d" % number) for number in range(1, sensors + 1)]
        self.all = [self.aggregator] + self.sensors
        for program in self.all:
            program.environment = dict(environment or {})

    def program(self, name):
        path = os.path.join(self.programs, name)
        if not os.access(path, os.X_OK):
            raise Failure("%s is not built (looked in %s)" % (name, self.programs))
        return path

    def must(self, name, *arguments):
        done = subprocess.run([self.program(name), *arguments], capture_output=True, text=True)
        if done.returncode != 0:
            raise Failure("%s %s: %d %s" % (name, " ".join(arguments), done.returncode, done.stderr))

    def certificate(self, role, name, more):
        self.must("weirctl", "certs", "issue", role, os.path.join(self.folder, "pki"), "--name", name, *more)

    def tell(self, what, **order):
        self.oracle.stdin.write(json.dumps(dict(order, do=what)) + "\n")
        self.oracle.stdin.flush()
        answer = json.loads(self.oracle.stdout.readline())
        if "error" in answer:
            raise Failure("the oracle: " + answer["error"])
        return answer

    def note(self, text):
        self.notes.append(text)

    def mount(self, path, size):
        """Puts an empty file system of its own at `path`; false when that is not allowed here."""
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=" + size, "weir-chaos", path], capture_output=True)
        if done.returncode == 0:
            self.mounted.append(path)
        return done.returncode == 0

    # Starting and waiting

    def wait(self, what, condition, seconds=60):
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise Failure("%s did not happen in %d s" % (what, seconds))
            self.keep_up()
            time.sleep(0.1)

    def start(self, program):
        program.start()
        self.await_ready(program)

    def await_ready(self, program):
        self.wait("%s's start" % program.name, program.is_ready)
        self.slowest_start = max(self.slowest_start, time.monotonic() - program.started)
        program.went_live()

    def keep_up(self):
        """Starts what ended by itself, as the service manager does."""
        for program in self.all:
            if program.is_wanted and not program.is_running():
                self.own_ends += 1
                program.own_ends += 1
                if program.own_ends > 50:
                    raise Failure("%s ends again and again" % program.name)
                program.died()
                program.start()
                time.sleep(0.2)
                if isinstance(program, Sensor):
                    self.await_ready(program)

    def await_end(self, program, seconds):
        """Waits until a program has ended, and does not start it again."""
        program.is_wanted = False
        deadline = time.monotonic() + seconds
        while program.is_running() and time.monotonic() < deadline:
            time.sleep(0.01)

    def run(self, seconds):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.keep_up()
            time.sleep(0.05)

    # Faults

    def crash(self, program, rng=None):
        """kill -9, and with `rng` the power fails too: what was not synced is gone."""
        program.kill()
        program.disk.heal()
        if rng:
            program.disk.cut(rng)
        program.died()

    def restart(self, program, rng=None):
        self.crash(program, rng)
        self.start(program)

    def freeze(self, program, seconds):
        program.process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        program.process.send_signal(signal.SIGCONT)

    def heal(self):
        for one in self.relays:
            one.mode = relay.PASS
        for program in self.all:
            program.disk.heal()
            program.disk.shift_clock(0)

    # The end

    def settle(self, seconds=120):
        """All faults end; everything that was promised gets where it belongs."""
        self.heal()
        for program in self.all:
            if not program.is_running():
                self.start(program)
        self.wait("the aggregator", self.aggregator.is_ready)
        for sensor in self.sensors:
            self.tell("pause", name=sensor.name)
        self.wait("sealing of all that was sent", self._is_sealed, seconds)
        self.wait("empty spools", lambda: all(one.figures().get("weir_spool_batches") == 0 for one in self.sensors), seconds)
        last = [-1, 0]

        def is_still():
            now = self.aggregator.stored()
            last[1] = last[1] + 1 if now is not None and now == last[0] else 0
            last[0] = now
            return last[1] >= 5

        self.wait("an end of storing", is_still, seconds)

    def _is_sealed(self):
        return all(one["sealed"] + one["lost"] >= one["life"] for one in self.tell("state").values())

    def judge(self):
        with open(self.aggregator.key_file) as file:
            return self.tell("judge", url="https://127.0.0.1:%d" % self.aggregator.api_port, ca=self.aggregator.trust,
                             key=file.read().strip(), log=os.path.join(self.aggregator.data, "log.sqlite"))

    def tail(self):
        for program in self.all:
            with open(os.path.join(self.folder, "logs", program.name), errors="replace") as file:
                print("--- %s\n%s" % (program.name, "".join(file.readlines()[-8:])), file=sys.stderr)

    def close(self, keep=False):
        for program in self.all:
            if program.is_running():
                program.process.send_signal(signal.SIGCONT)
                program.kill()
        self.oracle.kill()
        self.oracle.wait()
        for path in self.mounted:
            subprocess.run(["umount", path], check=False)
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)
