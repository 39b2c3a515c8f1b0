#!/usr/bin/python3
"""Promise 2, seen from the disk: the record is there when the request arrives upstream, it was synced before the key left the keeper, and a full disk hands out nothing."""
import concurrent.futures
import datetime
import glob
import os
import re
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import broker, oracle, stage, tap, upstream, workload  # noqa: E402


def log_text(b):
    text = ""
    for path in sorted(glob.glob(f"{b.state}/audit/*.jsonl")):
        with open(path) as f:
            text += f.read().rstrip("\0")  # the reserve
    return text


def order(t):
    """The upstream itself looks into the log, at the moment in which a request arrives."""
    missing, broker_ = [], []

    def handler(conn, req):
        if f'"target":"{req.target}"' not in log_text(broker_[0]):
            missing.append(req.target)
        return upstream.reply(conn, 200, {})

    with stage.Stage(handler) as s:
        broker_.append(s.b)

        def ask(n):
            c = s.w.connect()
            got = [c.ask("GET", f"/p/anthropic/v1/{n}/{i}").status for i in range(20)]
            c.close()
            return got

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            got = sum(pool.map(ask, range(8)), [])
        t.is_(set(got), {200}, "160 requests, eight at a time")
        t.is_(missing, [], "each has its record in the log when it arrives")
        when = {r["target"]: datetime.datetime.fromisoformat(r["time"].replace("Z", "+00:00")).timestamp() for r in oracle.records(s.b) if r["event"] == "decide"}
        late = [r.target for r in s.up.requests if when[r.target] > r.time + 0.001]
        t.is_(late, [], "with a time that is not behind its arrival")


def synced(t):
    """The keeper's own system calls: the record is written, the disk has it, then the answer with the key goes to the gateway."""
    if os.geteuid() != 0 or not shutil.which("strace"):
        t.lacks("the keeper's system calls", "strace and root")
        return
    with stage.Stage() as s:
        out = f"{s.b.dir}/trace"
        st = subprocess.Popen(["strace", "-p", str(s.b.pids()["keeper"][0]), "-o", out, "-s", "65536", "-e", "trace=write,pwrite64,writev,fdatasync,fsync,sendmsg,sendto,sendmmsg"],
                              stderr=subprocess.PIPE, text=True)
        st.stderr.readline()  # attached
        for i in range(5):
            t.is_(s.w.ask("GET", f"/p/anthropic/v1/traced/{i}").status, 200, f"traced request {i + 1}")
        fresh = workload.Workload(s.b.enroll("coder"), enroll=False)
        t.is_(fresh.enroll().status, 200, "a traced enrollment")
        st.terminate()
        st.wait()
        with open(out) as f:
            lines = f.read().splitlines()
        written = synced_at = None
        for i in range(5):
            written = next(n for n, line in enumerate(lines) if f'/v1/traced/{i}\\"' in line and "write" in line.split("(")[0])
            key = next((n for n, line in enumerate(lines) if n > (synced_at or 0) and stage.KEY in line and line.startswith("send")), None)
            synced_at = next((n for n, line in enumerate(lines) if n > written and re.match(r"f(data)?sync\(\d+\)\s+= 0", line)), None)
            t.ok(key is not None and synced_at is not None and written < synced_at < key, f"request {i + 1}: written, synced, and only then the key is sent", (written, synced_at, key))
            synced_at = key
        record = next(n for n, line in enumerate(lines) if '\\"event\\":\\"enroll\\"' in line and "write" in line.split("(")[0])
        given = next(n for n, line in enumerate(lines) if line.count("BEGIN CERTIFICATE") > 1 and line.startswith("send"))  # the CA's stands beside it
        t.ok(record < given and any(re.match(r"f(data)?sync\(\d+\)\s+= 0", line) for line in lines[record:given]), "and no certificate before its record", (record, given))


class SmallDisk:
    """The audit folder on a disk of its own, whose size the test sets."""

    def __init__(self, b):
        self.dir = f"{b.state}/audit"
        uid = os.stat(self.dir).st_uid
        kept = {p: open(f"{self.dir}/{p}", "rb").read() for p in os.listdir(self.dir)}
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size=1m,mode=0700,uid={uid},gid={uid}", "tmpfs", self.dir], check=True)
        for name, data in kept.items():
            with open(f"{self.dir}/{name}", "wb") as f:
                f.write(data)
            os.chmod(f.name, 0o600)
            os.chown(f.name, uid, uid)

    def size(self, kib):
        subprocess.run(["mount", "-o", f"remount,size={kib}k", self.dir], check=True)

    def used_kib(self):
        st = os.statvfs(self.dir)
        return (st.f_blocks - st.f_bfree) * st.f_frsize // 1024

    def end(self):
        subprocess.run(["umount", "-l", self.dir], check=False)


