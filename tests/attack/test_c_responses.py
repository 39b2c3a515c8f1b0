#!/usr/bin/python3
"""Class C of the attacks, the side of the upstream: a broken or hostile server gets nobody confused, and its connection is not used again."""
import os
import socket
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import response_cases  # noqa: E402
from harness import oracle, stage, tap, upstream  # noqa: E402

CODES = {"upstream_bad", "upstream_closed", "unscannable_response", "upstream_timeout"}
KEY = stage.KEY.encode()
STALLED = "stalled"


def with_echo(raw):
    """The same answer, with the credential in a field in front: a way back for it on every path of error."""
    line, mark, rest = raw.partition(b"\r\n")
    return line + mark + b"X-Echo: " + KEY + b"\r\n" + rest if mark else raw + KEY


class Hostile:
    """What the upstream does: set answer and close, or special, before each request."""

    def __init__(self):
        self.raw, self.close, self.special = b"", False, None

    def __call__(self, conn, req):
        if req.target == "/next":
            return upstream.reply(conn, 200, b"next", "text/plain")
        if self.special:
            return self.special(conn, req)
        conn.send(self.raw)
        return not self.close


def ask(s, c, method):
    """(status, reply or what was cut)."""
    c.send(f"{method} /p/anthropic/case HTTP/1.1\r\nHost: localhost\r\n\r\n")
    try:
        r = c.read(method)
        return (r.status, r) if r else ("cut", c.buf)
    except (EOFError, OSError, ValueError):
        return "cut", c.buf


def wanted(name, expected):
    """The status that a row's complete answer has."""
    for status in (204, 304):
        if f"{status}" in name:
            return status
    return 200


def judge(name, expected, got, r):
    if got == 502 and name.startswith("HEAD:"):
        return "" if expected == "sane" and r.body == b"" else f"got {r.raw!r}"
    if expected == "502" or (expected in ("sane", "cut") and got == 502):  # what is seen in the first block is refused as a whole
        if got != 502 or (r.json().get("sidekey") or {}).get("code") not in CODES:
            return f"got {got} {getattr(r, 'raw', r)!r}"
        return "its bytes came through" if b"hello" in r.raw or b"Smuggled" in r.raw or b"second" in r.raw else ""
    if expected == "cut":
        return "" if got == "cut" else f"the client took it for complete: {r.raw!r}"
    if got != wanted(name, expected):
        return f"got {got} {getattr(r, 'raw', r)!r}"
    if b"Smuggled" in r.raw or b"second" in r.raw:
        return f"bytes of a second answer: {r.raw!r}"
    if got == 200 and not name.startswith("HEAD:") and r.body != b"hello":
        return f"body {r.body!r}"
    return ""


def in_step(s, c, kept, number):
    """The next request, on the same connection if the client still has it: the right answer, on a fresh upstream connection unless kept."""
    try:
        r = c.ask("GET", "/p/anthropic/next")
    except OSError:
        r = None
    if r is None:
        r = s.w.ask("GET", "/p/anthropic/next")
    if r is None or (r.status, r.body) != (200, b"next"):
        return f"the next request gets {r and r.raw}"
    last = s.up.requests[-1]
    if last.target != "/next":
        return f"the last request is {last.line}"
    return "" if (last.conn == number) == kept else f"the upstream's connection was {'not ' if kept else ''}used again"


def one(s, h, name, raw, close, expected):
    h.raw, h.close = raw, close
    s.up.clear()
    c = s.w.connect()
    try:
        got, r = ask(s, c, "HEAD" if name.startswith("HEAD:") else "GET")
        bad = judge(name, expected, got, r)
        seen = [q for q in s.up.requests if q.target == "/case"]
        tries = 2 if raw == b"" else 1  # an idempotent one may go again when a pooled connection was closed without a byte
        if not bad and not 1 <= len(seen) <= tries:
            bad = f"the request was made {len(seen)} times"
        leak = oracle.can_bytes(stage.KEY, getattr(r, "raw", r), "the answer")
        return bad or leak or in_step(s, c, name.startswith("kept:"), seen[-1].conn)
    finally:
        c.close()


