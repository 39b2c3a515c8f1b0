#!/usr/bin/python3
"""Promise 3: default deny; deny beats allow; a refusal is one that an agent can act on."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import oracle, stage, tap, workload  # noqa: E402

USE = """  anthropic:
    allow: ["GET /v1/**", "POST /v1/messages", "GET /only/*/one"]
    deny: ["* /**/secrets/**"]
    limit: {requests: 1000/1m, concurrent: 100}
"""

CASES = [  # method, target, allowed
    ("GET", "/v1/models", True),
    ("GET", "/v1/a/b/c?x=1&y=%20", True),
    ("POST", "/v1/messages", True),
    ("POST", "/v1/messages/", False),
    ("POST", "/v1/Messages", False),
    ("HEAD", "/v1/models", False),
    ("PUT", "/v1/messages", False),
    ("DELETE", "/v1/models", False),
    ("GET", "/", False),
    ("GET", "/v2/models", False),
    ("GET", "/only/x/one", True),
    ("GET", "/only/x/y/one", False),
    ("GET", "/v1/secrets/x", False),
    ("GET", "/v1/SECRETS/x", False),
    ("GET", "/v1/secrets;a=b/x", False),
    ("GET", "/v1/a/secrets/x/", False),
    ("GET", "/v1/%73ecrets/x", False),
    ("GET", "/v1/..%2fsecrets/x", False),
    ("GET", "/v1/../v1/models", False),
    ("GET", "/v1/%2e%2e/x", False),
    ("GET", "/v1//models", False),
    ("GET", "/v1/a%5cb", False),
    ("GET", "/v1/a%00b", False),
    ("GET", "/v1/a%zz", False),
    ("GET", "/v1/a%2Fb", False),
]


def main(t):
    with stage.Stage(use=USE) as s:
        for method, target, allowed in CASES:
            s.up.clear()
            r = s.w.ask(method, "/p/anthropic" + target)
            if allowed:
                t.is_((r.status, oracle.up1(s.up, f"{method} {target} HTTP/1.1", "x-api-key", stage.KEY)), (200, ""), f"UP1 {method} {target}")
            else:
                t.is_((r.status, r.get("sidekey-decision"), oracle.up0(s.up)), (403, "deny", ""), f"UP0 {method} {target}")

        r = s.w.ask("DELETE", "/p/anthropic/v1/x", ["Accept: application/json"])
        body = r.json()
        t.is_((r.status, r.get("x-should-retry"), body.get("type")), (403, "false", "error"), "in the shape of the Anthropic API")
        said = body["error"]["message"]
        t.ok("DELETE /v1/x" in said and "coder" in said and "policies/coder.yaml" in said and "audit" in said, "it says what, who, where to change it", said)
        number = said.rsplit("-", 1)[-1].rstrip(").")
        found = [x for x in oracle.records(s.b) if x["seq"] == int(number)]
        t.ok(found and found[0]["decision"] == "deny" and found[0]["target"] == "/v1/x", "and quotes the audit record", found)

        for target in ("/p/openai/v1/x", "/p/openaix/v1", "/p/anthropic", "/p/", "/p/Anthropic/v1/models", "/p/anthropic%2fv1/models", "/p//v1"):
            s.up.clear()
            r = s.w.ask("GET", target)
            t.ok(r.status in (403, 404) and not s.up.requests, f"no such door: {target}", r.raw)

        s.b.workload("stranger")
        x = workload.Workload(s.b.enroll("stranger"))
        s.up.clear()
        r = x.ask("GET", "/p/anthropic/v1/models")
        t.is_((r.status, oracle.up0(s.up)), (403, ""), "a workload in no policy reaches nothing")
        t.is_(json.loads(x.ask("GET", "/v1/self").body)["upstreams"], [], "and is offered nothing")
        t.is_(oracle.aud(s.b, event="decide", decision="deny", workload="stranger", code="no_policy"), "", "AUD")

        s.b.policy("coder", ["coder"], USE + "")
        s.b.write("policies/more.yaml", 'policy: more\nworkloads: [coder]\nuse:\n  anthropic:\n    allow: ["* /**"]\n')
        s.b.reload()
        t.is_(s.w.ask("GET", "/p/anthropic/v1/secrets/x").status, 403, "a deny of one policy beats an allow of another")
        t.is_(s.w.ask("DELETE", "/p/anthropic/v9").status, 200, "allows add up")


tap.Tap().run(main)
