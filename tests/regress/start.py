#!/usr/bin/python3
"""Starting, sealing, restarting: what the supervisor and the keeper promise before any request."""
import os
import signal
import sqlite3
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import broker, oracle, tap, workload  # noqa: E402


def refused(t, b, what, *words):
    """sidekeyd must end by itself, with these words in its log."""
    before = len(b.log())
    b.start(ready=False)
    try:
        rc = b.proc.wait(15)
    except subprocess.TimeoutExpired:
        rc = None
    b.stop(signal.SIGKILL) if rc is None else b.stop()
    said = b.log()[before:]
    t.ok(rc not in (None, 0) and all(w in said for w in words), what, f"exit {rc}\n{said[-1500:]}")


def sealed_start(t):
    with broker.Broker(passphrase="correct horse battery") as b:
        b.start(ready=False)
        broker.wait_for(lambda: b.cli("status", check=False).returncode == 6, "status to say sealed")
        t.ok(True, "started sealed: status exits 6")
        p = b.cli("secret", "set", "x", stdin="value-0123456789", check=False)
        t.is_(p.returncode, 6, "a secret cannot be stored while sealed")
        p = b.cli("unseal", stdin="wrong\n", check=False)
        t.ok(p.returncode in (1, 4) and "passphrase" in p.stderr, "a wrong passphrase is refused in words", p.stderr)
        t.ok("next attempt" in b.cli("unseal", stdin="correct horse battery\n", check=False).stderr, "guessing is slowed down")
        time.sleep(1.1)
        b.cli("unseal", stdin="correct horse battery\n")
        broker.wait_for(b.ready, "ready after unseal")
        t.ok(True, "unsealed later, it is ready")
        b.secret("x", "value-0123456789")
        b.cli("seal")
        t.is_(b.cli("status", check=False).returncode, 6, "sealed again")


def store_refusals(t):
    with broker.Broker() as b:
        b.start()
        t.ok(True, "starts and is ready")
        for name in ("one", "two"):
            b.secret(name, f"value-of-{name}-0123456789")
        second = subprocess.run([*b.prefix, f"{broker.BIN}/sidekeyd", "--config-dir", b.conf], capture_output=True, text=True, timeout=20)
        t.ok(second.returncode != 0, "a second daemon on the store ends", second.stderr)
        t.ok(b.ready(), "and the first does not notice")
        b.stop()

        db = f"{b.state}/store.db"
        good = open(db, "rb").read()

        def with_db(what, change, *words):
            con = sqlite3.connect(db)
            change(con)
            con.commit()
            con.execute("pragma wal_checkpoint(truncate)")
            con.close()
            for extra in ("-wal", "-shm"):
                if os.path.exists(db + extra):
                    os.unlink(db + extra)
            b.give(db)
            refused(t, b, what, *words)
            with open(db, "wb") as f:
                f.write(good)

        rows = sqlite3.connect(db)
        keys = [k for (k,) in rows.execute("select key from rows order by key") if k.startswith(("secret", "s/")) or "one" in k or "two" in k]
        rows.close()
        t.ok(len(keys) >= 2, "rows of the two secrets are there", keys)
        with_db("a missing row is detected", lambda c: c.execute("delete from rows where key=?", (keys[0],)))
        with_db("a flipped bit is detected", lambda c: c.execute(
            "update rows set sealed = cast(substr(sealed,1,40) || x'00' || substr(sealed,42) as blob) where key=?", (keys[0],)), keys[0])

        def swap(c):
            a, z = (c.execute("select sealed from rows where key=?", (k,)).fetchone()[0] for k in keys[:2])
            c.execute("update rows set sealed=? where key=?", (z, keys[0]))
            c.execute("update rows set sealed=? where key=?", (a, keys[1]))
        with_db("swapped rows are detected", swap)
        with_db("a newer schema is refused", lambda c: c.execute("update meta set value=cast('99' as blob) where name='schema'"))

        os.chmod(b.state, 0o755)
        refused(t, b, "a state folder that others may read is refused", "chmod 700")
        os.chmod(b.state, 0o700)
        os.chmod(b.key_file, 0o444)
        refused(t, b, "a key file that others may read is refused")
        os.chmod(b.key_file, 0o600)
        key = open(b.key_file, "rb").read()
        with open(b.key_file, "wb") as f:
            f.write(bytes(32))
        refused(t, b, "a wrong key is refused")
        with open(b.key_file, "wb") as f:
            f.write(key)
        os.chmod(b.key_file, 0o400)
        b.start()
        t.is_(b.cli("secret", "show", "one", "--reveal").stdout.strip(), "value-of-one-0123456789", "put right again, everything is there")


