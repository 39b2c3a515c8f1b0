#!/usr/bin/python3
"""Promise 10, broker: a process with the same uid can read no memory, environment or descriptor of it, and nothing dumps core."""
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import broker, oracle, sameuid, tap  # noqa: E402

def status_of(pid):
    with open(f"/proc/{pid}/status") as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


def closed_to_inspection(t, b, named):
    with sameuid.ordinary(b.prefix) as control:
        found, tried = sameuid.probe(b.prefix, [control])
    t.is_(found[control], tried, "the probe can do all that it tries to an ordinary process")
    if os.geteuid() == 0 and not b.prefix:
        t.skip("its own uid can read nothing of it", "started as root, the probe would be root too")
        return
    for name, pid in named:
        t.is_(sameuid.probe(b.prefix, [pid])[0][pid], [], f"{name}: nothing of it can be read by its own uid")


def confined(t, b, named):
    for name, pid in named:
        s = status_of(pid)
        t.is_((s["Seccomp"], s["NoNewPrivs"]), ("2", "1"), f"{name}: system calls are filtered, exec gives nothing")
        with open(f"/proc/{pid}/limits") as f:
            core = next(line for line in f if line.startswith("Max core file size")).split()
        t.is_(core[4:6], ["0", "0"], f"{name}: no core")
        if name != "sidekeyd" or b.prefix:
            t.is_(int(s["CapPrm"], 16), 0, f"{name}: no capability")


def crash_leaves_nothing(t, b):
    before = set(os.listdir(b.dir))
    pid = b.pids()["gateway"][0]
    os.kill(pid, signal.SIGABRT)  # as SEGV would, but that a sanitizer reports as a bug
    broker.wait_for(lambda: b.pids().get("gateway", [pid]) != [pid], "a new gateway")
    broker.wait_for(b.ready, "ready again", 20)
    t.is_(set(os.listdir(b.dir)), before, "a crash leaves no file behind")
    t.ok(f"gateway 0 (pid {pid}) ended: " in b.log(), "and is logged")


def main(t):
    with broker.Broker() as b:
        b.policy("p", ["a"], '  anthropic:\n    allow: ["GET /v1/models"]\n')
        b.start()
        b.secret("anthropic-api-key", "sk-ant-api03-0123456789abcdef")
        b.reload()
        broker.wait_for(b.ready, "ready")
        named = [("sidekeyd", b.proc.pid)] + [(role, pids[0]) for role, pids in sorted(b.pids().items())]
        t.is_(len(named), 5, "sidekeyd and four children")
        closed_to_inspection(t, b, named)
        confined(t, b, named)
        crash_leaves_nothing(t, b)
        broker.wait_for(lambda: oracle.alive(b, f"unix:{b.run}/gateway.sock", f"{b.state}/ca.pem") == "", "ALIVE")
        b.stop()
        t.ok("forbidden system call" not in b.log(), "and nobody made a forbidden call", b.log()[-800:])


tap.Tap().run(main)
