"""Every scenario with what it is for (the reliability tests R1 to R19 of the handbook's page) and its two sizes.

A size is a list of worlds, each the arguments of one: what is large is many worlds, so that they run side by side."""
import lives
import scenarios
import sweeps


class Test:
    def __init__(self, work, of, small=None, nightly=None):
        self.work, self.name, self.of = work, work.__name__, of
        self.small, self.nightly = small or [{}], nightly or [{}] * 3
        self.text = (work.__doc__ or "").split("\n")[0]


def storm_worlds(kills):
    """Worlds of at most 20 kills."""
    return [{"kills": min(20, kills - first)} for first in range(0, kills, 20)]


def parts(count, **more):
    return [dict(more, part=number, parts=count) for number in range(count)]


ALL = {test.name: test for test in (
    # What takes longest begins first: were it the last to begin, the machine would idle beside it.
    Test(sweeps.failpoints, "R2", small=parts(4, some=4), nightly=parts(12, times=4) * 5),
    Test(sweeps.storm, "R1 R4 R8", small=[{"kills": 10}] * 2, nightly=storm_worlds(200)),
    Test(sweeps.clocks, "R13", small=parts(3), nightly=parts(3)),
    Test(sweeps.sweep, "R2", nightly=[{"calls": 60}]),
    Test(sweeps.power_cuts, "R3", small=[{"cuts": 12}], nightly=[{"cuts": 25}] * 20),
    Test(scenarios.cut_sensors, "R3"),
    Test(scenarios.cut_new_files, "R3"),
    Test(scenarios.cut_aggregator, "R3"),
    Test(scenarios.cut_all, "R3"),
    Test(sweeps.mutations, "R5", nightly=[{"rounds": 50}] * 20),
    Test(scenarios.damage, "R5"),
    Test(sweeps.failing, "R6", nightly=[{"calls": 25, "first": first, "each": True} for first in range(1, 200, 25)]),
    Test(scenarios.bad_sync, "R6"),
    Test(lives.traced_sync, "R6"),
    Test(scenarios.full_spool, "R7"),
    Test(scenarios.small_disk, "R7"),
    Test(scenarios.full_log, "R7"),
    Test(sweeps.flapping, "R8", nightly=[{"seconds": 60}] * 4),
    Test(lives.replayed, "R8 R9", nightly=[{"times": 10}] * 10),
    Test(scenarios.rollback, "R9", nightly=[{}] * 100),
    Test(scenarios.restarts, "R9"),
    Test(lives.cloned, "R9"),
    Test(lives.lost_disk, "R14", nightly=[{}] * 10),
    Test(sweeps.checkpointing, "R15", nightly=[{"seconds": 300}] * 4),
    Test(lives.old_files, "R16", nightly=[{"times": 1}] * 6),
    Test(lives.upgrade, "R16"),
    Test(lives.restored, "R19", nightly=[{"seconds": 60}] * 2),
    Test(scenarios.dead_letter, "I4"),
    Test(scenarios.dead_letter_retried, "I4"),
    Test(scenarios.dead_letter_refused, "I4"),
    Test(scenarios.drained, "I4"),
    Test(scenarios.bad_store, "I1"),
    Test(scenarios.bad_checkpoint, "I1"),
)}
