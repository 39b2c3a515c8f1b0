#!/usr/bin/python3
"""A disk that fails at each change that the keeper makes during each deed (EIO once and for long, full, short writes), and then the power goes: nobody was told what is not so, and nothing went out unrecorded."""
import errno
import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import broker, deeds, disk, oracle, tap  # noqa: E402

SEED = int(os.environ.get("SIDEKEY_TEST_SEED", "4"))
POINTS_MAX = 100
DEEDS = {"rotate": deeds.Rotate, "redeem": deeds.Redeem, "revoke": deeds.Revoke, "a new segment": lambda: deeds.Requests(4)}
HELD_S, REFUSED_S = 0.7, 7


def once(n, rng):
    return lambda op: disk.Fail(errno.EIO, rng) if op.number == n else None


def for_long(n, rng):
    return lambda op: disk.Fail(errno.EIO, rng) if op.number >= n else None


def full(n, rng):
    return lambda op: disk.Fail(errno.ENOSPC) if op.number >= n and op.kind in ("write", "create", "rename") else None


def short(n, rng):
    return lambda op: disk.Short(rng.random()) if op.number == n else None


PLANS = {"EIO once": once, "EIO until somebody mends it": for_long, "ENOSPC until there is room": full, "a short write": short}


def point(s, deed, plan, n, rng):
    """(whether it fired, what is wrong)"""
    s.again()
    s.disk.arm(plan(n, rng))
    told = deed.do(s)
    fired = s.disk.fired
    if fired is None:
        return False, "" if told else "without a fault it fails"
    s.ask()
    s.disk.disarm()
    broker.wait_for(s.b.ready, "ready again by itself", 20)
    s.serving()
    wrong = deed.wrong(s, told) or s.sound()
    if not wrong:
        deeds.power_off(s.b)
        s.disk.crash(rng)
        s.b.start()
        s.serving()
        wrong = deed.wrong(s, told) or s.sound()
        wrong = wrong and "after a power cut: " + wrong
    return True, wrong and f"at {fired.number}, {fired.kind} of {fired.name} (acknowledged: {told}): {wrong}"


def each_deed(t, name):
    rng = random.Random(SEED)
    with deeds.Scene() as s:
        for what, make in DEEDS.items():
            deed = make()
            if what == "a new segment":
                s.fill()
            bad = []
            for n in range(1, POINTS_MAX):
                try:
                    fired, wrong = point(s, deed, PLANS[name], n, rng)
                except (RuntimeError, TimeoutError) as e:
                    fired, wrong = True, f"at {n}: {e}"
                bad += [wrong] if wrong else []
                if not fired:
                    break
            t.ok(3 < n < POINTS_MAX - 1 and not bad, f"{what}, {name}: {n - 1} points", "\n".join(bad) or n)


class Held:
    """Syncs of the log wait until go(); how many of them do."""

    def __init__(self, s):
        self.s, self.event, self.count = s, threading.Event(), 0
        s.disk.arm(self.plan)

    def plan(self, op):
        if op.kind != "sync" or self.event.is_set():
            return None
        self.count += 1
        return disk.Slow(self.event.wait)

    def go(self):
        self.event.set()


def slow(t):
    """A sync that takes its time: what waits for it does not go out, and what waits too long is refused."""
    with deeds.Scene() as s:
        for what, hold_s, statuses in (("for a while", HELD_S, {200}), ("for too long", REFUSED_S, {503})):
            s.again()
            held, got = Held(s), []
            asking = [threading.Thread(target=lambda: got.append(s.ask())) for _ in range(8)]
            for th in asking:
                th.start()
            broker.wait_for(lambda: held.count, "a sync")
            end, worst, early = time.monotonic() + hold_s, "", []
            while time.monotonic() < end:
                worst = worst or oracle.alive(s.b, s.w.conf["gateway"], s.w.ca)
                early += s.up.requests
                time.sleep(0.1)
            t.is_((early, oracle.up0(s.up)), ([], ""), f"syncs that hang {what}: UP0 meanwhile")
            t.is_(worst, "", f"syncs that hang {what}: ALIVE")
            held.go()
            for th in asking:
                th.join()
            t.is_(set(got), statuses, f"syncs that hang {what}: eight requests are answered {statuses}")
            s.disk.disarm()
            t.is_(len(s.up.requests), got.count(200), f"syncs that hang {what}: the upstream saw those that were allowed")
            t.is_(s.sound(), "", f"syncs that hang {what}: all is well behind it")


def main(t):
    if not disk.available():
        t.lacks("a disk that fails", "root and /dev/fuse")
        return
    print(f"# seed {SEED}", flush=True)
    laters = [tap.Later(lambda t, name=name: each_deed(t, name)) for name in PLANS] + [tap.Later(slow)]
    for later in laters:
        later.tell(t)


tap.Tap().run(main)
