#!/usr/bin/python3
"""Class C of the attacks, the side of the client: what has more than one reading is refused, and nothing behind it is taken for a request."""
import os
import socket
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import framing_cases  # noqa: E402
from harness import clock, oracle, stage, tap, upstream  # noqa: E402

USE = '  anthropic:\n    allow: ["* /**"]\n    deny: ["* /deny"]\n'
PROBE = b"GET /p/anthropic/v1/probe HTTP/1.1\r\nHost: 127.0.0.1:7433\r\n\r\n"
SHUT = (OSError, EOFError)
ONE_BY_ONE_MAX = 300


def method_of(raw):
    return raw.split(b" ")[0].decode("latin-1")


def send(c, raw, pieces):
    """False when the peer did not want all of it."""
    try:
        for i in range(0, len(raw), 1 if pieces else len(raw) or 1):
            c.send(raw[i:i + 1] if pieces else raw)
        return True
    except OSError:
        return False


def read(c, method):
    try:
        return c.read(method)
    except SHUT:
        return None


def rest(c, timeout=4.0):
    """What still comes until the end; None when there is no end."""
    c.sock.settimeout(timeout)
    try:
        while c.more():
            pass
    except TimeoutError:
        return None
    except OSError:
        pass
    return c.buf


def decoded(raw):
    """The content of a request that has one reading."""
    head, _, body = raw.partition(b"\r\n\r\n")
    if b"transfer-encoding" not in head.lower():
        return body
    out = b""
    while True:
        size, _, body = body.partition(b"\r\n")
        n = int(size.split(b";")[0], 16)
        if n == 0:
            return out
        out, body = out + body[:n], body[n + 2:]


def canonical(req, raw):
    """What goes upstream has one reading, and nothing in it that belongs to one hop of the client's."""
    low = [k.lower() for k, _ in req.headers]
    twins = {k for k in low if low.count(k) > 1}
    if twins & {"host", "content-length", "transfer-encoding", "x-api-key"}:
        return f"twice: {twins}"
    if "content-length" in low and "transfer-encoding" in low:
        return "two lengths"
    if req.get("host") != "api.anthropic.com":
        return f"Host {req.get('host')}"
    stray = set(low) & {"upgrade", "http2-settings", "keep-alive", "proxy-connection", "te", "trailer"}
    if "expect" in low and b"Expect:" not in raw:
        return "an Expect that nobody asked for"
    return f"hop-by-hop: {stray}" if stray else ""


def up1(s, raw):
    method, target = raw.split(b" ")[:2]
    bad = oracle.up1(s.up, f"{method.decode()} {target.decode()[len('/p/anthropic'):]} HTTP/1.1", "x-api-key", stage.KEY)
    if bad:
        return bad
    if s.up.requests[0].body != decoded(raw):
        return f"the body {s.up.requests[0].body[:80]!r}, want {decoded(raw)[:80]!r}"
    return canonical(s.up.requests[0], raw)


def in_step(s, c):
    """The connection still means what we think it does."""
    s.up.clear()
    if c.buf:
        return f"bytes behind the answer: {c.buf[:80]!r}"
    if not send(c, PROBE, False):
        return "shut without a word"
    r = read(c, "GET")
    return "" if r and r.status == 200 and [q.target for q in s.up.requests] == ["/v1/probe"] else f"the next request gets {r and r.raw}"


def judge_ok(s, c, raw):
    r = read(c, method_of(raw))
    if r is None or r.status != 200:
        return f"answered {r and r.raw}"
    bad = up1(s, raw)
    if bad:
        return bad
    if (r.get("connection") or "").lower() == "close":
        left = rest(c)
        return "" if left == b"" else f"behind the end: {left!r}"
    return in_step(s, c)


def judge_refused(s, c, name, raw):
    who = name.split(":")[0]
    if name.endswith("then the end"):
        c.close()
        time.sleep(0.02)
        return ""
    r = read(c, method_of(raw))
    if r is None:
        return "" if who == "body" or len(raw) > 20000 else "shut without an answer"
    wanted = {"head": (400, 417, 431), "body": (400,), "route": (403, 501)}[who]
    if r.status not in wanted:
        return f"answered {r.raw}"
    if (r.get("connection") or "").lower() != "close":
        return in_step(s, c) if who == "route" else "the connection stays open"
    left = rest(c)
    return "" if left == b"" else f"behind the answer: {left!r}"


def one(s, name, raw, expected, pieces=False):
    s.up.clear()
    c = s.w.connect()
    try:
        send(c, raw, pieces)
        if expected == "ok":
            return judge_ok(s, c, raw)
        bad = judge_refused(s, c, name, raw)
        seen = [q.line for q in s.up.requests if q.target != "/v1/probe"]
        return bad or (f"the upstream saw {seen}" if seen else "") or (b"smuggled" in b"".join(s.up.heads) and "smuggled" or "")
    finally:
        c.close()


