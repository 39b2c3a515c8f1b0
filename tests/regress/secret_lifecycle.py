#!/usr/bin/python3
"""A secret's life while it is used: rotated in mid-stream, rolled back, shown, destroyed; each request has exactly one version, and the log says which."""
import glob
import json
import os
import sqlite3
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import broker, oracle, stage, tap, upstream  # noqa: E402

FIRST, SECOND, THIRD = stage.KEY, "sk-ant-api03-second-0123456789abcdefghijklmnopqrstuvw", "sk-ant-api03-third-0123456789abcdefghijklmnopqrstuvwx"
go_on = threading.Event()


def handler(conn, req):
    if req.target == "/stream":
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n" + upstream.chunk(b"data: begun\n\n"))
        go_on.wait(10)
        seen = req.get("x-api-key").encode()
        conn.send(upstream.chunk(b"data: your key is " + seen[:20]))
        conn.send(upstream.chunk(seen[20:] + b"\n\n") + b"0\r\n\r\n")
        return True
    if req.target == "/who" and req.get("x-api-key") == FIRST and go_on.is_set():
        return upstream.reply(conn, 401, {"type": "error", "error": {"type": "authentication_error", "message": f"invalid x-api-key {req.get('x-api-key')}"}})
    return upstream.reply(conn, 200, {"ok": True})


def used(s):
    """The version that the upstream saw in the last request, and that the log has for it."""
    key = s.up.requests[-1].get("x-api-key")
    record = [r for r in oracle.records(s.b) if r["event"] == "decide" and r["decision"] == "allow"][-1]
    return {FIRST: 1, SECOND: 2, THIRD: 3}.get(key), record["version"]


def states(b):
    return {r["version"]: r["state"] for r in map(json.loads, b.cli("--json", "secret", "history", "anthropic-api-key").stdout.splitlines())}


