#!/usr/bin/python3
"""A gateway that the keeper gave up on could not be told of a revocation: it ends, is replaced, and its streams with it."""
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import broker, stage, tap, upstream  # noqa: E402


def handler(conn, req):
    if req.target == "/silent":
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n" + upstream.chunk(b"data: x\n\n"))
        time.sleep(60)
        return False
    return upstream.messages_api(conn, req)


def main(t):
    with stage.Stage(handler) as s:
        c = s.w.connect()
        c.send(b"GET /p/anthropic/silent HTTP/1.1\r\nHost: 127.0.0.1:7433\r\n\r\n")
        t.ok(b" 200 " in c.head(), "a stream is open")
        gateway = s.b.pids()["gateway"][0]
        os.kill(gateway, signal.SIGSTOP)
        for i in range(600):
            s.b.policy("extra", ["other"], '  anthropic:\n    allow: ["GET /v%d/**"]\n' % i)
            s.b.cli("reload", check=False)
            if "does not read" in s.b.log():
                break
        os.kill(gateway, signal.SIGCONT)
        t.ok("does not read" in s.b.log(), f"the keeper gave the stopped gateway up after {i} reloads", s.b.log()[-600:])
        broker.wait_for(lambda: s.b.pids().get("gateway", [gateway]) != [gateway], "another gateway", 25)
        t.ok(c.closed(2), "the stream that nobody could have revoked is cut")
        broker.wait_for(s.b.ready, "ready", 10)

        def works():
            try:
                return s.w.ask("GET", "/p/anthropic/v1/x").status == 200
            except OSError:
                return False
        broker.wait_for(works, "the new gateway to serve", 10)
        t.ok(True, "and the new gateway serves")


tap.Tap().run(main)
