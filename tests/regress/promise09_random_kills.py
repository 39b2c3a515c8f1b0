#!/usr/bin/python3
"""Promise 9, the operator's side: kill -9 at random moments of rotate, workload add, enroll, revoke and rekey; what was acknowledged is there, and nothing by half."""
import json
import os
import random
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import broker, oracle, tap, workload  # noqa: E402

KILLS, BOUND_S = 30, 45
SEED = int(os.environ.get("SIDEKEY_TEST_SEED", "9"))


class Deeds:
    """One thread for each kind of deed, one deed after the other; each keeps what was acknowledged and what was under way."""

    def __init__(self, b):
        self.b, self.end = b, None
        self.rotated, self.asked = 0, 0        # of "moving", whose values are numbered
        self.added, self.revoked, self.enrolled = [], [], []
        self.rekeys = 0
        self.lock = threading.Lock()

    def round(self, after_s):
        """Runs all kinds until a kill after after_s seconds, and comes back when they have ended."""
        self.end = threading.Event()
        threads = [threading.Thread(target=self.loop, args=(f,)) for f in (self.rotate, self.add, self.enroll, self.rekey)]
        for th in threads:
            th.start()
        time.sleep(after_s)
        kill(self.b)
        self.end.set()
        for th in threads:
            th.join()

    def loop(self, deed):
        while not self.end.is_set():
            deed()

    def cli(self, *args, stdin=None):
        return self.b.cli(*args, stdin=stdin, check=False).returncode == 0

    def rotate(self):
        self.asked += 1
        if self.cli("secret", "rotate", "moving", stdin=value(self.asked)):
            self.rotated = self.asked

    def add(self):
        name = f"w{len(self.added)}-{time.monotonic_ns()}"
        if self.cli("workload", "add", name):
            self.added.append(name)
            if len(self.added) % 3 == 0 and self.cli("workload", "revoke", name):
                self.revoked.append(name)

    def enroll(self):
        path = f"{self.b.dir}/e-{time.monotonic_ns()}.json"
        if len(self.enrolled) < 24 and self.cli("workload", "enroll", "coder", "--out", path):
            self.enrolled.append(path)
        self.end.wait(0.02)

    def rekey(self):
        self.rekeys += self.cli("rekey")
        self.end.wait(0.1)


def value(n):
    return f"value-{n:06d}-of-the-moving-secret"


def kill(b):
    """The keeper first, as a crash of it would; then the rest at once, as a power cut would, without what restarts it."""
    pids = b.pids()
    rest = [b.proc.pid] + [p for role, ps in pids.items() if role != "keeper" for p in ps]
    for pid in pids.get("keeper", []) + rest:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    b.proc.wait()
    b.stop()


def check_now(b, d):
    """What must be right at once after each start."""
    shown = b.cli("secret", "show", "moving", "--reveal").stdout.strip()
    if shown not in {value(n) for n in range(d.rotated, d.asked + 1)}:
        return f"acknowledged up to {d.rotated}, asked for {d.asked}, found {shown}"
    names = {r["name"]: r for r in map(json.loads, b.cli("--json", "workload", "list").stdout.splitlines())}
    lost = [n for n in d.added if n not in names]
    if lost:
        return f"workloads lost: {lost}"
    back = [n for n in d.revoked if names[n]["state"] != "revoked"]
    return f"revoked, and back: {back}" if back else ""


def main(t):
    rng = random.Random(SEED)
    with broker.Broker() as b:
        b.start()
        b.secret("moving", value(0))
        for i in range(20):
            b.secret(f"still-{i}", f"value-of-still-{i}-0123456789")
        b.workload("coder")
        d, start, kills, bad = Deeds(b), time.monotonic(), 0, []
        while kills < KILLS and time.monotonic() - start < BOUND_S and not bad:
            d.round(rng.uniform(0.02, 0.5))
            kills += 1
            b.start()
            found = check_now(b, d)
            bad += [f"kill {kills}: {found}"] if found else []
        print(f"# seed {SEED}: {kills} kills in {time.monotonic() - start:.0f} s; rotated to {d.rotated}, {len(d.added)} workloads, {len(d.enrolled)} enrollments, {d.rekeys} rekeys", flush=True)
        t.is_(bad, [], "what was acknowledged was there after each kill")
        t.ok(kills >= 20 and d.rotated > 10 and len(d.added) > 5 and len(d.enrolled) > 5 and d.rekeys > 3, "and much was going on", (kills, d.rotated, len(d.added), len(d.enrolled), d.rekeys))

        t.is_([i for i in range(20) if b.cli("secret", "show", f"still-{i}", "--reveal").stdout != f"value-of-still-{i}-0123456789"], [], "secrets that nobody touched open under whichever data key")
        broker.wait_for(lambda: b.json("status")["rekey_left"] == 0, "the last rekey to go on by itself")
        t.ok(True, "an interrupted rekey goes on")
        replies = [workload.Workload(path, enroll=False).enroll().status for path in d.enrolled]
        t.is_(set(replies), {200}, "each enrollment that was given out works")
        replies = [workload.Workload(path, enroll=False).enroll().status for path in d.enrolled[:4]]
        t.ok(set(replies) <= {403, 429}, "once", replies)
        p = b.cli("audit", "verify", check=False)
        t.is_(p.returncode, 0, "the log verifies")
        records = oracle.records(b)
        said = {e: [r for r in records if r["event"] == e] for e in ("secret_rotate", "workload_add", "workload_revoke", "enroll_new", "keeper_start")}
        t.is_(sorted(set(d.added) - {r["workload"] for r in said["workload_add"]}), [], "each workload is in it")
        t.is_(sorted(set(d.revoked) - {r["workload"] for r in said["workload_revoke"]}), [], "each revocation")
        t.ok(len(said["enroll_new"]) >= len(d.enrolled) and len(said["secret_rotate"]) >= d.rotated // 2, "enrollments and rotations", {k: len(v) for k, v in said.items()})
        t.ok(len(said["keeper_start"]) == kills + 1, "and each start", len(said["keeper_start"]))
        said = [r for r in records if r["event"] != "segment"]  # a header says when its file was begun, which is after the lines that it repeats
        back = [(a, b) for a, b in zip(said, said[1:]) if b["time"] < a["time"]]
        t.is_(back, [], "in the order of time")
        t.is_(oracle.can(value(d.rotated), b), "", "CAN")


tap.Tap().run(main)
