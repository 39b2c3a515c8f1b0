#!/usr/bin/python3
"""Whoever knocks without an identity, or at doors that are not there, stands in the audit log; a flood of that is counted, and hides nobody else."""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import oracle, stage, tap  # noqa: E402

FLOOD = 600
QUOTA_PER_S, BURST = 10, 50  # broker/keeper/open.c
KNOCKS = [
    ("GET", "/p/anthropic/v1/x", 401, "no_certificate", "/p/anthropic/v1/x"),
    ("GET", "/v1/self", 401, "no_certificate", "/v1/self"),
    ("GET", "/v1/admin/status", 404, "no_route", "/v1/admin/status"),
    ("GET", "/nothing?key=canary-in-a-query", 404, "no_route", "/nothing"),
    ("GET", "/p/anthropic", 404, "no_route", "/p/anthropic"),
    ("PUT", "/healthz", 405, "method", "PUT /healthz"),
    ("TRACE", "/p/anthropic/v1/x", 501, "method", "TRACE /p/anthropic/v1/x"),
    ("CONNECT", "api.anthropic.com:443", 501, "method", "CONNECT api.anthropic.com:443"),
    ("GET", "/" + "a" * 4000, 404, "no_route", "/*"),
    ("POST", "/v1/enroll/" + stage.KEY + "/x", 404, "no_route", "/v1/enroll/*/x"),
    ("GET", "/aaaaaaaaaaaaaaaa/" * 100, 404, "no_route", ("/aaaaaaaaaaaaaaaa/" * 100)[:255]),
]


def knock(t, s, log, connect, who, **named):
    for method, target, status, code, detail in KNOCKS:
        if status == 401 and named:
            continue
        log.mark()
        c = connect()
        r = c.ask(method, target)
        c.close()
        bad = log.holds(event="refused", decision="deny", code=code, detail=detail, **named)
        t.ok(r.status == status and bad == "", f"{who}: {method} {target[:40]}: {status}, and in the log", f"{r.status} {bad}")
        t.is_([x["event"] for x in log.new()], ["refused"], "once")


def flood(t, s, log):
    log.mark()
    start = time.monotonic()
    c = s.w.anonymous("sidekey-forward")
    for _ in range(FLOOD):
        if c.ask("GET", "/nothing").status != 404:
            raise RuntimeError("not refused")
    c.close()
    s.w.ask("GET", "/of-the-workload")
    t.is_(log.holds(event="refused", code="no_route", detail="/of-the-workload", workload="coder"), "", "in the midst of a flood a workload's own refusal is written out")
    took = time.monotonic() - start
    oracle.until(lambda: log.refusals() >= FLOOD + 1, 5)
    t.is_(log.refusals(), FLOOD + 1, f"all of {FLOOD} are counted")
    written = len(log.new())
    t.ok(written <= BURST + (QUOTA_PER_S + 1) * (took + 5), "in few records", f"{written} after {took:.1f} s")


def main(t):
    with stage.Stage() as s:
        log = oracle.Log(s.b)
        knock(t, s, log, lambda: s.w.anonymous("sidekey-forward"), "nobody")
        t.ok(not any("workload" in r or "instance" in r for r in log.all.values() if r["event"] == "refused"), "and nobody is named")
        knock(t, s, log, s.w.connect, "the workload", workload="coder", instance=s.w.issued["instance"])
        t.is_(oracle.can("canary-in-a-query", s.b), "", "no query is written down")
        t.is_(oracle.can(stage.KEY, s.b), "", "CAN: nor a key that stands in a path")
        flood(t, s, log)
        t.is_(oracle.aud(s.b, event="denied_folded"), "", "AUD: the chain verifies")


tap.Tap().run(main)
