#!/usr/bin/python3
"""Promise 2: no injection and no issue without a durable audit record first; a log that fails stops both, and goes on by itself."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import broker, oracle, stage, tap, workload  # noqa: E402


def limit_files(pid, size):
    """No file of this process grows beyond size: write(2) fails, as on a full disk. prlimit(2) wants the same uid, or a capability."""
    with open(f"/proc/{pid}/status") as f:
        ids = {line.split()[0]: line.split()[1] for line in f if line.startswith(("Uid:", "Gid:"))}
    prefix = [] if os.geteuid() != 0 else ["setpriv", f"--reuid={ids['Uid:']}", f"--regid={ids['Gid:']}", "--clear-groups"]
    subprocess.run([*prefix, "prlimit", f"--pid={pid}", f"--fsize={size}:unlimited"], check=True)


def main(t):
    with stage.Stage() as s:
        b, w = s.b, s.w
        t.is_(w.ask("GET", "/p/anthropic/v1/models").status, 200, "with a log that works: allowed")
        t.is_(oracle.aud(b, event="decide", decision="allow", method="GET", target="/v1/models", secret="anthropic-api-key"), "", "AUD")
        fresh = workload.Workload(b.enroll("coder"), enroll=False)
        keeper = b.pids()["keeper"][0]

        limit_files(keeper, 1)
        s.up.clear()
        replies = [w.ask("POST", "/p/anthropic/v1/messages", body=b"{}") for _ in range(3)]
        t.is_([r.status for r in replies], [503] * 3, "a log that cannot be written: refused")
        t.is_([r.json().get("error", r.json()).get("type") is not None for r in replies], [True] * 3, "in the shape of the upstream")
        t.is_(oracle.up0(s.up), "", "UP0")
        t.is_(oracle.can(stage.KEY, b, replies), "", "CAN")
        t.is_(fresh.enroll().status, 503, "nor is a certificate given out")
        t.is_(b.ready_word(), "audit_failing", "status says so")
        c = workload.Client(w.conf["gateway"], w.ca, alpn="sidekey-control")
        t.is_(c.ask("GET", "/readyz").status, 503, "and so does readyz")
        c.close()
        t.ok(b.cli("secret", "set", "other", stdin="x", check=False).returncode != 0, "nothing can be changed")
        t.is_(b.pids()["keeper"][0], keeper, "the keeper lives on")

        limit_files(keeper, "unlimited")
        broker.wait_for(b.ready, "the log to work again", 5)
        t.is_(b.pids()["keeper"][0], keeper, "the disk is back: it goes on without anybody's help")
        t.is_(w.ask("POST", "/p/anthropic/v1/messages", body=b"{}").status, 200, "allowed again")
        t.is_(fresh.enroll().status, 200, "the enrollment was not used up")
        t.is_(oracle.aud(b, event="enroll", workload="coder"), "", "AUD")

        records = oracle.records(b)
        allowed = {r["seq"] for r in records if r["event"] == "decide" and r["decision"] == "allow"}
        ended = {r["of"]: r.get("code") for r in records if r["event"] == "finish"}
        t.ok(allowed <= set(ended), "each allowed request has its end in the log", allowed - set(ended))
        sent = [seq for seq in allowed if ended.get(seq) != "not_sent"]
        t.is_(len(sent), 2, "and what was never sent is told apart")


tap.Tap().run(main)
