"""The programs with planted bugs (Planted.swift): each must be noticed by one of the scenarios, or by the simulation."""
import concurrent.futures
import os
import random
import subprocess

import catalog

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUGS = [
    (1, "the spool answers before its sync", "cut_sensors"),
    (2, "a new file's folder is not synced", "cut_new_files"),
    (3, "an epoch is used again after a restart", "restarts"),
    (4, "batches are told apart without the epoch", "restarts"),
    (5, "a failed sync is tried again", "bad_sync"),
    (6, "a file goes before the ledger knows", "drained"),
    (7, "any digest in an answer will do", None),
    (8, "the checkpoint is ahead of the store", "bad_store"),
    (9, "the log is trimmed before the checkpoint", "bad_checkpoint"),
    (10, "damage takes the good batches too", "damage"),
    (11, "a full disk counts as kept", "full_spool"),
    (12, "the log answers before its sync", "cut_aggregator"),
    (13, "what is sent again lacks the last batch", "lost_disk"),
]
TRIES = 3
MARK = b"WEIR_PLANTED_BUG"


def build():
    """Builds programs and simulation with the bugs in them; returns the folder."""
    scratch = os.path.join(ROOT, ".build", "planted")
    subprocess.run(["swift", "build", "--build-tests", "--scratch-path", scratch], cwd=ROOT, check=True,
                   env=dict(os.environ, WEIR_PLANTED="1"))
    return os.path.join(scratch, "debug")


def has_mark(path):
    with open(path, "rb") as file:
        return MARK in file.read()


def simulated(folder, number):
    """Whether the simulation of shipping fails with the bug. Without the bug it passes: deploy/test runs it."""
    tests = os.environ.get("WEIR_PLANTED_TESTS", os.path.join(folder, "weirPackageTests.xctest"))
    assert has_mark(tests), "%s has no planted bugs" % tests
    done = subprocess.run([tests, "--testing-library", "swift-testing", "--filter", "ShipSimulationTests"], capture_output=True,
                          text=True, env=dict(os.environ, WEIR_PLANTED_BUG=str(number), SWIFT_BACKTRACE="enable=no"), timeout=600)
    return done.returncode != 0 and "was released, not stored" in done.stdout + done.stderr


def main(arguments, trial, wanted):
    folder = arguments.programs if arguments.were_given else build()
    arguments.programs = folder
    for name in ("weir-sensor", "weir-aggregator"):
        if not has_mark(os.path.join(folder, name)):
            print("%s has no planted bugs: build it with WEIR_PLANTED=1" % name)
            return 1
    bugs = [bug for bug in BUGS if not wanted or bug[0] in wanted]

    def attempt(bug):
        number, what, scenario = bug
        if not scenario:
            return simulated(folder, number)
        return any(trial(arguments, "%d %s" % (number, scenario), catalog.ALL[scenario].work,
                         random.Random(arguments.seed + again), planted=number)[1] for again in range(TRIES))

    def is_sound(name):
        """Without a bug switched on the same programs are sound: it was the bug that was noticed."""
        return not trial(arguments, "no bug: %s" % name, catalog.ALL[name].work, random.Random(arguments.seed), planted=0)[1]

    names = sorted({bug[2] for bug in bugs if bug[2]})
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        caught, sound = list(pool.map(attempt, bugs)), list(pool.map(is_sound, names))
    for (number, what, scenario), is_caught in zip(bugs, caught):
        print("%s  %2d  %s  (%s)" % ("caught" if is_caught else "MISSED", number, what, scenario or "ShipSimulationTests"))
    print("%d of %d planted bugs caught%s" % (
        sum(caught), len(bugs), "" if all(sound) else ", but the programs fail without them too"))
    return 0 if all(caught) and all(sound) else 1
