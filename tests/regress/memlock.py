#!/usr/bin/python3
"""memlock in sidekey.yaml: every process that holds a secret obeys it. What cannot be locked stops the start, or is warned of."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import broker, oracle, stage, tap  # noqa: E402

KEEPER_ONLY = 2 << 20  # bytes: room for the keeper's arena, not for the gateway's
NOTHING = 64 << 10


def limited(b, limit):
    """What starts sidekeyd with that hard limit, and with nothing that could raise it again."""
    drop = ["setpriv", "--bounding-set=-sys_resource,-ipc_lock"] if os.geteuid() == 0 and not b.prefix else []
    return [*b.prefix, *drop, "prlimit", f"--memlock={limit}:{limit}"]


def refused(t, b, what, limit, role):
    plain, b.prefix = b.prefix, limited(b, limit)
    b.start(ready=False)
    b.prefix = plain
    try:
        rc = b.proc.wait(15)
    except subprocess.TimeoutExpired:
        rc = None
    b.stop()
    said = [line for line in b.log().splitlines() if "cannot be locked" in line]
    t.ok(rc == 1 and any(f"sidekey-{role}" in line and "memlock: warn" in line for line in said), what, f"exit {rc}\n{b.log()[-1500:]}")


def main(t):
    if oracle.SANITIZED:
        t.skip("memory limits", "sanitized: its runtime takes mlock's place")
        return
    with broker.Broker() as b:
        refused(t, b, "no memory can be locked: the start ends, and says what to do", NOTHING, "")  # whoever is first
        refused(t, b, "enough for the keeper alone: so it ends too", KEEPER_ONLY, "gateway")
    with stage.Stage(yaml="memlock: warn\n") as s:
        s.b.stop()
        plain, s.b.prefix = s.b.prefix, limited(s.b, NOTHING)
        before = len(s.b.log())
        s.b.start(ready=False)
        s.b.prefix = plain
        broker.wait_for(s.b.ready, "ready", 20)
        said = s.b.log()[before:]
        for role in ("keeper", "gateway"):
            t.ok(any(f"sidekey-{role}" in line and "is not locked" in line for line in said.splitlines()), f"memlock: warn: the {role} starts, and warns", said[-1500:])
        t.is_(s.w.ask("GET", "/p/anthropic/v1/x").status, 200, "and serves")


tap.Tap().run(main)