def serves(b, w):
    return oracle.alive(b, w.conf["gateway"], w.ca) == ""


def answer(w, path):
    try:
        r = w.ask("GET", path)
        return r.status if r else 0
    except OSError:  # a gateway that has no certificate
        return 0


def full_disk(t):
    if os.geteuid() != 0:
        t.lacks("a disk that is really full", "root")
        return
    with stage.Stage() as s:
        b, w = s.b, s.w
        b.stop()
        disk = SmallDisk(b)
        try:
            b.start()
            broker.wait_for(lambda: serves(b, w), "the gateway")
            t.is_(w.ask("GET", "/p/anthropic/v1/before").status, 200, "on a disk of its own")
            keeper = b.pids()["keeper"][0]
            disk.size(disk.used_kib())
            s.up.clear()
            replies, c = [], w.connect()
            while len(replies) < 1500 and (not replies or replies[-1].status == 200):
                replies.append(c.ask("GET", f"/p/anthropic/v1/fill/{len(replies)}?{'x' * 400}"))
            t.ok(replies[-1].status == 503 and replies[-1].json()["sidekey"]["code"] == "audit_unavailable", f"full after {len(replies)} requests: 503 audit_unavailable", replies[-1].raw)
            t.is_(len(s.up.requests), len(replies) - 1, "the upstream saw those that were allowed, and no other")
            s.up.clear()
            more = [w.ask("GET", f"/p/anthropic/v1/full/{i}") for i in range(20)]
            t.is_({r.status for r in more}, {503}, "and so are all others")
            t.is_(oracle.up0(s.up), "", "UP0")
            t.is_(workload.Workload(b.enroll("coder"), enroll=False).enroll().status if b.cli("workload", "enroll", "coder", "--out", f"{b.dir}/none", check=False).returncode == 0 else 503, 503,
                  "no enrollment is made")
            t.ok(b.cli("secret", "rotate", "anthropic-api-key", stdin="never-0123456789", check=False).returncode != 0, "nothing is rotated")
            t.is_((b.ready_word(), b.pids()["keeper"][0]), ("audit_failing", keeper), "status says so, and the keeper lives")
            t.ok("audit" in b.cli("doctor", check=False).stdout, "doctor, too")
            disk.size(1024)
            broker.wait_for(b.ready, "ready again by itself", 10)
            t.is_(w.ask("GET", "/p/anthropic/v1/after").status, 200, "room again: it goes on by itself")
            t.is_(b.pids()["keeper"][0], keeper, "in the same process")
            t.is_(oracle.aud(b, event="decide", decision="allow", target="/v1/after"), "", "AUD")
            recorded = {r["target"] for r in oracle.records(b) if r["event"] == "decide" and r["decision"] == "allow"}
            t.ok({f"/v1/fill/{i}" for i in range(len(replies) - 1)} <= recorded, "each that was allowed is in it")
            t.is_(b.cli("secret", "show", "anthropic-api-key", "--reveal").stdout, stage.KEY, "what was refused did not happen")

            # Full at the start: it serves nothing, and begins when there is room.
            b.stop()
            disk.size(max(disk.used_kib(), 4))
            b.start(ready=False)
            time.sleep(1)
            s.up.clear()
            codes = []
            while len(codes) < 1500 and (not codes or codes[-1] == 200):  # the last page has room for a few
                codes.append(answer(w, f"/p/anthropic/v1/full-start/{len(codes)}?{'x' * 400}"))
            t.ok(codes[-1] != 200 and len(s.up.requests) == len(codes) - 1, "full at the start: nothing is handed out that is not in the log", (codes, len(s.up.requests)))
            disk.size(1024)
            broker.wait_for(lambda: b.ready() and serves(b, w), "ready after a full start", 15)
            t.is_(w.ask("GET", "/p/anthropic/v1/x").status, 200, "and then it is")
            t.is_(oracle.can(stage.KEY, b, [*replies, *more]), "", "CAN")
        finally:
            b.stop()
            disk.end()


def main(t):
    for part in (order, synced, full_disk):
        part(t)


tap.Tap().run(main)
