#!/usr/bin/python3
"""Class J of the attacks: side outputs. Whatever refuses, helps, logs or lists says nothing of a secret, and what a client or a file wrote drives no terminal and makes no line."""
import json
import os
import re
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import broker, oracle, pki, rawtls, shim, stage, tap, upstream, workload  # noqa: E402

MINE = "client-canary-5c1f0a9be2774d0e8f36"  # what a client carries, and is nobody else's either
VALUE = "stored-canary-7f21c4d09ab84e6c9d55"
JSON = "Content-Type: application/json"
TREACHEROUS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


def handler(conn, req):
    key = req.get("x-api-key")
    if req.target.startswith("/gzip"):
        return upstream.reply(conn, 200, key.encode(), extra=["Content-Encoding: gzip"])
    if req.target.startswith("/bad"):
        conn.send(f"HTTP/1.1 200 {key}\r\nContent-Length: 3\r\nContent-Length: 4\r\nX: {key}\r\n\r\n".encode())
        return False
    if req.target.startswith("/closed"):
        return False
    return upstream.messages_api(conn, req)


class Scene(stage.Stage):
    def __init__(self):
        super().__init__(handler, use='  anthropic:\n    allow: ["GET /**", "POST /v1/**"]\n    deny: ["* /deny/**"]\n', yaml="log_level: debug\n")
        b, ca = self.b, self.ca.cert
        self.wrong = upstream.Upstream(*pki.Ca(f"{b.dir}/wrong").leaf("up", "DNS:api.anthropic.com"), handler)
        with socket.create_server(("127.0.0.1", 0)) as s:
            nobody = s.getsockname()[1]
        for name, rest in (("unreachable", f"connect: 127.0.0.1:{nobody}\n"), ("certificate", f"connect: 127.0.0.1:{self.wrong.port}\n"), ("address", ""), ("unresolved", ""), ("query", f"connect: 127.0.0.1:{self.up.port}\n"), ("missing", f"connect: 127.0.0.1:{self.up.port}\n"), ("rated", f"connect: 127.0.0.1:{self.up.port}\n"), ("unlisted", "")):
            host = {"address": "localhost", "unresolved": "nowhere.invalid"}.get(name, "api.anthropic.com")
            inject = "inject: {query: key}\n" if name == "query" else 'inject: {header: x-api-key, value: "{credential}"}\n'
            b.write(f"upstreams/{name}.yaml", f"upstream: {name}\nurl: https://{host}\nca: {ca}\n{rest}credential: {{kind: static, secret: {'gone' if name == 'missing' else 'other'}-key}}\n{inject}")
        b.secret("other-key", VALUE)
        b.secret("gone-key", VALUE)
        b.policy("more", ["coder"], "".join(f'  {n}:\n    allow: ["* /**"]\n' for n in ("unreachable", "certificate", "address", "unresolved", "query", "missing")) + '  rated:\n    allow: ["* /**"]\n    limit: {requests: 1/1h, concurrent: 1}\n')
        b.reload()
        b.cli("secret", "destroy", "gone-key", "--version", "1")

    def __exit__(self, *exc):
        self.wrong.close()
        super().__exit__(*exc)


def ask(s, method, target, headers=(), body=b"", alpn="sidekey-forward", who=None, host="127.0.0.1:7433"):
    c = who.connect(alpn) if who else s.w.connect(alpn)
    try:
        return c.ask(method, target, [f"Cookie: {MINE}", f"X-Mine: {MINE}", *headers], body, host=host)
    finally:
        c.close()


