#!/usr/bin/python3
"""Promise 8: any edit, swap, removal or rollback of rows is detected; of the store alone against the audit log, and the other way round."""
import glob
import hashlib
import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import broker, oracle, tap  # noqa: E402

FLIPS = 16


class Copy:
    """The state folder as it was; put back whole, or in part."""

    def __init__(self, b):
        self.b, self.dir = b, f"{b.dir}/copy-{random.getrandbits(32):08x}"
        shutil.copytree(b.state, self.dir)

    def put(self, *parts):
        for part in parts:
            there = f"{self.b.state}/{part}"
            if os.path.isdir(there):
                shutil.rmtree(there)
            for left in glob.glob(there + "*"):  # -wal, -shm
                os.unlink(left)
            source = f"{self.dir}/{part}"
            if os.path.isdir(source):
                shutil.copytree(source, there)
            else:
                for name in glob.glob(source + "*"):
                    shutil.copy2(name, self.b.state)
        self.b.give(self.b.state)

    def whole(self):
        self.put("store.db", "audit", "audit.pub", "ca.pem")


def refuses(t, b, what, *words):
    """sidekeyd ends by itself, and says these words in one sentence for the operator."""
    before = len(b.log())
    b.start(ready=False)
    try:
        rc = b.proc.wait(10)
    except subprocess.TimeoutExpired:
        rc = None
    b.stop(signal.SIGKILL) if rc is None else b.stop()
    said = b.log()[before:]
    t.ok(rc not in (None, 0) and all(w in said for w in words), what, f"exit {rc}\n{said[-1500:]}")
    return said


def sql(b, *statements):
    con = sqlite3.connect(f"{b.state}/store.db")
    for s in statements:
        con.execute(*(s if isinstance(s, tuple) else (s,)))
    con.commit()
    con.execute("pragma wal_checkpoint(truncate)")
    con.close()
    for extra in glob.glob(f"{b.state}/store.db-*"):
        os.unlink(extra)
    b.give(f"{b.state}/store.db")


def rows(path):
    con = sqlite3.connect(path)
    found = {k: (v, s) for k, v, s in con.execute("select key, version, sealed from rows")}
    con.close()
    return found


def rollbacks(t, b):
    b.start()
    b.secret("one", "first-value-0123456789")
    b.workload("gone")
    b.stop()
    old = Copy(b)
    b.start()
    b.cli("secret", "rotate", "one", stdin="second-value-0123456789")
    b.cli("workload", "revoke", "gone")
    b.stop()
    new = Copy(b)
    # What a thief of yesterday's backup wants: the revoked workload, the key that was rotated away.
    old.put("store.db")
    refuses(t, b, "yesterday's store with today's log", "store", "rolled back")
    new.whole()
    old.put("audit")
    refuses(t, b, "today's store with yesterday's log", "audit log", "rolled back")
    new.whole()
    shutil.rmtree(f"{b.state}/audit")
    os.mkdir(f"{b.state}/audit", 0o700)
    b.give(f"{b.state}/audit")
    refuses(t, b, "no log at all", "audit log")
    new.whole()
    last = sorted(glob.glob(f"{b.state}/audit/*.jsonl"))[-1]
    with open(last, "rb") as f:
        lines = f.read().splitlines(keepends=True)
    with open(last, "wb") as f:
        f.writelines(lines[:-4])
    refuses(t, b, "the log without its last four records", "audit log")
    new.whole()

    was, is_ = rows(f"{old.dir}/store.db"), rows(f"{new.dir}/store.db")
    changed = sorted(k for k in was if k in is_ and was[k] != is_[k])
    t.ok(len(changed) >= 2, "rows that changed meanwhile", changed)
    for key in changed:
        sql(b, ("update rows set version=?, sealed=? where key=?", (*was[key], key)))
        refuses(t, b, f"yesterday's row {key}", "store")
        new.whole()
    added = sorted(k for k in is_ if k not in was)
    sql(b, *[("delete from rows where key=?", (k,)) for k in added], *[("update rows set version=?, sealed=? where key=?", (*was[k], k)) for k in changed])
    refuses(t, b, "all of yesterday's rows under today's manifest", "store")
    new.whole()
    con = sqlite3.connect(f"{old.dir}/store.db")
    manifest = con.execute("select value from meta where name='manifest'").fetchone()[0]
    con.close()
    sql(b, ("update meta set value=? where name='manifest'", (manifest,)))
    refuses(t, b, "yesterday's manifest over today's rows", "store")
    new.whole()

    b.start()
    t.is_(b.cli("secret", "show", "one", "--reveal").stdout.strip(), "second-value-0123456789", "put back whole, all is there")
    b.stop()
    newest = Copy(b)
    b.give(newest.dir)
    anchor = b.cli("audit", "verify", "--json", "--dir", f"{newest.dir}/audit").stdout.split('"anchor":"')[1].split('"')[0]
    old.whole()
    b.start()
    t.ok(b.answers(), "both rolled back together: nothing here can tell (SECURITY.md says so)")
    b.stop()
    p = b.cli("audit", "verify", "--dir", f"{b.state}/audit", "--anchor", anchor, check=False)
    t.ok(p.returncode == 1 and "anchor" in p.stdout + p.stderr, "but an anchor that was kept outside can", p.stdout + p.stderr)
    newest.whole()


