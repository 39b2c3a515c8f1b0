#!/usr/bin/python3
"""A stream that outlives the keeper keeps its place under the limits, is cut when its certificate ends, and has its end in the log; also one that ends while there is no keeper."""
import os
import signal
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import broker, oracle, stage, tap, upstream  # noqa: E402

go = {name: threading.Event() for name in ("a", "b", "c", "d")}
USE = '  anthropic:\n    allow: ["* /**"]\n    limit: {concurrent: 2}\n'


def handler(conn, req):
    name = req.target.rsplit("/", 1)[1]
    conn.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n" + upstream.chunk(b"data: begun\n\n"))
    go[name].wait(30)
    conn.send(upstream.chunk(b"data: done\n\n") + b"0\r\n\r\n")
    return True


def begin(s, name):
    """The status, and the stream when there is one."""
    c = s.w.connect()
    c.send(f"GET /p/anthropic/hold/{name} HTTP/1.1\r\nHost: localhost\r\n\r\n")
    status = int(c.head().split(b" ")[1])
    return status, c


def kill_keeper(s):
    before = s.b.pids()["keeper"][0]
    os.kill(before, signal.SIGKILL)
    return lambda: s.b.pids().get("keeper", [before])[0] != before and s.b.ready() and oracle.alive(s.b, s.w.conf["gateway"], s.w.ca) == ""


def rest(c):
    return b"".join(c.chunks())


def ends(s, name):
    """(decisions, ends) of a stream in the log."""
    records = oracle.records(s.b)
    decided = [r["seq"] for r in records if r["event"] == "decide" and r.get("target", "").endswith(f"/hold/{name}") and r["decision"] == "allow"]
    return len(decided), [(r.get("workload"), r.get("upstream"), r["code"], r.get("status")) for r in records if r["event"] == "finish" and r["of"] in decided]


def main(t):
    with stage.Stage(handler, use=USE) as s:
        a, b = begin(s, "a"), begin(s, "b")
        t.is_((a[0], b[0], begin(s, "c")[0]), (200, 200, 429), "two streams, as many as there may be")
        back = kill_keeper(s)
        go["b"].set()
        t.ok(b"done" in rest(b[1]), "one ends while there is no keeper")
        broker.wait_for(back, "a new keeper", 20)
        broker.wait_for(lambda: ends(s, "b")[1], "its end to be recorded", 5)
        t.is_(ends(s, "b"), (1, [("coder", "anthropic", "ok", 200)]), "its end is in the log, with whose it was")
        c = begin(s, "c")
        t.is_((c[0], begin(s, "d")[0]), (200, 429), "the other one still counts")
        go["a"].set()
        t.ok(b"done" in rest(a[1]), "it ends after all")
        broker.wait_for(lambda: ends(s, "a")[1], "its end to be recorded", 5)
        t.is_(ends(s, "a"), (1, [("coder", "anthropic", "ok", 200)]), "which is in the log, too")
        d = begin(s, "d")
        t.is_(d[0], 200, "and makes room")

        broker.wait_for(kill_keeper(s), "a new keeper", 20)
        s.b.cli("workload", "revoke", "coder")
        t.ok(c[1].closed(1.0) and d[1].closed(1.0), "streams that outlived the keeper are cut by a revocation within a second")
        broker.wait_for(lambda: ends(s, "c")[1] and ends(s, "d")[1], "their ends to be recorded", 5)
        t.is_((ends(s, "c")[1], ends(s, "d")[1]), ([("coder", "anthropic", "revoked", 200)],) * 2, "which the log says")
        t.is_(s.b.cli("audit", "verify", check=False).returncode, 0, "the log verifies")
        t.is_(oracle.can(stage.KEY, s.b), "", "CAN")


tap.Tap().run(main)
