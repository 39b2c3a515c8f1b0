#!/usr/bin/python3
"""Class J of the attacks: every code of docs/ERRORS.md is provoked, here or in the test that is named for it; each answer says what and what next, and nothing of a secret or of the broker's inside."""
import concurrent.futures
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time
import traceback

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import accept, broker, clock, oracle, rawkeeper, shim, stage, tap, upstream, workload  # noqa: E402
from harness.rawkeeper import blob, frame, text  # noqa: E402

MINE = "client-canary-5c1f0a9be2774d0e8f36"
PASSPHRASE = "passphrase-canary-71c2f09a"
JSON = "Content-Type: application/json"
WHERE = {  # provoked by a test that is about them
    "test_j_outputs.py": "no_certificate workload_suspended placeholder_misuse no_upstream no_policy not_allowed denied_by_rule bad_target browser bad_host query_credential secret_missing rate_limited forwarded_control enroll_refused bad_csr bad_json "
                         "body_too_large no_route method bad_framing target_too_long unscannable_response upstream_bad upstream_closed upstream_unreachable upstream_certificate upstream_address_refused upstream_unresolved",
    "test_a_identity.py": "certificate_unknown", "test_h_audit.py": "audit_unavailable", "test_k_admin.py": "not_admin", "../regress/shim_forward.py": "gateway_unreachable gateway_unverified identity_refused", "../regress/shim_renew.py": "renewal_refused",
    "../unit/test_edge.c": "no_ticket internal keeper_unavailable",
}
UNREACHED = {  # by anything outside: a check in front keeps away what they are for
    "bad_credential": "such a value is refused when it is stored", "secret_unavailable": "what is sealed in memory is what was opened there at the start", "gateway_failed": "memory", "issue_failed": "memory", "no_memory": "memory: tests/torture/torture_edge.c", "keeper_answer": "a keeper that is not ours",
    "stale_generation": "the gateway asks again before it answers", "ticket": "the edge uses it at once, or is not asked any more", "starting": "the gateway has no certificate yet", "store_full": "131 072 rows",
}


class Scene:
    """What was provoked, and the judge of each answer."""

    def __init__(self, t):
        self.t, self.seen = t, set()

    def is_(self, want, raw, code, words, *secrets):
        """words: all that a person is told."""
        self.seen.add(code)
        bad = "".join(oracle.can_bytes(x, raw, "the answer") for x in (stage.KEY, MINE, PASSPHRASE, *secrets)) + oracle.inside(raw)
        self.t.ok(code == want and bad == "" and len(words.split()) >= 4, f"{want}: is provoked, says in words what and what next, and nothing of a secret or of the inside", (code, bad, raw[:800]))

    def http(self, want, r, *secrets):
        o = r.json() if r and r.body else {}
        ours = o.get("sidekey", o)
        said = json.dumps([ours.get(k) or o.get(k) for k in ("hint", "detail", "title")] + [o.get("error", {}).get("message") if isinstance(o.get("error"), dict) else o.get("message")])
        self.is_(want, r.raw if r else b"", ours.get("code"), said, *secrets)
        return r


def control(w, method, path, body=b"", headers=()):
    return w.ask(method, path, [JSON, *headers], body, alpn="sidekey-control")


def stranger(w, method, path, body=b"", headers=()):
    c = w.anonymous()
    try:
        return c.ask(method, path, [JSON, *headers], body)
    finally:
        c.close()


# ---- what a workload is told

def handler(conn, req):
    if req.target.startswith("/stuck"):
        time.sleep(60)
    return upstream.silent(conn, req)


handler.before_body = True


class NoTls:
    """A port that answers a hello with text."""

    def __init__(self):
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.port = self.sock.getsockname()[1]
        accept.each(self.sock, self.one)

    @staticmethod
    def one(conn):
        conn.sendall(f"HTTP/1.1 400 {stage.KEY}\r\n\r\n".encode())
        conn.close()


