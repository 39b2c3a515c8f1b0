#!/usr/bin/python3
"""A gateway that cannot be told of a revocation does not stay: one that the keeper gave up on is killed, one without a keeper ends by itself; their streams with them."""
import os
import signal
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import broker, clock, oracle, stage, tap, upstream  # noqa: E402


def reload(b):
    """As the command line does it, without its start."""
    with socket.socket(socket.AF_UNIX) as c:
        c.settimeout(10)
        c.connect(f"{b.run}/admin.sock")
        c.sendall(b"POST /v1/admin/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        if not c.recv(4096).startswith(b"HTTP/1.1 200"):
            raise RuntimeError("reload")


def serves_again(t, s, what):
    def works():
        try:
            return s.w.ask("GET", "/p/anthropic/v1/x").status == 200
        except OSError:
            return False
    broker.wait_for(works, "the new gateway to serve", 20)
    t.ok(True, what)


def not_reading(t, s):
    c = s.open_silent()
    gateway = s.b.pids()["gateway"][0]
    os.kill(gateway, signal.SIGSTOP)
    i, end = 0, time.monotonic() + 60
    while "does not read" not in s.b.log() and time.monotonic() < end:
        i += 1
        s.b.policy("extra", ["other"], '  anthropic:\n    allow: ["GET /v%d/**"]\n' % i)
        reload(s.b)
    t.ok("does not read" in s.b.log(), f"the keeper gave the stopped gateway up after {i} reloads", s.b.log()[-600:])
    t.ok(c.closed(5), "the stream that nobody could have revoked is cut")
    broker.wait_for(lambda: s.b.pids().get("gateway", [gateway]) not in ([], [gateway]), "another gateway", 10)
    serves_again(t, s, "another gateway serves")
    t.is_(oracle.aud(s.b, event="gateway_killed", detail="gateway 0: it does not read its link"), "", "AUD")


def without_keeper(t, s, clk):
    """A key file that others may read: no keeper starts with it. Time is pushed, not waited for."""
    c = s.open_silent()
    os.chmod(s.b.key_file, 0o444)
    os.kill(s.b.pids()["keeper"][0], signal.SIGKILL)
    broker.wait_for(lambda: s.b.log().count("keeper (pid") >= 3, "keepers that end at once")
    clk.push(s.b, 12)
    t.ok(not c.closed(0.3), "without a keeper a stream goes on for as long as one may take to come back")
    clk.push(s.b, 4, answers=False)
    t.ok(c.closed(5), "and is then cut")
    os.chmod(s.b.key_file, 0o400)
    serves_again(t, s, "with a keeper again, another gateway serves")


def main(t):
    clk = clock.Clock()
    with stage.Stage(upstream.silent, programs=clk.dir) as s:
        not_reading(t, s)
        without_keeper(t, s, clk)


tap.Tap().run(main)
