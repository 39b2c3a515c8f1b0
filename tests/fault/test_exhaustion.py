#!/usr/bin/python3
"""A gateway that runs out of descriptors, and one that holds 9 000 streams that stand still: it does not spin, others are served, and all is given back."""
import os
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import broker, oracle, stage, tap, workload  # noqa: E402

STREAMS, ROOM = 9000, 24
SHARE, MORE = 4850, 400  # of one workload (broker/gateway/limits.h), and how many it asks for beyond its half of the streams
HOLD = os.path.join(os.path.dirname(broker.BUILT), "tests/tool_hold")
FREED_KIB = 64 << 10  # what malloc may keep of 9 000 streams, a tenth of what they took


def cpu_s(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def prlimit(b, pid, nofile):
    uid = b.accounts["gateway"] if b.accounts else broker.ONE_UID
    prefix = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"] if os.geteuid() == 0 else []
    subprocess.run([*prefix, "prlimit", f"--pid={pid}", f"--nofile={nofile}:"], check=True)


def descriptors(t):
    if os.geteuid() != 0:
        t.lacks("a gateway without descriptors", "root, to count them")
        return
    with stage.Stage() as s:
        b, address = s.b, s.w.conf["gateway"]
        t.is_(s.w.ask("GET", "/p/anthropic/v1/x").status, 200, "before, it serves")
        gateway, base = b.pids()["gateway"][0], oracle.Baseline(b)
        kept = s.w.connect()
        t.is_(kept.ask("GET", "/p/anthropic/v1/x").status, 200, "on a connection that stays")
        held = oracle.descriptors(gateway)
        prlimit(b, gateway, held + ROOM)
        socks = []
        for _ in range(4 * ROOM):
            c = socket.socket(socket.AF_UNIX)
            c.settimeout(5)
            c.connect(address[5:])
            socks.append(c)
        broker.wait_for(lambda: oracle.descriptors(gateway) >= held + ROOM - 2, "the gateway to have none left")
        before, start = cpu_s(gateway), time.monotonic()
        time.sleep(2)
        used = (cpu_s(gateway) - before) / (time.monotonic() - start)
        t.ok(used < 0.2, "without a descriptor left it does not spin", f"{used:.2f} of a processor")
        t.is_(b.pids()["gateway"][0], gateway, "it lives")
        t.is_(kept.ask("GET", "/p/anthropic/v1/x").status, 200, "who is connected is served, over the connection that the upstream has with it")
        for c in socks:
            c.close()
        broker.wait_for(lambda: oracle.alive(b, address, s.w.ca) == "", "it to take connections again", 20)
        t.is_(s.w.ask("GET", "/p/anthropic/v1/y").status, 200, "when they are gone, others are served")
        kept.close()
        t.is_(base.back(15), "", "ALIVE: descriptors and memory are back")
        t.is_(oracle.aud(b, event="decide", decision="allow", target="/v1/y"), "", "AUD")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


def streams(t):
    port, hold_port = free_port(), free_port()
    with stage.Stage(tcp=f"127.0.0.1:{port}", address=f"tcp:127.0.0.1:{port}") as s:
        b = s.b
        b.workload("greedy")
        b.upstream("anthropic", "anthropic", type("Port", (), {"port": hold_port}), s.ca.cert)
        b.upstream("quick", "anthropic", s.up, s.ca.cert, "env: {quick: x}\n")
        b.policy("coder", ["coder", "greedy"], stage.ALLOW_ALL + '  quick:\n    allow: ["* /**"]\n')
        b.reload()
        gateway = b.pids()["gateway"][0]
        b.workload("other")
        b.policy("other", ["other"], '  quick:\n    allow: ["* /**"]\n')
        b.reload()
        other = workload.Workload(b.enroll("other"))
        before = oracle.descriptors(gateway), oracle.rss_kib(gateway)
        procs = [subprocess.Popen([HOLD, "serve", str(hold_port), *s.ca.leaf("hold", "DNS:api.anthropic.com")], stdin=subprocess.PIPE)]
        try:
            start = time.monotonic()
            greedy, log = workload.Workload(b.enroll("greedy")), oracle.Log(b)

            def opened(w, count):
                procs.append(subprocess.Popen([HOLD, "open", f"127.0.0.1:{port}", w.cert, w.key, "sidekey-forward", "127.0.0.1:7433", "/p/anthropic/v1/stream", str(count)],
                                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, restore_signals=False))  # SIGPIPE stays ignored
                return procs[-1].stdout.readline().strip()
            for w in (s.w, greedy):
                t.is_(opened(w, STREAMS // 2), "failed 0", f"{STREAMS // 2} streams of {w.conf['workload']}")
            grown = oracle.rss_kib(gateway) - before[1]
            print(f"# {STREAMS} streams after {time.monotonic() - start:.1f} s, {grown / STREAMS:.0f} KiB each", flush=True)
            took = []
            for _ in range(10):
                begin = time.monotonic()
                took.append((other.ask("GET", "/p/quick/v1/x").status, time.monotonic() - begin))
            t.ok({x[0] for x in took} == {200} and max(x[1] for x in took) < oracle.ALIVE_S, f"{STREAMS} streams that stand still: another workload does not notice", took)
            t.is_(oracle.alive(b, s.w.conf["gateway"], s.w.ca), "", "ALIVE")
            log.mark()
            t.is_(opened(greedy, MORE), f"failed {STREAMS // 2 + MORE - SHARE}", f"{MORE} connections more of one of them: it gets its share of {SHARE}, and no more")
            t.is_(log.holds(event="refused", code="too_many_connections", workload="greedy"), "", "AUD")
            t.is_([x.ask("GET", "/p/quick/v1/x").status for x in (other, s.w)], [200, 200], "which takes nothing from the others")
        finally:
            for p in procs:
                p.stdin.close()
            for p in procs:
                p.wait(30)
        t.ok(oracle.until(lambda: oracle.descriptors(gateway) <= before[0] + oracle.FD_SLACK, 30), "when they end, all descriptors are back", (oracle.descriptors(gateway), before))
        t.ok(oracle.until(lambda: oracle.rss_kib(gateway) < before[1] + FREED_KIB, 30), "and the memory", (oracle.rss_kib(gateway), before))
        t.is_(b.cli("audit", "verify", check=False).returncode, 0, "the log verifies")


def main(t):
    for part in (descriptors, streams):
        part(t)


tap.Tap().run(main)
