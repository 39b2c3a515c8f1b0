#!/usr/bin/python3
"""Promise 12, for the audit log: one workload cannot fill it, nor push what others did out of it."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import broker, oracle, stage, tap, workload  # noqa: E402

QUOTA = 256 << 10


def log_bytes(b):
    return sum(os.path.getsize(f"{b.state}/audit/{n}") for n in os.listdir(f"{b.state}/audit"))


def main(t):
    with stage.Stage(yaml=f"audit: {{size: 1MiB, quota: {QUOTA}}}\n") as s:
        b = s.b
        b.workload("other")
        b.policy("other", ["other"], stage.ALLOW_ALL)
        b.reload()
        other = workload.Workload(b.enroll("other"))
        t.is_(other.ask("GET", "/p/anthropic/v1/what-the-other-did").status, 200, "one workload does something")
        begin = log_bytes(b)

        c, codes, last = s.w.connect(), [], None
        for i in range(2500):
            last = c.ask("GET", f"/p/anthropic/v1/{i}/" + "x" * 200)
            codes.append(last.status)
        first = codes.index(429) if 429 in codes else None
        t.ok(first and first > 100 and set(codes[:first]) == {200} and set(codes[first:]) == {429}, "another one as much as it can: until its share is used up", (first, set(codes)))
        t.ok(last.json()["sidekey"]["code"] == "audit_quota" and int(last.get("retry-after")) > 3600 and last.get("sidekey-decision") == "deny", "which says why, and until when", last.raw)
        t.ok(log_bytes(b) - begin < QUOTA + 65536, "the log grew by its share, no more", log_bytes(b) - begin)
        t.is_(len(s.up.requests), first + 1, "what was refused did not go out")
        t.is_(other.ask("GET", "/p/anthropic/v1/x").status, 200, "the first one does not notice")
        t.is_(oracle.aud(b, event="decide", decision="allow", workload="other", target="/v1/what-the-other-did"), "", "AUD: what it did is still in the log, which verifies")

        broker.wait_for(lambda: any(r["event"] == "audit_quota" for r in oracle.records(b)), "the count to be written")
        told = [r for r in oracle.records(b) if r["event"] == "audit_quota"]
        t.ok(len(told) <= 3 and all(r["workload"] == "coder" and r["count"] > 0 for r in told), "the refusals are in few records, counted", told)
        t.ok("share of the audit log" in b.cli("status").stdout and "share of the log" in b.cli("doctor", check=False).stdout, "status and doctor warn")
        r = s.w.ask("POST", "/v1/renew", ["Content-Type: application/json"], json.dumps({"csr": s.w.csr}), alpn="sidekey-control")
        t.is_(r.status, 200, "it can still renew its certificate")
        t.is_(oracle.can(stage.KEY, b), "", "CAN")


tap.Tap().run(main)
