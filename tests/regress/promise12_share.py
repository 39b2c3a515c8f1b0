#!/usr/bin/python3
"""Promise 12: one client or upstream cannot take more than its share; what is too much is refused, and nothing is let through for it."""
import collections
import concurrent.futures
import os
import signal
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import broker, oracle, stage, tap, upstream, workload  # noqa: E402

STRANGERS = 600  # more than a gateway keeps of those that did not show who they are
RATE, CONCURRENT = 40, 6
AHEAD = 100
hold = threading.Event()


def handler(conn, req):
    if req.target.startswith("/hold"):
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n" + upstream.chunk(b"data: x\n\n"))
        hold.wait(30)
        conn.send(b"0\r\n\r\n")
        return True
    if req.target.startswith("/hang"):
        hold.wait(30)
        return False
    if req.target.startswith("/large"):
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n")
        for _ in range(500):
            conn.send(b"z" * 100000)
        return True
    return upstream.messages_api(conn, req)


class Scene(stage.Stage):
    """The greedy workload is the stage's; the other one must not notice."""

    def __init__(self):
        super().__init__(handler, use="  anthropic:\n    allow: [\"* /**\"]\n")
        b = self.b
        for name in ("other", "limited"):
            b.workload(name)
        b.policy("other", ["other"], stage.ALLOW_ALL)
        b.policy("limited", ["limited"], f'  anthropic:\n    allow: ["* /**"]\n    limit: {{requests: {RATE}/1m, concurrent: {CONCURRENT}}}\n')
        b.reload()
        self.other = workload.Workload(b.enroll("other"))
        self.limited = workload.Workload(b.enroll("limited"))

    def fine(self, t, what, within_s=1.0):
        """Ten requests of the other workload on connections of their own: how long the slowest took."""
        took, codes = [], []
        for _ in range(10):
            start = time.monotonic()
            try:
                codes.append(self.other.ask("GET", "/p/anthropic/v1/x").status)
            except OSError as e:
                codes.append(repr(e))
            took.append(time.monotonic() - start)
        t.ok(codes == [200] * 10 and max(took) < within_s, f"{what}: another workload does not notice", f"{codes} {max(took):.3f} s")


def raw_connection(address):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(5)
    s.connect(address[5:])
    return s


def closed(socks, wait_s=1.0):
    """How many of them the gateway has ended."""
    end, count = time.monotonic() + wait_s, 0
    for s in socks:
        s.settimeout(max(0.001, end - time.monotonic()) if count == 0 else 0.001)
        try:
            count += s.recv(10) == b""
        except (TimeoutError, socket.timeout):
            pass
        except OSError:
            count += 1
    return count


def strangers(t, s):
    address = s.w.conf["gateway"]
    silent = []
    for _ in range(STRANGERS):
        silent.append(raw_connection(address))
    s.fine(t, f"{STRANGERS} connections that never begin a handshake")
    fresh = workload.Workload(s.b.enroll("coder"), enroll=False)
    t.is_(fresh.enroll().status, 200, "and somebody new can enroll")
    t.ok(closed(silent[:50]) == 50, "the oldest of them had to go")
    t.ok(closed(silent[-50:], 0.1) == 0, "not the newest")
    for c in silent:
        c.close()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        anonymous = list(pool.map(lambda _: s.w.anonymous(), range(STRANGERS)))
    s.fine(t, f"{STRANGERS} connections that show no certificate and then say nothing")
    fresh = workload.Workload(s.b.enroll("coder"), enroll=False)
    t.is_(fresh.enroll().status, 200, "and somebody new can enroll")
    for c in anonymous:
        c.close()
    half = []
    for _ in range(100):
        c = s.w.anonymous()
        c.send("POST /v1/enroll HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{")
        half.append(c)
    s.fine(t, "100 enrollments that stop in the middle")
    for c in half:
        c.close()


