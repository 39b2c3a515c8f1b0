"""What the bench reads off processes, and how it prints a figure beside its budget."""
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import broker  # noqa: E402

TOOLS = os.path.join(os.path.dirname(broker.BUILT), "tests")
TICK = os.sysconf("SC_CLK_TCK")


def tree(pid):
    """pid and all below it."""
    out, todo = [], [pid]
    while todo:
        p = todo.pop()
        out.append(p)
        with open(f"/proc/{p}/task/{p}/children") as f:
            todo += [int(c) for c in f.read().split()]
    return out


def cpu_s(pids):
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICK


def pss_kib(pids):
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup") as f:
            total += sum(int(line.split()[1]) for line in f if line.startswith("Pss:"))
    return total


def load(seconds, connections, address, cert, key, alpn, host, path, *cold):
    out = subprocess.run([f"{TOOLS}/tool_load", address, cert, key, alpn, host, path, str(connections), str(seconds), *cold],
                         capture_output=True, text=True, check=True)
    got = json.loads(out.stdout)
    if got["errors"] or not got["requests"]:
        raise RuntimeError(f"{address}{path}: {got}")
    got["rate"] = got["requests"] / got["seconds"]
    return got


def cost_us(pids, *args):
    """(CPU of pids for one request, what load() got)"""
    before = cpu_s(pids)
    got = load(*args)
    return (cpu_s(pids) - before) * 1e6 / got["requests"], got


def fdatasync_us(dir_):
    took = []
    with open(f"{dir_}/sync", "wb") as f:
        for _ in range(200):
            f.write(b"x" * 600)
            f.flush()
            start = time.monotonic_ns()
            os.fdatasync(f.fileno())
            took.append((time.monotonic_ns() - start) / 1000)
    return int(statistics.median(took))


def say(what, value):
    print(f"{what:66} {value}", flush=True)


def row(what, value, budget, good):
    print(f"{what:66} {value:>12}   budget {budget:12} {'within' if good else 'OVER'}", flush=True)


class Admin(http.client.HTTPConnection):
    """One connection to admin.sock that stays open."""

    def __init__(self, path):
        super().__init__("localhost")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)

    def post(self, what, body):
        self.request("POST", f"/v1/admin/{what}", json.dumps(body), {"Content-Type": "application/json"})
        r = self.getresponse()
        text = r.read()
        if r.status // 100 != 2:
            raise RuntimeError(f"{what}: {r.status} {text}")
