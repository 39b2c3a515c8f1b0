#!/usr/bin/python3
"""The proxy carries what HTTP/1.1 clients do: keep-alive, streams, uploads, 100-continue, bodiless replies, early replies."""
import os
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import broker, oracle, pki, tap, upstream, workload  # noqa: E402

KEY = "sk-ant-api03-canary-0123456789abcdefghijklmnopqrstuvwxyz"


def slow_sse(conn, req):
    conn.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
    for i in range(5):
        conn.send(upstream.chunk(b"data: %d\n\n" % i))
        time.sleep(0.15)
    conn.send(b"0\r\n\r\n")


def early(conn, req):
    """Answers before it read the body, as an upstream that refuses an upload does."""
    upstream.reply(conn, 413, {"error": "too big"}, extra=("Connection: close",))
    return False


def handler(conn, req):
    path = req.target.split("?")[0]
    if path == "/sse":
        return slow_sse(conn, req)
    if path == "/none":
        return conn.send(b"HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n")
    if path == "/notmodified":
        return conn.send(b"HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 12\r\n\r\n")
    if path == "/head":
        return conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n")
    if path == "/untilclose":
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil the end")
        return False
    if path == "/redirect":
        return conn.send(b"HTTP/1.1 302 Found\r\nLocation: https://evil.example/x\r\nContent-Length: 0\r\n\r\n")
    if path == "/early":
        return early(conn, req)
    if path == "/reset":
        conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(conn.sock.detach())
        raise upstream.Closed
    if path == "/end":
        return False
    if path == "/big":
        return upstream.reply(conn, 200, b"z" * 3_000_000, "application/octet-stream")
    return upstream.messages_api(conn, req)


def main(t):
    with broker.Broker() as b:
        ca = pki.Ca(f"{b.conf}/pki")
        cert, key = ca.leaf("up", "DNS:api.anthropic.com")
        handler_with = type("H", (), {"before_body": False, "__call__": staticmethod(handler)})()
        up = upstream.Upstream(cert, key, handler_with)
        b.upstream("anthropic", "anthropic", up, ca.cert)
        b.policy("coder", ["coder"], '  anthropic:\n    allow: ["* /**"]\n')
        b.start()
        b.secret("anthropic-api-key", KEY)
        b.workload("coder")
        b.reload()
        w = workload.Workload(b.enroll("coder"))

        c = w.connect()
        for i in range(3):
            r = c.ask("GET", f"/p/anthropic/v1/x?n={i}")
            t.is_((r.status, r.json()["target"]), (200, f"/v1/x?n={i}"), f"request {i} on one connection")
        t.is_(len({r.conn for r in up.requests}), 1, "the upstream connection is kept, too")
        t.ok(all(r.get("x-api-key") == KEY for r in up.requests), "each request carried the key", [r.headers for r in up.requests])

        up.clear()
        c.send(b"GET /p/anthropic/sse HTTP/1.1\r\nHost: 127.0.0.1:7433\r\n\r\n")
        c.head()
        arrivals = []
        for _ in c.chunks():
            arrivals.append(time.monotonic())
        t.ok(len(arrivals) >= 5 and arrivals[-1] - arrivals[0] > 0.4, "SSE events are flushed as they come", arrivals)

        for target, method, status, body in (("/none", "GET", 204, b""), ("/notmodified", "GET", 304, b""), ("/head", "HEAD", 200, b""),
                                             ("/untilclose", "GET", 200, b"until the end"), ("/redirect", "GET", 302, b"")):
            r = c.ask(method, "/p/anthropic" + target) if not c.closed(0.01) else None
            if r is None:
                c = w.connect()
                r = c.ask(method, "/p/anthropic" + target)
            t.is_((r.status, r.body), (status, body), f"{method} {target}")
        t.is_(r.get("location"), "https://evil.example/x", "a redirect is passed through")
        c.close()

        up.clear()
        c = w.connect()
        c.send(b"POST /p/anthropic/up HTTP/1.1\r\nHost: localhost:7433\r\nTransfer-Encoding: chunked\r\n\r\n")
        for i in range(50):
            c.send(upstream.chunk(b"%05d" % i * 200))
        c.send(b"0\r\n\r\n")
        r = c.read("POST")
        t.is_((r.status, r.json()["length"]), (200, 50 * 1000), "chunked upload")
        t.is_(up.requests[0].body, b"".join(b"%05d" % i * 200 for i in range(50)), "its bytes arrive as they were")

        c.send(b"POST /p/anthropic/up HTTP/1.1\r\nHost: localhost:7433\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        t.ok(c.head().startswith(b"HTTP/1.1 100"), "100 Continue comes before the body")
        c.send(b"hello")
        r = c.read("POST")
        t.is_((r.status, r.json()["length"]), (200, 5), "then the body is taken")

        r = c.ask("POST", "/p/anthropic/up", body=b"q" * 2_000_000)
        t.is_((r.status, r.json()["length"]), (200, 2_000_000), "2 MB with a length")
        r = c.ask("GET", "/p/anthropic/big")
        t.is_((r.status, len(r.body)), (200, 3_000_000), "3 MB back")
        c.close()

        handler_with.__class__.before_body = True
        c = w.connect()
        c.send(b"POST /p/anthropic/early HTTP/1.1\r\nHost: localhost:7433\r\nContent-Length: 50000000\r\n\r\n" + b"x" * 1000)
        r = c.read("POST")
        t.is_(r.status if r else None, 413, "a reply that comes before the body's end is relayed")
        c.close()

        for path, what in (("reset", "is reset"), ("end", "ends")):
            c = w.connect(timeout=5)
            c.send(f"POST /p/anthropic/{path} HTTP/1.1\r\nHost: localhost:7433\r\nContent-Length: 50000000\r\n\r\n".encode() + b"x" * 300000)
            r = c.read("POST")
            t.is_((r.status, r.json()["error"]["type"], r.json()["sidekey"]["code"]), (502, "api_error", "upstream_closed"), f"an upstream that {what} in the middle of a body")
            c.close()

        t.is_(oracle.aud(b, event="decide", decision="allow", workload="coder", upstream="anthropic", method="POST", target="/up"), "",
              "AUD: the upload is in a chain that verifies")
        t.is_(oracle.can(KEY, b), "", "CAN")
        up.close()


tap.Tap().run(main)
