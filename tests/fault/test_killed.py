#!/usr/bin/python3
"""kill -9 of the keeper, and a power cut, at every change that it makes to the disk during each deed: what was acknowledged is there, what was not is whole or absent."""
import os
import random
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import broker, deeds, disk, tap  # noqa: E402

SEED = int(os.environ.get("SIDEKEY_TEST_SEED", "3"))
POINTS_MAX = 200
DEEDS = {"put": deeds.Put, "rotate": deeds.Rotate, "rekey": deeds.Rekey, "redeem": deeds.Redeem, "revoke": deeds.Revoke, "a new segment": lambda: deeds.Requests(4), "stop": deeds.Stop,
         "a start behind a kill": deeds.Start}


class Killed:
    """The keeper alone dies; sidekeyd starts another one on what was written."""
    name = "kill -9"

    def __init__(self, s):
        self.s = s

    def arm(self, n):
        self.s.disk.at(n, disk.Kill())

    def back(self, deed):
        self.s.disk.disarm()
        if deed.ends:
            self.s.b.stop()
            self.s.b.start()
        broker.wait_for(self.s.b.ready, "ready again", 20)


class Cut(Killed):
    """All dies at once, and of what was not synced there is nothing, or with a generator some."""

    def __init__(self, s, rng=None):
        super().__init__(s)
        self.rng, self.name = rng, "power cut, some unsynced data kept" if rng else "power cut, all unsynced data lost"

    def arm(self, n):
        self.s.disk.at(n, disk.Kill(self.rng is not None, lambda: os.kill(self.s.b.proc.pid, signal.SIGSTOP)))

    def back(self, deed):
        if self.s.b.proc is not None:
            deeds.power_off(self.s.b)
        self.s.disk.disarm()
        self.s.disk.crash(self.rng)
        self.s.b.start()


def point(s, deed, how, n):
    """(whether it fired, what is wrong)"""
    s.again(deed.running)
    how.arm(n)
    told = deed.do(s)
    fired = s.disk.fired
    if fired is None:
        return False, "" if told else "without a fault it fails"
    how.back(deed)
    s.serving()
    wrong = deed.wrong(s, told) or s.sound()
    return True, wrong and f"at {fired.number}, {fired.kind} of {fired.name} (acknowledged: {told}): {wrong}"


def every_point(t, s, what, deed, how):
    bad = []
    for n in range(1, POINTS_MAX):
        fired, wrong = point(s, deed, how, n)
        bad += [wrong] if wrong else []
        if not fired:
            break
    t.ok(n > 3 and n < POINTS_MAX - 1 and not bad, f"{what}, {how.name}: {n - 1} points", "\n".join(bad) or n)


def torn(s):
    """Requests behind the last checkpoint, and half a line behind those."""
    s.again()
    s.disk.arm(lambda op: disk.Short(last=True) if op.kind == "write" and op.number > 8 else None)
    while s.ask() == 200:
        pass
    s.disk.disarm()
    s.keep(clean=False)


def each_deed(t, how_of):
    with deeds.Scene() as s:
        how = how_of(s)
        for what, make in DEEDS.items():
            deed = make()
            if what == "a new segment":
                s.fill()
            if not deed.running:
                torn(s)
            every_point(t, s, what, deed, how)


def main(t):
    if not disk.available():
        t.lacks("a disk that fails", "root and /dev/fuse")
        return
    print(f"# seed {SEED}", flush=True)
    hows = (Killed, Cut, lambda s: Cut(s, random.Random(SEED)))
    for later in [tap.Later(lambda t, how=how: each_deed(t, how)) for how in hows]:
        later.tell(t)


tap.Tap().run(main)
