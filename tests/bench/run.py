#!/usr/bin/python3
"""What the broker costs, beside nginx, haproxy and caddy in the same run on the same upstream; each figure with its budget (DESIGN section 10).

usage: tests/bench/run.py [SECONDS]    SECONDS of load for each figure
"""
import os
import statistics
import subprocess
import sys
import time

import scale
from measure import TOOLS, broker, cost_us, fdatasync_us, load, pss_kib, row, say, tree
from peers import AUTH, CADDY, HAPROXY, HOST, MTLS, UPSTREAM, Peers

from harness import pki, workload

SECONDS = sys.argv[1] if len(sys.argv) > 1 else "4"
ROUNDS = 3
CONNECTIONS = 32
PORT = 21004
OURS = ("sidekey-forward", "127.0.0.1:7433", "/p/anthropic/v1/x")
THEIRS = ("-", HOST, "/v1/x")


def cpu(b, peers, w, client):
    """The median of ROUNDS for each, taken in turns: the machine's mood is shared."""
    costs = {name: [] for name in ("sidekey", "mtls", "auth", "haproxy", "caddy")}
    for _ in range(ROUNDS):
        for name, port in (("mtls", MTLS), ("auth", AUTH), ("haproxy", HAPROXY), ("caddy", CADDY)):
            costs[name].append(cost_us(tree(peers.pid(name)), SECONDS, CONNECTIONS, f"127.0.0.1:{port}", *client, *THEIRS)[0])
        us, got = cost_us(tree(b.proc.pid), SECONDS, CONNECTIONS, f"127.0.0.1:{PORT}", w.cert, w.key, *OURS)
        costs["sidekey"].append(us)
    c = {name: statistics.median(us) for name, us in costs.items()}
    say("CPU a request: sidekey", f"{c['sidekey']:.1f} us, {got['rate']:.0f} requests/s")
    for name, what in (("mtls", "nginx, mTLS + static header"), ("auth", "nginx, auth_request + JSON log, authorizer counted"),
                       ("haproxy", "haproxy, mTLS + static header"), ("caddy", "caddy, mTLS + static header")):
        say(f"CPU a request: {what}", f"{c[name]:.1f} us")
    row("CPU a request / nginx mTLS + static header", f"{c['sidekey'] / c['mtls']:.2f} x", "<= 1.20 x", c["sidekey"] / c["mtls"] <= 1.2)
    row("CPU a request / nginx + auth_request + JSON log", f"{c['sidekey'] / c['auth']:.2f} x", "<= 0.45 x", c["sidekey"] / c["auth"] <= 0.45)
    say("CPU a request / haproxy, caddy", f"{c['sidekey'] / c['haproxy']:.2f} x, {c['sidekey'] / c['caddy']:.2f} x")


def latency(b, w):
    direct = load(SECONDS, 1, f"127.0.0.1:{UPSTREAM}", "-", "-", *THEIRS)
    via = load(SECONDS, 1, f"127.0.0.1:{PORT}", w.cert, w.key, *OURS)
    sync = fdatasync_us(b.dir)
    added = via["p50_us"] - direct["p50_us"]
    row(f"added latency, warm, p50 (one fdatasync here: {sync} us)", f"{added} us", f"<= {300 + sync} us", added <= 300 + sync)
    say("added latency, warm, p99", f"{via['p99_us'] - direct['p99_us']} us")
    cold, mutual = (load(SECONDS, 1, *args, "cold") for args in ((f"127.0.0.1:{UPSTREAM}", "-", "-", *THEIRS),
                                                                (f"127.0.0.1:{PORT}", w.cert, w.key, *OURS)))
    say("a connection a request, p50: direct, through the broker by mTLS", f"{cold['p50_us']} us, {mutual['p50_us']} us")


def first_use_ms(b, w):
    """The first request after a start: no connection to the upstream yet."""
    took = []
    for _ in range(9):
        b.stop()
        b.start()
        c = w.connect()
        start = time.monotonic()
        assert c.ask("GET", OURS[2]).status == 200
        took.append((time.monotonic() - start) * 1000)
        c.close()
    return statistics.median(took)


def start_ms(b):
    took = []
    for _ in range(5):
        b.stop()
        start = time.monotonic()
        b.start(ready=False)
        while True:
            try:
                c = workload.Client(f"unix:{b.run}/gateway.sock", f"{b.state}/ca.pem", alpn="sidekey-control", timeout=2, check=False)
                reply = c.ask("GET", "/readyz")
                c.close()
                if reply and reply.status == 200:
                    break
            except OSError:
                pass
            time.sleep(0.002)
        took.append((time.monotonic() - start) * 1000)
    return statistics.median(took)


def shim_ms(b):
    """From the shim's exec to main() of what it starts; setpriv, which takes 8 ms before that, is not the shim's."""
    took = []
    clock = broker.for_any_uid(TOOLS) + "/tool_clock"
    for _ in range(15):
        path = b.enroll("bench")
        out = subprocess.run([*b.prefix, clock, f"{broker.BIN}/sidekey-shim", "--enroll", path, "--listen", "127.0.0.1:0", "--", clock],
                             capture_output=True, text=True, check=True)
        begin, end = (int(us) for us in out.stdout.split())
        took.append((end - begin) / 1000)
    return statistics.median(took)


def stripped(dir_):
    subprocess.run(["strip", "-o", f"{dir_}/shim", f"{broker.BIN}/sidekey-shim"], check=True)
    return os.path.getsize(f"{dir_}/shim")


def starts(b, w):
    say("first request after a start, upstream connection included", f"{first_use_ms(b, w):.1f} ms")
    ms = start_ms(b)
    row("start to ready (key file)", f"{ms:.0f} ms", "<= 100 ms", ms <= 100)
    ms = shim_ms(b)
    row("shim: start to exec of the child, enrolled", f"{ms:.1f} ms", "<= 25 ms", ms <= 25)
    size = stripped(b.dir)
    row("shim: static binary, stripped", f"{size / 1e6:.1f} MB", "<= 6 MB", size <= 6e6)


def main():
    with scale.folder() as dir_:
        ca = pki.Ca(f"{dir_}/pki")
        client = ca.leaf("client", "URI:spiffe://x/client")
        server = ca.leaf("up", f"DNS:{HOST}")
        peers = Peers(dir_, *server, ca.cert)
        try:
            b, (w,) = scale.ready_broker(ca, PORT, UPSTREAM)
            with b:
                time.sleep(0.5)
                rest = pss_kib(tree(b.proc.pid))
                row("PSS at rest, all processes", f"{rest / 1024:.1f} MiB", "<= 25 MiB", rest <= 25 * 1024)
                cpu(b, peers, w, client)
                latency(b, w)
                starts(b, w)
                scale.enrollments(b)
            for gateways in (1, 2):
                b, (w,) = scale.ready_broker(ca, PORT, UPSTREAM, gateways=gateways)
                with b:
                    us, got = cost_us(tree(b.proc.pid), SECONDS, CONNECTIONS, f"127.0.0.1:{PORT}", w.cert, w.key, *OURS)
                    say(f"{gateways} gateway{'s' * (gateways > 1)}", f"{got['rate']:.0f} requests/s, {us:.1f} us each")
            for size in (10, 1000, 100000):
                scale.crowd(size, ca, SECONDS, PORT, UPSTREAM)
            scale.idle_streams(ca, server, PORT)
        finally:
            peers.close()


main()
