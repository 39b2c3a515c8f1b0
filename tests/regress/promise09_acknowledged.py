#!/usr/bin/python3
"""Promise 9: acknowledged means durable: the keeper is killed again and again under load, and nothing that anybody was told is lost."""
import os
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import broker, oracle, stage, tap, workload  # noqa: E402

KILLS = 5


class Load:
    """Threads that ask until they are stopped, and keep what they were told."""

    def __init__(self, s):
        self.s, self.end = s, threading.Event()
        self.replies, self.versions, self.keys = [], [], []
        self.threads = [threading.Thread(target=f) for f in (self.proxy, self.proxy, self.rotate, self.enroll)]
        for th in self.threads:
            th.start()

    def proxy(self):
        n = 0
        while not self.end.is_set():
            n += 1
            path = f"/v1/{threading.get_ident()}/{n}"
            try:
                self.replies.append((path, self.s.w.ask("GET", f"/p/anthropic{path}").status))
            except (OSError, EOFError, AttributeError):
                time.sleep(0.05)

    def rotate(self):
        n = 0
        while not self.end.is_set():
            n += 1
            p = self.s.b.cli("secret", "set", "moving", stdin=f"value-{n}-of-the-moving-secret", check=False)
            if p.returncode == 0:
                self.versions.append(n)
            time.sleep(0.02)

    def enroll(self):
        while not self.end.is_set():
            try:
                w = workload.Workload(self.s.b.enroll("coder"), enroll=False)
                if w.enroll().status == 200:
                    self.keys.append(w)
            except (OSError, EOFError, RuntimeError, AttributeError):
                time.sleep(0.05)

    def stop(self):
        self.end.set()
        for th in self.threads:
            th.join()


def kill_keeper(b):
    pid = b.pids()["keeper"][0]
    os.kill(pid, signal.SIGKILL)
    broker.wait_for(lambda: b.pids().get("keeper", [pid])[0] != pid and b.ready(), "the keeper to be back", 15)


def main(t):
    with stage.Stage() as s:
        b = s.b
        load = Load(s)
        for _ in range(KILLS):
            time.sleep(0.5)
            kill_keeper(b)
        time.sleep(0.3)
        load.stop()
        good = [path for path, status in load.replies if status == 200]
        t.ok(len(good) > 20 and load.versions and load.keys, "work was done meanwhile", (len(good), load.versions, len(load.keys)))
        t.ok({status for _, status in load.replies} <= {200, 502, 503}, "what could not be done was refused", {x for _, x in load.replies})
        t.is_(s.w.ask("GET", "/p/anthropic/v1/after").status, 200, "the certificate lives through all of it")

        p = b.cli("audit", "verify", check=False)
        t.is_(p.returncode, 0, "the log verifies")
        records = oracle.records(b)
        allowed = {r["target"] for r in records if r["event"] == "decide" and r["decision"] == "allow"}
        t.is_([path for path in good if path not in allowed], [], "each answered request is in it")
        seen = {r.target for r in s.up.requests}
        t.is_([path for path in seen if path not in allowed], [], "and each one that the upstream saw")
        ended = {r["of"] for r in records if r["event"] == "finish"}
        open_ = [r["seq"] for r in records if r["event"] == "decide" and r["decision"] == "allow" and r["seq"] not in ended]
        starts = [r["seq"] for r in records if r["event"] == "keeper_start"]
        t.is_([seq for seq in open_ if seq > starts[-1]], [], "each of this life has its end; of an earlier one nobody may know it")

        shown = b.cli("secret", "show", "moving", "--reveal").stdout.strip()
        last = int(shown.split("-")[1]) if "-" in shown else 0
        t.ok(last >= max(load.versions), "the last secret that was acknowledged is there", (shown, load.versions))
        t.is_([w for w in load.keys if w.enroll().status == 200], [], "no single-use key works twice")
        enrolled = [r for r in records if r["event"] == "enroll"]
        t.ok(len(enrolled) >= len(load.keys) + 1, "each certificate is in the log")


tap.Tap().run(main)
