#!/usr/bin/python3
"""Every deadline of the gateway that takes seconds to minutes (broker/gateway/limits.h): nothing happens before it, and what the header says behind it. Time is pushed, not waited for."""
import os
import signal
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import broker, clock, oracle, stage, tap, upstream  # noqa: E402

HOST = "Host: 127.0.0.1:7433\r\n"
USE = "".join(f'  {name}:\n    allow: ["* /**"]\n' for name in ("anthropic", "deaf", "mute", "many"))
MARGIN_S = 2  # for the time that really passes in a step
BIG = 32 << 20  # more than all buffers on the way

go_on = threading.Event()


def handler(conn, req):
    """Reads no body by itself; each path has a way of its own to be slow."""
    if req.target == "/silent":
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n" + upstream.chunk(b"data: 1\n\n"))
        go_on.wait(60)
        conn.send(upstream.chunk(b"data: 2\n\n"))
        time.sleep(60)
    elif req.target == "/big":
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % BIG)
        conn.send(bytes(BIG))
    elif req.target.startswith("/stuck"):
        time.sleep(60)
    else:
        upstream.reply(conn, 200, {})
    return True


handler.before_body = True
handler.says_continue = False


class Deaf:
    """A port that takes no connection: its queue is full."""

    def __init__(self, host="127.0.0.1", port=0):
        self.sock = socket.create_server((host, port), backlog=0)
        self.port = self.sock.getsockname()[1]
        self.fill = [socket.socket() for _ in range(4)]
        for s in self.fill:
            s.setblocking(False)
            s.connect_ex((host, self.port))


class Mute:
    """A port that takes connections, and never says a word."""

    def __init__(self):
        self.sock = socket.create_server(("127.0.0.1", 0), backlog=16)
        self.port = self.sock.getsockname()[1]


def quiet(sock):
    """Open, and nothing comes."""
    sock.settimeout(0.2)
    try:
        return f"got {sock.recv(100)!r}"
    except TimeoutError:
        return ""
    except OSError as e:
        return repr(e)


def gone(c):
    """"" when the connection is closed without another byte."""
    c.sock.settimeout(5)
    try:
        data = c.sock.recv(100)
        return f"got {data!r}" if data else ""
    except TimeoutError:
        return "it is open"
    except OSError:
        return ""


def answered(status, code):
    def check(c):
        c.sock.settimeout(5)
        try:
            r = c.read()
        except OSError as e:
            return repr(e)
        body = r.json() if r else {}
        got = r and (r.status, body.get("sidekey", body).get("code"))
        return "" if got == (status, code) else f"got {got}"
    return check


class Deadlines:
    def __init__(self, t, s, clk):
        self.t, self.s, self.clk, self.log = t, s, clk, oracle.Log(s.b)

    def push(self, seconds):
        self.clk.push(self.s.b, seconds)

    def at(self, what, c, limit_s, end, before=quiet):
        """Until MARGIN_S before the limit nothing happens to c, and a second behind it this end."""
        self.push(0)  # what was sent has been read
        self.push(limit_s - MARGIN_S)
        self.t.is_(before(c.sock), "", f"{what}: nothing for {limit_s - MARGIN_S} s")
        self.push(MARGIN_S + 1)
        self.t.is_(end(c), "", f"{what}: the end after {limit_s} s")
        c.sock.close()

    def client(self, *first, seen=True):
        """A connection that sent this; seen: the upstream has its head."""
        c = self.s.w.connect(timeout=20)
        self.s.up.clear()
        for part in first:
            c.send(part)
        if first and seen:
            broker.wait_for(lambda: self.s.up.heads, "the upstream to see it")
        return c

    def ended(self, code):
        self.t.is_(self.log.holds(event="finish", code=code), "", f"AUD: {code}")
        self.log.mark()


def idle(d):
    d.at("a client that says nothing", d.s.w.connect(), 75, gone)
    d.at("a stranger that says nothing", d.s.w.anonymous("sidekey-forward"), 75, gone)
    d.at("a spare connection of the shim's own", d.s.w.connect("sidekey-control"), 75, gone)
    c = d.s.w.connect()
    c.ask("GET", "/p/anthropic/v1/x")
    d.at("a client that is done", c, 75, gone)


