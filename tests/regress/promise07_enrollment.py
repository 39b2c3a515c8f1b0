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
        t.is_(oracle.can(stage.KEY, b), "", "CAN")


tap.Tap().run(main)
