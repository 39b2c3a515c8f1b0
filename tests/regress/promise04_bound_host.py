#!/usr/bin/python3
"""Promise 4: a secret goes only to the host it is bound to, over verified TLS, to an address checked after DNS."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import oracle, pki, stage, tap, upstream  # noqa: E402


def redirect(conn, req):
    conn.send(b"HTTP/1.1 307 T\r\nLocation: https://evil.example" + req.target.encode() + b"\r\nContent-Length: 0\r\n\r\n")


def main(t):
    os.environ["HTTPS_PROXY"] = os.environ["https_proxy"] = "http://127.0.0.1:9"
    with stage.Stage() as s:
        evil_ca = pki.Ca(f"{s.b.conf}/evil", "evil")
        cases = [  # name, certificate, what is wrong
            ("evilca", evil_ca.leaf("e1", "DNS:api.anthropic.com"), "another CA"),
            ("othername", s.ca.leaf("e2", "DNS:api.anthropic.com.evil.example"), "another name"),
            ("cnonly", s.ca.leaf("e3", "", subject="/CN=api.anthropic.com"), "a CN and no SAN"),
            ("expired", s.ca.leaf("e4", "DNS:api.anthropic.com", days="-1"), "expired"),
            ("partial", s.ca.leaf("e5", "DNS:a*.anthropic.com"), "a partial wildcard"),
            ("clientauth", s.ca.leaf("e6", "DNS:api.anthropic.com", ext="extendedKeyUsage=clientAuth\n"), "a client's certificate"),
        ]
        ups = []
        use = stage.ALLOW_ALL
        for name, (cert, key), _ in cases:
            up = upstream.Upstream(cert, key)
            ups.append(up)
            s.b.upstream(name, "anthropic", up, s.ca.cert, "credential: {kind: static, secret: anthropic-api-key}\nenv: {}\n")
            use += f'  {name}:\n    allow: ["* /**"]\n'
        red = upstream.Upstream(*s.ca.leaf("red", "DNS:api.anthropic.com"), redirect)
        s.b.upstream("redirect", "anthropic", red, s.ca.cert, "credential: {kind: static, secret: anthropic-api-key}\nenv: {}\n")
        use += '  redirect:\n    allow: ["* /**"]\n'
        for name, url in (("private", "https://127.0.0.1:1/"), ("localname", "https://localhost:1/"), ("metadata", "https://169.254.169.254/")):
            extra = "allow_private: true\n" if name == "private" else ""
            if name == "metadata":
                s.b.write("upstreams/metadata.yaml", f"upstream: metadata\nlike: bearer\nurl: {url}\ncredential: {{kind: static, secret: anthropic-api-key}}\n")
                p = s.b.cli("reload", check=False)
                t.ok(p.returncode == 1 and "metadata.yaml:3:6" in p.stderr, "an address that must not be is refused where it is written", p.stderr)
                os.unlink(f"{s.b.conf}/upstreams/metadata.yaml")
                continue
            s.b.write(f"upstreams/{name}.yaml", f"upstream: {name}\nlike: bearer\nurl: {url}\ncredential: {{kind: static, secret: anthropic-api-key}}\nenv: {{}}\n{extra}")
            use += f'  {name}:\n    allow: ["* /**"]\n'
        s.b.policy("coder", ["coder"], use)
        s.b.reload()

        for (name, _, what), up in zip(cases, ups):
            r = s.w.ask("GET", f"/p/{name}/v1/x")
            t.is_((r.status, r.json()["sidekey"]["code"], len(up.requests)), (502, "upstream_certificate", 0), f"nothing is sent to a server with {what}")
        r = s.w.ask("GET", "/p/localname/x")
        t.is_((r.status, r.json()["code"]), (502, "upstream_address_refused"), "a name that resolves to a private address is not dialled")
        r = s.w.ask("GET", "/p/private/x")
        t.is_((r.status, r.json()["code"]), (502, "upstream_unreachable"), "unless allow_private says so; nobody listens there")
        r = s.w.ask("POST", "/p/redirect/x", body=b"1")
        t.is_((r.status, r.get("location"), len(red.requests)), (307, "https://evil.example/x", 1), "a redirect is passed through, not followed")
        t.is_(s.w.ask("GET", "/p/anthropic/v1/x").status, 200, "the environment's proxy is not asked")

        s.up.clear()
        r = s.w.ask("GET", "/p/anthropic/v1/x", ["X-Api-Key: mine", "x_api_key: mine", "AUTHORIZATION: Bearer mine", "Proxy-Authorization: Basic bWluZQ==",
                                                 "Connection: x-api-key, close", "X-HTTP-Method-Override: DELETE", "X-Original-URL: /admin"])
        seen = s.up.requests[0]
        t.is_(oracle.up1(s.up, "GET /v1/x HTTP/1.1", "x-api-key", stage.KEY), "", "UP1: the client's own credentials are gone in all spellings")
        t.ok(b"mine" not in seen.raw_head and b"Override" not in seen.raw_head and b"Original" not in seen.raw_head, "with whatever could reroute", seen.raw_head)
        t.is_(oracle.can(stage.KEY, s.b), "", "CAN")


tap.Tap().run(main)
