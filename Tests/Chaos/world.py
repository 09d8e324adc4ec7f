"""One aggregator and some sensors as real processes on misbehaving disks, clocks and networks, and the oracle that watches them."""
import itertools
import json
import os
import shutil
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import threading
import time
import urllib.request

import disk
import oracle
import relay

HERE = os.path.dirname(os.path.abspath(__file__))


class Failure(Exception):
    """A promise was broken; the run is over."""


class Clock:
    """Seconds that this process has had: while it is stopped, as all programs of a machine may be for a while, none pass."""

    def __init__(self):
        self.felt = 0.0
        threading.Thread(target=self._tick, daemon=True).start()

    def _tick(self):
        before = time.monotonic()
        while True:
            time.sleep(0.05)
            now = time.monotonic()
            self.felt += min(now - before, 0.5)
            before = now

    def __call__(self):
        return self.felt


clock = Clock()
ports = itertools.count(10000 + os.getpid() * 101 % 12000)
port_lock = threading.Lock()


def free_port():
    """A port that nobody has, below those that the system gives to connections: it stays free while its program is dead."""
    with port_lock:
        for port in ports:
            try:
                with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
                    tcp.bind(("127.0.0.1", port))
                    udp.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


everything = set()


def end(why):
    """Ends this process, and before it every process that it has started."""
    for process in list(everything):
        process.kill()
    print("Tests/Chaos/run: " + why, file=sys.stderr)
    os._exit(1)


class Program:
    """A process that is started again after each fault, as a service manager would."""

    def __init__(self, world, name, command, root):
        self.world, self.name, self.command, self.root = world, name, command, root
        self.process, self.own_ends, self.is_wanted, self.is_live = None, 0, False, False
        os.makedirs(root, exist_ok=True)
        self.disk = disk.Disk(world.library, os.path.join(world.folder, "faults", name), root)
        self.environment = {}

    def start(self):
        self.disk.trim()
        environment = dict(os.environ, SWIFT_BACKTRACE="enable=no", **self.disk.environment(), **self.environment)
        with open(os.path.join(self.world.folder, "logs", self.name), "ab") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
        everything.add(self.process)
        self.is_wanted, self.is_live = True, False
        self.started = clock()

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
            everything.discard(self.process)

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
    """`like`: it has another one's name and key; `copy`: and what that one's spool has. Nobody feeds such a twin."""

    def __init__(self, world, name, like=None, copy=None):
        self.port, self.metrics_port = free_port(), free_port()
        settings = self.settings = os.path.join(world.folder, name + ".yaml")
        self.spool = os.path.join(world.folder, name)
        super().__init__(world, name, [world.program("weir-sensor"), "run", "--config", settings], self.spool)
        if copy:
            shutil.copytree(copy, self.spool, dirs_exist_ok=True)
        if not like:
            world.certificate("sensor", name, ["--tenant", "acme", "--site", "hq"])
        with open(settings, "w") as file:
            file.write(SENSOR.format(name=like or name, spool=self.spool, port=self.port, metrics=self.metrics_port,
                                     aggregators=json.dumps(["127.0.0.1:%d" % one.port for one in world.relays])))
        if not like:
            world.tell("sensor", name=name, port=self.port, metrics=self.metrics_port)

    def keep_nothing(self):
        """From the next start on, files go once all in them is answered."""
        with open(self.settings) as file:
            text = file.read()
        with open(self.settings, "w") as file:
            file.write(text.replace("spool:\n", "spool:\n  keepAcked: 0s\n"))

    def snapshot(self):
        """Copies its disk, the program being dead; returns where to."""
        copy = os.path.join(self.world.folder, "snapshot")
        shutil.copytree(self.spool, copy)
        return copy

    def take_back(self, copy):
        """Puts the state of a snapshot on its disk, the program being dead."""
        shutil.rmtree(self.spool)
        shutil.copytree(copy, self.spool)
        self.disk.forget()

    def figures(self):
        return oracle.metrics(self.metrics_port) or {}

    def is_ready(self):
        return bool(self.figures())

    def went_live(self):
        self.world.tell("live", name=self.name)

    def died(self, is_cut=False):
        self.world.tell("die", name=self.name, folder=self.spool, cut=is_cut)