def refusals(s):
    """[(code, fn)]: each fn provokes it and gives the reply."""
    b, q = s.b, f"?token={MINE}"

    def anonymous(method, target, headers=(), body=b"", alpn="sidekey-control"):
        c = s.w.anonymous(alpn)
        try:
            return c.ask(method, target, headers, body)
        finally:
            c.close()

    def raw(data):
        c = s.w.connect()
        c.send(data)
        try:
            return c.read()
        finally:
            c.close()

    def state_of(name, change):
        b.workload(name)
        b.policy(name, [name], stage.ALLOW_ALL)
        b.reload()
        w = workload.Workload(b.enroll(name))
        placeholder = next(u["placeholder"] for u in w.self_()["upstreams"] if u["name"] == "anthropic")
        if change:
            b.cli("workload", change, name)
        return w, placeholder

    def misuse():
        _, placeholder = state_of("neighbour", None)
        return ask(s, "GET", f"/p/anthropic/v1/x{q}", [f"x-api-key: {placeholder}"])

    def renewal(body):
        return ask(s, "POST", "/v1/renew", [JSON], body, alpn="sidekey-control")

    def twice(path):
        ask(s, "GET", path)
        return ask(s, "GET", path)
    big = json.dumps({"csr": MINE + "x" * 66000})
    return [
        ("no_certificate", lambda: anonymous("GET", f"/p/anthropic/v1/x{q}", alpn="sidekey-forward")), ("workload_suspended", lambda: ask(s, "GET", f"/p/anthropic/v1/x{q}", who=state_of("asleep", "suspend")[0])),
        ("placeholder_misuse", misuse), ("no_upstream", lambda: ask(s, "GET", f"/p/nowhere/{q}")), ("no_policy", lambda: ask(s, "GET", f"/p/unlisted/v1/x{q}")), ("not_allowed", lambda: ask(s, "DELETE", f"/p/anthropic/v1/x{q}")),
        ("denied_by_rule", lambda: ask(s, "GET", f"/p/anthropic/deny/x{q}")), ("bad_target", lambda: ask(s, "GET", f"/p/anthropic/a/%2e%2e/b{q}")), ("browser", lambda: ask(s, "GET", f"/p/anthropic/v1/x{q}", [f"Origin: http://{MINE}.example"])),
        ("bad_host", lambda: ask(s, "GET", f"/p/anthropic/v1/x{q}", host=f"{MINE}.example")), ("query_credential", lambda: ask(s, "GET", f"/p/query/v1/x?key={MINE}")), ("secret_missing", lambda: ask(s, "GET", f"/p/missing/v1/x{q}")),
        ("rate_limited", lambda: twice(f"/p/rated/v1/x{q}")), ("forwarded_control", lambda: ask(s, "POST", "/v1/renew", [JSON], json.dumps({"csr": MINE}))), ("enroll_refused", lambda: anonymous("POST", "/v1/enroll", [JSON, f"Authorization: Bearer {'A' * 43}"], json.dumps({"csr": s.w.csr}))),
        ("bad_csr", lambda: renewal(json.dumps({"csr": MINE}))), ("bad_json", lambda: renewal('{"' + MINE)), ("bad_json", lambda: renewal("[" * 20000)), ("body_too_large", lambda: renewal(big)),
        ("no_route", lambda: ask(s, "GET", f"/nothing{q}")), ("method", lambda: ask(s, "PUT", "/healthz")), ("bad_framing", lambda: raw(f"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\nX: {MINE}\r\n\r\n")),
        ("target_too_long", lambda: ask(s, "GET", f"/p/anthropic/v1/x{q}" + "x" * 9000)), ("unscannable_response", lambda: ask(s, "GET", f"/p/anthropic/gzip{q}")), ("upstream_bad", lambda: ask(s, "GET", f"/p/anthropic/bad{q}")),
        ("upstream_closed", lambda: ask(s, "GET", f"/p/anthropic/closed{q}")), ("upstream_unreachable", lambda: ask(s, "GET", f"/p/unreachable/v1/x{q}")), ("upstream_certificate", lambda: ask(s, "GET", f"/p/certificate/v1/x{q}")),
        ("upstream_address_refused", lambda: ask(s, "GET", f"/p/address/v1/x{q}")), ("upstream_unresolved", lambda: ask(s, "GET", f"/p/unresolved/v1/x{q}")),
    ]


def code_of(r):
    try:
        o = r.json()
        return o.get("code") or o.get("sidekey", {}).get("code") or o.get("error", {}).get("code")
    except (ValueError, AttributeError):
        return None


def clean(data, where):
    return oracle.inside(data if where == "the reply" else b"") or oracle.can_bytes(stage.KEY, data, where) or oracle.can_bytes(VALUE, data, where) or oracle.can_bytes(MINE, data, where)


def to_workloads(t, s):
    for want, fn in refusals(s):
        r = fn()
        got = code_of(r) if r else None
        t.ok(got == want, f"{want}: is provoked", r and r.raw[:600])
        t.is_(clean(r.raw if r else b"", "the reply"), "", f"{want}: the reply has no secret, nor what the client carried")
    t.ok(not s.wrong.requests, "UP0 at the upstream whose certificate is wrong")


