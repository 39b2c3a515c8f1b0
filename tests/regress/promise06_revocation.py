#!/usr/bin/python3
"""Promise 6: expiry and revocation bite within 1 s, on open connections and live streams, silent ones too."""
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import broker, oracle, pki, tap, upstream, workload  # noqa: E402

KEY = "sk-ant-api03-canary-0123456789abcdefghijklmnopqrstuvwxyz"


def handler(conn, req):
    if req.target == "/live":
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(600):
            conn.send(upstream.chunk(b"data: x\n\n"))
            time.sleep(0.05)
        return False
    return upstream.silent(conn, req)


def cut_after(c):
    """Seconds until the peer ends the connection."""
    start = time.monotonic()
    c.sock.settimeout(10)
    try:
        while c.sock.recv(65536):
            pass
    except TimeoutError:
        return None
    except OSError:
        pass
    return time.monotonic() - start


def streams(w):
    made = []
    for path in ("/live", "/silent"):
        c = w.connect()
        c.send(f"GET /p/anthropic{path} HTTP/1.1\r\nHost: 127.0.0.1:7433\r\n\r\n")
        assert b" 200 " in c.head()
        made.append((path, c))
    idle = w.connect()
    assert idle.ask("GET", "/p/anthropic/v1/x").status == 200
    return made, idle


def cut_all(t, made, what, allowed):
    results = {}
    threads = [threading.Thread(target=lambda p=p, c=c: results.update({p: cut_after(c)})) for p, c in made]
    for th in threads:
        th.start()
    for th in threads:
        th.join()
    for path, _ in made:
        took = results[path]
        t.ok(took is not None and took <= allowed, f"{what}: the {path[1:]} stream is cut", f"after {took} s")


def main(t):
    with broker.Broker(yaml="certificate_ttl: 10m\n") as b:
        ca = pki.Ca(f"{b.conf}/pki")
        up = upstream.Upstream(*ca.leaf("up", "DNS:api.anthropic.com"), handler)
        b.upstream("anthropic", "anthropic", up, ca.cert)
        b.policy("p", ["coder", "other"], '  anthropic:\n    allow: ["* /**"]\n')
        b.start()
        b.secret("anthropic-api-key", KEY)
        for name in ("coder", "other"):
            b.workload(name)
        b.reload()
        w, other = workload.Workload(b.enroll("coder", "--reusable")), workload.Workload(b.enroll("other"))

        made, idle = streams(w)
        others, _ = streams(other)
        start = time.monotonic()
        b.cli("workload", "revoke", "coder")
        t.ok(time.monotonic() - start < 1.5, "revoke returns after the gateways acknowledged", time.monotonic() - start)
        cut_all(t, made, "revoke", 1.0)
        up.clear()
        try:
            r = idle.ask("GET", "/p/anthropic/v1/x")
            t.ok(r is None or r.status in (401, 403), "an open idle connection is worth nothing", r and r.raw)
        except OSError:
            t.ok(True, "an open idle connection is worth nothing")
        t.is_(oracle.up0(up), "", "UP0")
        t.ok(all(c.sock.recv(65536) for p, c in others if p == "/live"), "another workload's stream goes on")
        for _, c in others:
            c.close()
        t.is_(oracle.aud(b, event="workload_revoke", workload="coder"), "", "AUD")

        other.ask("GET", "/p/anthropic/v1/x")
        b.cli("workload", "suspend", "other")
        r = other.ask("GET", "/p/anthropic/v1/x")
        t.ok(r is None or r.status == 403, "suspended: refused", r and r.raw)
        b.cli("workload", "resume", "other")
        t.is_(other.ask("GET", "/p/anthropic/v1/x").status, 200, "resumed: as before, with the same certificate")
        b.stop()

    with broker.Broker(yaml="certificate_ttl: 5s\n") as b:
        ca = pki.Ca(f"{b.conf}/pki")
        up = upstream.Upstream(*ca.leaf("up", "DNS:api.anthropic.com"), handler)
        b.upstream("anthropic", "anthropic", up, ca.cert)
        b.policy("p", ["coder"], '  anthropic:\n    allow: ["* /**"]\n')
        b.start()
        b.secret("anthropic-api-key", KEY)
        b.workload("coder")
        b.reload()
        w = workload.Workload(b.enroll("coder"))
        made, idle = streams(w)
        left = w.issued["not_after"] - time.time()
        t.ok(0 < left < 5.5, "a certificate of 5 s", left)
        cut_all(t, made, "expiry", left + 1.0)
        up.clear()
        try:
            r = idle.ask("GET", "/p/anthropic/v1/x")
            t.ok(r is None or r.status in (401, 403), "expired: an open connection is refused", r and r.raw)
        except OSError:
            t.ok(True, "expired: an open connection is refused")
        t.is_(oracle.up0(up), "", "UP0")


tap.Tap().run(main)
