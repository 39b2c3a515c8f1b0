#!/usr/bin/python3
"""Promise 7: enrollment keys work as often as they say, under 100-way races and kill -9; a child cannot enroll."""
import base64
import concurrent.futures
import json
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import broker, oracle, stage, tap, workload  # noqa: E402


def race(w, n):
    with concurrent.futures.ThreadPoolExecutor(n) as pool:
        return [f.result() for f in [pool.submit(w.enroll) for _ in range(n)]]


def broken(csr):
    """The same request with one bit of its signature turned."""
    lines = csr.strip().split("\n")
    der = bytearray(base64.b64decode("".join(lines[1:-1])))
    der[-3] ^= 1
    return "\n".join([lines[0], base64.b64encode(der).decode(), lines[-1], ""])


def withdrawn(t):
    """A file that others may have read: its key is ended, what runs goes on."""
    with stage.Stage() as s:
        b = s.b
        b.workload("other")
        file = b.enroll("coder", "--reusable")
        leaked, spare, others = (workload.Workload(f, enroll=False) for f in (file, b.enroll("coder"), b.enroll("other")))
        p = b.cli("workload", "enroll", "coder", "--reusable", "--out", file, check=False)
        t.ok(p.returncode == 1 and "--replace" in p.stderr, "a file that exists is not replaced by chance", p.stderr)
        p = b.cli("workload", "enroll", "coder", "--reusable", "--out", file, "--replace")
        t.ok("3 earlier enrollments ended" in p.stderr, "--replace: all that were made before end", p.stderr)
        t.is_(oracle.aud(b, event="enroll_replaced", workload="coder", detail="3 enrollments"), "", "AUD")
        fresh = workload.Workload(file, enroll=False)
        t.ok(fresh.conf["key"] != leaked.conf["key"], "the file has another key")
        for when in ("at once", "after a restart of the keeper"):
            t.is_([w.enroll().status for w in (leaked, spare)], [403, 403], f"the old keys enroll nobody, {when}")
            t.is_((fresh.enroll().status, s.w.ask("GET", "/p/anthropic/v1/x").status), (200, 200), "the new one does, and what runs goes on")
            os.kill(b.pids()["keeper"][0], signal.SIGKILL)
            broker.wait_for(b.ready, "ready again", 20)
        t.is_(others.enroll().status, 200, "another workload's key is what it was")
        for i in range(31):
            b.enroll("coder", "--reusable")
        p = b.cli("workload", "enroll", "coder", "--out", f"{b.dir}/more", check=False)
        t.ok(p.returncode == 1 and "--replace" in p.stderr, "no more than 32 at once", p.stderr)
        b.cli("workload", "enroll", "coder", "--out", f"{b.dir}/more", "--replace")
        row = next(r for r in map(json.loads, b.cli("--json", "workload", "list").stdout.splitlines()) if r["name"] == "coder")
        t.is_(row["open_enrollments"], 1, "--replace makes room")


def bounds(t, b):
    """The command line and the keeper have the same."""
    for args, want in ((["--ttl", "3650d"], 0), (["--ttl", "3651d"], 2), (["--ttl", "0s"], 2), (["--reusable", "--cap", "64"], 0), (["--reusable", "--cap", "65"], 2),
                       (["--cap", "0"], 2), (["--cap", "2"], 1)):
        p = b.cli("workload", "enroll", "coder", "--out", f"{b.dir}/bounds{args[-1]}", *args, check=False)
        said = {"--ttl": "1s to 3650d", "--cap": "1 to 64"}[args[-2]]
        t.ok(p.returncode == want and (want != 2 or said in p.stderr), f"enroll {' '.join(args)}: exit {want}, with the bounds", p.stderr)