class Aggregator(Program):
    def __init__(self, world):
        self.port, self.api_port = free_port(), free_port()
        self.settings = os.path.join(world.folder, "aggregator.yaml")
        self.data = os.path.join(world.folder, "data")
        super().__init__(world, "aggregator", [world.program("weir-aggregator"), "run", "--config", self.settings], self.data)
        world.certificate("aggregator", "node1", [])
        with open(self.settings, "w") as file:
            file.write(AGGREGATOR.format(port=self.port, api=self.api_port))
        self.key_file = os.path.join(world.folder, "key")
        self.found()
        self.trust = os.path.join(world.folder, "pki", "ca.pem")

    def found(self):
        """Makes the tenant and the key that the oracle asks with, in an empty data folder."""
        if os.path.exists(self.key_file):
            os.remove(self.key_file)
        self.world.must("weir-aggregator", "tenants", "create", "acme", "--config", self.settings)
        self.world.must("weir-aggregator", "keys", "create", "--tenant", "acme", "--name", "oracle", "--out", self.key_file,
                        "--config", self.settings)

    def add(self, text):
        """Adds to the settings, from the next start on."""
        with open(self.settings, "a") as file:
            file.write(text)

    def get(self, path, decode=json.loads):
        """The API's answer, None when there is none."""
        with open(self.key_file) as file:
            request = urllib.request.Request("https://127.0.0.1:%d%s" % (self.api_port, path),
                                             headers={"Authorization": "Bearer " + file.read().strip()})
        try:
            context = ssl.create_default_context(cafile=self.trust)
            with urllib.request.urlopen(request, timeout=10, context=context) as answer:
                return decode(answer.read())
        except (OSError, ValueError):
            return None

    def is_ready(self):
        return self.get("/v1/incidents?limit=1") is not None

    def went_live(self):
        pass

    def died(self, is_cut=False):
        pass

    def metric(self, name):
        """The sum of a metric over its labels; 0 when there is none."""
        text = self.get("/metrics", bytes.decode) or ""
        return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith((name + " ", name + "{")))


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
        self.slowest_start, self.own_ends, self.kills, self.cuts = 0.0, 0, 0, 0
        self.must("weirctl", "certs", "init", os.path.join(folder, "pki"), "--trust-domain", "weir.test")
        self.oracle = subprocess.Popen([sys.executable, "-B", os.path.join(HERE, "oracle.py")], stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, text=True)
        everything.add(self.oracle)
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

    def helper(self, program, script, *arguments):
        """A process on the disk of `program`, which ends with its input."""
        return subprocess.Popen([sys.executable, "-B", script, *arguments], stdin=subprocess.PIPE,
                                env=dict(os.environ, **program.disk.environment()))

    clock = staticmethod(clock)

    # Starting and waiting

    def wait(self, what, condition, seconds=120):
        deadline = clock() + seconds
        while not condition():
            if clock() > deadline:
                raise Failure("%s did not happen in %d s" % (what, seconds))
            self.keep_up()
            time.sleep(0.1)

    def wait_while_moving(self, what, condition, place, seconds):
        """As `wait`, but for as long as `place` changes: slow is not stuck."""
        last, deadline = None, clock() + seconds
        while not condition():
            now = place()
            if now != last:
                last, deadline = now, clock() + seconds
            if clock() > deadline:
                raise Failure("%s did not go on for %d s" % (what, seconds))
            self.keep_up()
            time.sleep(0.1)

    def start(self, program):
        program.start()
        self.await_ready(program)

    def await_ready(self, program):
        self.wait("%s's start" % program.name, program.is_ready)
        self.slowest_start = max(self.slowest_start, clock() - program.started)
        if not program.is_live:  # once a start: it may have ended meanwhile and have been started again
            program.is_live = True
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
        deadline = clock() + seconds
        while program.is_running() and clock() < deadline:
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
        self.kills += 1
        program.disk.heal()
        if rng:
            self.cuts += 1
            program.disk.cut(rng)
        program.died(rng is not None)

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

    def drain(self, *sensors):
        """Nothing comes any more, and all that came is sealed and answered for."""
        for sensor in sensors:
            self.tell("pause", name=sensor.name)
        self.wait("sealing of all that was sent", lambda: self._is_sealed(sensors))
        self.wait("empty spools", lambda: all(one.figures().get("weir_spool_batches") == 0 for one in sensors))

    # The end

    def settle(self, seconds=120):
        """All faults end; everything that was promised gets where it belongs."""
        self.heal()
        before = self.own_ends
        for program in self.all:
            if not program.is_running():
                self.start(program)
        self.wait("the aggregator", self.aggregator.is_ready)
        self.drain(*self.sensors)
        self.wait_while_moving("storing of all that is in the log", self._is_stored,
                               lambda: self.aggregator.metric("weir_pipeline_offset"), seconds)
        if self.own_ends - before > 2 * len(self.all):
            raise Failure("a crash loop: %d ends without any fault" % (self.own_ends - before))

    def _is_sealed(self, sensors):
        state = self.tell("state")
        return all(state[one.name]["sealed"] + state[one.name]["lost"] >= state[one.name]["life"] for one in sensors)

    def _is_stored(self):
        log = sqlite3.connect("file:%s/log.sqlite?mode=ro" % self.aggregator.data, uri=True, timeout=5)
        try:
            head = log.execute('SELECT "offset" FROM log_head').fetchone()[0]
        except sqlite3.DatabaseError:
            return False
        finally:
            log.close()
        # A metric has 53 bits, offsets have more once the clock has been past 2038.
        return self.aggregator.metric("weir_pipeline_offset") == float(head)

    def judge(self):
        with open(self.aggregator.key_file) as file:
            return self.tell("judge", url="https://127.0.0.1:%d" % self.aggregator.api_port, ca=self.aggregator.trust,
                             key=file.read().strip(), data=self.aggregator.data)

    def said(self, program, text):
        """Whether a program has ever logged this."""
        with open(os.path.join(self.folder, "logs", program.name), errors="replace") as file:
            return text in file.read()

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
        everything.discard(self.oracle)
        for path in self.mounted:
            subprocess.run(["umount", path], check=False)
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)