def restarts(t):
    with broker.Broker(gateways=2) as b:
        b.start()
        pids = b.pids()
        t.is_({k: len(v) for k, v in pids.items()}, {"gateway": 2, "keeper": 1, "edge": 1, "admin": 1}, "the processes of DESIGN section 2")
        for role in ("edge", "admin", "gateway", "keeper"):
            pid = b.pids()[role][0]
            os.kill(pid, signal.SIGKILL)

            def replaced():
                now = b.pids().get(role, [])
                return pid not in now and len(now) == len(pids[role])
            broker.wait_for(replaced, f"a new {role}")
            broker.wait_for(b.ready, f"ready after the {role} died", 20)
            t.ok(True, f"a killed {role} is started again")
            addr = f"unix:{b.run}/gateway.sock"
            broker.wait_for(lambda: oracle.alive(b, addr, f"{b.state}/ca.pem") == "", f"ALIVE after the {role} died", 10)
        said = [r for r in oracle.records(b) if r["event"] == "process_exit"]
        t.ok(len(said) >= 3, "and the audit says so", oracle.records(b)[-6:])
        b.proc.send_signal(signal.SIGHUP)
        time.sleep(0.3)
        t.ok(b.ready(), "HUP reloads and stays ready")
        start = time.monotonic()
        t.is_(b.stop(), 0, "TERM ends it with 0")
        t.ok(time.monotonic() - start < 5, "without open work at once", time.monotonic() - start)


def stuck(t):
    """Whoever does not end at TERM is killed when its phase is over, and nothing waits longer than the ten seconds of all phases."""
    for roles, least_s, most_s in ((("keeper",), 1, 4), (("gateway", "edge", "admin", "keeper"), 10, 14)):
        with broker.Broker() as b:
            b.start()
            pids = [pid for role in roles for pid in b.pids()[role]]
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            start = time.monotonic()
            code = b.stop()
            took = time.monotonic() - start
            t.ok(code == 0 and least_s <= took < most_s, f"TERM with {' and '.join(roles)} stuck: the end after {least_s} s", (code, took))
            t.is_([pid for pid in pids if os.path.exists(f"/proc/{pid}")], [], "and of them, too")
            t.is_([pid for pid in pids if f"(pid {pid}) is killed: it did not finish in time" not in b.log()], [], "the log says why")


def full_at_start(t):
    """A disk that takes nothing, played by a limit on files; what is said goes into a pipe, which has none."""
    with broker.Broker() as b:
        b.start()
        b.stop()
        log, b.log_path = b.log_path, f"{b.dir}/said"
        os.mkfifo(b.log_path)
        said = os.open(b.log_path, os.O_RDWR | os.O_NONBLOCK)
        plain, b.prefix = b.prefix, [*b.prefix, "prlimit", "--fsize=1", "--"]
        b.start(ready=False)
        b.log_path, b.prefix = log, plain
        try:
            broker.wait_for(lambda: b.ready_word() == "audit_failing", "the state to say that the log fails")
            keeper = b.pids()["keeper"]
            time.sleep(1.2)  # the log is tried again each second
            t.is_((b.ready_word(), b.pids()["keeper"]), ("audit_failing", keeper), "a start on a log that cannot be written: refuses, says so, and stays")
        except TimeoutError as e:
            t.ok(False, "a start on a log that cannot be written", f"{e}\n{os.read(said, 4000).decode()}")
        b.stop()
        os.close(said)


def bad_reload(t):
    with broker.Broker() as b:
        b.policy("p", ["a"], '  anthropic:\n    allow: ["GET /v1/models"]\n')
        b.start()
        b.secret("anthropic-api-key", "sk-ant-api03-0123456789abcdef")
        b.reload()
        digest = b.json("status")["rules_digest"]
        b.write("policies/p.yaml", "policy: p\nworkloads: [a]\nuse:\n  anthropic:\n    alow: [\"GET /x\"]\n")
        p = b.cli("reload", check=False)
        t.ok(p.returncode == 1 and "p.yaml:5:5" in p.stderr and "allow" in p.stderr, "a bad policy: file, line, column, what was meant", p.stderr)
        s = b.json("status")
        t.is_(s["rules_digest"], digest, "the old rules stay in force")
        t.ok("p.yaml" in s["rules_error"], "and status says why", s)


def main(t):
    sealed_start(t)
    store_refusals(t)
    restarts(t)
    stuck(t)
    full_at_start(t)
    bad_reload(t)


tap.Tap().run(main)
