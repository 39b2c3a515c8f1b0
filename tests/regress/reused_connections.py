#!/usr/bin/python3
"""What one exchange leaves behind reaches no other: on the client's connection, on the upstream's, and across a reload."""
import os
import signal
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import stage, tap, upstream, workload  # noqa: E402

HOST = "Host: 127.0.0.1:7433\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
POISON = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nPOISON"
GO, GOT = threading.Event(), threading.Event()


def handler(conn, req):
    if req.target.endswith("/rst"):
        upstream.reply(conn, 200, {"ok": 1})
        conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(conn.sock.detach())
        raise upstream.Closed
    if req.target.endswith(("/first", "/apart")):
        GOT.set()
        GO.wait(10)
        conn.send(OK)
        if req.target.endswith("/apart"):  # one read(2) ends at an urgent byte: what stands behind it stays in the kernel
            socket.socket.send(conn.sock, b"!", socket.MSG_OOB)
        conn.send(POISON)
        return None
    return upstream.messages_api(conn, req)


def pipelined(t, s, what, first):
    c = s.w.connect(timeout=5)
    c.send(first + f"GET /p/anthropic/v1/b HTTP/1.1\r\n{HOST}\r\n")
    try:
        got = [c.read().status, c.read().status]
    except (TimeoutError, socket.timeout):
        got = "timeout"
    t.is_(got, [200, 200], f"{what}: what stands behind it is the next request")
    c.close()


def dead_in_the_pool(t, s):
    hangs = 0
    for _ in range(12):
        c = s.w.connect(timeout=5)
        c.ask("GET", "/p/anthropic/v1/rst")
        c.send(f"GET /p/anthropic/v1/ok HTTP/1.1\r\n{HOST}\r\n")
        try:
            c.read()
        except (TimeoutError, socket.timeout):
            hangs += 1
        except OSError:
            pass
        c.close()
    t.is_(hangs, 0, "a connection that was reset behind its answer is not used again")


def poison(t, s, victim, path):
    """The victim's request is allowed in the very turn in which the other's answer ends, with a second one behind it."""
    GO.clear()
    GOT.clear()
    pids = s.b.pids()
    gateway, keeper = pids["gateway"][0], pids["keeper"][0]
    a, b = s.w.connect(), victim.connect()
    a.send(f"GET /p/anthropic/v1/{path} HTTP/1.1\r\n{HOST}\r\n")
    GOT.wait(10)
    os.kill(keeper, signal.SIGSTOP)
    b.send(f"GET /p/anthropic/v1/second HTTP/1.1\r\n{HOST}\r\n")
    time.sleep(0.2)
    os.kill(gateway, signal.SIGSTOP)
    GO.set()
    time.sleep(0.2)
    os.kill(keeper, signal.SIGCONT)
    time.sleep(0.3)
    os.kill(gateway, signal.SIGCONT)
    t.is_(a.read().body, b"ok", f"{path}: the first workload gets its answer")
    r = b.read()
    t.ok(r.status == 200 and b"POISON" not in r.body, "and what stood behind it is nobody's answer")


def poisons(t, s):
    s.b.policy("coder", ["coder", "victim"], stage.ALLOW_ALL)
    s.b.workload("victim")
    s.b.reload()
    victim = workload.Workload(s.b.enroll("victim"))
    for path in ("first", "apart"):
        poison(t, s, victim, path)


def base_path(t, s):
    rules = '  anthropic:\n    allow: ["* /**"]\n    deny: ["* /base/secrets/**"]\n'
    s.b.policy("coder", ["coder"], rules)
    s.b.upstream("anthropic", "anthropic", s.up, s.ca.cert, "url: https://api.anthropic.com/base\n")
    s.b.reload()
    gateway = s.b.pids()["gateway"][0]
    c = s.w.connect()
    c.ask("GET", "/p/anthropic/v1/ok")
    s.up.clear()
    s.b.upstream("anthropic", "anthropic", s.up, s.ca.cert, "")
    os.kill(gateway, signal.SIGSTOP)
    c.send(f"GET /p/anthropic/secrets/x HTTP/1.1\r\n{HOST}\r\n")
    time.sleep(0.05)
    try:
        s.b.reload()
    finally:
        os.kill(gateway, signal.SIGCONT)
    c.read()
    t.ok(not any("/base/" in r.line for r in s.up.requests), "asked again under other rules, the target is theirs, too")


def run(t):
    with stage.Stage(handler) as s:
        for what, head, body in (("POST with Content-Length: 0", "Content-Length: 0\r\n", ""), ("POST without a body", "", ""),
                                 ("POST with a body", "Content-Length: 2\r\n", "hi")):
            pipelined(t, s, what, f"POST /p/anthropic/v1/a HTTP/1.1\r\n{HOST}{head}\r\n{body}")
        dead_in_the_pool(t, s)
        poisons(t, s)
        base_path(t, s)


tap.Tap().run(run)