def handshake(d):
    c = type("Raw", (), {})()
    c.sock = socket.socket(socket.AF_UNIX)
    c.sock.connect(d.s.w.conf["gateway"][5:])
    d.at("no handshake", c, 10, gone)


def head(d):
    d.at("a head that does not end", d.client("GET /p/anthropic/v1/x HTTP/1.1\r\n", seen=False), 15, answered(408, "head_timeout"))


def body(d):
    post = f"POST /p/anthropic/stuck HTTP/1.1\r\n{HOST}Content-Length: 100000\r\n\r\n"
    d.log.mark()
    d.at("a body that does not come", d.client(post), 30, answered(408, "body_timeout"))
    d.ended("client_stalled")
    c = d.client(post)
    d.push(0)
    c.send(b"x" * 2000)
    d.push(0)
    d.push(31)
    d.t.is_(quiet(c.sock), "", "a body of which 2 000 bytes came in 30 s: nothing")
    d.at("but then no more", c, 30, answered(408, "body_timeout"))
    c = d.s.w.connect("sidekey-control")
    c.send("POST /v1/renew HTTP/1.1\r\nHost: sidekey\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
    d.at("a control request's body that does not come", c, 15, answered(408, "body_timeout"))


def slow_reader(d):
    """Not read from before the end: that would be taking something."""
    d.log.mark()
    c = d.client(f"GET /p/anthropic/big HTTP/1.1\r\n{HOST}\r\n")
    time.sleep(0.5)  # until all buffers are full

    def still_open(_):
        return "".join(r["code"] for r in d.log.new() if r["event"] == "finish")
    d.at("a client that takes nothing", c, 60, lambda _: d.log.holds(event="finish", code="client_stalled"), before=still_open)


def upstream_head(d):
    d.log.mark()
    d.at("an upstream that does not answer", d.client(f"GET /p/anthropic/stuck HTTP/1.1\r\n{HOST}\r\n"), 610, answered(504, "upstream_timeout"))
    d.ended("upstream_timeout")


def upstream_silent(d):
    d.log.mark()
    go_on.clear()
    c = d.client(f"GET /p/anthropic/silent HTTP/1.1\r\n{HOST}\r\n")
    c.head()
    while b"data: 1\n\n\r\n" not in c.buf:
        c.more()
    d.push(0)
    d.push(898)
    d.t.is_(quiet(c.sock), "", "a stream of which nothing comes: nothing for 898 s")
    go_on.set()
    while b"data: 2\n\n\r\n" not in c.buf:
        c.more()
    d.at("it goes on, and falls silent again", c, 900, gone)
    d.ended("upstream_timeout")


def upstream_stall(d):
    d.log.mark()
    c = d.client(f"POST /p/anthropic/stuck HTTP/1.1\r\n{HOST}Content-Length: {BIG}\r\n\r\n")
    c.sock.settimeout(0.5)
    try:
        c.sock.sendall(bytes(BIG))
        d.t.ok(False, "the upstream took a body that it does not read")
    except TimeoutError:
        pass
    d.at("an upstream that takes nothing", c, 60, answered(504, "upstream_timeout"))
    d.ended("upstream_timeout")


def dial(d):
    d.log.mark()
    for name, what, code in (("deaf", "an upstream that takes no connection", "upstream_unreachable"),
                             ("mute", "an upstream that takes it and does not shake hands", "upstream_tls")):
        c = d.client(f"GET /p/{name}/x HTTP/1.1\r\n{HOST}\r\n", seen=False)
        d.t.is_(d.log.holds(event="decide", upstream=name, decision="allow"), "", f"{what}: it was allowed")
        d.at(what, c, 4, answered(502, code))
        d.ended(code)


def dial_all(d):
    """Four seconds for each of eight addresses would be half a minute."""
    d.log.mark()
    c = d.client(f"GET /p/many/x HTTP/1.1\r\n{HOST}\r\n", seen=False)
    d.t.is_(d.log.holds(event="decide", upstream="many", decision="allow"), "", "an upstream none of whose addresses takes a connection: it was allowed")
    d.push(4)
    d.push(4)
    d.at("an upstream none of whose addresses takes a connection, and 8 s later", c, 7, answered(504, "upstream_timeout"))
    d.ended("upstream_timeout")


def expect_continue(d):
    began = time.monotonic()
    c = d.client(f"POST /p/anthropic/stuck HTTP/1.1\r\n{HOST}Expect: 100-continue\r\nContent-Length: 5\r\n\r\n")
    d.push(0)
    said = quiet(c.sock)
    d.t.ok(said == "" or time.monotonic() - began > 0.9, "an upstream that does not say 100: nothing for a second", said)
    d.push(1)
    c.sock.settimeout(5)
    try:
        said = c.sock.recv(100)
    except OSError as e:
        said = repr(e)
    d.t.is_(said, b"HTTP/1.1 100 Continue\r\n\r\n", "an upstream that does not say 100: the gateway does after 1 s")
    c.sock.close()


def linger(d):
    """Refused, with a body under way: what still comes is thrown away, for a while."""
    c = d.client(f"POST /p/unknown/x HTTP/1.1\r\n{HOST}Content-Length: 100000\r\n\r\n", seen=False)
    d.t.is_(c.read("POST").status, 403, "a refusal before the body")

    def taken(_):
        try:
            c.sock.sendall(b"x")
            return ""
        except OSError as e:
            return repr(e)

    def refused(_):
        end = time.monotonic() + 5
        while time.monotonic() < end:
            if taken(c) != "":
                return ""
            time.sleep(0.02)
        return "it still takes bytes"
    d.at("a body that is not wanted", c, 3, refused, before=taken)


def pool(d):
    d.s.w.ask("GET", "/p/anthropic/v1/x")
    d.push(0)
    was = d.s.up.accepted
    d.push(53)
    d.s.w.ask("GET", "/p/anthropic/v1/x")
    d.t.is_(d.s.up.accepted, was, "a connection to the upstream is used again after 53 s")
    d.push(0)
    d.push(56)
    d.s.w.ask("GET", "/p/anthropic/v1/x")
    d.t.is_(d.s.up.accepted, was + 1, "and not after 56 s")


def keeper(d):
    pid = d.s.b.pids()["keeper"][0]
    os.kill(pid, signal.SIGSTOP)
    try:
        d.at("a keeper that does not answer", d.client(f"GET /p/anthropic/v1/x HTTP/1.1\r\n{HOST}\r\n", seen=False), 5, answered(503, "keeper_timeout"))
        d.t.is_(oracle.up0(d.s.up), "", "UP0")
    finally:
        os.kill(pid, signal.SIGCONT)
    broker.wait_for(lambda: d.s.w.ask("GET", "/p/anthropic/v1/x").status == 200, "the keeper to decide again")


def main(t):
    clk = clock.Clock("".join(f"127.0.0.{n} many.test\n" for n in range(2, 6)))
    with stage.Stage(handler, yaml="certificate_ttl: 24h\n", programs=clk.dir) as s:
        ports = {"deaf": Deaf(), "mute": Mute()}
        for name, port in ports.items():
            s.b.upstream(name, "anthropic", port, s.ca.cert, f"env: {{{name}: x}}\n")
        many = [Deaf("127.0.0.2")]
        many += [Deaf(f"127.0.0.{n}", many[0].port) for n in range(3, 6)]
        s.b.write("upstreams/many.yaml", f"upstream: many\nlike: anthropic\nca: {s.ca.cert}\nconnect: many.test:{many[0].port}\nenv: {{many: x}}\n")
        s.b.policy("coder", ["coder"], USE)
        s.b.reload()
        d = Deadlines(t, s, clk)
        for part in (idle, handshake, head, body, slow_reader, upstream_head, upstream_silent, upstream_stall, dial, dial_all, expect_continue, linger, pool, keeper):
            part(d)
        t.is_(oracle.alive(s.b, s.w.conf["gateway"], s.w.ca), "", "ALIVE")


tap.Tap().run(main)
