#!/usr/bin/python3
"""Class F of the attacks: rules that are wrong take nothing away and give nothing, in any order, at any time; a clock that jumps revives nothing."""
import itertools
import os
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import policy_cases  # noqa: E402
from harness import clock, oracle, pki, stage, tap, upstream, workload  # noqa: E402
from harness.broker import Broker, wait_for  # noqa: E402

DAY, YEAR = 86400, 366 * 86400


def status(w, target="/v1/x", method="GET", upstream="anthropic"):
    r = w.ask(method, f"/p/{upstream}{target}")
    body = r.json() if r.status >= 400 and r.body else {}
    return r.status, body.get("code") or body.get("sidekey", {}).get("code")


def files(t, s):
    """Nothing loads, also what is good beside it; what was in force stays."""
    s.b.write("policies/coder.yaml", policy_cases.GOOD)
    s.b.reload()
    digest = s.b.json("status")["rules_digest"]
    s.b.write("policies/more.yaml", 'policy: more\nworkloads: [coder]\nuse:\n  anthropic:\n    allow: ["POST /**"]\n')
    path = f"{s.b.conf}/policies/coder.yaml"
    for name, text in [*((k, policy_cases.HEAD + v) for k, v in policy_cases.USES.items()), *policy_cases.WHOLE.items()]:
        with open(path, "wb") as f:
            f.write(text if isinstance(text, bytes) else text.encode())
        begin = time.monotonic()
        p = s.b.cli("reload", check=False)
        took = time.monotonic() - begin
        good = p.returncode in (1, 3) and "coder" in p.stderr and took < 2 * oracle.ALIVE_S and status(s.w) == (200, None)
        t.ok(good, f"file: {name[:60]}", (p.returncode, p.stderr[:300], took))
    t.is_((s.b.json("status")["rules_digest"], status(s.w, method="POST")), (digest, (403, "not_allowed")), "files: the rules are those from before, and nothing of any file is in force")
    for name, text in (("CR LF", policy_cases.GOOD.replace("\n", "\r\n").encode()), ("a mark of its bytes' order", b"\xef\xbb\xbf" + policy_cases.GOOD.encode())):
        with open(path, "wb") as f:
            f.write(text)
        s.b.cli("reload", check=False)
        t.is_(status(s.w), (200, None), f"file: {name}: means what it meant, or nothing")
    os.unlink(f"{s.b.conf}/policies/more.yaml")
    os.unlink(path)
    s.b.reload()
    t.is_(status(s.w), (403, "no_policy"), "file: no file is no permission")


def unknown(t, s):
    """A rule for a workload that is not there is a rule for nobody, until one of that name is made."""
    s.b.policy("ghost", ["ghost", "coder.late"], stage.ALLOW_ALL)
    s.b.reload()
    t.is_(status(s.w), (403, "no_policy"), "unknown workload: nobody else gets what is its")
    p = s.b.cli("workload", "enroll", "ghost", "--out", f"{s.b.dir}/ghost.json", check=False)
    t.ok(p.returncode == 3 and not os.path.exists(f"{s.b.dir}/ghost.json"), "unknown workload: a policy that names it does not make it", p)
    t.ok("ghost" not in s.b.cli("--json", "workload", "list").stdout, "unknown workload: nor is it in the list")
    s.b.workload("ghost")
    t.is_(status(workload.Workload(s.b.enroll("ghost"))), (200, None), "unknown workload: when it is made, the rule is its own")
    s.b.cli("workload", "revoke", "ghost")
    os.unlink(f"{s.b.conf}/policies/ghost.yaml")
    s.b.reload()