def to_workloads(g):
    with stage.Stage(handler, yaml="audit: {size: 2MiB, quota: 64KiB}\n") as s:
        b = s.b
        plain = NoTls()
        b.upstream("plain", "anthropic", plain, s.ca.cert, "env: {plain: x}\n")
        b.policy("plain", ["coder"], '  plain:\n    allow: ["* /**"]\n')
        for name, limit in (("one", "\n    limit: {concurrent: 1}"), ("greedy", ""), ("gone", "")):
            b.workload(name)
            b.policy(name, [name], stage.ALLOW_ALL.rstrip() + f"{limit}\n")
        b.reload()
        one, greedy, gone = (workload.Workload(b.enroll(n)) for n in ("one", "greedy", "gone"))
        g.http("upstream_tls", s.w.ask("GET", f"/p/plain/x?{MINE}"))
        c = one.connect()
        c.send(b"GET /p/anthropic/silent HTTP/1.1\r\nHost: 127.0.0.1:7433\r\n\r\n")
        c.head()
        g.http("too_many_open", one.ask("GET", f"/p/anthropic/v1/x?{MINE}"))
        c.close()
        given = workload.Workload(b.enroll("coder"))
        placeholder = next(u["placeholder"] for u in given.self_()["upstreams"] if u["name"] == "anthropic")
        control(given, "DELETE", "/v1/self")
        g.http("certificate_revoked", given.ask("GET", f"/p/anthropic/v1/x?{MINE}"))
        g.http("placeholder_ended", s.w.ask("GET", f"/p/anthropic/v1/x?{MINE}", [f"x-api-key: {placeholder}"]))
        b.cli("workload", "revoke", "gone")
        g.http("workload_revoked", gone.ask("GET", f"/p/anthropic/v1/x?{MINE}"))
        c, r = greedy.connect(), None
        for n in range(400):
            r = c.ask("GET", f"/p/anthropic/v1/{n}/" + "x" * 400)
            if r.status == 429:
                break
        g.http("audit_quota", r)
        wrong = [f"Authorization: Bearer {'B' * 43}"]
        for _ in range(25):
            r = stranger(s.w, "POST", "/v1/enroll", json.dumps({"csr": s.w.csr}), wrong)
        g.http("enroll_rate", r, "B" * 43)
        b.cli("seal")
        g.http("sealed", s.w.ask("GET", f"/p/anthropic/v1/x?{MINE}"))


def quiet(fn):
    try:
        return fn()
    except (OSError, EOFError, AttributeError) as e:
        return repr(e)


# ---- time

def times(g):
    wall = clock.Wall()
    with stage.Stage(yaml="certificate_ttl: 30m\n", programs=wall.dir) as s:
        b = s.b
        wall.set(31 * 60)
        g.http("certificate_expired", s.w.ask("GET", f"/p/anthropic/v1/x?{MINE}"))
        wall.set(-1200)
        os.kill(b.pids()["keeper"][0], signal.SIGKILL)
        broker.wait_for(lambda: b.ready_word() == "clock", "the clock to be behind", 20)
        g.http("clock", s.w.ask("GET", f"/p/anthropic/v1/x?{MINE}"))
        b.stop()
        b.start(extra=("--accept-clock",))
        g.http("certificate_not_yet_valid", broker.wait_for(lambda: answered(lambda: s.w.ask("GET", f"/p/anthropic/v1/x?{MINE}")), "an answer", 20))
        wall.set(10 * 366 * 86400)
        g.http("ca_expired", workload.Workload(b.enroll("coder"), enroll=False).enroll())


def answered(fn):
    try:
        return fn()
    except OSError:
        return None


def overloaded(s):
    """More tickets open than the keeper keeps: the edge that would use them is not there."""
    c, r = s.w.connect("sidekey-control"), None
    for _ in range(4200):
        r = c.ask("GET", "/v1/self")
        if r.json()["code"] != "control_away":
            break
        if r.get("connection") == "close":
            c.close()
            c = s.w.connect("sidekey-control")
    c.close()
    return r