def table(t, s, h, log):
    for name, raw, close, expected in response_cases.CASES:
        t.is_(one(s, h, name, raw, close, expected), "", f"{name} ({expected})")
    bad = []
    for name, raw, close, expected in response_cases.CASES:
        h.raw, h.close = with_echo(raw), close
        c = s.w.connect()
        got, r = ask(s, c, "HEAD" if name.startswith("HEAD:") else "GET")
        leak = oracle.can_bytes(stage.KEY, getattr(r, "raw", r), name)
        if leak or (expected == "502" and got != 502):
            bad.append((name, got, leak))
        c.close()
    t.is_(bad, [], f"CAN: the same {len(response_cases.CASES)} with the key in them")
    finished = {}
    oracle.until(lambda: len(log.new()) > 4 * len(response_cases.CASES), 3)
    for r in log.new():
        if r["event"] == "finish":
            finished[r["code"]] = finished.get(r["code"], 0) + 1
    t.ok(finished.get("upstream_bad", 0) > 60 and finished.get("unscannable_response", 0) >= 6 and finished.get("ok", 0) > 100,
         "AUD: each has ended, as what it was", finished)


def in_pieces(t, s, h):
    """A byte a record: the same verdicts."""
    bad = []
    for name, raw, close, expected in response_cases.CASES:
        if len(raw) > 200 or name.startswith("kept:") or expected == "sane":
            continue

        def drip(conn, req, raw=raw, close=close):
            conn.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for i in range(len(raw)):
                conn.send(raw[i:i + 1])
            return not close
        h.special = drip
        c = s.w.connect()
        got, r = ask(s, c, "GET")
        b = judge(name, expected, got, r)
        if b:
            bad.append((name, b))
        c.close()
    h.special = None
    t.is_(bad, [], "byte by byte: the short ones")


