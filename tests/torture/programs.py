#!/usr/bin/python3
"""Whole programs: at the Nth allocation, or system call, of a process it fails, from its start on through requests. The process goes on or ends and says why, the
next one serves; no request reaches the upstream without a record.

    programs.py [N...]   these, for each program; without them a few. The programs are those of make torture-programs."""
import os
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import broker, oracle, stage, tap, workload  # noqa: E402

PROGRAMS = ["sidekey-keeper", "sidekey-gateway", "sidekey-api", "sidekeyd"]
SOME = [1, 13, 89, 610, 2500, 7000]
CALLS = [2, 8, 55]


def serves(s):
    """A request that succeeds, sooner or later: it may be the one that fails."""
    try:
        r = s.w.ask("GET", "/p/anthropic/v1/x")
    except (OSError, RuntimeError):
        return False
    return r is not None and r.status == 200


def start(s, folder, program, what):
    with open(f"{folder}/{program}.nth", "w") as f:
        f.write(what)
    os.chmod(f"{folder}/{program}.nth", 0o666)
    try:
        s.b.start()
    except RuntimeError:
        if s.b.proc is None or s.b.proc.poll() is None:
            raise
        rc = s.b.stop()
        s.b.start()
        return f"sidekeyd ended by signal {-rc}" if rc < 0 else ""
    return ""


def one(t, s, folder, program, what):
    name = f"{program}, {what}"
    bad = start(s, folder, program, what)
    served = oracle.until(lambda: serves(s), 20)
    seen = len(s.up.requests)
    allowed = oracle.until(lambda: len([r for r in oracle.records(s.b) if r["event"] == "decide" and r.get("decision") == "allow"]) >= seen, 5)
    left = os.path.exists(f"{folder}/{program}.nth")
    said = s.b.log()
    crashed = [line for line in said.splitlines() if " bug: " in line or "signal 6" in line or "signal 11" in line]
    t.ok(served and allowed and not bad and not crashed and not left, name,
         f"served {served}, recorded {allowed}, {bad}, {crashed[:3]}, never read {left}; {said[-600:]}")
    s.b.stop()
    open(s.b.log_path, "w").close()


def main(t):
    source = os.path.join(broker.ROOT, "build/torture-programs/bin")
    folder = tempfile.mkdtemp(prefix="sidekey-torture-")
    os.chmod(folder, 0o777)
    ns = [int(n) for n in sys.argv[1:]]
    for program in os.listdir(source):
        shutil.copy(f"{source}/{program}", folder)
    with stage.Stage(programs=folder) as s:
        s.b.stop()
        for program in PROGRAMS:
            for n in ns or SOME:
                one(t, s, folder, program, f"a {n}")
            for n in ns or CALLS:
                one(t, s, folder, program, f"c {n}")
    shutil.rmtree(folder, ignore_errors=True)


tap.Tap().run(main)