def main(t):
    with stage.Stage() as s:
        b = s.b
        w = workload.Workload(b.enroll("coder"), enroll=False)
        replies = race(w, 100)
        good = [r for r in replies if r.status == 200]
        t.is_(len(good), 1, "single use, 100 at once: one certificate")
        t.ok({r.status for r in replies} <= {200, 403, 429}, "the others are refused")
        t.ok(w.enroll().status in (403, 429), "and once more")
        t.is_(oracle.aud(b, event="control", decision="deny", target="/v1/enroll", code="enroll_refused"), "", "AUD")

        w = workload.Workload(b.enroll("coder", "--reusable", "--cap", "9"), enroll=False)
        c = w.anonymous()
        body = json.dumps({"csr": w.csr})
        t.is_(c.ask("POST", "/v1/enroll", [f"Authorization: Bearer {w.conf['key']}", "Content-Type: application/json"], body).status, 200, "on a connection that stays open")
        t.ok(not c.closed(0.3), "it stays open, and no second answer comes: one request is one certificate")
        c.close()

        w = workload.Workload(b.enroll("coder", "--reusable", "--cap", "2"), enroll=False)
        certs = []
        for i in range(3):
            one = workload.Workload.__new__(workload.Workload)
            one.__dict__.update(w.__dict__)
            one.dir = f"{b.dir}/w{i}"
            os.makedirs(one.dir)
            one.key, one.csr = workload.make_csr(one.dir)
            one.cert = f"{one.dir}/cert.pem"
            r = one.enroll()
            t.is_(r.status, 200, f"reusable, cap 2: enrolling {i + 1}")
            one.take(r)
            certs.append(one)

        def status(one):
            try:
                r = one.ask("GET", "/p/anthropic/v1/x")
                return r.status if r else 0
            except OSError:
                return 0
        t.ok(status(certs[0]) != 200, "past the cap the oldest certificate is dead")
        t.is_([status(c) for c in certs[1:]], [200, 200], "the newest win")
        t.is_(oracle.aud(b, event="enroll_superseded", workload="coder"), "", "AUD")

        key = w.conf["key"]
        for name, value in (("another case", key.swapcase()), ("one character short", key[:-1]), ("padded", key + "="), ("empty", " "), ("a guess", "A" * 43)):
            t.ok(w.enroll(key=value).status in (400, 401, 403, 429), f"a key with {name} is refused")
        expired = workload.Workload(b.enroll("coder", "--ttl", "1s"), enroll=False)
        time.sleep(2.1)
        r = expired.enroll()
        t.ok(r.status in (403, 429), "an expired enrollment is refused", r.body)

        fresh = workload.Workload(b.enroll("coder"), enroll=False)
        log = oracle.Log(b)
        r = fresh.enroll(alpn="sidekey-forward")
        t.is_(r.status, 403, "on a forwarded connection nobody enrolls")
        t.is_(log.holds(event="refused", code="forwarded_control"), "", "AUD: the attempt")
        t.is_(fresh.enroll().status, 200, "the key was not spent by that")
        r = s.w.ask("POST", "/v1/renew", ["Content-Type: application/json"], json.dumps({"csr": fresh.csr}))
        t.is_(r.status, 403, "on a forwarded connection nobody renews")
        r = s.w.ask("DELETE", "/v1/self")
        t.is_(r.status, 403, "nor gives the certificate back")

        r = s.w.ask("POST", "/v1/renew", ["Content-Type: application/json"], json.dumps({"csr": s.w.csr}), alpn="sidekey-control")
        t.ok(r.status == 200, "the shim renews", r.raw)
        old = s.w.cert
        s.w.cert = f"{s.w.dir}/new.pem"
        s.w.take(r)
        t.is_(s.w.ask("GET", "/p/anthropic/v1/x").status, 200, "and the new certificate works")
        again, s.w.cert = s.w.cert, old
        t.ok(status(s.w) in (200, 0, 401, 403), "the old one is replaced", status(s.w))
        s.w.cert = again

        hostile = [("another name", ["-addext", "subjectAltName=URI:spiffe://test.example/admin"], "/CN=admin"),
                   ("CA:TRUE", ["-addext", "basicConstraints=critical,CA:TRUE"], "/")]
        for what, extra, subject in hostile:
            x = workload.Workload(b.enroll("coder", "--reusable"), enroll=False)
            r = x.enroll(csr=workload.make_csr(x.dir, subject, extra)[1])
            ok = r.status == 200 and r.json()["spiffe_id"] == "spiffe://test.example/coder"
            t.ok(ok, f"a CSR that asks for {what} gets what the enrollment says", r.body)
        for what, csr in (("garbage", "hello"), ("1 MiB", "x" * (1 << 20)), ("a broken signature", broken(s.w.csr))):
            x = workload.Workload(b.enroll("coder"), enroll=False)
            try:
                r = x.enroll(csr=csr)
                t.ok(r is None or r.status in (400, 403, 413, 422), f"a CSR that is {what} is refused", r and r.raw)
            except OSError:
                t.ok(True, f"a CSR that is {what} is refused")
            t.is_(x.enroll().status, 200, "and the key was not spent")

        for i in range(5):
            x = workload.Workload(b.enroll("coder"), enroll=False)
            os.kill(b.pids()["keeper"][0], signal.SIGKILL)
            got = []
            for _ in range(60):
                try:
                    r = x.enroll()
                    if r is not None and r.status == 200:
                        got.append(r)
                    if r is not None and r.status in (200, 403, 429):
                        break
                except OSError:
                    pass
                time.sleep(0.1)
            t.ok(len(got) <= 1 and x.enroll().status in (403, 429), f"kill -9 of the keeper, round {i + 1}: never twice", got)
            broker.wait_for(b.ready, "ready again", 20)
        bounds(t, b)
        t.is_(oracle.can(stage.KEY, b), "", "CAN")
    withdrawn(t)


tap.Tap().run(main)