def early(t, s, h):
    """Answers that nobody waited for."""
    def first_then_more(conn, req):
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        time.sleep(0.15)
        conn.send(response_cases.SECOND)  # while the connection lies in the pool
        return True
    h.special = first_then_more
    c = s.w.connect()
    t.is_(ask(s, c, "GET")[0], 200, "an answer, and later a second one that nobody asked for")
    time.sleep(0.5)
    s.up.clear()
    r = c.ask("GET", "/p/anthropic/next")
    t.is_((r.status, r.body, len(s.up.requests)), (200, b"next", 1), "the next request gets its own answer")
    other = s.w.connect()
    t.is_(other.ask("GET", "/p/anthropic/next").body, b"next", "and so does another client's")
    other.close()
    c.close()

    def before_body(conn, req):
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno")
        return True
    h.special = before_body
    type(h).before_body = True
    c = s.w.connect()
    c.send(b"POST /p/anthropic/case HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1000)
    r = c.read("POST")
    t.ok(r and r.status == 200 and r.get("connection") == "close", "a complete answer in the middle of an upload ends the connection", r and r.raw)
    number = s.up.requests[-1].conn
    c.close()
    type(h).before_body = False
    h.special = None
    s.up.clear()
    t.is_(s.w.ask("GET", "/p/anthropic/next").body, b"next", "the next request")
    t.ok(s.up.requests[-1].conn != number, "goes out on another connection")


def echoes(t, s, h):
    """The key where the gateway speaks for the upstream."""
    for name, raw in (("in the status line", b"HTTP/1.1 200 " + KEY + b"\r\nContent-Length: 0\r\n\r\n"), ("in a name", b"HTTP/1.1 200 OK\r\n" + KEY + b": x\r\nContent-Length: 0\r\n\r\n"),
                      ("in a redirect", b"HTTP/1.1 302 Found\r\nLocation: https://evil.example/?k=" + KEY + b"\r\nContent-Length: 0\r\n\r\n"),
                      ("in a cookie", b"HTTP/1.1 200 OK\r\nSet-Cookie: k=" + KEY + b"\r\nContent-Length: 0\r\n\r\n"),
                      ("in a challenge", b"HTTP/1.1 401 No\r\nWWW-Authenticate: Bearer realm=\"" + KEY + b"\"\r\nContent-Length: 0\r\n\r\n"),
                      ("in 103", b"HTTP/1.1 103 Early Hints\r\nLink: <" + KEY + b">\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
                      ("in an extension", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;" + KEY + b"\r\nx\r\n0\r\n\r\n"),
                      ("in a trailer", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-T: " + KEY + b"\r\n\r\n"),
                      ("in a body that is cut", b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nx" + KEY),
                      ("in a body cut inside the key", b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nx" + KEY[:-1]),
                      ("over chunks of one byte", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"".join(b"1\r\n%c\r\n" % x for x in KEY) + b"0\r\n\r\n"),
                      ("as gzip", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + KEY)):
        h.raw, h.close = raw, True
        c = s.w.connect()
        got, r = ask(s, c, "GET")
        data = getattr(r, "raw", r)
        t.ok(oracle.can_bytes(stage.KEY, data, name) == "" and KEY[:20] not in data, f"CAN: the key {name}", (got, data))
        c.close()


def slow(t, s, results):
    """Servers below HTTP: each has a name of its own among the upstreams. One address gets 4 s for connection and TLS together."""
    def run(name, want_status, want_s):
        begin = time.monotonic()
        c = s.w.connect(timeout=40)
        try:
            r = c.ask("GET", f"/p/{name}/x")
            results[name] = (r and r.status, r and r.json()["sidekey"]["code"], time.monotonic() - begin, want_status, want_s)
        except OSError as e:
            results[name] = (0, str(e), time.monotonic() - begin, want_status, want_s)
        c.close()
    rows = [("silent", 502, 4), ("refusing", 502, 0), ("resetting", 502, 0), ("wrongname", 502, 0), ("plain", 502, 0), ("slowtls", 502, 4)]
    threads = [threading.Thread(target=run, args=r) for r in rows]
    for th in threads:
        th.start()
    return threads


def listener(fn):
    """A TCP server that does fn(connection) and no TLS."""
    sock = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                c, _ = sock.accept()
            except OSError:
                return
            threading.Thread(target=fn, args=(c,), daemon=True).start()
    threading.Thread(target=serve, daemon=True).start()
    return sock.getsockname()[1]


def reset(c):
    c.recv(100)
    c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    c.close()


def drip_tls(c):
    c.recv(4096)
    try:
        c.sendall(b"\x16\x03\x03\x40\x00\x02")
        for _ in range(60):
            c.sendall(b"\0")
            time.sleep(0.5)
    except OSError:
        pass


def bad_servers(s):
    cert, key = s.ca.leaf("other", "DNS:other.example")
    closed = socket.create_server(("127.0.0.1", 0))
    port = closed.getsockname()[1]
    closed.close()
    ports = {"silent": listener(lambda c: time.sleep(60)), "refusing": port, "resetting": listener(reset), "wrongname": upstream.Upstream(cert, key).port,
             "plain": listener(lambda c: (c.recv(100), c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))), "slowtls": listener(drip_tls)}
    for name, port in ports.items():
        s.b.write(f"upstreams/{name}.yaml", f"upstream: {name}\nlike: anthropic\nca: {s.ca.cert}\nconnect: 127.0.0.1:{port}\nenv: {{{name.upper()}_URL: \"{{base_url}}\"}}\n")
    s.b.policy("coder", ["coder"], stage.ALLOW_ALL + "".join(f'  {n}:\n    allow: ["* /**"]\n' for n in ports))
    s.b.reload()


def main(t):
    h = Hostile()
    with stage.Stage(h) as s:
        bad_servers(s)
        results = {}
        threads = slow(t, s, results)
        base, log = oracle.Baseline(s.b), oracle.Log(s.b)
        table(t, s, h, log)
        in_pieces(t, s, h)
        early(t, s, h)
        echoes(t, s, h)
        for th in threads:
            th.join(45)
        for name, (status, code, took, want, want_s) in results.items():
            t.ok(status == want and want_s - 1 <= took <= want_s + 6, f"an upstream that is {name}: {want} within {want_s} s", (status, code, took))
        t.is_(results["wrongname"][1], "upstream_certificate", "another's certificate is called that")
        t.is_(oracle.alive(s.b, s.w.conf["gateway"], s.w.ca), "", "ALIVE")
        t.is_(base.back(), "", "ALIVE: no process grew or died in all this")
        t.is_(oracle.aud(s.b, event="finish", code="upstream_bad"), "", "the chain verifies")
        t.is_(oracle.can(stage.KEY, s.b), "", "CAN")


tap.Tap().run(main)
