"""What grows: workloads and rules, streams that stand open, enrollments."""
import contextlib
import os
import shutil
import statistics
import subprocess
import tempfile
import time

from measure import TOOLS, Admin, broker, cost_us, cpu_s, pss_kib, row, say, tree

from harness import workload

STREAMS = 9000
HOLD_PORT = 21008


@contextlib.contextmanager
def folder():
    dir_ = tempfile.mkdtemp(prefix="sidekey-bench-")
    os.chmod(dir_, 0o755)
    yield dir_
    shutil.rmtree(dir_, ignore_errors=True)


def made_broker(ca, port, upstream, **kw):
    """With one upstream; its CA below the configuration, which is what the broker may read."""
    b = broker.Broker(tcp=f"127.0.0.1:{port}", **kw)
    shutil.copy(ca.cert, f"{b.conf}/ca.pem")
    b.write("upstreams/anthropic.yaml", f"upstream: anthropic\nlike: anthropic\nca: {b.conf}/ca.pem\nconnect: 127.0.0.1:{upstream}\n")
    b.start()
    b.secret("anthropic-api-key", "sk-ant-api03-bench-0123456789abcdef0123456789abcdef")
    return b


def ready_broker(ca, port, upstream, names=("bench",), **kw):
    """(the broker, an enrolled workload for each name)"""
    b = made_broker(ca, port, upstream, **kw)
    b.policy("bench", names, '  anthropic:\n    allow: ["GET /v1/**"]\n')
    for name in names:
        b.workload(name)
    b.reload()
    return b, [workload.Workload(b.enroll(name)) for name in names]


def enrollments(b):
    """One after the other, each with a connection and a certificate of its own; the client's share of the processor is not counted."""
    w = workload.Workload(b.enroll("bench", "--reusable", "--cap", "1"))
    pids, count = tree(b.proc.pid), 300
    before, start = cpu_s(pids), time.monotonic()
    for _ in range(count):
        assert w.enroll().status == 200
    took = time.monotonic() - start
    say("enrollments, one client", f"{count / took:.0f} a second, {(cpu_s(pids) - before) * 1e3 / count:.2f} ms of the broker's CPU each")


def crowd(size, ca, seconds, port, upstream):
    """As many workloads, and as many rules in policies of at most 250 each; the one that asks meets its allowing rule last.

    On a file system in memory: 100 000 workloads are 100 000 synced records to begin with.
    """
    share = min(size, 250)
    rules = ", ".join(f'"GET /v1/other{i}/**"' for i in range(share - 1))
    tempfile.tempdir = "/dev/shm"
    try:
        b = made_broker(ca, port, upstream)
    finally:
        tempfile.tempdir = None
    with b:
        for first in range(0, size, share):
            names = [f"w{i}" for i in range(first, first + share)]
            b.policy(f"p{first}", names, f'  anthropic:\n    allow: [{rules}, "GET /v1/x"]\n')
        admin = Admin(f"{b.run}/admin.sock")
        start = time.monotonic()
        for i in range(size):
            admin.post("workloads", {"name": f"w{i}"})
        added = (time.monotonic() - start) / size
        start = time.monotonic()
        b.reload()
        loaded = time.monotonic() - start
        w = workload.Workload(b.enroll(f"w{size - 1}"))
        us = statistics.median(cost_us(tree(b.proc.pid), seconds, 32, f"127.0.0.1:{port}", w.cert, w.key, "sidekey-forward", "127.0.0.1:7433",
                                       "/p/anthropic/v1/x")[0] for _ in range(3))
        say(f"{size} workloads and rules, store and log in memory", f"{us:.1f} us a request; {added * 1e6:.0f} us to add one, {loaded * 1000:.0f} ms to load the rules, "
            f"{pss_kib(b.pids()['keeper']) / 1024:.1f} MiB in the keeper")


def idle_streams(ca, server, port):
    """STREAMS event streams on one gateway, held by two workloads since one alone may have half; nothing is said on them."""
    hold = f"{TOOLS}/tool_hold"
    procs = [subprocess.Popen([hold, "serve", str(HOLD_PORT), *server], stdin=subprocess.PIPE)]
    b, ws = ready_broker(ca, port, HOLD_PORT, ("one", "two"))
    with b:
        gateway = b.pids()["gateway"]
        before, start = pss_kib(gateway), time.monotonic()
        try:
            for w in ws:
                procs.append(subprocess.Popen([hold, "open", f"127.0.0.1:{port}", w.cert, w.key, "sidekey-forward", "127.0.0.1:7433",
                                               "/p/anthropic/v1/stream", str(STREAMS // 2)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
                said = procs[-1].stdout.readline().strip()
                if said != "failed 0":
                    raise RuntimeError(f"{STREAMS // 2} streams of {w.conf['workload']}: {said}")
            took = time.monotonic() - start
            each = (pss_kib(gateway) - before) / STREAMS
            row(f"memory of one of {STREAMS} idle streams on one gateway", f"{each:.1f} KiB", "<= 72 KiB", each <= 72)
            pids, start = tree(b.proc.pid), cpu_s(tree(b.proc.pid))
            time.sleep(5)
            say(f"{STREAMS} idle streams: opened, broker's CPU while they are silent", f"{STREAMS / took:.0f} a second, {(cpu_s(pids) - start) / 5 * 100:.1f} %")
            start = time.monotonic()
            assert ws[0].ask("GET", "/healthz").status == 200
            say("beside them: a new connection and its health request", f"{(time.monotonic() - start) * 1000:.1f} ms")
        finally:
            for p in procs:
                p.stdin.close()
                p.wait()
