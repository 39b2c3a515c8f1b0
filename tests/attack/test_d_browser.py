#!/usr/bin/python3
"""Class D of the attacks, ambient authority: a page in a browser inside the container reaches the shim's port, and no upstream through it."""
import os
import queue
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import browser, oracle, shim, stage, tap  # noqa: E402

OWN, REFUSED = True, False
HOSTS = [(h, OWN) for h in ("127.0.0.1", "127.0.0.1:7433", "127.0.0.1:1", "localhost", "LOCALHOST:7433", "localhost:7433", "[::1]", "[::1]:7433", "sidekey")]
HOSTS += [(h, REFUSED) for h in (
    "evil.example", "evil.example:7433", "localhost.evil.example", "127.0.0.1.evil.example:7433", "sidekey.evil.example", "evil.localhost", "localhost.", "127.0.0.1.", "127.0.0.2", "127.1", "127.0.1",
    "0.0.0.0", "0", "[::]", "[::2]", "[::ffff:127.0.0.1]", "[0:0:0:0:0:0:0:1]", "2130706433", "0x7f000001", "0177.0.0.1", "api.anthropic.com", "sidekey.", "sidekeyd", "localhost6", "127.0.0.1:", "127.0.0.1:0",
    "127.0.0.1:07433", "127.0.0.1:65536", "127.0.0.1:x", "evil@127.0.0.1", "127.0.0.1@evil.example", "127.0.0.1, evil.example", "127.0.0.1/evil", "127.0.0.1#evil", "127.0.0.1\\evil", "[::1", "::1", "[::1]evil",
    "local host", "ⓛocalhost", "localhost%00.evil.example", "")]
PAGES = [(f, REFUSED) for f in (
    ["Origin: https://evil.example"], ["Origin: null"], ["Origin: http://127.0.0.1:7433"], ["Origin: http://localhost:7433"], ["Origin: file://"], ["Origin: chrome-extension://abcdef"], ["Origin:"],
    ["oRIGIN: https://evil.example"], ["Origin: https://evil.example", "Sec-Fetch-Site: same-origin"], ["Origin: null", "Sec-Fetch-Site: none"], ["Sec-Fetch-Site: cross-site"], ["Sec-Fetch-Site: same-site"],
    ["Sec-Fetch-Site: CROSS-SITE"], ["Sec-Fetch-Site: None"], ["Sec-Fetch-Site:"], ["Sec-Fetch-Site: none, cross-site"], ["Sec-Fetch-Site: none;x"], ['Sec-Fetch-Site: "none"'],
    ["Sec-Fetch-Site: none", "Sec-Fetch-Site: cross-site"], ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: none"], ["Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: same-site"], ["sec-fetch-site: cross-site"],
    ["Origin: https://evil.example", "Access-Control-Request-Method: POST"], ["Origin: https://evil.example", "Upgrade: websocket", "Connection: Upgrade"],
    ["Connection: Origin", "Origin: https://evil.example"], ["Connection: Sec-Fetch-Site", "Sec-Fetch-Site: cross-site"])]
PAGES += [(f, OWN) for f in ([], ["Sec-Fetch-Site: none"], ["Sec-Fetch-Site: same-origin"], ["Referer: http://127.0.0.1:7433/"])]


def raw(t, s):
    for host, good in HOSTS:
        s.up.clear()
        c = s.w.connect()
        c.send(b"GET /p/anthropic/v1/x HTTP/1.1\r\nHost: " + host.encode() + b"\r\n\r\n")
        r = c.read()
        c.close()
        t.is_((r.status in ((200,) if good else (400, 403)), len(s.up.requests)), (True, int(good)), f"Host: {host or 'empty'}")
    for fields, good in PAGES:
        for method in ("GET", "POST", "PUT", "OPTIONS"):
            s.up.clear()
            r = s.w.ask(method, "/p/anthropic/v1/x", fields)
            allowed = [k for k, _ in r.headers if k.lower().startswith("access-control-")]
            t.is_((r.status == 200, len(s.up.requests), allowed), (good, int(good), []), f"{method} of a page: {fields}")