def rotation(t, s):
    c, other = s.w.connect(), s.w.connect()
    t.is_((other.ask("GET", "/p/anthropic/who").status, *used(s)), (200, 1, 1), "the first version is used")
    c.send("GET /p/anthropic/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
    c.head()
    chunks = c.chunks()
    t.is_(next(chunks), b"data: begun\n\n", "a stream is open with it")
    s.b.cli("secret", "rotate", "anthropic-api-key", stdin=SECOND)
    t.is_(states(s.b), {1: "grace", 2: "active"}, "rotated")
    t.is_((other.ask("GET", "/p/anthropic/who").status, *used(s)), (200, 2, 2), "the next request has the new one, on a client connection that is as old")
    t.ok(s.up.requests[-1].conn not in {r.conn for r in s.up.requests[:-1]}, "and on no upstream connection that the old one was on")
    go_on.set()
    rest = b"".join(chunks)
    t.ok(rest.startswith(b"data: your key is ") and rest.endswith(b"\n\n") and len(rest) == 20 + len(FIRST), "the stream goes on to its end", rest)
    t.is_(oracle.can_bytes(FIRST, rest, "stream"), "", "and the old key is still blanked in it")
    t.is_([r.get("x-api-key") for r in s.up.requests if r.target == "/stream"], [FIRST], "which went out once")
    c.close()
    other.close()


def rollback(t, s):
    b = s.b
    b.cli("secret", "rollback", "anthropic-api-key")
    t.is_(states(b)[1], "active", "rolled back")
    r = s.w.ask("GET", "/p/anthropic/who")
    t.is_((r.status, *used(s)), (401, 1, 1), "the next request has the version before")
    t.ok(r.get("sidekey-decision") is None and b"authentication_error" in r.body and oracle.can_bytes(FIRST, r.raw, "x") == "", "the upstream's own refusal comes through, without the key", r.raw)
    b.cli("secret", "rollback", "anthropic-api-key", "--to", "2")
    t.is_((s.w.ask("GET", "/p/anthropic/who").status, *used(s)), (200, 2, 2), "and forward again")
    for args, rc in ((("--to", "9"), 3), (("--to", "0"), 2), (("--to", "x"), 2)):
        t.ok(b.cli("secret", "rollback", "anthropic-api-key", *args, check=False).returncode in (rc, 1), f"rollback {' '.join(args)} is refused")
    t.is_(used(s), (2, 2), "and changes nothing")
    said = [(r["event"], r["version"]) for r in oracle.records(b) if r["event"] in ("secret_rotate", "secret_rollback")]
    t.is_(said, [("secret_rotate", 2), ("secret_rollback", 1), ("secret_rollback", 2)], "AUD: each step, with the version in force behind it")


def shown(t, s):
    b = s.b
    before = len([r for r in oracle.records(b) if r["event"] == "secret_reveal"])
    p = b.cli("secret", "show", "anthropic-api-key")
    t.ok(oracle.can_bytes(SECOND, p.stdout.encode(), "x") == "" and len([r for r in oracle.records(b) if r["event"] == "secret_reveal"]) == before, "shown without its value: no value, no record")
    t.is_((b.cli("secret", "show", "anthropic-api-key", "--reveal").stdout, b.cli("secret", "show", "anthropic-api-key", "--reveal", "--version", "1").stdout), (SECOND, FIRST), "revealed, the active one and another")
    records = [r for r in oracle.records(b) if r["event"] == "secret_reveal"][before:]
    uid = broker.ONE_UID if b.prefix else os.geteuid()
    t.is_([(r["secret"], r["version"], r["uid"]) for r in records], [("anthropic-api-key", 2, uid), ("anthropic-api-key", 1, uid)], "AUD: which, and by whom")


def files(b):
    data = b""
    for path in glob.glob(f"{b.state}/store.db*"):
        with open(path, "rb") as f:
            data += f.read()
    return data


def sealed_row(b, version):
    con = sqlite3.connect(f"{b.state}/store.db")
    found = [bytes(s) for k, s in con.execute("select key, sealed from rows") if k.startswith("value/anthropic-api-key/") and k.endswith(f"{version}")]
    con.close()
    return found[0] if found else b""


def destroy(t, s):
    b = s.b
    b.stop()
    row = sealed_row(b, 1)
    t.ok(len(row) > 40 and row in files(b), "the sealed value stands in the store")
    for extra in glob.glob(f"{b.state}/store.db-*"):
        os.unlink(extra)  # sqlite3 of this test made them, as root
    b.start()
    broker.wait_for(lambda: oracle.alive(b, s.w.conf["gateway"], s.w.ca) == "", "the gateway")
    t.ok(b.cli("secret", "destroy", "anthropic-api-key", check=False).returncode == 2, "destroy wants the version by name")
    b.cli("secret", "destroy", "anthropic-api-key", "--version", "1")
    t.is_(states(b), {1: "destroyed", 2: "active"}, "destroyed")
    t.ok(b.cli("secret", "show", "anthropic-api-key", "--reveal", "--version", "1", check=False).returncode in (1, 3), "it cannot be shown")
    t.ok(b.cli("secret", "rollback", "anthropic-api-key", "--to", "1", check=False).returncode in (1, 3), "nor come back")
    t.is_((s.w.ask("GET", "/p/anthropic/who").status, *used(s)), (200, 2, 2), "nobody who uses the other notices")
    t.is_(oracle.aud(b, event="secret_destroy", secret="anthropic-api-key", version=1), "", "AUD")
    b.stop()
    t.ok(row not in files(b), "and even its sealed form is gone from the files")
    b.start()
    t.is_(states(b), {1: "destroyed", 2: "active"}, "after a restart as before")
    broker.wait_for(lambda: oracle.alive(b, s.w.conf["gateway"], s.w.ca) == "", "the gateway")
    b.cli("secret", "destroy", "anthropic-api-key", "--version", "2")  # it leaked: away with it, whoever uses it
    s.up.clear()
    r = s.w.ask("GET", "/p/anthropic/who")
    t.is_((r.status, r.json()["sidekey"]["code"], oracle.up0(s.up)), (403, "secret_missing", ""), "the active one destroyed: requests are refused, in words; UP0")
    t.is_(b.cli("secret", "rotate", "anthropic-api-key", stdin=THIRD).returncode, 0, "a further version")
    t.is_((s.w.ask("GET", "/p/anthropic/who").status, *used(s)), (200, 3, 3), "gets a number of its own and is used")


def main(t):
    with stage.Stage(handler) as s:
        for part in (rotation, rollback, shown, destroy):
            part(t, s)
        for key in (FIRST, SECOND, THIRD):
            t.is_(oracle.can(key, s.b), "", "CAN")


tap.Tap().run(main)
