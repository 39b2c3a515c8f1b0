#!/usr/bin/python3
"""Promise 6 where a gateway stands still: it cannot cut what was revoked, so it is killed, and the kernel closes its streams."""
import os
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import broker, oracle, stage, tap, upstream  # noqa: E402


def main(t):
    with stage.Stage(upstream.silent) as s:
        c = s.open_silent()
        gateway = s.b.pids()["gateway"][0]
        took = {}

        def watch(start):
            c.closed(10)
            took["cut"] = time.monotonic() - start
        os.kill(gateway, signal.SIGSTOP)
        start = time.monotonic()
        threading.Thread(target=watch, args=(start,), daemon=True).start()
        s.b.cli("workload", "revoke", "coder")
        took["revoke"] = time.monotonic() - start
        broker.wait_for(lambda: "cut" in took, "the stream's end", 10)
        t.ok(took["cut"] < 1.5 * oracle.ALIVE_S, "a stopped gateway's stream is cut by a revocation", took)
        t.ok(took["revoke"] < 2 * oracle.ALIVE_S and took["revoke"] > took["cut"] - 0.3, "revoke returns when it is, and not before", took)
        broker.wait_for(lambda: s.b.pids().get("gateway", [gateway]) not in ([gateway], []), "another gateway")
        broker.wait_for(lambda: oracle.alive(s.b, f"unix:{s.b.run}/gateway.sock", f"{s.b.state}/ca.pem") == "", "ALIVE")
        t.ok(True, "another gateway serves")
        t.is_(oracle.aud(s.b, event="gateway_killed", detail="gateway 0: it did not confirm that it cut revoked streams"), "", "AUD: who was killed, and why")
        t.is_(oracle.aud(s.b, event="process_exit", detail="gateway 0: signal 9"), "", "AUD: and that it died")
        ends = [r for r in oracle.records(s.b) if r["event"] == "finish" and r.get("target") == "/silent" or r.get("code") == "outcome_unknown"]
        t.is_([r["code"] for r in ends], ["outcome_unknown"], "AUD: the stream's end is recorded, once")


tap.Tap().run(main)