def order(t, s):
    """What is said does not hang on where it stands."""
    rules = [("allow", '"GET /v1/**"'), ("deny", '"* /v1/secret/**"'), ("allow", '"* /v1/secret/x"'), ("deny", '"POST /**"')]
    asks = [("GET", "/v1/a"), ("GET", "/v1/secret/x"), ("PUT", "/v1/secret/x"), ("POST", "/v1/a"), ("GET", "/v2"), ("PUT", "/v1/a"), ("HEAD", "/v1/a")]
    seen = set()
    for n, way in enumerate(itertools.permutations(rules)):
        for name in "abcd":
            if os.path.exists(f"{s.b.conf}/policies/{name}.yaml"):
                os.unlink(f"{s.b.conf}/policies/{name}.yaml")
        if n % 2:  # a file a rule; a file with a deny alone has an allow of no path that is asked
            for name, (verb, rule) in zip("abcd", way):
                s.b.policy(name, ["coder"], f"  anthropic:\n    {verb}: [{rule}]\n" + ('    allow: ["GET /none"]\n' if verb == "deny" else ""))
        else:
            lists = {v: ", ".join(r for verb, r in way if verb == v) for v in ("allow", "deny")}
            first, second = (("allow", "deny"), ("deny", "allow"))[n // 2 % 2]
            s.b.policy("a", ["coder"], f"  anthropic:\n    {first}: [{lists[first]}]\n    {second}: [{lists[second]}]\n")
        s.b.reload()
        seen.add(tuple(status(s.w, target, method) for method, target in asks))
    want = ((200, None), (403, "denied_by_rule"), (403, "denied_by_rule"), (403, "denied_by_rule"), (403, "not_allowed"), (403, "not_allowed"), (403, None))
    t.ok(len(seen) == 1, "order: 24 orders of four rules, in one file and in four, give one answer", seen)
    got = next(iter(seen))
    t.is_([g[0] for g in got], [w[0] for w in want], "order: and it is the right one: deny beats allow, and HEAD is not GET")
    for name in "abcd":
        if os.path.exists(f"{s.b.conf}/policies/{name}.yaml"):
            os.unlink(f"{s.b.conf}/policies/{name}.yaml")


def words(t, s):
    s.b.policy("coder", ["coder"], '  anthropic:\n    allow: ["GET /v1/x", "M-SEARCH /v1/x"]\n    deny: ["DELETE /**"]\n')
    s.b.reload()
    for method, good in (("GET", True), ("get", False), ("Get", False), ("gET", False), ("HEAD", False), ("GETS", False), ("GE", False), ("POST", False), ("M-SEARCH", True), ("M-search", False), ("OPTIONS", False), ("PRI", False), ("*", False)):
        s.up.clear()
        r = s.w.ask(method, "/p/anthropic/v1/x")
        t.is_((r.status == 200, len(s.up.requests)), (good, int(good)), f"method: {method}")
    for name in ("coder.", "coder-", "coder_", "code", "coderx", "coder/x", "x/coder", "c0der", "coder.coder"):
        s.b.workload(name)
        t.is_(status(workload.Workload(s.b.enroll(name))), (403, "no_policy"), f"name: {name} is not coder")
    for name in ("Coder", "сoder", "coder ", " coder", "cod\u00e9r", "coder\u200b", "coder/", "/coder", "coder//x", ".", "..", "coder/..", "coder/../coder", "", "a" * 256, "a/b/c/d/e", "sidekey/gateway", "sidekey", "coder%20", "coder\n", "*"):
        p = s.b.cli("workload", "add", "--", name, check=False)
        t.ok(p.returncode in (1, 2), f"name: {name[:20]!r} cannot be made", p)


def blow_up(t, s):
    """Patterns whose matching costs exponential time where it is done carelessly."""
    deep = "/" + "a/" * 250
    patterns = ["/" + "**/a/" * 100 + "b", "/" + "**/" * 250 + "b", "/**/" + "*/" * 200 + "b", "/" + "**/a/**/" * 80 + "b"]
    s.b.policy("coder", ["coder"], '  anthropic:\n    allow: ["GET /ok", ' + ", ".join(f'"GET {p}"' for p in patterns for _ in range(60)) + "]\n    deny: [" + ", ".join(f'"* {p}"' for p in patterns for _ in range(60)) + "]\n")
    s.b.reload()
    for target in (deep, deep + "c", "/" + "a;x/" * 200, "/" + "%20/" * 200, "/ok"):
        begin = time.monotonic()
        code = status(s.w, target)[0]
        took = time.monotonic() - begin
        t.ok(code in (200, 403) and took < oracle.ALIVE_S, f"blow-up: 480 patterns of many stars, {target[:12]}...", (code, took))


def rates(t, s):
    """Never more than so many in any window, wherever it begins, and over reloads."""
    use = '  anthropic:\n    allow: ["GET /**"]\n    limit: {requests: 10/2s}\n'
    s.b.policy("coder", ["coder"], use)
    s.b.reload()
    c, times, late, end = s.w.connect(), [], [], time.monotonic() + 7
    n = 0
    while time.monotonic() < end:
        n += 1
        if n % 100 == 0:
            s.b.reload()
        sent = time.monotonic()
        r = c.ask("GET", "/p/anthropic/v1/x")
        if r.status == 200:
            times.append((sent, time.monotonic()))
        elif r.json()["sidekey"]["code"] != "rate_limited" or not 1 <= int(r.get("retry-after")) <= 3:
            late.append(r.raw)
        time.sleep(0.005)
    c.close()
    # from before the first was sent to behind the answer of the last: what the keeper counted lies between
    crowded = [i for i in range(len(times) - 10) if times[i + 10][1] - times[i][0] < 2.0]
    t.is_((crowded, late), ([], []), f"rate: {len(times)} of {n} passed in 7 s, never 11 within 2 s, and each refusal says when")
    t.ok(20 <= len(times) <= 40, "rate: and about as many as may", len(times))
    r = s.w.ask("GET", "/p/anthropic/v1/x")
    while r.status == 200:  # until the window is full
        r = s.w.ask("GET", "/p/anthropic/v1/x")
    time.sleep(int(r.get("retry-after")))
    t.is_(status(s.w), (200, None), "rate: behind Retry-After the next one passes")
    os.unlink(f"{s.b.conf}/policies/coder.yaml")


def recreated(t, s):
    s.b.policy("coder", ["coder"], stage.ALLOW_ALL)
    s.b.reload()
    unused = s.b.enroll("coder", "--reusable")
    old = {u["name"]: u["placeholder"] for u in s.w.self_()["upstreams"]}["anthropic"]
    t.is_(status(s.w), (200, None), "recreated: before")
    s.b.cli("workload", "revoke", "coder")
    s.b.cli("workload", "add", "coder", check=False)
    fresh = workload.Workload(s.b.enroll("coder", "--reusable"))
    t.is_(status(fresh), (200, None), "recreated: a workload of the same name works")
    s.up.clear()
    try:
        dead = status(s.w)[0]
    except (OSError, AttributeError):
        dead = "shut"
    t.ok(dead in (401, 403, "shut") and not s.up.requests, "recreated: the old certificate stays dead", dead)
    r = workload.Workload(unused, enroll=False).enroll()
    t.is_(r.status, 403, "recreated: the old enrollment stays dead")
    r = fresh.ask("GET", "/p/anthropic/v1/x", [f"x-api-key: {old}"])
    t.ok(r.status == 403 and r.json()["sidekey"]["code"] in ("placeholder_ended", "placeholder_misuse"), "recreated: the old placeholder stays dead", r.raw)
    r = s.w.ask("POST", "/v1/renew", ["Content-Type: application/json"], "{}", alpn="sidekey-control") if dead != "shut" else None
    t.ok(r is None or r.status in (400, 401, 403), "recreated: the old certificate is not renewed", r and r.raw)


def reloads(t):
    """Host, path and key of one request are all of one generation, however many reloads it meets."""
    kinds = {"a": ("one.example", "sk-of-a-0123456789"), "b": ("two.example", "sk-of-b-0123456789")}
    with Broker(gateways=2) as b:
        ca = pki.Ca(f"{b.conf}/pki")
        up = upstream.Upstream(*ca.leaf("up", "DNS:one.example,DNS:two.example"))

        def put(kind):
            host, _ = kinds[kind]
            b.write("upstreams/u.yaml", f"upstream: u\nlike: header\nurl: https://{host}\nca: {ca.cert}\nconnect: 127.0.0.1:{up.port}\ncredential: {{kind: static, secret: {kind}}}\nenv: {{}}\n")
            b.policy("p", ["coder"], f'  u:\n    allow: ["GET /{kind}/**"]\n    deny: ["* /{"ba"["ab".index(kind)]}/**"]\n')
        put("a")
        b.start()
        for kind, (_, key) in kinds.items():
            b.secret(kind, key)
        b.workload("coder")
        b.reload()
        w = workload.Workload(b.enroll("coder", "--reusable"))
        stop, codes, bad = threading.Event(), [], []

        def ask(kind):
            c = w.connect()
            while not stop.is_set():
                r = c.ask("GET", f"/p/u/{kind}/x")
                codes.append(r.status)
                if r.status == 403 and r.json()["code"] not in ("denied_by_rule", "not_allowed") or r.status not in (200, 403):
                    bad.append(r.raw)
        threads = [threading.Thread(target=ask, args=(kind,)) for kind in "abab"]
        for th in threads:
            th.start()
        count, end = 0, time.monotonic() + 12
        while count < 300 and time.monotonic() < end:
            put("ba"[count % 2])
            b.reload()
            count += 1
        stop.set()
        for th in threads:
            th.join()
        mixed = {(q.target, q.get("host"), q.get("x-api-key")) for q in up.requests} - {(f"/{k}/x", host, key) for k, (host, key) in kinds.items()}
        t.is_((mixed, bad), (set(), []), f"reloads: {len(codes)} requests met {count} reloads, and each saw one whole policy")
        t.ok(min(codes.count(200), codes.count(403)) > count / 4, "reloads: both were met", (codes.count(200), codes.count(403)))
        t.is_(oracle.aud(b, event="decide", decision="allow", target="/b/x"), "", "reloads: AUD")
        up.close()


def clocks(t):
    wall = clock.Wall()
    with stage.Stage(programs=wall.dir) as s:
        short = s.b.enroll("coder", "--reusable", "--ttl", "1h", "--cap", "5")
        t.is_(status(s.w), (200, None), "clock: before")
        wall.set(-DAY)
        t.is_((status(s.w), oracle.alive(s.b, s.w.conf["gateway"], s.w.ca)), ((200, None), ""), "clock: a day back: what is valid stays so")
        t.is_(workload.Workload(short, enroll=False).enroll().status, 200, "clock: a day back: one may enroll")
        wall.set(YEAR)
        time.sleep(1.1)
        ended = status(s.w)
        t.ok(ended[0] in (401, 403), "clock: a year ahead: the certificate has ended", ended)
        t.is_(workload.Workload(short, enroll=False).enroll().status, 403, "clock: a year ahead: the enrollment has ended")
        for name, seconds in (("true again", 0), ("a day back", -DAY)):
            wall.set(seconds)
            time.sleep(1.1)
            s.up.clear()
            again = status(s.w)
            t.ok(again[0] in (401, 403) and not s.up.requests, f"clock: {name}: no certificate comes back to life", again)
            t.is_(workload.Workload(short, enroll=False).enroll().status, 403, f"clock: {name}: no enrollment comes back to life")
        wall.set(0)
        s.b.stop()
        s.b.start(ready=False)
        wait_for(lambda: s.b.ready_word() is not None, "a status", 20)
        t.ok(not s.b.answers(), "clock: started behind its log it is not ready", s.b.ready_word())
        s.up.clear()
        try:
            code = status(s.w)[0]
        except (OSError, AttributeError):
            code = "shut"
        t.ok(code != 200 and not s.up.requests, "clock: and gives nothing out", code)
        s.b.stop()
        s.b.start(extra=["--accept-clock"])
        t.ok(status(workload.Workload(s.b.enroll("coder")))[0] == 200, "clock: where the operator accepts the clock, new certificates work")
        t.is_(oracle.aud(s.b, event="decide", decision="allow"), "", "clock: the chain verifies")


def times(t, s):
    """No time is nothing, less than nothing, or more than there is."""
    for ttl in ("0", "0s", "-1h", "-1", "1", "h", "1y", "1.5h", "1e400s", "99999999999999999999s", "18446744073709551617s", "9223372036854775808s", "366000d", " 1h", "1h ", "1h1m", "0x10s", "+1h", ""):
        p = s.b.cli("workload", "enroll", "coder", "--out", f"{s.b.dir}/never.json", f"--ttl={ttl}", check=False)
        t.ok(p.returncode in (1, 2) and not os.path.exists(f"{s.b.dir}/never.json"), f"ttl of an enrollment: {ttl!r}", p)
        with open(f"{s.b.conf}/sidekey.yaml") as f:
            text = f.read()
        s.b.write("sidekey.yaml", text + f'certificate_ttl: "{ttl}"\n')
        p = subprocess.run([*s.b.prefix, f"{s.b.programs}/sidekeyd", "--config-dir", s.b.conf, "--check-config"], capture_output=True, text=True, timeout=20)
        s.b.write("sidekey.yaml", text)
        t.ok(p.returncode != 0 and "sidekey.yaml:" in p.stderr, f"ttl of certificates: {ttl!r}", p)


def main(t):
    with stage.Stage() as s:
        for part in (files, unknown, order, words, blow_up, rates, times, recreated):
            part(t, s)
        t.is_(oracle.alive(s.b, s.w.conf["gateway"], s.w.ca), "", "ALIVE")
        t.is_(oracle.aud(s.b, event="decide", decision="deny", code="rate_limited"), "", "AUD")
        t.is_(oracle.can(stage.KEY, s.b), "", "CAN")
    reloads(t)
    clocks(t)


if __name__ == "__main__":
    tap.Tap().run(main)