def slow_clients(t, s):
    gateway = s.b.pids()["gateway"][0]
    before = oracle.rss_kib(gateway)
    open_ = []
    for i in range(60):
        c = s.w.connect()
        c.send(("GET /p/anthropic/v1/x HTT", "GET /p/anthropic/v1/x HTTP/1.1\r\nHost: localhost\r\nX-A: ",
                "POST /p/anthropic/v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{")[i % 3])
        open_.append(c)
    s.fine(t, "60 heads and bodies that do not go on")
    readers = []
    for i in range(30):
        c = s.w.connect()
        c.send("GET /p/anthropic/large HTTP/1.1\r\nHost: localhost\r\n\r\n")
        readers.append(c)
    time.sleep(1)  # nothing outside says when their buffers are full
    s.fine(t, "30 downloads of 50 MB that nobody reads")
    grown = oracle.rss_kib(gateway) - before
    t.ok(grown < 40 << 10 or oracle.SANITIZED, "which take no more memory than their buffers", f"{grown} KiB")
    hanging = []
    for i in range(60):
        c = s.w.connect()
        c.send(f"GET /p/anthropic/hang/{i} HTTP/1.1\r\nHost: localhost\r\n\r\n")
        hanging.append(c)
    s.fine(t, "60 requests whose upstream does not answer")
    for c in open_ + readers + hanging:
        c.close()
    hold.set()
    broker.wait_for(lambda: oracle.rss_kib(gateway) - before < 24 << 10 or oracle.SANITIZED, "memory to be given back")
    hold.clear()


def look_ahead(t, s):
    """Streams under way whose clients send request after request behind them: how much of that each costs the gateway."""
    hold.clear()
    gateway = s.b.pids()["gateway"][0]
    conns = [s.w.connect() for _ in range(AHEAD)]
    for c in conns:
        c.send("GET /p/anthropic/hold HTTP/1.1\r\nHost: 127.0.0.1:7433\r\n\r\n")
        c.head()
    before = oracle.rss_kib(gateway)
    for c in conns:
        c.sock.settimeout(0.02)
        try:
            c.sock.sendall(b"GET /p/anthropic/v1/x HTTP/1.1\r\nHost: 127.0.0.1:7433\r\n\r\n" * 8000)
        except (TimeoutError, socket.timeout):
            pass
    grown = (oracle.rss_kib(gateway) - before) / AHEAD
    t.ok(grown < 36 or oracle.SANITIZED, "what a client sends ahead costs no more than one block and one record", f"{grown:.0f} KiB a connection")
    for c in conns:
        c.sock.close()
    hold.set()


def flood(t, s):
    """One workload as fast as it can, on 16 connections, allowed and refused in turn."""
    end, codes = threading.Event(), collections.Counter()

    def run(i):
        c = s.w.connect()
        n = 0
        while not end.is_set():
            n += 1
            codes[c.ask("GET", f"/p/anthropic/v1/{'..%2f' if n % 2 else ''}flood").status] += 1
        c.close()

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        for i in range(16):
            pool.submit(run, i)
        time.sleep(0.5)
        s.fine(t, "a flood of requests, half of them refused", within_s=1.5)
        end.set()
    t.ok(set(codes) == {200, 403}, "of which each is answered as policy says", codes)


    def written():
        mine = [r for r in oracle.records(s.b) if r.get("workload") == "coder" and r.get("decision") == "deny"]
        single = sum(1 for r in mine if r["event"] == "decide")
        return single, single + sum(r["count"] for r in mine if r["event"] == "denied_folded")
    broker.wait_for(lambda: written()[1] == codes[403], "all refusals to be in the log, counted")
    t.ok(written()[0] < 200, "refusals beyond a rate are counted, not written one by one", (written(), codes))


def limits(t, s):
    s.up.clear()
    c = s.limited.connect()
    replies = [c.ask("GET", f"/p/anthropic/v1/{i}") for i in range(RATE + 15)]
    c.close()
    codes = [r.status for r in replies]
    t.is_(codes, [200] * RATE + [429] * 15, f"{RATE} requests a minute: so many, then 429")
    last = replies[-1]
    t.ok(1 <= int(last.get("retry-after")) <= 64 and last.json()["sidekey"]["code"] == "rate_limited" and last.get("sidekey-decision") == "deny", "which says when to come again", last.raw)
    t.is_(len(s.up.requests), RATE, "the upstream saw those that were allowed")
    s.fine(t, "a limit")
    t.is_(oracle.aud(s.b, event="decide", decision="deny", workload="limited", code="rate_limited"), "", "AUD")