def to_operators(t, s):
    b = s.b
    b.write("policies/bad.yaml", "policy: bad\nworkloads: [coder]\nuse:\n  anthropic: {allow: [\"GET x\"]}\n")
    rows = [("bad_value", ["secret", "set", "x"], f"{VALUE}\r\nX: y"), ("bad_value", ["secret", "set", "x"], ""), ("secret_exists", ["secret", "set", "other-key"], VALUE), ("no_secret", ["secret", "rotate", "absent"], VALUE), ("no_secret", ["secret", "history", "absent"], None),
            ("no_version", ["secret", "show", "other-key", "--reveal", "--version", "99"], None), ("no_workload", ["workload", "revoke", "absent"], None), ("workload_exists", ["workload", "add", "coder"], None), ("bad_cap", ["workload", "enroll", "coder", "--reusable", "--cap", "100000"], None),
            ("bad_ttl", ["workload", "enroll", "coder", "--ttl", "99999d"], None), ("not_sealed", ["unseal"], VALUE + "\n"), ("bad_rules", ["reload"], None), ("usage", ["secret", "set", "x", VALUE], None), ("usage", ["secret", "set", VALUE.upper()], VALUE), ("too long", ["secret", "set", "x"], VALUE * 1000)]
    for code, args, stdin in rows:
        for flags in ([], ["--json"]):
            p = b.cli(*flags, *args, stdin=stdin, check=False)
            said = (p.stdout + p.stderr).encode()
            t.ok(p.returncode != 0 and oracle.can_bytes(VALUE, said, "the answer") + oracle.can_bytes(stage.KEY, said, "the answer") == "", f"{code}: sidekey {' '.join([*flags, *args[:3]])} says nothing of a value", (p.returncode, p.stdout, p.stderr))
    os.unlink(f"{b.conf}/policies/bad.yaml")


def help_texts(t, s):
    b = s.b
    commands = re.findall(r"^  ([a-z]+(?: [a-z]+)?)", b.cli("--help").stdout.split("\nglobal options:")[0], re.M)
    said = ""
    for command in commands:
        p = b.cli(*command.split(), "--help", check=False)
        said += p.stdout + p.stderr
        if p.returncode != 0 or not p.stdout.startswith("usage: "):
            t.ok(False, f"sidekey {command} --help", p.stdout + p.stderr)
    t.ok(len(commands) > 20, f"--help of {len(commands)} commands", commands)
    for program in ("sidekeyd", "sidekey-shim", "sidekey-gateway", "sidekey-keeper", "sidekey-api"):
        p = subprocess.run([*b.prefix, f"{broker.BIN}/{program}", "--help"], capture_output=True, text=True, env={"SIDEKEY_SECRET": VALUE}, timeout=10)
        said += p.stdout + p.stderr
    t.is_(clean(said.encode(), "--help") or "".join(TREACHEROUS.findall(said)), "", "no help text has a secret of this place, or a control")


def in_ps(t, s):
    """While values go in and out."""
    b, seen = s.b, []
    for pid in [b.proc.pid] + [p for pids in b.pids().values() for p in pids]:
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            seen.append(f.read())
        try:
            with open(f"/proc/{pid}/environ", "rb") as f:
                env = f.read()
        except PermissionError:
            continue
        if pid != b.proc.pid:
            t.is_(env.strip(b"\0"), b"", f"process {seen[-1][:40]}: its environment is empty")
    t.is_(clean(b"".join(seen), "ps"), "", "no command line has a secret")


HOSTILE = {"a line of ours": "x\nsidekeyd: ready in 1 ms", "CR": "x\rsidekey-keeper: sealed", "an escape": "\x1b[2J\x1b]0;owned\x07", "C1": "\x9b2J\x85", "a bell": "\x07\x08", "direction": "\u202egpj.exe\u2066", "zero width": "a\u200bb\ufeff", "a line separator": "\u2028\u2029", "format": "%s%n%p%x", "a backslash": "\\x1b[2J"}


