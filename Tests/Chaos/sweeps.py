"""Faults in great number: at random, at each place in turn, and for hours. The arguments say how many."""
import errno
import os
import time

import disk
import relay
import scenarios


def storm(site, rng, kills=10):
    """Kills at random times and at random calls, half of them with the power; other faults between them."""
    before = site.kills
    while site.kills - before < kills:
        site.run(rng.uniform(0.3, 2.0))
        if rng.random() < 0.35:
            scenarios.disturb(site, rng)
            continue
        victims = site.all if rng.random() < 0.1 else [rng.choice(site.all)]
        is_cut = rng.random() < 0.5
        if rng.random() < 0.3:  # at a call of its own, not at a time of ours
            victims[0].disk.fail(disk.ANY, rng.choice([disk.KILL, disk.KILL_AFTER]), "", rng.randint(1, 30))
            site.await_end(victims[0], 1.0)
        for program in victims:
            program.kill()
        for program in victims:
            site.crash(program, rng if is_cut else None)
        site.run(rng.choice([0, 0, 0.5, 2.0]))
        for program in victims:
            site.start(program)


def power_cuts(site, rng, cuts=6):
    """The power fails, of one end or of all at once, again and again; now and then while the aggregator is away."""
    before = site.cuts
    while site.cuts - before < cuts:
        site.run(rng.uniform(0.1, 0.9))
        victims = site.all if rng.random() < 0.3 else [rng.choice(site.all)]
        is_away = rng.random() < 0.2
        if is_away:
            site.crash(site.aggregator)
            site.run(0.7)
            victims = site.sensors
        for program in victims:
            program.kill()
        for program in victims:
            site.crash(program, rng)
        for program in victims + ([site.aggregator] if is_away else []):
            site.start(program)


def when_running(site, program, patience):
    site.await_end(program, 1.5 * patience)


def at_start(site, program, patience):
    fault = program.disk.fault
    program.kill()
    program.died()
    program.disk.fail(*fault[:2], fault[4].decode())
    program.start()
    site.await_end(program, 2 * patience)


def at_stop(site, program, patience):
    """With something to put away: not before it is ready and has had some work."""
    end = site.clock() + 10 * patience
    while program.is_running() and not program.is_ready() and site.clock() < end:
        time.sleep(0.05)
    site.await_end(program, 0.5 * patience)
    if program.is_running():
        program.process.terminate()
        site.await_end(program, 10 * patience)


def failpoints(site, rng, times=1, part=0, parts=1, some=None):
    """Each kind of call on each kind of file that a program makes, when it starts, runs or stops, kills it, before the call or after it;
    every second time the power goes too. Which these are is found by watching."""
    programs = [site.sensors[0], site.aggregator]
    for program in programs:
        site.run(0.7)
        site.crash(program)
        program.disk.forget()  # what only a first start does
        site.start(program)
        site.run(0.7)
        program.stop()
        program.died()
        site.start(program)  # its journal goes on
    site.run(1)
    points = [(program, point, code) for program in programs for point in program.disk.points()
              for code in (disk.KILL, disk.KILL_AFTER)]
    points = [one for index, one in enumerate(points) if index % parts == part]
    if some:
        points = rng.sample(points, min(some, len(points)))
    quiet, done = [], 0
    for program, (call, place), code in points:
        ways, hits = [when_running, at_start, at_stop], 0
        for number in range(times + 2):  # some calls come rarely, or late on a busy machine: who misses one waits longer
            hit, patience = None, 1 if hits else 4 ** min(number, 2)
            for way in ways:
                program.disk.fail(call, code, place)
                way(site, program, patience)
                if program.disk.failures():
                    hit = way
                    break
            if hit:
                ways, done = [hit] + [way for way in ways if way is not hit], done + 1
            site.crash(program, rng if (number + done) % 2 else None)
            site.start(program)
            if hit:
                hits += 1
            if hits == times or number >= 2 and not hits:
                break
        if not hits:
            quiet.append("%s %s of %s" % (call, place, program.name))
    note = "%d points, %d kills at them" % (len(points), done)
    return {"note": note, "complaints": ["never came: %s" % ", ".join(quiet)] if quiet else []}


def sweep(site, rng, calls=4):
    """Each program dies at its n-th call to the disk, for a few n or, at night, for each; every second time its power goes too."""
    for victim in (site.sensors[0], site.aggregator):
        for number in range(1, calls + 1) if calls > 10 else rng.sample(range(1, 40), calls):
            victim.disk.fail(disk.ANY, disk.KILL, "", number)
            site.await_end(victim, 3)
            site.crash(victim, rng if number % 2 else None)
            site.start(victim)
            site.run(0.3)


ERRORS = [errno.EIO, errno.ENOSPC, errno.EINTR, errno.EMFILE, disk.SHORT]


def failing(site, rng, calls=4, first=1, each=False):
    """Each program's n-th call to the disk fails: EIO, ENOSPC, EINTR, EMFILE, or a write is short; what that costs is time."""
    numbers = range(first, first + calls) if each else rng.sample(range(1, 40), calls)
    for victim in (site.sensors[0], site.aggregator):
        for number in numbers:
            victim.disk.fail(disk.ANY, ERRORS[number % len(ERRORS)], "", number)
            if number % 2:  # also those of a start
                victim.kill()
                victim.died()
                victim.start()
                site.await_ready(victim)
            end = site.clock() + 3
            while not victim.disk.failures() and site.clock() < end:
                site.run(0.1)
            victim.disk.heal()
            site.run(0.1)
            if rng.random() < 0.3:
                site.restart(victim, rng)


