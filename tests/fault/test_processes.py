#!/usr/bin/python3
"""Gateway, edge, admin and keeper killed under load, again and again, and each stopped for a minute: what the upstream saw was recorded before, what was acknowledged is there, and it goes on by itself."""
import collections
import datetime
import os
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import broker, deeds, oracle, stage, tap  # noqa: E402

STOP_S = int(os.environ.get("SIDEKEY_TEST_STOP_S", "60"))
CLOCKS_S = 0.02  # the keeper counts its time from its start on, in whole milliseconds
KILLS = {"gateway": 6, "edge": 6, "admin": 6, "keeper": 6}


class Load:
    """Requests, secrets and questions of a workload about itself, until the end."""

    def __init__(self, s):
        self.s, self.end, self.codes, self.rotated, self.asked = s, threading.Event(), collections.Counter(), 0, 0
        self.answered, self.numbers = [], collections.Counter()
        self.threads = [threading.Thread(target=self.loop, args=(f,)) for f in (self.request, self.request, self.self_, self.rotate)]
        for th in self.threads:
            th.start()

    def loop(self, fn):
        while not self.end.is_set():
            try:
                fn()
            except (OSError, EOFError, AttributeError, ValueError, subprocess.TimeoutExpired):
                time.sleep(0.02)

    def request(self):
        me = threading.get_ident()
        self.numbers[me] += 1
        target = f"/v1/{me}/{self.numbers[me]}"
        status = self.s.w.ask("GET", f"/p/anthropic{target}").status
        self.codes[status] += 1
        if status == 200:
            self.answered.append(target)

    def self_(self):
        self.s.w.ask("GET", "/v1/self")
        self.end.wait(0.01)

    def rotate(self):
        self.asked += 1
        if self.s.b.cli("secret", "rotate", "moving", stdin=f"value-{self.asked:06d}-0123456789", check=False).returncode == 0:
            self.rotated = self.asked
        self.end.wait(0.05)

    def stop(self):
        self.end.set()
        for th in self.threads:
            th.join()


def begin(**kw):
    s = stage.Stage(**kw)
    s.b.secret("moving", "value-000000-0123456789")
    return s, Load(s)


def serves(s):
    return s.b.ready() and oracle.alive(s.b, s.w.conf["gateway"], s.w.ca) == ""


def judge(t, what, s, load):
    t.ok(set(load.codes) <= {200, 502, 503, 504} and load.codes[200] > 20, f"{what}: requests are served or refused", load.codes)
    p = s.b.cli("audit", "verify", check=False)
    t.is_(p.returncode, 0, f"{what}: the log verifies: {p.stderr}")
    records = oracle.records(s.b)
    when = {r["target"]: datetime.datetime.fromisoformat(r["time"].replace("Z", "+00:00")).timestamp() for r in records if r["event"] == "decide" and r["decision"] == "allow"}
    t.is_([r.target for r in s.up.requests if r.target not in when or when[r.target] > r.time + CLOCKS_S], [], f"{what}: each of {len(s.up.requests)} requests that the upstream saw has an earlier record")
    t.is_([target for target in load.answered if target not in when], [], f"{what}: each that was answered is in the log")
    seen = collections.Counter(r.target for r in s.up.requests)
    t.is_([target for target, n in seen.items() if n > 1], [], f"{what}: none was sent twice")
    shown = s.b.cli("secret", "show", "moving", "--reveal").stdout
    t.ok(f"value-{load.rotated:06d}-0123456789" <= shown <= f"value-{load.asked:06d}-0123456789", f"{what}: the last rotation that was acknowledged is there", (shown, load.rotated, load.asked))
    t.is_(oracle.can(stage.KEY, s.b), "", f"{what}: CAN")


def killed(t, role):
    s, load = begin()
    with s:
        broker.wait_for(lambda: len(load.answered) > 20, "load", 20)
        for _ in range(KILLS[role]):
            time.sleep(0.3)
            pid = s.b.pids()[role][0]
            os.kill(pid, signal.SIGKILL)
            broker.wait_for(lambda: s.b.pids().get(role, [pid])[0] != pid, f"another {role}", 15)
        broker.wait_for(lambda: serves(s), "it to serve", 20)
        before = len(load.answered)
        broker.wait_for(lambda: len(load.answered) > before + 10, "requests behind the last kill", 20)
        load.stop()
        judge(t, f"{role} killed {KILLS[role]} times", s, load)
        s.b.secret("after", "value-of-after-0123456789")
        t.is_(s.w.self_()["workload"], "coder", f"{role} killed {KILLS[role]} times: edge and admin answer")


def stopped(t, role):
    what = f"{role} stopped for {STOP_S} s"
    s, load = begin()
    with s:
        broker.wait_for(lambda: len(load.answered) > 20, "load", 20)
        pid = s.b.pids()[role][0]
        os.kill(pid, signal.SIGSTOP)
        start = time.monotonic()
        try:
            time.sleep(7)  # what was asked before is answered or refused by then
            before, seen = len(load.answered), len(s.up.requests)
            broker.wait_for(lambda: deeds.ended(pid) or time.monotonic() - start > STOP_S, "the time to pass", STOP_S + 5)
            after = len(load.answered), len(s.up.requests)
        finally:
            if not deeds.ended(pid):
                os.kill(pid, signal.SIGCONT)
        if role == "keeper":
            t.is_(after, (before, seen), f"{what}: nothing is decided, and nothing goes out")
        if role == "edge":
            t.ok(after[0] > before + 20, f"{what}: what is proxied goes on", (before, after))
        broker.wait_for(lambda: serves(s), "it to serve again", 20)
        now = len(load.answered)
        broker.wait_for(lambda: len(load.answered) > now + 10, "requests behind it", 20)
        t.ok(True, f"{what}: it goes on by itself")
        load.stop()
        judge(t, what, s, load)


def main(t):
    laters = [tap.Later(lambda t, role=role: stopped(t, role)) for role in ("keeper", "gateway", "edge")]
    for role in KILLS:
        tap.Later(lambda t, role=role: killed(t, role)).tell(t)
    for later in laters:
        later.tell(t)


tap.Tap().run(main)
