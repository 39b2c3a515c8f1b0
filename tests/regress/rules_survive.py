#!/usr/bin/python3
"""Bad files never take rules away: the last good ones stay in force across reloads, crashes and restarts, and everybody is told which those are."""
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import broker, oracle, stage, tap  # noqa: E402

BAD = "policy: coder\nworkloads: [coder]\nuse:\n  anthropic:\n    alow: [\"GET /x\"]\n"


def allowed(s, target="/v1/messages"):
    return s.w.ask("GET", f"/p/anthropic{target}").status


def in_force(t, s, digest, what):
    broker.wait_for(s.b.ready, f"ready {what}", 20)
    broker.wait_for(lambda: s.b.json("status")["rules_error"], "the errors to be known", 10)
    now = s.b.json("status")
    t.is_(now["rules_digest"], digest, f"{what}: the last good rules are in force")
    t.ok("coder.yaml:5:5" in now["rules_error"], f"{what}: and status has the error", now["rules_error"])
    t.is_((allowed(s), oracle.alive(s.b, f"unix:{s.b.run}/gateway.sock", f"{s.b.state}/ca.pem")), (200, ""), f"{what}: an agent goes on")


def bad_files(t):
    with stage.Stage() as s:
        digest = s.b.json("status")["rules_digest"]
        t.is_(allowed(s), 200, "an agent may")
        s.b.write("policies/coder.yaml", BAD)
        t.is_(s.b.cli("reload", check=False).returncode, 1, "files that do not compile are refused")
        in_force(t, s, digest, "behind that")

        before = s.b.pids()["keeper"][0]
        os.kill(before, signal.SIGKILL)
        broker.wait_for(lambda: s.b.pids().get("keeper", [before])[0] != before, "a new keeper")
        in_force(t, s, digest, "a keeper that was killed")

        s.b.stop()
        s.b.start()
        in_force(t, s, digest, "a broker that was started again")
        t.ok("anthropic" in s.b.cli("upstream", "list").stdout, "and upstream list shows what is in force")
        text = s.b.cli("status").stdout
        t.ok("files are refused" in text and "coder.yaml:5:5" in text and digest in text, "status says it in words", text)
        doctor = s.b.cli("doctor", check=False).stdout
        t.ok(any(line.startswith("BAD") and "coder.yaml:5:5" in line and digest in line for line in doctor.splitlines()),
             "doctor: the files are refused, and which rules are in force", doctor)
        t.ok(any(r["event"] == "rules_stored" and r["policy"] == digest for r in oracle.records(s.b)), "the log has it", oracle.records(s.b)[-5:])

        s.b.stop()
        s.b.policy("coder", ["coder"], '  anthropic:\n    allow: ["GET /v1/models"]\n')
        s.b.start()
        broker.wait_for(s.b.ready, "ready with other files", 20)
        t.ok(s.b.json("status")["rules_digest"] != digest and s.b.json("status")["rules_error"] == "", "good files replace them")
        t.is_((allowed(s), allowed(s, "/v1/models")), (403, 200), "and what they took away is denied from the first request on")
        mine = [r for r in oracle.records(s.b) if r["event"] in ("keeper_start", "rules_load", "rules_stored")]
        t.is_([r["event"] for r in mine[-2:]], ["keeper_start", "rules_load"], "the stored ones were not in force for a moment")


def folder_gone(t):
    """A mount that failed is not an operator who wants no rules."""
    with stage.Stage() as s:
        digest = s.b.json("status")["rules_digest"]
        for part in ("policies", "upstreams"):
            folder = f"{s.b.conf}/{part}"
            os.rename(folder, f"{folder}.away")
            p = s.b.cli("reload", check=False)
            t.ok(p.returncode == 1 and f"{folder}: there is no such folder; make it" in p.stderr, f"{part}/ is missing: reload is refused, with the next step", p.stderr)
            s.b.proc.send_signal(signal.SIGHUP)
            broker.wait_for(lambda: s.b.log().count(f"{folder}: there is no such folder") == 2, "HUP to be refused too")
            now = s.b.json("status")
            t.ok(folder in now["rules_error"], "status names it", now["rules_error"])
            t.is_((now["rules_digest"], allowed(s)), (digest, 200), "and the old rules stay in force")
            t.is_(s.b.cli("policy", "check", check=False).returncode, 1, "policy check says so too")
            os.rename(f"{folder}.away", folder)
            s.b.reload()
        os.rename(f"{s.b.conf}/policies", f"{s.b.conf}/away")
        os.mkdir(f"{s.b.conf}/policies")
        s.b.reload()
        t.is_((s.b.json("status")["rules_error"], allowed(s)), ("", 403), "a folder that is there and empty: no rules, as it says")


def secret_comes_later(t):
    with stage.Stage() as s:
        s.b.upstream("second", "bearer", s.up, s.ca.cert, "url: https://api.anthropic.com\ncredential: {kind: static, secret: second-key}\n")
        s.b.policy("coder", ["coder"], stage.ALLOW_ALL + '  second:\n    allow: ["GET /**"]\n')
        p = s.b.cli("reload", check=False)
        t.ok(p.returncode != 0 and "second-key" in p.stderr and "secret set" in p.stderr, "a policy that needs a missing secret: refused, with the next step", p.stderr)
        t.is_(allowed(s), 200, "what was allowed stays allowed")
        s.b.secret("second-key", "second-0123456789abcdef")
        t.is_((s.w.ask("GET", "/p/second/x").status, s.b.json("status")["rules_error"]), (200, ""), "the secret is set: the rules are in force, without another reload")


def main(t):
    bad_files(t)
    folder_gone(t)
    secret_comes_later(t)


tap.Tap().run(main)
