#!/usr/bin/python3
"""Promise 5: the upstream gets byte for byte the target that policy saw; what is ambiguous is refused, never repaired."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import oracle, stage, tap  # noqa: E402

SAME = ["/v1/x", "/v1/a/b/c/", "/", "/v1/x?", "/v1/x?a=b&c=%2e%2e%2f", "/v1/x?/../..//", "/v1/%C3%A9?%zz", "/v1/a:b@c,d;e=f+g", "/v1/~user/'q'(p)*!$&",
        "/" + "a" * 4000, "/v1/x?q=" + "b" * 3000, "/v1/%20%22%3C"]
REFUSED = ["/v1/../x", "/v1/./x", "/v1/%2e%2e/x", "/v1/.%2E/x", "/v1/..;/x", "/v1//x", "//v1/x", "/v1/a%2fb", "/v1/a%5Cb", "/v1/a\\b", "/v1/%00", "/v1/%", "/v1/%4",
           "/v1/%gg", "/v1/%41bc", "/v1/%7euser", "/v1/x#frag", "/v1/%2E", "/v1/%252e%252e/../x"]
HOSTS = [("127.0.0.1:7433", True), ("localhost:7433", True), ("localhost", True), ("[::1]:7433", True), ("sidekey", True), ("evil.example", False), ("127.0.0.1.evil.example", False),
         ("api.anthropic.com", False), ("localhost.evil.example:7433", False)]
PAGES = [("Origin: https://evil.example", False), ("Origin: null", False), ("Sec-Fetch-Site: cross-site", False), ("Sec-Fetch-Site: same-site", False),
         ("Sec-Fetch-Site: none", True), ("Sec-Fetch-Site: same-origin", True)]


def main(t):
    with stage.Stage() as s:
        for target in SAME:
            s.up.clear()
            r = s.w.ask("GET", "/p/anthropic" + target)
            t.is_((r.status, oracle.up1(s.up, f"GET {target} HTTP/1.1", "x-api-key", stage.KEY)), (200, ""), f"UP1 {target[:40]}")
        for target in REFUSED:
            s.up.clear()
            c = s.w.connect()
            r = c.ask("GET", "/p/anthropic" + target)
            t.ok(r.status in (400, 403) and not s.up.requests, f"UP0 {target}", (r.raw, s.up.requests))
            c.close()
        for host, good in HOSTS:
            s.up.clear()
            r = s.w.ask("GET", "/p/anthropic/v1/x", host=host)
            t.is_((r.status == 200, len(s.up.requests)), (good, int(good)), f"Host: {host}")
        for header, good in PAGES:
            s.up.clear()
            r = s.w.ask("POST", "/p/anthropic/v1/x", [header])
            t.is_((r.status == 200, len(s.up.requests)), (good, int(good)), f"a page with {header}")
        s.b.policy("coder", ["coder"], '  anthropic:\n    allow: ["* /**"]\n    browser: true\n')
        s.b.reload()
        t.is_(s.w.ask("POST", "/p/anthropic/v1/x", [PAGES[0][0]]).status, 200, "unless policy says browser: true")


tap.Tap().run(main)
