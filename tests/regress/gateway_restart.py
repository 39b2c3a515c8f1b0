#!/usr/bin/python3
"""A gateway that is started again lets nobody in before it has its certificate: who connects meanwhile waits, and is served. A sealed broker does not let them wait."""
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import broker, oracle, stage, tap, workload  # noqa: E402

ROUNDS = 4


def healthy(b, cert=None, key=None):
    """"" or what went wrong with one connection and one request."""
    try:
        c = workload.Client(f"unix:{b.run}/gateway.sock", f"{b.state}/ca.pem", cert, key, timeout=20)
        r = c.ask("GET", "/healthz")
        c.close()
    except OSError as e:
        return repr(e)
    return "" if r and r.status == 200 else f"{r and r.raw}"


def kill(b):
    """The gateway dies, and nobody is there yet in its place."""
    pid = b.pids()["gateway"][0]
    os.kill(pid, signal.SIGKILL)
    broker.wait_for(lambda: pid not in b.pids().get("gateway", []), "the gateway's end")


def restarts(t):
    with stage.Stage() as s:
        failures = []
        for _ in range(ROUNDS):
            kill(s.b)
            failures += filter(None, [healthy(s.b)] + [healthy(s.b, s.w.cert, s.w.key) for _ in range(5)])
        t.is_(failures, [], f"a client that goes on connecting while the gateway is killed {ROUNDS} times is always served")
        t.is_(s.w.ask("GET", "/p/anthropic/v1/x").status, 200, "and so is a request of the workload")


def sealed(t):
    with broker.Broker(passphrase="correct horse battery") as b:
        b.start(ready=False)
        broker.wait_for(lambda: b.cli("status", check=False).returncode == 6, "sealed")
        start = time.monotonic()
        said = healthy(b)
        took = time.monotonic() - start
        # the alert, or, for a client that had not spoken yet, the closed connection
        t.ok(("INTERNAL_ERROR" in said.upper() or "BrokenPipe" in said) and took < oracle.ALIVE_S, "sealed: a client is turned away at once, not held", f"{said} after {took:.1f} s")
        b.cli("unseal", stdin="correct horse battery\n")
        broker.wait_for(b.answers, "unsealed")
        broker.wait_for(lambda: healthy(b) == "", "the gateway to serve")
        t.ok(True, "unsealed, it is let in")


def main(t):
    restarts(t)
    sealed(t)


tap.Tap().run(main)