def last_deed(t, b):
    """The record of a deed is older than its row: a store from just before it must not pass for a crash in between."""
    for name, ending in (("clean", signal.SIGTERM), ("killed", signal.SIGKILL)):
        b.start()
        b.workload(f"gone-{name}")
        b.stop()
        old = Copy(b)
        b.start()
        b.cli("workload", "revoke", f"gone-{name}")
        pids = [p for role in b.pids().values() for p in role]
        b.stop(ending)
        broker.wait_for(lambda: not any(os.path.exists(f"/proc/{p}") for p in pids), "all of it to end")
        new = Copy(b)
        old.put("store.db")
        refuses(t, b, f"the last deed cannot be taken back: {name}", "store", "rolled back")
        new.whole()


def anew(lines):
    """The lines of the last interval with other events, chained by the key that its checkpoint published; without that checkpoint."""
    told = [json.loads(line) for line in lines]
    end = max(i for i, r in enumerate(told) if r["event"] == "checkpoint")
    base = max(i for i, r in enumerate(told[:end]) if r["event"] in ("checkpoint", "segment"))
    mac, out = bytes.fromhex(told[base].get("mac") or told[base]["prev"]), lines[:base + 1]
    for line in lines[base + 1:end]:
        body = re.sub(rb'"event":"[a-z_]+"', b'"event":"nothing"', line[:line.rindex(b',"mac":')], count=1)
        mac = hashlib.blake2b(mac + body, key=bytes.fromhex(told[end]["key"]), digest_size=32).digest()
        out.append(body + b',"mac":"' + mac.hex().encode() + b'"}\n')
    return out, end - base - 1


def log_written_anew(t, b):
    """An interval's key is public once its checkpoint is written; with that checkpoint cut off, a keeper that looked at its macs alone would
    take other records for its own, and prove them with the next one."""
    for _ in range(2):  # what a kill left is repeated in the first of these, and not in the interval of the second
        b.start()
        b.cli("secret", "show", "one", "--reveal")
        b.stop()
    good = Copy(b)
    last = sorted(glob.glob(f"{b.state}/audit/*.jsonl"))[-1]
    with open(last, "rb") as f:
        lines, changed = anew(f.read().rstrip(b"\0").splitlines(keepends=True))
    with open(last, "wb") as f:
        f.writelines(lines)
    p = b.cli("audit", "verify", "--dir", f"{b.state}/audit", check=False)
    t.ok(changed > 0 and p.returncode == 0, f"the last {changed} records written anew: the files alone do not show it", p.stdout + p.stderr)
    refuses(t, b, "but no keeper goes on behind them", "audit log", "written anew")
    good.whole()


def strangers(t, b):
    """Rows that never were ours: invented, copied, or from another store under the same passphrase or key."""
    good = Copy(b)
    sql(b, "insert into rows select 'secret/copied', version, sealed from rows where key = 'secret/one'")
    refuses(t, b, "a row copied under another key", "secret/copied")
    good.whole()
    sql(b, "insert into rows values ('workload/admin', 1, randomblob(120))")
    refuses(t, b, "an invented row", "workload/admin")
    good.whole()
    with broker.Broker() as other:
        other.start()
        other.secret("one", "value-of-another-0123456789")
        other.stop()
        foreign = rows(f"{other.state}/store.db")
        same = sorted(set(foreign) & set(rows(f"{b.state}/store.db")))
        t.ok(len(same) >= 2, "another store has rows of the same keys", same)
        sql(b, ("update rows set version=?, sealed=? where key=?", (*foreign[same[-1]], same[-1])))
        refuses(t, b, "a row of another store", same[-1])
        good.whole()
        shutil.rmtree(f"{b.state}/audit")
        shutil.copytree(f"{other.state}/audit", f"{b.state}/audit")
        b.give(b.state)
        refuses(t, b, "the log of another store", "audit")
        good.whole()


def flips(t, b):
    """One bit anywhere: refused, or it was in a place that holds nothing and everything is still right."""
    path = f"{b.state}/store.db"
    b.start()
    b.stop()  # what stood in the journal is in the file now
    whole = Copy(b)
    rng = random.Random(8)
    with open(path, "rb") as f:
        good = f.read()
    used = [i for i, byte in enumerate(good) if byte]
    outcome = {"refused": 0, "harmless": 0}
    bad = []
    for _ in range(FLIPS):
        at = rng.choice(used) * 8 + rng.randrange(8)
        data = bytearray(good)
        data[at // 8] ^= 1 << at % 8
        with open(path, "wb") as f:
            f.write(data)
        before = len(b.log())
        b.start(ready=False)
        broker.wait_for(lambda: b.proc.poll() is not None or b.answers(), "an end or an answer")
        if b.proc.poll() is None:
            outcome["harmless"] += 1
            if b.cli("secret", "show", "one", "--reveal").stdout.strip() != "second-value-0123456789":
                bad.append((at, "another value"))
        else:
            outcome["refused"] += 1
            if "sidekey" not in b.log()[before:] or "bug" in b.log()[before:] or "must" in b.log()[before:]:
                bad.append((at, b.log()[before:]))
        b.stop(signal.SIGKILL) if b.proc.poll() is None else b.stop()
        whole.whole()
    print(f"# {outcome}", flush=True)
    t.is_(bad, [], f"{FLIPS} single bits anywhere in the file: each is refused or changes nothing")
    t.ok(outcome["refused"] > 3, "and many are refused", outcome)


def main(t):
    with broker.Broker() as b:
        rollbacks(t, b)
        last_deed(t, b)
        log_written_anew(t, b)
        strangers(t, b)
        flips(t, b)
        b.start()
        t.is_(oracle.can("second-value-0123456789", b) or oracle.can("first-value-0123456789", b), "", "CAN")


tap.Tap().run(main)