def several_policies(t, s):
    """Two policies for one workload and upstream: each limit holds for what its policy allows, whichever name sorts first."""
    b = s.b
    b.workload("several")
    b.policy("a-wide", ["several"], '  anthropic:\n    allow: ["* /**"]\n    limit: {requests: 12/1m}\n')
    b.policy("b-strict", ["several"], '  anthropic:\n    allow: ["* /v1/both/**", "* /hold"]\n    limit: {requests: 5/1m, concurrent: 1}\n')
    b.reload()
    several = workload.Workload(b.enroll("several"))
    c = several.connect()
    codes = [c.ask("GET", f"/p/anthropic/v1/both/{i}").status for i in range(8)]
    t.is_(codes, [200] * 5 + [429] * 3, "what both policies allow: the stricter limit decides")
    codes = [c.ask("GET", f"/p/anthropic/v1/one/{i}").status for i in range(10)]
    t.is_(codes, [200] * 7 + [429] * 3, "what only the other one allows: its limit, which has counted those, too")
    c.close()


def concurrent_limit(t, s):
    s.b.policy("limited", ["limited"], f'  anthropic:\n    allow: ["* /**"]\n    limit: {{concurrent: {CONCURRENT}}}\n')
    s.b.reload()
    held = []

    def begin():
        c = s.limited.connect()
        c.send("GET /p/anthropic/hold HTTP/1.1\r\nHost: localhost\r\n\r\n")
        head = c.head()
        if b" 200 " in head.split(b"\r\n")[0]:
            held.append(c)
            return 200
        c.close()
        return int(head.split(b" ")[1])

    t.is_([begin() for _ in range(CONCURRENT + 3)], [200] * CONCURRENT + [429] * 3, f"{CONCURRENT} streams at once, no more")
    r = s.limited.ask("GET", "/p/anthropic/v1/x")
    t.is_((r.status, r.json()["sidekey"]["code"]), (429, "too_many_open"), "nor another request")
    held.pop().close()
    broker.wait_for(lambda: begin() == 200, "a slot")
    t.ok(len(held) == CONCURRENT, "one that ends makes room for one")
    os.kill(s.b.pids()["gateway"][0], signal.SIGKILL)
    broker.wait_for(lambda: oracle.alive(s.b, s.w.conf["gateway"], s.w.ca) == "", "a new gateway")
    held.clear()
    t.is_([begin() for _ in range(CONCURRENT + 1)], [200] * CONCURRENT + [429], "a gateway that dies gives back the slots of its streams")
    ended = [r for r in oracle.records(s.b) if r["event"] == "finish" and r.get("code") == "outcome_unknown" and r["workload"] == "limited"]
    t.is_(len(ended), CONCURRENT, "and nobody knows how those ended")
    hold.set()
    for c in held:
        c.close()


def overload(t, s):
    """The keeper stands still: questions wait, then are refused. Nothing is decided by anybody else."""
    s.up.clear()
    keeper = s.b.pids()["keeper"][0]
    os.kill(keeper, signal.SIGSTOP)
    try:
        start = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            replies = list(pool.map(lambda i: s.w.ask("GET", f"/p/anthropic/v1/stopped/{i}"), range(20)))
        took = time.monotonic() - start
        t.ok({r.status for r in replies} == {503} and took < 8, "a keeper that does not answer: 503 after some seconds", ({r.status for r in replies}, took))
        t.is_(oracle.up0(s.up), "", "UP0")
    finally:
        os.kill(keeper, signal.SIGCONT)
    broker.wait_for(s.b.ready, "ready")
    t.is_(broker.wait_for(lambda: s.w.ask("GET", "/p/anthropic/v1/x").status, "an answer"), 200, "it goes on: so does everything")
    t.is_([r.target for r in s.up.requests if "stopped" in r.target], [], "and what was refused is not sent afterwards")


def main(t):
    with Scene() as s:
        for part in (look_ahead, strangers, slow_clients, flood, limits, several_policies, concurrent_limit, overload):
            part(t, s)
        p = s.b.cli("audit", "verify", check=False)
        t.is_(p.returncode, 0, "the log verifies")
        t.is_(oracle.can(stage.KEY, s.b), "", "CAN")
        allowed = collections.Counter(r["target"] for r in oracle.records(s.b) if r["event"] == "decide" and r["decision"] == "allow")
        seen = collections.Counter(r.target for r in s.up.requests)
        t.is_({k: v for k, v in seen.items() if v > allowed[k]}, {}, "nothing reached the upstream that the log does not have")


tap.Tap().run(main)