def deadlines(g):
    clk = clock.Clock()
    with stage.Stage(handler, programs=clk.dir) as s:
        b, pids = s.b, s.b.pids()

        def late(code, seconds, *parts, alpn="sidekey-forward"):
            c = s.w.connect(alpn, timeout=20)
            for part in parts:
                c.send(part)
            time.sleep(0.3)  # it has been read
            clk.push(b, 0)
            clk.push(b, seconds + 1)
            r = c.read()
            c.close()
            g.http(code, r)
        x = f"/p/anthropic/stuck?{MINE}"
        late("head_timeout", 15, f"GET {x} HTTP/1.1\r\nX: {MINE}\r\n")
        late("body_timeout", 30, f"POST {x} HTTP/1.1\r\nHost: 127.0.0.1:7433\r\nContent-Length: 1000\r\n\r\n")
        late("upstream_timeout", 610, f"GET {x} HTTP/1.1\r\nHost: 127.0.0.1:7433\r\n\r\n")
        for role, code, seconds, alpn, path in (("keeper", "keeper_timeout", 5, "sidekey-forward", x), ("edge", "control_timeout", 15, "sidekey-control", "/v1/self")):
            os.kill(pids[role][0], signal.SIGSTOP)
            late(code, seconds, f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:7433\r\n\r\n", alpn=alpn)
            os.kill(pids[role][0], signal.SIGCONT)
        broker.wait_for(lambda: quiet(lambda: s.w.ask("GET", "/v1/self").status) == 200, "all to answer again", 20)
        c = s.w.connect("sidekey-control")
        os.kill(pids["edge"][0], signal.SIGSTOP)
        c.send("GET /v1/self HTTP/1.1\r\nHost: sidekey\r\n\r\n")
        clk.push(b, 0)
        os.kill(pids["edge"][0], signal.SIGKILL)
        g.http("control_failed", c.read())
        broker.wait_for(lambda: quiet(lambda: s.w.ask("GET", "/v1/self").status) == 200, "the edge to be there again", 20)
        pids, parent = b.pids(), b.proc.pid
        os.kill(parent, signal.SIGSTOP)  # nobody starts again what ends
        try:
            os.kill(pids["edge"][0], signal.SIGKILL)
            g.http("control_away", broker.wait_for(lambda: (lambda r: r if r.status == 503 else None)(control(s.w, "GET", "/v1/self")), "the edge to be away"))
            g.http("overloaded", overloaded(s))
            os.kill(pids["keeper"][0], signal.SIGKILL)
            r = broker.wait_for(lambda: (lambda r: r if r.status != 200 else None)(s.w.ask("GET", f"/p/anthropic/v1/x?{MINE}")), "the keeper to be away")
            g.http("keeper_away", r)
        finally:
            os.kill(parent, signal.SIGCONT)
        g.t.ok(oracle.until(lambda: quiet(lambda: s.w.ask("GET", "/v1/self").status) == 200, 20), "and all is served again")


# ---- what an operator is told

def admin(b, method, path, body="", ctype=JSON):
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(10)
    sock.connect(f"{b.run}/admin.sock")
    head = f"{method} /v1/admin/{path} HTTP/1.1\r\nHost: sidekey\r\nConnection: close\r\n" + (f"{ctype}\r\n" if method == "POST" else "") + f"Content-Length: {len(body)}\r\n\r\n"
    sock.sendall((head + body).encode())
    data = b""
    while more := sock.recv(65536):
        data += more
    sock.close()
    head, _, body = data.partition(b"\r\n\r\n")
    return workload.Reply(int(head.split(b" ")[1]), [], body, data)


def keeper(g, b, code, kind, rest, *secrets):
    link = rawkeeper.Link(b, timeout=20)
    name, body = link.ask(frame(kind, bytes(8) + rest)) or ("", b"")
    link.close()
    parts, at = [], 10  # behind id and kind of error
    while name == "AK_FAIL" and at < len(body):
        n = struct.unpack_from("<H", body, at)[0]
        parts.append(body[at + 2:at + 2 + n].decode())
        at += 2 + n
    g.is_(code, body, parts[0] if parts else name, " ".join(parts[1:]), *secrets)


def enroll(name, reusable=0, ttl=3600, cap=1):
    return text(name) + bytes([reusable]) + struct.pack("<II", ttl, cap) + b"\0"


def to_operators(g):
    with broker.Broker() as b:
        b.write("policies/bad.yaml", "policy: bad\n")
        b.start(ready=False)
        broker.wait_for(lambda: b.ready_word() == "no_rules", "no rules to be in force", 20)
        b.workload("coder")
        w = workload.Workload(b.enroll("coder"), enroll=False)
        broker.wait_for(lambda: answered(lambda: w.take(w.enroll()) or True), "the gateway", 20)
        g.http("no_rules", w.ask("GET", f"/p/anthropic/v1/x?{MINE}"))
    with stage.Stage() as s:
        b, value = s.b, "stored-canary-7f21c4d09ab84e6c9d55"
        b.secret("other-key", value)
        b.cli("secret", "rotate", "other-key", stdin=value)
        rows = [("unsupported_type", "POST", "workloads", '{"name":"x"}', "Content-Type: text/plain"), ("bad_name", "POST", "workloads", '{"name":"X y"}', JSON), ("workload_exists", "POST", "workloads", '{"name":"coder"}', JSON), ("no_workload", "POST", "workloads/absent/revoke", "", JSON),
                ("bad_version", "POST", "secrets/other-key/rollback", '{"version":-1}', JSON), ("no_version", "POST", "secrets/other-key/rollback", '{"version":77}', JSON), ("version_needed", "POST", "secrets/other-key/destroy", "{}", JSON), ("no_secret", "GET", "secrets/absent/history", "", JSON),
                ("method_not_allowed", "PUT", "workloads", "", JSON), ("not_found", "GET", "nothing", "", JSON), ("bad_json", "POST", "workloads", "{", JSON)]
        for code, method, path, body, ctype in rows:
            g.http(code, admin(b, method, path, body, ctype), value)
        b.cli("secret", "destroy", "other-key", "--version", "1")
        g.http("version_state", admin(b, "POST", "secrets/other-key/rollback", '{"version":1}'), value)
        b.write("policies/bad.yaml", "policy: bad\nworkloads: [coder]\nuse:\n  anthropic: {allow: [\"GET x\"]}\n")
        r = admin(b, "POST", "reload")
        r.raw = r.raw.replace(f"{b.conf}/policies/bad.yaml".encode(), b"")  # which file it is stands there, for an operator
        g.http("bad_rules", r, value)
        os.unlink(f"{b.conf}/policies/bad.yaml")
        b.write("upstreams/later.yaml", f"upstream: later\nurl: https://api.anthropic.com\ncredential: {{kind: static, secret: no-such-key}}\ninject: {{header: x-api-key, value: \"{{credential}}\"}}\n")
        b.write("policies/later.yaml", "policy: later\nworkloads: [coder]\nuse:\n  later:\n    allow: [\"GET /x\"]\n")
        g.http("rules_refused", admin(b, "POST", "reload"), value)
        for name in ("upstreams", "policies"):
            os.unlink(f"{b.conf}/{name}/later.yaml")
        b.reload()
        keeper(g, b, "secret_exists", "CK_SECRET_PUT", text("other-key") + b"\1" + blob(value.encode()), value)
        keeper(g, b, "bad_value", "CK_SECRET_PUT", text("planted") + b"\1" + blob(value.encode() + b"\r\nX: y"), value)
        keeper(g, b, "bad_ttl", "CK_ENROLL_NEW", enroll("coder", 1, 0xffffffff))
        keeper(g, b, "bad_cap", "CK_ENROLL_NEW", enroll("coder", 1, 3600, 65))
        keeper(g, b, "no_segment", "CK_AUDIT_OPEN", struct.pack("<I", 99999))
        keeper(g, b, "not_sealed", "CK_UNSEAL", blob(PASSPHRASE.encode()))
        for _ in range(32):
            keeper_quiet(b, "CK_ENROLL_NEW", enroll("coder"))
        keeper(g, b, "enroll_limit", "CK_ENROLL_NEW", enroll("coder"))
        b.secret("many", value)
        for n in range(64):
            keeper_quiet(b, "CK_SECRET_PUT", text("many") + b"\6" + blob(f"{value}{n}".encode()))
        keeper(g, b, "secret_limit", "CK_SECRET_PUT", text("many") + b"\6" + blob(value.encode()), value)
        for n in range(400):
            keeper_quiet(b, "AK_WORKLOAD_ADD", struct.pack("<I", 0) + text(f"w{n}"))
        keeper_quiet(b, "CK_REKEY", b"")
        keeper(g, b, "rekey_running", "CK_REKEY", b"")


def keeper_quiet(b, kind, rest):
    link = rawkeeper.Link(b, timeout=20)
    link.ask(frame(kind, bytes(8) + rest))
    link.close()


def sealed(g):
    with broker.Broker(passphrase=PASSPHRASE) as b:
        b.start(ready=False)
        broker.wait_for(lambda: b.ready_word() == "sealed", "the store to be sealed", 20)
        keeper(g, b, "unseal_failed", "CK_UNSEAL", blob(b"wrong-" + PASSPHRASE[:4].encode()))
        keeper(g, b, "unseal_wait", "CK_UNSEAL", blob(b"wrong-" + PASSPHRASE[:4].encode()))


def from_the_shim(g):
    """Its descriptors are counted out at its start; the limit comes down behind that."""
    if os.geteuid() != 0:
        g.seen.add("no_descriptors")
        g.t.lacks("no_descriptors", "prlimit(2) on a process that is closed to inspection")
        return
    with stage.Stage() as s, shim.Shim(s.b.enroll("coder", "--reusable"), prefix=s.b.prefix) as sh:
        data, most = b"", 64
        while not data and most > 4:  # which number the next one would have is not to be seen
            most -= 1
            subprocess.run([*s.b.prefix, "prlimit", f"--pid={sh.proc.pid}", f"--nofile={most}:{most}"], check=True)
            with socket.create_connection(("127.0.0.1", sh.port), timeout=0.15) as c:
                data = quiet(lambda: c.recv(65536))
                data = data if isinstance(data, bytes) else b""
        g.http("no_descriptors", workload.Reply(503, [], data.partition(b"\r\n\r\n")[2], data))


def table():
    with open(f"{broker.ROOT}/docs/ERRORS.md") as f:
        return set(re.findall(r"^\| `(\w+)`", f.read(), re.M))


def every_code(t, seen):
    here = os.path.dirname(os.path.abspath(__file__))
    named = {}
    for name, codes in WHERE.items():
        with open(f"{here}/{name}") as f:
            source = f.read()
        named.update({c: re.search(rf"\b{c}\b", source) is not None for c in codes.split()})
    t.is_(sorted(c for c, there in named.items() if not there), [], "what is provoked elsewhere is named in the test that is said to do it")
    t.is_(sorted(table() - seen - set(named) - set(UNREACHED)), [], "every code of docs/ERRORS.md is provoked")
    t.is_(sorted((seen | set(named) | set(UNREACHED)) - table()), [], "and stands there")
    t.is_(sorted(set(UNREACHED) & (seen | set(named))), [], "what cannot be provoked was not")


def main(t):
    g = Scene(t)
    for part in (to_workloads, times, deadlines, to_operators, sealed, from_the_shim):
        try:
            part(g)
        except Exception:  # the others are provoked all the same
            t.ok(False, f"{part.__name__} ends by itself", traceback.format_exc())
    every_code(t, g.seen)


tap.Tap().run(main)