def who_am_i(t, s):
    """What a workload may ask about itself is nothing for a page either: one that rebound a name could read the answer."""
    def ask(fields, host="127.0.0.1:7433"):
        r = s.w.ask("GET", "/v1/self", fields, host=host)
        return r.status, r.json().get("code"), b"coder" in r.body
    for host, good in HOSTS:
        if good:
            t.is_(ask([], host), (200, None, True), f"/v1/self, Host: {host}")
        else:
            status, code, told = ask([], host.encode().decode("latin-1"))
            t.ok(status in (400, 403) and code in ("bad_host", "bad_framing") and not told, f"/v1/self, Host: {host or 'empty'}", (status, code, told))
    log = oracle.Log(s.b)
    log.settle()
    for fields, good in PAGES:
        t.is_(ask(fields), (200, None, True) if good else (403, "browser", False), f"/v1/self of a page: {fields}")
    t.is_((ask([], "evil.example")[1], log.holds(event="refused", code="browser", detail="/v1/self", workload="coder"), log.holds(event="refused", code="bad_host", detail="/v1/self", workload="coder")), ("bad_host", "", ""), "/v1/self: AUD")
    r = s.w.ask("GET", "/v1/self", alpn="sidekey-control", host="sidekey")
    t.is_((r.status, r.json()["workload"]), (200, "coder"), "/v1/self of the shim itself")


def visit(t, s, sh, what, target, rules, denied):
    """The page does all it can from what's origin; each attack arrived, and each is judged as denied says."""
    log = oracle.Log(s.b)
    log.settle()
    s.up.clear()
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "browser_page.html"), "rb") as f:
        server = browser.PageServer(f.read())
    rebound = browser.Rebound("127.0.0.2", sh.port, server.port) if "127.0.0.2" in rules else None
    own = f"http://evil.example:{server.port}"
    with browser.Chromium(f"{target if rebound else own}/page?target={target}&report={own}/done", rules):
        try:
            report = server.reports.get(timeout=60)
        except queue.Empty:
            return t.ok(False, f"{what}: the page ran to its end")
        seen = {}

        def tried():
            if denied:
                for r in log.new():
                    if r.get("decision") == "deny" and "code" in r:
                        seen.setdefault(r.get("target", r.get("detail", "")).split("/")[-1], r["code"])
            else:
                seen.update({q.target.split("/")[-1].split("?")[0]: "ok" for q in s.up.requests})
            return set(report["names"]) <= set(seen)
        oracle.until(tried, 15)
    for name in report["names"]:
        t.ok(seen.get(name) in (denied or ("ok",)), f"{what}: {name}", (seen.get(name), report["read"].get(name)))
    if denied:
        t.is_(oracle.up0(s.up), "", f"{what}: UP0")
    t.is_([(k, v) for k, v in report["read"].items() if '"method"' in v], [], f"{what}: and the page reads nothing of an upstream")
    if rebound:
        rebound.close()
    server.close()


def main(t):
    with stage.Stage() as s:
        raw(t, s)
        who_am_i(t, s)
        if not browser.BINARY:
            t.lacks("a page in a browser", "chromium")
            return
        with shim.Shim(s.b.enroll("coder", "--reusable"), prefix=s.b.prefix) as sh:
            names = "MAP evil.example 127.0.0.1, MAP mapped.example 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"
            visit(t, s, sh, "cross-site", f"http://127.0.0.1:{sh.port}", names, ("browser",))
            visit(t, s, sh, "localhost", f"http://localhost:{sh.port}", names, ("browser",))
            visit(t, s, sh, "a name that leads to loopback", f"http://mapped.example:{sh.port}", names, ("bad_host",))
            visit(t, s, sh, "rebound", f"http://rebound.example:{sh.port}", names.replace("mapped.example 127.0.0.1", "rebound.example 127.0.0.2"), ("bad_host",))
            s.b.policy("coder", ["coder"], stage.ALLOW_ALL + "    browser: true\n")
            s.b.reload()
            visit(t, s, sh, "where policy says browser: true", f"http://127.0.0.1:{sh.port}", names, ())
        t.is_(oracle.aud(s.b, event="decide", decision="deny", code="browser"), "", "AUD")
        t.is_(oracle.can(stage.KEY, s.b), "", "CAN")


if __name__ == "__main__":
    tap.Tap().run(main)