def refusals_of(cases):
    """How many records of a refusal the table must leave: what the gateway refused by itself, and what policy denied."""
    return sum(expected == "refuse" and not name.endswith("then the end") for name, _, expected in cases)


def proxied(t, s, log):
    cases = framing_cases.CASES
    log.mark()
    for name, raw, expected in cases:
        t.is_(one(s, name, raw, expected), "", f"{name} ({expected})")
    oracle.until(lambda: log.refusals(workload="coder") >= refusals_of(cases), 4)  # what was folded is counted a second later
    t.is_(log.refusals(workload="coder"), refusals_of(cases), "AUD: each refusal is in the log or in a count")

    def open_():
        new = log.new()
        finished = {r["of"] for r in new if r["event"] == "finish"}
        return [r for r in new if r["event"] == "decide" and r.get("decision") == "allow" and r["seq"] not in finished]
    t.ok(oracle.until(lambda: not open_(), 20), "AUD: what was allowed has ended", open_())
    for who in ("head", "body", "route", "ok"):
        small = [c for c in cases if c[0].startswith(who) and len(c[1]) <= ONE_BY_ONE_MAX]
        bad = [f"{name}: {b}" for name, raw, expected in small if (b := one(s, name, raw, expected, pieces=True))]
        t.is_(bad, [], f"byte by byte: the {len(small)} of {who} that are short")


def control(t, s, log):
    """The same at the control plane: our parser stands in front of it, too."""
    for path, alpn in ((b"/v1/self", "sidekey-forward"), (b"/v1/renew", "sidekey-control")):
        log.mark()
        s.up.clear()
        bad = []
        cases = [c for c in framing_cases.cases(path=path) if not c[0].startswith("route: a denied path")]
        for name, raw, expected in cases:
            c = s.w.connect(alpn)
            send(c, raw, False)
            if name.endswith("then the end"):
                c.close()
                continue
            r = read(c, method_of(raw))
            fine = r is not None and (r.status == 200) == (path == b"/v1/self" and expected == "ok" and method_of(raw) == "GET")
            if expected == "refuse" and not name.startswith("route"):
                fine = (r is None and len(raw) > 20000) or (fine and 400 <= r.status < 500 and (r.get("connection") == "close") and rest(c) == b"")
            elif expected == "ok" and fine:
                fine = r.status in (200, 405) or r.json()["code"] == "bad_json"
            if not fine:
                bad.append((name, r and r.raw))
            c.close()
        t.is_(bad, [], f"{path.decode()}: the same {len(cases)}")
        t.is_(oracle.up0(s.up), "", f"{path.decode()}: UP0")
        t.ok(not any(r["event"] in ("renew", "give_back") for r in log.new()), f"{path.decode()}: no certificate came of it")


def pipelined(t, s):
    for name, raw, outcomes in framing_cases.PIPELINED:
        s.up.clear()
        c = s.w.connect()
        send(c, raw, False)
        got = []
        for _ in outcomes:
            r = read(c, "GET")
            got.append("none" if r is None else "ok" if r.status == 200 else "refuse")
        left = c.buf if got[-1:] == ["ok"] and b"close" not in raw else rest(c, 0.5) or b""
        t.is_((got, left), (outcomes, b""), f"pipelined: {name}")
        t.is_(len(s.up.requests), outcomes.count("ok"), f"pipelined: {name}: that many upstream")
        c.close()


def half(t, s):
    """Who has sent all and shuts its direction still gets its answer."""
    c = s.w.connect()
    s.up.clear()
    c.send(b"POST /p/anthropic/v1/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}" + PROBE)
    a, b = read(c, "POST"), read(c, "GET")
    t.ok(a and b and (a.status, b.status) == (200, 200), "a body and the next request in one block", (a, b))
    c.close()
    for what, raw, want in (("a denied request with a body still to come", b"POST /p/anthropic/deny HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n", 403),
                            ("a denied request with chunks still to come", b"POST /p/anthropic/deny HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n", 403),
                            ("a refused route with a body still to come", b"POST /v1/nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n", 404)):
        s.up.clear()
        c = s.w.connect()
        c.send(raw)
        r = read(c, "POST")
        send(c, PROBE * 3, False)
        t.is_((r and r.status, rest(c), oracle.up0(s.up)), (want, b"", ""), f"{what}: closed, and what comes is no request")
        c.close()


