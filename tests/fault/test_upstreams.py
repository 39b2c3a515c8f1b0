#!/usr/bin/python3
"""Upstreams that refuse, reset, hang, drip, lie about a length or never end: the client gets an error or exactly what came, nobody else notices, and the next request is served."""
import os
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import broker, oracle, stage, tap, upstream  # noqa: E402

SENT = int(os.environ.get("SIDEKEY_TEST_SENT_MIB", "1024")) << 20  # SIDEKEY_TEST_SENT_MIB=10240: 10 GiB
BLOCK = bytes(1 << 20)
GROWN_KIB = 4096
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"


def reset(conn):
    conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    os.close(conn.sock.detach())
    raise upstream.Closed


def dripped(conn, data, pause):
    for i in range(len(data)):
        conn.send(data[i:i + 1])
        time.sleep(pause)


def big(conn, length, chunked):
    conn.send(HEAD + (b"Transfer-Encoding: chunked\r\n\r\n" if chunked else b"Content-Length: %d\r\n\r\n" % length))
    for _ in range(length // len(BLOCK)):
        conn.send(b"%x\r\n" % len(BLOCK) + BLOCK + b"\r\n" if chunked else BLOCK)
    if chunked:
        conn.send(b"0\r\n\r\n")


hold = threading.Event()
WAYS = {
    "/reset-before": reset,
    "/close-before": lambda c: False,
    "/reset-in-head": lambda c: (c.send(HEAD), time.sleep(0.1), reset(c)),
    "/close-in-head": lambda c: (c.send(HEAD[:20]), False)[1],
    "/reset-in-body": lambda c: (c.send(HEAD + b"Content-Length: 1000\r\n\r\n" + b"x" * 500), time.sleep(0.2), reset(c)),
    "/short": lambda c: (c.send(HEAD + b"Content-Length: 1000\r\n\r\n" + b"x" * 999), False)[1],
    "/short-chunk": lambda c: (c.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n64\r\n" + b"x" * 50), False)[1],
    "/no-last-chunk": lambda c: (c.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nxxxxx\r\n"), False)[1],
    "/long": lambda c: c.send(HEAD + b"Content-Length: 5\r\n\r\n" + b"x" * 500),
    "/long-next": lambda c: c.send(HEAD + b"Content-Length: 5\r\n\r\nxxxxx" + HEAD + b"Content-Length: 6\r\n\r\nPOISON"),
    "/drip-head": lambda c: dripped(c, HEAD + b"Content-Length: 5\r\n\r\nxxxxx", 0.01),
    "/drip-body": lambda c: (c.send(HEAD + b"Content-Length: 60\r\n\r\n"), dripped(c, b"x" * 60, 0.02))[1],
    "/hang": lambda c: hold.wait(60) and False,
    "/hang-in-body": lambda c: (c.send(HEAD + b"Content-Length: 1000\r\n\r\nxxx"), hold.wait(60) and False)[1],
    "/garbage": lambda c: (c.send(b"\x15\x03\x01\x00\x02\x02\x28" * 50), False)[1],
    "/endless-head": lambda c: (c.send(b"HTTP/1.1 200 OK\r\n" + b"X-A: bbbbbbbbbbbbbbbbbbb\r\n" * 100000), False)[1],
    "/endless-1xx": lambda c: (c.send(b"HTTP/1.1 103 Early Hints\r\nX-A: b\r\n\r\n" * 20000), False)[1],
    "/large": lambda c: big(c, SENT, False),
    "/large-chunked": lambda c: big(c, SENT // 4, True),
}


def handler(conn, req):
    way = WAYS.get(req.target)
    return upstream.messages_api(conn, req) if way is None else way(conn)


# What the client gets: (502, code), or 200 with all of it, or 200 that ends before its length says.
REFUSED, BAD, CUT = (502, "upstream_closed"), (502, "upstream_bad"), "cut"
ROWS = [
    ("reset before an answer", "/reset-before", REFUSED), ("closed before an answer", "/close-before", REFUSED), ("reset inside of the head", "/reset-in-head", REFUSED), ("closed inside of the head", "/close-in-head", REFUSED),
    ("reset inside of the body", "/reset-in-body", CUT), ("a body a byte shorter than it said", "/short", CUT), ("closed inside of a chunk", "/short-chunk", CUT), ("closed without the last chunk", "/no-last-chunk", CUT),
    ("a body longer than it said", "/long", BAD), ("a second answer behind the first", "/long-next", BAD), ("a head that drips", "/drip-head", (200, b"xxxxx")), ("a body that drips", "/drip-body", (200, b"x" * 60)),
    ("no HTTP at all", "/garbage", (502, None)), ("a head without end", "/endless-head", (502, None)), ("interim answers without end", "/endless-1xx", (502, None)),
]


def got(c, path):
    try:
        r = c.ask("GET", f"/p/anthropic{path}")
    except (OSError, EOFError):
        return CUT
    if r is None:
        return "nothing"
    return (r.status, r.json()["sidekey"]["code"]) if r.status >= 500 else (r.status, r.body)


def rows(t, s):
    base = oracle.Baseline(s.b)
    for what, path, want in ROWS:
        c = s.w.connect(timeout=20)
        r = got(c, path)
        t.ok(r == want or (want == (502, None) and r[0] == 502), f"{what}: {want}", r)
        c.close()
        t.is_(s.w.ask("GET", "/p/anthropic/v1/next").json().get("target"), "/v1/next", f"{what}: the next request gets its own answer")
    t.is_(oracle.alive(s.b, s.w.conf["gateway"], s.w.ca), "", "ALIVE")
    t.is_(base.back(), "", "ALIVE: descriptors and memory are back")


def hangs(t, s):
    base, open_ = oracle.Baseline(s.b), []
    for i in range(80):
        c = s.w.connect()
        c.send(f"GET /p/anthropic/{('hang', 'hang-in-body')[i % 2]} HTTP/1.1\r\nHost: 127.0.0.1:7433\r\n\r\n")
        open_.append(c)
    broker.wait_for(lambda: len([r for r in s.up.requests if "/hang" in r.target]) == 80, "the upstream to see them all", 20)
    t.is_(oracle.alive(s.b, s.w.conf["gateway"], s.w.ca), "", "80 requests that hang upstream: ALIVE")
    t.is_(s.w.ask("GET", "/p/anthropic/v1/x").status, 200, "80 requests that hang upstream: another one is served")
    for c in open_:
        c.close()
    hold.set()
    t.is_(base.back(15), "", "80 requests that hang upstream: descriptors and memory are back")


def refuses(t, s):
    closed = socket.create_server(("127.0.0.1", 0))
    port = type("Port", (), {"port": closed.getsockname()[1]})
    closed.close()
    s.b.upstream("refuses", "anthropic", port, s.ca.cert, "env: {refuses: x}\n")
    s.b.policy("coder", ["coder"], stage.ALLOW_ALL + '  refuses:\n    allow: ["* /**"]\n')
    s.b.reload()
    log = oracle.Log(s.b)
    r = s.w.ask("GET", "/p/refuses/v1/x")
    t.is_((r.status, r.json()["sidekey"]["code"]), (502, "upstream_unreachable"), "an upstream that refuses the connection")
    t.is_(log.holds(event="finish", code="upstream_unreachable"), "", "AUD")


def large(t, s):
    gateway = s.b.pids()["gateway"][0]
    for what, path, length in (("with a length", "/large", SENT), ("in chunks", "/large-chunked", SENT // 4)):
        before, most, slow, left, start = oracle.rss_kib(gateway), 0, "", length, time.monotonic()
        c = s.w.connect(timeout=60)
        c.send(f"GET /p/anthropic{path} HTTP/1.1\r\nHost: 127.0.0.1:7433\r\n\r\n")
        c.head()
        next_look = 0
        buf = bytearray(1 << 20)
        total = len(c.buf)
        while total < length:
            n = c.sock.recv_into(buf)
            if n == 0:
                break
            total += n
            if total >= next_look:
                most = max(most, oracle.rss_kib(gateway) - before)
                slow = slow or oracle.alive(s.b, s.w.conf["gateway"], s.w.ca)
                next_look = total + length // 20
        took = time.monotonic() - start
        print(f"# {length >> 20} MiB {what} in {took:.1f} s, {length / took / (1 << 20):.0f} MiB/s, {most} KiB more in the gateway", flush=True)
        t.ok(total >= length, f"{length >> 20} MiB {what}: all of it arrives", total)
        t.ok(most < GROWN_KIB or oracle.SANITIZED, f"{length >> 20} MiB {what}: the gateway's memory stays", most)
        t.is_(slow, "", f"{length >> 20} MiB {what}: ALIVE meanwhile")
        c.close()


def main(t):
    with stage.Stage(handler) as s:
        for part in (rows, hangs, refuses, large):
            part(t, s)
        t.is_(oracle.can(stage.KEY, s.b), "", "CAN")


tap.Tap().run(main)