def mutate(path, rng):
    """One thing that happens to files; returns what it was."""
    size = os.path.getsize(path)
    kind = rng.choice(["flip", "flip", "cut", "zero", "swap", "delete"])
    if kind == "delete":
        os.remove(path)
        return kind
    with open(path, "r+b") as file:
        if kind == "cut":
            file.truncate(rng.randrange(size))
            return kind
        at = rng.randrange(size)
        file.seek(at)
        old = file.read(rng.choice([1, 512, 4096]))
        new = {"flip": bytes([old[0] ^ 1 << rng.randrange(8)]) + old[1:], "zero": bytes(len(old)), "swap": old[::-1]}[kind]
        file.seek(at)
        file.write(new)
    return kind


def damage_count(site):
    """What the programs themselves count as damaged or set aside, on disk and in their metrics."""
    folders = [os.path.join(one.spool, leaf) for one in site.sensors for leaf in ("quarantine", "dead-letter")]
    count = sum(len(os.listdir(folder)) for folder in folders if os.path.isdir(folder))
    return count + sum(1 for folder, _, leaves in os.walk(site.aggregator.data) for leaf in leaves if ".damaged" in leaf)


def mutations(site, rng, rounds=6):
    """Files of dead programs are damaged at random: each start works, and nothing wrong is ever told."""
    done = 0
    while done < rounds:
        site.run(rng.uniform(0.2, 0.8))
        victim = rng.choice([site.aggregator, site.aggregator, site.sensors[0]])
        site.crash(victim)
        files = [os.path.join(folder, leaf) for folder, _, leaves in os.walk(victim.root) for leaf in leaves
                 if leaf.endswith((".sqlite", ".sqlite-wal", ".spool", "ledger")) and not leaf.startswith(("control", "keys"))]
        files = [path for path in files if os.path.getsize(path)]
        for path in rng.sample(files, min(len(files), rng.choice([1, 1, 2]))):
            if os.path.exists(path):
                site.note("%s of %s" % (mutate(path, rng), os.path.relpath(path, site.folder)))
                done += 1
        victim.disk.forget()
        site.start(victim)
    return {"anyLoss": True, "note": "%d files damaged, nothing wrong told, every start ready" % done, "mutations": done}


HOUR, DAY = 3600, 86400
CLOCKS = [HOUR, -HOUR, 400 * DAY, -400 * DAY, 13 * 365 * DAY, -10 * 365 * DAY, 1, -1, -30, 30, 7 * DAY, -7 * DAY]


def clocks(site, rng, cases=24, part=0, parts=1):
    """Wall clocks jump while all runs, and over a start; the 24 cases are 12 jumps of either end's clock."""
    # Age-based retention believes the aggregator's clock, both when a batch comes and when days are given up: what is meant to stay must be
    # younger than any jump.
    site.aggregator.add("history:\n  days: 36500\n")
    site.restart(site.aggregator)
    every = [(victim, jump) for victim in (site.aggregator, site.sensors[0]) for jump in CLOCKS]
    every = every[part::parts]
    for victim, jump in every if cases >= len(every) else rng.sample(every, cases):
        victim.disk.shift_clock(jump)
        site.run(0.5)
        if victim is not site.aggregator:
            # A certificate that is not valid by the clock is named; flows are spooled until it is.
            site.restart(victim)
            site.run(0.5)
            if abs(jump) >= 400 * DAY and not site.said(victim, "The certificate is not valid now"):
                return {"complaints": ["%s takes a certificate of another time" % victim.name]}
        elif jump < 0:
            # Before its certificate's time it says so and ends: no sensor would believe it.
            site.crash(victim)
            victim.start()
            site.await_end(victim, 4)
            if victim.is_running():
                if jump < -HOUR / 2:
                    return {"complaints": ["a certificate of the future is taken"]}
                victim.is_wanted = True
                site.await_ready(victim)
            elif not site.said(victim, "not valid before"):
                return {"complaints": ["a certificate of the future is not named"]}
        elif jump <= 7 * DAY:
            site.restart(victim)
            site.run(0.5)
        for step in range(10):  # and back, a second each 0.05 s, and then the rest
            victim.disk.shift_clock(jump - step)
            time.sleep(0.05)
        victim.disk.shift_clock(0)
        if not victim.is_running():
            site.start(victim)
        site.run(0.2)


def checkpointing(site, rng, seconds=8):
    """Two more connections to the log read it and copy its write-ahead log into it, all the time, while the power fails."""
    helper = os.path.join(os.path.dirname(os.path.abspath(__file__)), "checkpointer.py")
    log = os.path.join(site.aggregator.data, "log.sqlite")
    end = site.clock() + seconds
    while site.clock() < end:
        helpers = [site.helper(site.aggregator, helper, log) for _ in range(2)]
        site.run(rng.uniform(1.0, 3.0))
        for one in helpers:
            one.communicate()  # ends its input
        site.restart(site.aggregator, rng if rng.random() < 0.7 else None)
    return {"note": "%d s, %d power cuts, every file sound by integrity_check" % (seconds, site.cuts)}


def flapping(site, rng, seconds=4):
    """Two addresses of one aggregator: connections break every 0.2 s, answers are lost, each retry takes the other way."""
    end = site.clock() + seconds
    while site.clock() < end:
        for one, mode in zip(site.relays, rng.sample([relay.DEAF, relay.DROP, relay.PASS], 2)):
            one.mode = mode
        site.run(0.3)
    for one in site.relays:
        one.mode = relay.PASS
    repeated = site.aggregator.metric("weir_ingest_batches_repeated_total")
    return {"note": "%d batches came again" % repeated, "repeated": repeated}