def log_lines(t, s):
    """What a client can bring near the broker's log, at its most talkative."""
    b = s.b
    before = len(b.log())
    log = oracle.Log(b)
    with shim.Shim(b.enroll("coder", "--reusable"), prefix=b.prefix) as sh:
        for text in HOSTILE.values():
            raw = text.encode()
            sni = rawtls.Client(s.w.conf["gateway"], s.w.cert, s.w.key, sni=raw)
            sni.connect() and sni.ask()
            sni.close()
            for data in (b"GET /p/anthropic/" + raw + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", b"GET /v1/x HTTP/1.1\r\nHost: localhost\r\nUser-Agent: " + raw + b"\r\n\r\n", raw + b" / HTTP/1.1\r\nHost: " + raw + b"\r\n\r\n"):
                for connect in (s.w.connect, lambda: socket.create_connection(("127.0.0.1", sh.port), timeout=5)):
                    try:
                        c = connect()
                        getattr(c, "sock", c).sendall(data)
                        getattr(c, "sock", c).recv(65536)
                        c.close()
                    except OSError:
                        pass
        s.w.ask("GET", "/p/anthropic/v1/mark")
        t.is_(log.holds(event="decide", target="/v1/mark"), "", "AUD: each line of the audit log is one record")
        said = sh.leave()[1]
    for who, text in (("broker", b.log()[before:]), ("shim", said)):
        t.is_([line for line in text.splitlines() if not re.match(r"sidekey(d|-\w+): ", line)], [], f"each line of the {who}'s log is one of its own")
        t.is_(TREACHEROUS.findall(text), [], f"no control in the {who}'s log")
        t.is_(oracle.can_bytes(MINE, text.encode(), "log") + oracle.can_bytes(stage.KEY, text.encode(), "log"), "", f"CAN: the {who}'s log")
    t.ok("ready in 1 ms" not in b.log()[before:] and "owned" not in b.log()[before:].replace("\\x", ""), "and none is a client's", b.log()[before:][-400:])


def shown(t, s):
    """What stands in a file that somebody else wrote, when the command line speaks of it."""
    b = s.b
    for what, text in HOSTILE.items():
        d = f"{b.dir}/shown"
        os.makedirs(f"{d}/upstreams", exist_ok=True)
        os.makedirs(f"{d}/policies", exist_ok=True)
        quoted = json.dumps(text)
        for name, body in (("policies/p.yaml", f"policy: {quoted}\n"), ("policies/q.yaml", f"{quoted}: x\n"), ("upstreams/u.yaml", f"upstream: u\nurl: {quoted}\n"), ("upstreams/v.yaml", f"upstream: v\nlike: {quoted}\n"), ("policies/raw.yaml", f"policy: p\n{text}\n"),
                           ("policies/" + re.sub(r"[/\0]", "", text) + ".yaml", "policy: x\n"), ("env", f"{text}=value-0123456789\nOK=x\n")):
            with open(f"{d}/{name}", "w") as f:
                f.write(body)
        subprocess.run(["chmod", "-R", "a+rX", d], check=True)
        said = ""
        for args in (["policy", "check", d], ["policy", "test", d], ["import", "env", f"{d}/env", "--workload", "coder"], ["workload", "add", text], ["secret", "show", text], ["upstream", "check", text], [text], ["audit", "tail", "--workload", text], ["policy", "explain", text, "anthropic", "GET", text],
                     ["--config-dir", f"{d}/{text}", "policy", "check"], ["--run-dir", f"/tmp/{text}", "status"]):
            p = b.cli(*args, check=False)
            said += p.stdout + p.stderr
        t.is_(sorted(set(TREACHEROUS.findall(said))), [], f"the command line shows {what} of a file or an argument as text")
        subprocess.run(["rm", "-rf", d], check=True)


def health(t, s):
    b = s.b
    for path in ("/healthz", "/readyz", "/metrics", "/debug/vars", "/status", "/v1/self"):
        c = s.w.anonymous("sidekey-forward")
        r = c.ask("GET", path)
        c.close()
        t.ok(r.status == (200 if path in ("/healthz", "/readyz") else 401 if path == "/v1/self" else 404) and clean(r.raw, path) == "" and not re.search(rb"coder|anthropic|/tmp|\d+\.\d+\.\d+", r.body), f"{path} names nobody and nothing", r.raw)
    for args in (["status"], ["doctor"], ["secret", "list"], ["secret", "show", "anthropic-api-key"], ["secret", "history", "anthropic-api-key"], ["workload", "list"], ["upstream", "list"], ["upstream", "check", "anthropic"], ["audit", "tail", "--lines", "10000"], ["audit", "export"], ["audit", "verify"], ["policy", "check"], ["version"]):
        for flags in ([], ["--json"]):
            p = b.cli(*flags, *args, check=False)
            t.is_(clean((p.stdout + p.stderr).encode(), "output") or "".join(TREACHEROUS.findall(p.stdout + p.stderr)), "", f"CAN: sidekey {' '.join([*flags, *args])}")


def main(t):
    with Scene() as s:
        for part in (to_workloads, to_operators, help_texts, in_ps, log_lines, shown, health):
            part(t, s)
        for name, secret in (("the key", stage.KEY), ("another key", VALUE), ("what the client carried", MINE)):
            t.is_(oracle.can(secret, s.b), "", f"CAN: {name}")
        s.b.cli("seal")
        r = s.w.ask("GET", f"/p/anthropic/v1/x?{MINE}", [f"X: {MINE}"])
        t.ok(r.status == 503 and clean(r.raw, "the reply") == "", "sealed: the reply has no secret", r.raw)


tap.Tap().run(main)
