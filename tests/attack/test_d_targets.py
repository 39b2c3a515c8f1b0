#!/usr/bin/python3
"""Class D of the attacks, what a client asks for: a target that an upstream might read in another way than policy is refused, and nothing reroutes a request."""
import json
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import target_cases  # noqa: E402
from harness import oracle, pki, stage, tap, upstream, workload  # noqa: E402
from harness.broker import Broker  # noqa: E402

HOSTS = {"api": "api.anthropic.com", "npm": "registry.example", "based": "based.example", "search": "search.example", "underscore": "underscore.example", "apix": "apix.example", "api.x": "api-x.example"}
BASES = {"based": "/base/v1"}
QUERY_NAMES = {"search": "key", "underscore": "api_key"}


class Scene:
    def __init__(self):
        self.b = Broker()
        self.ca = pki.Ca(f"{self.b.conf}/pki")
        self.up = upstream.Upstream(*self.ca.leaf("up", ",".join(f"DNS:{h}" for h in HOSTS.values())))
        for name in HOSTS:
            self.define(name)
        deny = json.dumps(target_cases.DENY)
        self.b.policy("coder", ["coder"], f'  api:\n    allow: ["* /**"]\n    deny: {deny}\n  npm:\n    allow: ["* /**"]\n    deny: ["* /-/admin/**"]\n'
                      '  based:\n    allow: ["* /base/v1/**"]\n    deny: ["* /base/v1/admin", "* /base/v1/v1/secrets"]\n'
                      '  search:\n    allow: ["* /**"]\n  underscore:\n    allow: ["* /**"]\n')
        self.b.policy("other", ["other"], '  apix:\n    allow: ["* /**"]\n  api.x:\n    allow: ["* /**"]\n')
        self.b.start()
        self.b.secret("k", stage.KEY)
        for name in ("coder", "other"):
            self.b.workload(name)
        self.b.reload()
        self.w = workload.Workload(self.b.enroll("coder", "--reusable"))

    def define(self, name):
        inject = f"inject: {{query: {QUERY_NAMES[name]}}}\n" if name in QUERY_NAMES else ""
        self.b.upstream(name, "query" if inject else "header", self.up, self.ca.cert,
                        f"url: https://{HOSTS[name]}{BASES.get(name, '')}\ncredential: {{kind: static, secret: k}}\n{inject}encoded_slash: {'true' if name == 'npm' else 'false'}\n")

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.up.close()
        self.b.close()


def code_of(r):
    j = r.json()
    return j.get("code") or j.get("sidekey", {}).get("code")


def ask(s, method, target, fields=()):
    c = s.w.connect()
    try:
        c.send(method.encode() + b" " + target + b" HTTP/1.1\r\nHost: 127.0.0.1:7433\r\n" + b"".join(f.encode() + b"\r\n" for f in fields) + b"\r\n")
        return c.read(method)
    finally:
        c.close()


def refused(s, r, codes):
    if r is None:
        return "shut without an answer"
    if not 400 <= r.status < 500 and r.status != 501:
        return f"answered {r.raw}"
    if code_of(r) not in codes:
        return f"refused as {code_of(r)}, want one of {codes}"
    seen = oracle.up0(s.up)
    return seen or ("" if not s.up.heads else f"it saw {s.up.heads}")


def passed(s, r, method, target):
    _, _, name, rest = target.split(b"/", 3)
    want = f"{method} {BASES.get(name.decode(), '')}/{rest.decode('latin-1')} HTTP/1.1"
    bad = "" if r is not None and r.status == 200 else f"answered {r and r.raw}"
    return bad or oracle.up1(s.up, want, "x-api-key", stage.KEY)


def targets(t, s, log):
    log.settle()
    count = 0
    for name, method, target, codes in target_cases.CASES:
        s.up.clear()
        r = ask(s, method, target)
        t.is_(refused(s, r, codes) if codes else passed(s, r, method, target), "", name)
        count += bool(codes)
    oracle.until(lambda: log.refusals(workload="coder") >= count, 4)  # what was folded is counted a second later
    t.is_(log.refusals(workload="coder"), count, "AUD: each refusal is in the log or in a count")


def claims(t, s):
    """A field that some servers take for the method, the path, the host or the client does not reach one."""
    for claim in target_cases.CLAIMS:
        s.up.clear()
        r = ask(s, "GET", b"/p/api/v1/x", [claim])
        bad = oracle.up1(s.up, "GET /v1/x HTTP/1.1", "x-api-key", stage.KEY) or ("" if r.status == 200 else r.raw)
        name = claim.split(":")[0].lower().replace("_", "-")
        stray = [k for k, _ in s.up.requests[0].headers if k.lower().replace("_", "-") == name] if s.up.requests else []
        t.is_((bad, stray), ("", []), f"claim: {claim}")
    for claim in ("X-Original-URL: /v1/x", "X-HTTP-Method-Override: GET", "X-Forwarded-Prefix: /v1/x"):
        s.up.clear()
        r = ask(s, "GET", b"/p/api/admin", [claim])
        t.is_((r.status, code_of(r), oracle.up0(s.up)), (403, "denied_by_rule", ""), f"claim to be allowed: {claim}")


def queries(t, s):
    """Where the credential is a parameter, it is the last one and the only one of its name."""
    for query in ("", "?", "?a=b", "?keys=1", "?a=key", "?a=b%26key=c", "?a=key=b", "?a=%3Fkey=b", "?xkey=1", "?key1=2", "?kay=1"):
        s.up.clear()
        r = ask(s, "GET", b"/p/search/find" + query.encode())
        want = f"/find{query}{'&' if query else '?'}key={stage.KEY}"
        got = [q.target for q in s.up.requests]
        t.is_((r.status, got), (200, [want]), f"query: {query or 'none'}")
        t.is_(oracle.can_bytes(stage.KEY, r.raw, "the reply"), "", f"query: {query or 'none'}: what the upstream says of its target is blanked")


def main(t):
    with Scene() as s:
        base, log = oracle.Baseline(s.b), oracle.Log(s.b)
        targets(t, s, log)
        claims(t, s)
        queries(t, s)
        t.is_(oracle.alive(s.b, s.w.conf["gateway"], s.w.ca), "", "ALIVE")
        t.is_(base.back(), "", "ALIVE: no process grew or died in all this")
        t.is_(oracle.aud(s.b, event="decide", decision="deny", code="denied_by_rule"), "", "the chain verifies")
        t.is_(oracle.can(stage.KEY, s.b), "", "CAN")


if __name__ == "__main__":
    tap.Tap().run(main)
