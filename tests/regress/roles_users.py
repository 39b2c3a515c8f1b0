#!/usr/bin/python3
"""Started as root: each role has a uid of its own, the store becomes the keeper's, and nobody else can open it. Needs root."""
import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import broker, tap  # noqa: E402

os.environ["SIDEKEY_TEST_MODE"] = "root"
UIDS = broker.ACCOUNTS


def status_of(pid):
    with open(f"/proc/{pid}/status") as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


def own_uids(t, b):
    for role, pids in sorted(b.pids().items()):
        want = UIDS.get(role, UIDS["api"])
        s = status_of(pids[0])
        t.is_((s["Uid"].split(), s["Gid"].split(), s["Groups"].strip(), int(s["CapPrm"], 16)),
              ([str(want)] * 4, [str(want)] * 4, "", 0), f"{role}: its own uid and gid, no group, no capability")
    s = status_of(b.proc.pid)
    t.is_(int(s["CapPrm"], 16), 0xe0, "sidekeyd keeps KILL, SETGID and SETUID alone")


def owners(t, b):
    for path in (b.state, f"{b.state}/store.db", f"{b.state}/audit", b.key_file):
        t.is_(os.stat(path).st_uid, UIDS["keeper"], f"{os.path.basename(path)} is the keeper's")
    for name, mode in (("gateway.sock", 0o666), ("admin.sock", 0o600), ("keeper.sock", 0o600)):
        st = os.stat(f"{b.run}/{name}")
        t.is_((st.st_uid, st.st_mode & 0o777), (0, mode), f"{name} is root's, {mode:o}")
    for who in ("gateway", "api"):
        p = subprocess.run(["setpriv", f"--reuid={UIDS[who]}", f"--regid={UIDS[who]}", "--clear-groups", "--bounding-set=-all",
                            "cat", b.key_file, f"{b.state}/store.db"], capture_output=True)
        t.ok(p.returncode != 0 and p.stdout == b"", f"the uid of {who} can read neither key nor store", p.stderr)


def restarts(t, b):
    for role in ("gateway", "keeper"):
        pid = b.pids()[role][0]
        os.kill(pid, signal.SIGKILL)
        broker.wait_for(lambda: b.pids().get(role, [pid]) != [pid], f"a new {role}")
        broker.wait_for(b.ready, f"ready after the {role} died", 20)
        t.is_(status_of(b.pids()[role][0])["Uid"].split()[0], str(UIDS[role]), f"a new {role} has the uid again")


def refused(t, what, accounts, *words):
    with broker.Broker() as b:
        b.accounts = accounts
        b.start(ready=False)
        rc = b.proc.wait(15)
        t.ok(rc != 0 and all(w in b.log() for w in words), what, f"exit {rc}\n{b.log()}")
        t.is_(os.stat(b.state).st_uid, 0, "and the store stays root's")


def main(t):
    if os.geteuid() != 0:
        t.lacks("a uid for each role", "root")
        return
    with broker.Broker() as b:
        b.policy("p", ["a"], '  anthropic:\n    allow: ["GET /v1/models"]\n')
        b.start()
        b.secret("anthropic-api-key", "sk-ant-api03-0123456789abcdef")
        b.reload()
        broker.wait_for(b.ready, "ready")
        t.ok(True, "stores a secret, reads policies, is ready")
        own_uids(t, b)
        owners(t, b)
        restarts(t, b)
        t.is_(b.stop(), 0, "drains")
        b.start()
        t.is_(b.cli("secret", "show", "anthropic-api-key", "--reveal").stdout.strip(), "sk-ant-api03-0123456789abcdef",
              "the second start finds everything as the keeper's")
        t.ok("forbidden" not in b.log(), "nobody made a forbidden call", b.log())
    refused(t, "a missing user is named, with what makes it", {"gateway": 61001, "keeper": 61002}, "tst-api", "useradd")
    refused(t, "two roles with one uid", {"gateway": 61001, "keeper": 61001, "api": 61003}, "different uids")
    refused(t, "a role that is root", {"gateway": 61001, "keeper": 0, "api": 61003}, "is root")


tap.Tap().run(main)