class Slow(threading.Thread):
    """Sends a first part, then a byte each step_s, and notes when the end came. deaf: only when sending fails."""

    def __init__(self, name, c, first, drip, want_s, status=None, step_s=0.5, deaf=False):
        super().__init__(daemon=True)
        self.name_, self.c, self.first, self.drip, self.want_s, self.status = name, c, first, drip, want_s, status
        self.step_s, self.deaf = step_s, deaf
        self.took = self.got = None
        self.start()

    def run(self):
        begin = time.monotonic()
        self.c.settimeout(self.step_s)
        got = b""
        try:
            self.c.sendall(self.first)
            while time.monotonic() - begin < self.want_s + 8:
                try:
                    more = self.c.recv(65536)
                    got += more
                    if not more and not self.deaf:
                        break
                    if not more:
                        time.sleep(self.step_s)
                        self.c.sendall(self.drip)
                except TimeoutError:
                    self.c.sendall(self.drip)
        except OSError:
            pass
        self.took, self.got = time.monotonic() - begin, got

    def judge(self, t):
        self.join(60)
        t.ok(self.took is not None and self.want_s - 1 <= self.took <= self.want_s + 5, f"deadline of {self.want_s} s: {self.name_}", self.took)
        if self.status:
            t.ok((self.got or b"").startswith(b"HTTP/1.1 %d " % self.status), f"and it is told {self.status}: {self.name_}", self.got)


def plain(s):
    c = socket.socket(socket.AF_UNIX)
    c.connect(s.w.conf["gateway"][5:])
    return c


def slow(s):
    """Deadlines are from a beginning, not from the last byte: dripping does not help. Those of limits.h under 35 s."""
    head, post = b"GET /p/anthropic/v1/x HTTP/1.1\r\nHost: localhost\r\n", b"POST /p/anthropic/v1/x HTTP/1.1\r\nHost: localhost\r\n"
    return [
        Slow("a handshake that never begins", plain(s), b"", b"", 10),
        Slow("a handshake that drips", plain(s), b"\x16\x03\x01\x40\x00", b"\x01", 10),
        Slow("a head that drips", s.w.connect().sock, head + b"X: ", b"y", 15, 408),
        Slow("a head that never ends its first line", s.w.connect().sock, b"GET /", b"y", 15, 408),
        Slow("many small fields", s.w.connect().sock, head, b"A: b\r\n", 15, 408),
        Slow("a control body that drips", s.w.connect("sidekey-control").sock, b"POST /v1/renew HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n{", b" ", 15, 408),
        Slow("a body that drips", s.w.connect().sock, post + b"Content-Length: 5000\r\n\r\n", b"y", 30, 408),
        Slow("chunks that drip", s.w.connect().sock, post + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\ny\r\n", 30, 408),
        Slow("a body that was promised", s.w.connect().sock, post + b"Expect: 100-continue\r\nContent-Length: 5000\r\n\r\n", b"", 31, None),
        Slow("a client that goes on behind a refusal", s.w.connect().sock, b"bad\r\n\r\n", b"y", 3, 400, step_s=0.2, deaf=True),
    ]


def large(conn, req):
    """More than all buffers on the way, to whoever asks; nothing is read of a body."""
    if req.method == "POST":
        time.sleep(60)
        return False
    return upstream.reply(conn, 200, bytes(32 << 20), "text/plain")


large.before_body = True


def takers(t):
    """Who takes a byte now and then takes one block, and for that there is a time, too: its own is pushed, not waited for."""
    clk = clock.Clock()
    with stage.Stage(large, programs=clk.dir) as s:
        log = oracle.Log(s.b)
        down, up = s.w.connect(timeout=5), s.w.connect(timeout=0.5)
        down.send(b"GET /p/anthropic/v1/x HTTP/1.1\r\nHost: localhost\r\n\r\n")
        send(up, b"POST /p/anthropic/v1/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 33554432\r\n\r\n" + bytes(32 << 20), False)
        time.sleep(0.5)  # until all buffers are full
        for at in (0, 20, 38):  # seconds; a byte behind each
            clk.push(s.b, at and (20 if at == 20 else 18))
            t.is_([r["code"] for r in log.new() if r["event"] == "finish"], [], f"takers: {at} s: both are open")
            got = down.sock.recv(1)
            t.is_(len(got), 1, f"takers: {at} s: a byte is taken")
        clk.push(s.b, 24)
        t.is_(log.holds(event="finish", code="client_stalled"), "", "takers: 62 s: a client that takes a byte each 20 s is cut all the same")
        t.is_(log.holds(event="finish", code="upstream_timeout"), "", "takers: 62 s: and an upstream that takes nothing")
        down.close()
        up.close()
        t.is_(oracle.alive(s.b, s.w.conf["gateway"], s.w.ca), "", "takers: ALIVE")


def main(t):
    takers(t)
    with stage.Stage(use=USE) as s:
        base, log = oracle.Baseline(s.b), oracle.Log(s.b)
        proxied(t, s, log)
        pipelined(t, s)
        half(t, s)
        threads = slow(s)
        control(t, s, log)
        t.is_(oracle.alive(s.b, s.w.conf["gateway"], s.w.ca), "", "ALIVE beside the slow ones")
        for th in threads:
            th.judge(t)
        t.is_(base.back(), "", "ALIVE: no process grew or died in all this")
        t.is_(oracle.aud(s.b, event="refused", code="bad_framing"), "", "the chain verifies")
        t.is_(oracle.can(stage.KEY, s.b), "", "CAN")


if __name__ == "__main__":
    tap.Tap().run(main)
