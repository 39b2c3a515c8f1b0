#!/usr/bin/python3
"""Class E of the attacks: exactly one credential goes out, and only where it is declared; nothing of it comes back."""
import base64
import binascii
import json
import os
import select
import sys
import threading
import time
import urllib.parse

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import oracle, pki, stage, tap, upstream, workload  # noqa: E402
from harness.broker import Broker  # noqa: E402

KEY = stage.KEY
ODD = 'Zq7"\\/%2B+k==&<~>{x}\'$9_-Wm.é4'  # what JSON, URLs and base64 write in another way
KINDS = {"xapi": ("x-api-key", "inject: {header: x-api-key, value: '{credential}'}", KEY), "auth": ("authorization", "inject: {header: Authorization, value: 'Bearer {credential}'}", f"Bearer {KEY}"),
         "basic": ("authorization", "inject: {basic: api}", "Basic " + base64.b64encode(f"api:{KEY}".encode()).decode()), "query": (None, "inject: {query: key}", KEY)}
go_on, rotated = threading.Event(), threading.Event()
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def forms(secret):
    raw = secret.encode()
    out = {"plain": raw, "json": json.dumps(secret, ensure_ascii=False)[1:-1].encode(), "json in hex": "".join(f"\\u{b:04x}" if b < 0x80 else chr(b) for b in raw).encode("latin-1"),
           "percent": "".join(f"%{b:02X}" for b in raw).encode(), "quoted": urllib.parse.quote(secret, safe="").encode(), "quote_plus": urllib.parse.quote_plus(secret).encode(),
           "hex": binascii.hexlify(raw), "HEX": binascii.hexlify(raw).upper()}
    for shift in range(3):
        for name, fn in (("base64", base64.b64encode), ("base64url", base64.urlsafe_b64encode)):
            out[f"{name} behind {shift}"] = fn(b"u:x"[:shift] + raw + b"!")
    return out


SECRETS = {"xapi": KEY, "odd": ODD}
ECHOES = {(who, name): text for who, secret in SECRETS.items() for name, text in forms(secret).items()}
K = KEY.encode()
PLACES = {
    "header": b"HTTP/1.1 200 OK\r\nX-Seen: a%sz\r\nContent-Length: 2\r\n\r\nok", "status line": b"HTTP/1.1 200 you sent %s\r\nContent-Length: 2\r\n\r\nok",
    "header name": b"HTTP/1.1 200 OK\r\nX-%s: 1\r\nContent-Length: 2\r\n\r\nok", "two headers": b"HTTP/1.1 200 OK\r\nA: %s\r\nB: %s\r\nContent-Length: 2\r\n\r\nok",
    "set-cookie": b"HTTP/1.1 200 OK\r\nSet-Cookie: k=%s; Path=/\r\nContent-Length: 2\r\n\r\nok", "location": b"HTTP/1.1 302 Found\r\nLocation: https://evil.example/?k=%s\r\nContent-Length: 0\r\n\r\n",
    "challenge": b"HTTP/1.1 401 No\r\nWWW-Authenticate: Bearer error=\"%s\"\r\nContent-Length: 2\r\n\r\nno", "content type": b"HTTP/1.1 200 OK\r\nContent-Type: text/%s\r\nContent-Length: 2\r\n\r\nok",
    "an early hint": b"HTTP/1.1 103 Early Hints\r\nLink: <%s>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "304": b"HTTP/1.1 304 Not Modified\r\nETag: \"%s\"\r\n\r\n",
    "204": b"HTTP/1.1 204 No Content\r\nX-K: %s\r\n\r\n", "an error's body": b"HTTP/1.1 500 E\r\nContent-Length: 56\r\n\r\n%s", "trailer": HEAD + b"2\r\nok\r\n0\r\nX-T: %s\r\n\r\n",
    "trailer's name": HEAD + b"2\r\nok\r\n0\r\n%s: x\r\n\r\n", "chunk extension": HEAD + b"2;a=%s\r\nok\r\n0\r\n\r\n", "until the end": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n%s",
    "a connection option": b"HTTP/1.1 200 OK\r\nConnection: %s\r\nContent-Length: 2\r\n\r\nok", "our own field": b"HTTP/1.1 200 OK\r\nSidekey-Decision: %s\r\nContent-Length: 2\r\n\r\nok",
    "a keep-alive": b"HTTP/1.1 200 OK\r\nKeep-Alive: %s\r\nContent-Length: 2\r\n\r\nok", "a bad head": b"HTTP/1.1 200 OK\r\n%s\r\n\r\n", "a bad status": b"HTTP/1.1 %s\r\n\r\n", "a bad chunk": HEAD + b"2\r\nok\r\n%s\r\n"}
CODINGS = ["gzip", "GZIP", "x-gzip", "deflate", "br", "zstd", "compress", "aws-chunked", "identity, gzip", "gzip, identity", "dcb", "x", "gzip;q=1", '"identity"', "identity\r\nContent-Encoding: gzip"]


def pieces(conn, text, at):
    """An event of which the credential is a part, in two pieces or byte by byte."""
    body = b"data: <" + text + b">\n\n"
    conn.send(HEAD)
    for part in [body[i:i + 1] for i in range(len(body))] if at == 0 else [body[:at], body[at:]]:
        conn.send(upstream.chunk(part) if part else b"")
        if at:
            time.sleep(0.002)
    conn.send(b"0\r\n\r\n")


def handler(conn, req):
    path, _, arg = req.target[1:].partition("/")
    args = urllib.parse.unquote(arg).split("|")
    if path == "echo":
        return upstream.reply(conn, 200, b"<" + ECHOES[tuple(args)] + b">", "text/plain")
    if path == "split":
        return pieces(conn, ECHOES[args[0], args[1]], int(args[2]))
    if path == "place":
        text = PLACES[args[0]]
        conn.send(text.replace(b"%s", K))
        return b"close" not in text and "bad" not in args[0]
    if path == "coding":
        return conn.send(f"HTTP/1.1 200 OK\r\nContent-Encoding: {CODINGS[int(args[0])]}\r\nContent-Length: 2\r\n\r\nok".encode())
    if path == "body":
        return upstream.reply(conn, 200, req.body, "text/plain")
    if path == "pause":
        conn.send(HEAD + upstream.chunk(req.body))
        go_on.wait(20)
        return conn.send(upstream.chunk(b"\n") + b"0\r\n\r\n")
    if path == "old" and rotated.is_set() and req.get("x-api-key") == KEY:
        return upstream.reply(conn, 401, b"revoked: " + KEY.encode(), "text/plain")
    return upstream.reply(conn, 200, b"{}")


class Scene:
    def __init__(self):
        self.b = Broker()
        self.ca = pki.Ca(f"{self.b.conf}/pki")
        self.up = upstream.Upstream(*self.ca.leaf("up", "DNS:api.example"), handler)
        for name, (_, inject, _) in {**KINDS, "odd": (None, "inject: {header: x-api-key, value: '{credential}'}", None)}.items():
            self.b.write(f"upstreams/{name}.yaml", f"upstream: {name}\nlike: bearer\nurl: https://api.example\nca: {self.ca.cert}\nconnect: 127.0.0.1:{self.up.port}\n{inject}\n"
                         f"credential: {{kind: static, secret: {'odd' if name == 'odd' else 'k'}}}\nplaceholder: 'ph-{name}-{{random}}'\nenv: {{{name.upper()}_KEY: '{{placeholder}}'}}\n")
        self.b.policy("coder", ["coder", "other"], "".join(f'  {name}:\n    allow: ["* /**"]\n' for name in [*KINDS, "odd"]))
        self.b.start()
        self.b.secret("k", KEY)
        self.b.secret("odd", ODD)
        for name in ("coder", "other"):
            self.b.workload(name)
        self.b.reload()
        self.w, self.other = (workload.Workload(self.b.enroll(n, "--reusable")) for n in ("coder", "other"))

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        go_on.set()
        self.up.close()
        self.b.close()


def stored(t, s):
    """What would end a header, or a string in C, is no secret."""
    controls = [("a line break", b"a\nb"), ("CR LF and a field", b"abc\r\nX-Evil: 1"), ("a CR", b"a\rb"), ("a NUL", b"a\0b"), ("a NUL behind", b"abc\0"), ("a NUL before", b"\0abc"), ("a tab", b"a\tb"),
                ("an escape", b"a\x1b[0mb"), ("DEL", b"a\x7fb"), ("a vertical tab", b"a\vb"), ("a form feed", b"a\fb"), ("a backspace", b"a\bb"), ("a bell", b"a\ab"), ("0x1f", b"a\x1fb"),
                ("two lines", b"a\nb\n"), ("an empty one", b""), ("a line break alone", b"\n"), ("16 KiB and a byte", b"k" * 16385)]
    for name, value in controls:
        for verb in (["set", "fresh"], ["rotate", "k"]):
            with open(f"{s.b.dir}/value", "wb") as f:
                f.write(value)
            p = s.b.cli("secret", *verb, f"@{s.b.dir}/value", check=False)
            t.ok(p.returncode in (1, 2) and p.stderr, f"{verb[0]}: {name} is refused", p)
    os.unlink(f"{s.b.dir}/value")
    for name, text in (("a line break, escaped", 'ANTHROPIC_API_KEY="sk-ant-a\\nX-Evil: 1"'), ("CR LF, escaped", 'ANTHROPIC_API_KEY="sk-ant-a\\r\\nX-Evil: 1"'), ("a line break that is one", 'ANTHROPIC_API_KEY="sk-ant-a\nX-Evil: 1"'), ("a tab", "ANTHROPIC_API_KEY='sk-ant-a\tb'"),
                       ("an escape", "ANTHROPIC_API_KEY='sk-ant-\x1b[0ma'"), ("DEL", "ANTHROPIC_API_KEY=sk-ant-\x7fa"), ("a CR inside", "ANTHROPIC_API_KEY=sk-ant-a\rb")):
        with open(f"{s.b.dir}/env", "w", newline="") as f:
            f.write(text + "\nOK_KEY=sk-fine-0123456789abcdef\n")
        p = s.b.cli("import", "env", f"{s.b.dir}/env", "--workload", "coder", "--out", f"{s.b.dir}/env.sidekey", check=False)
        t.ok(p.returncode == 1 and "/env:1: " in p.stderr and not os.path.exists(f"{s.b.dir}/env.sidekey"), f"import env: {name} is refused, and with it the file", p)
    names = [json.loads(line)["name"] for line in s.b.cli("--json", "secret", "list").stdout.splitlines()]
    t.is_((sorted(names), len(s.b.cli("--json", "secret", "history", "k").stdout.splitlines())), (["k", "odd"], 1), "and nothing of them is stored")


OWN = ["Authorization: Bearer mine", "AUTHORIZATION: Bearer mine", "aUtHoRiZaTiOn: mine", "Authorization: Basic bWluZTptaW5l", "Authorization:", "X-Api-Key: mine", "x_api_key: mine", "X-API_KEY: mine", "x-api-key:mine",
       "Cookie: key=mine", "COOKIE: mine", "Cookie2: mine", "Proxy-Authorization: Basic bWluZQ==", "proxy_authorization: mine", "Api-Key: mine", "X-Subscription-Token: mine", "X-Auth-Token: mine", "X-Goog-Api-Key: mine",
       "X-Amz-Security-Token: mine", "Private-Token: mine", "PRIVATE_TOKEN: mine", "X-Original-Authorization: mine", "X-Forwarded-Authorization: mine", "X-Corp-Secret: mine", "Ocp-Apim-Subscription-Key: mine",
       "X-Vault-Token: mine", "Sidekey-Credential: mine"]
FIELDS = [[f] for f in OWN] + [[f, f] for f in OWN[:12]] + [
    OWN, ["Connection: Authorization"], ["Connection: x-api-key"], ["Connection: close, X-Api-Key, AUTHORIZATION"], ["Connection: x-api-key", "X-Api-Key: mine"],
    ["Connection: authorization", "Authorization: Bearer mine"], ["Keep-Alive: x-api-key"], ["Proxy-Connection: x-api-key"], ["TE: trailers", "Connection: TE"],
    ["X-Api-Key: " + "m" * 8000], ["Accept-Encoding: gzip, br"], ["Range: bytes=0-10", "If-Range: x"], ["Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABk"]]


def one_credential(s, kind):
    """UP1, and for a query that the credential is there once, behind what the client wrote."""
    header, _, value = KINDS[kind]
    if header:
        return oracle.up1(s.up, "POST /v1/x HTTP/1.1", header, value)
    got = [(q.line, [k for k, _ in q.headers if k.lower().replace("_", "-") in oracle.CREDENTIAL_HEADERS]) for q in s.up.requests]
    return "" if got == [(f"POST /v1/x?key={value} HTTP/1.1", [])] else f"the upstream saw {got}"


def clients(t, s):
    for kind in KINDS:
        for fields in FIELDS:
            s.up.clear()
            r = s.w.ask("POST", f"/p/{kind}/v1/x", fields, b"{}")
            bad = one_credential(s, kind) or ("" if r.status == 200 else r.raw)
            seen = s.up.requests[0] if s.up.requests else None
            stray = seen and (b"mine" in seen.raw_head or b"mmm" in seen.raw_head or seen.all("accept-encoding") != ["identity"] or seen.get("range") or seen.get("upgrade") or seen.body != b"{}")
            t.ok(not bad and not stray, f"{kind}: the client says {', '.join(f[:40] for f in fields[:3])}{' twice' if len(fields) == 2 and fields[0] == fields[1] else ''}", (bad, seen and seen.raw_head))
    for field in ("keep-alive, accept-encoding", "host", "content-length", "transfer-encoding", "content-type"):
        s.up.clear()
        r = s.w.ask("POST", "/p/xapi/v1/x", [f"Connection: {field}"], b"{}")
        t.is_((r.status in (200, 400), one_credential(s, "xapi") if r.status == 200 else oracle.up0(s.up)), (True, ""), f"Connection: {field} takes nothing away")
    s.up.clear()
    c = s.w.connect()
    c.send(b"POST /p/xapi/v1/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nTrailer: x-api-key\r\n\r\n2\r\n{}\r\n0\r\nx-api-key: mine\r\nAuthorization: mine\r\n\r\n")
    r = c.read("POST")
    t.is_((r.status, one_credential(s, "xapi"), b"railer" in s.up.requests[0].raw_head), (200, "", False), "a trailer of the client's names a credential")
    c.close()


def place_of(kind, p):
    return {"xapi": f"X-Api-Key: {p}", "auth": f"Authorization: Bearer {p}", "basic": "Authorization: Basic " + base64.b64encode(f"api:{p}".encode()).decode()}[kind]


def placeholders(t, s):
    mine, theirs = ({u["name"]: u["placeholder"] for u in w.self_()["upstreams"]} for w in (s.w, s.other))

    def basic(text):
        return "Authorization: Basic " + base64.b64encode(text.encode()).decode()
    m, o, x = mine["xapi"], theirs["xapi"], mine["auth"]
    for kind in ("xapi", "auth", "basic"):
        for what, p, want in (("its own", mine[kind], (200, None)), ("another workload's", theirs[kind], (403, "placeholder_misuse")), ("another upstream's", mine["odd"], (403, "placeholder_misuse")),
                              ("another's of another upstream", theirs["odd"], (403, "placeholder_misuse")), ("one that never was", mine[kind][:-1] + "0", (200, None)), ("one in lower case", mine[kind].lower(), (200, None))):
            s.up.clear()
            r = s.w.ask("POST", f"/p/{kind}/v1/x", [place_of(kind, p)], b"{}")
            t.is_(((r.status, None if r.status == 200 else r.json()["code"]), (one_credential if r.status == 200 else lambda s, k: oracle.up0(s.up))(s, kind)), (want, ""), f"placeholder: {kind}, {what}")
    for what, field in (("as Bearer", f"Authorization: Bearer {o}"), ("as bearer, two spaces", f"Authorization: bearer  {o}"), ("as token", f"Authorization: token {o}"), ("bare", f"Authorization: {o}"),
                        ("Basic, as password", basic(f"u:{o}")), ("Basic, as user", basic(f"{o}:")), ("Basic, as user with a password", basic(f"{o}:p")), ("Basic, alone", basic(o)), ("Basic, in odd case", basic(f"u:{o}").replace("Basic", "bASIC")),
                        ("of another header", f"X-Goog-Api-Key: {o}"), ("with an underscore", f"x_api_key: {o}"), ("behind one that is fine", [f"X-Api-Key: {m}", f"Authorization: Bearer {o}"]),
                        ("of another upstream, behind one that is fine", [f"X-Api-Key: {m}", f"Authorization: Bearer {x}"])):
        s.up.clear()
        r = s.w.ask("POST", "/p/xapi/v1/x", [field] if isinstance(field, str) else field, b"{}")
        t.is_((r.status, r.json().get("code"), oracle.up0(s.up)), (403, "placeholder_misuse", ""), f"placeholder: another's, {what}")
    for what, target, fields, body in (("in the path", f"/v1/{m}", [], b""), ("in the query", f"/v1/x?key={m}", [], b""), ("in the body", "/v1/x", [], m.encode()), ("in another header", "/v1/x", [f"X-Note: {m}"], b""),
                                       ("in User-Agent", "/v1/x", [f"User-Agent: {m}"], b""), ("in Referer", "/v1/x", [f"Referer: https://x.example/?{m}"], b"")):
        s.up.clear()
        r = s.w.ask("POST", "/p/xapi" + target, fields, body)
        q = s.up.requests[0]
        t.is_((r.status, (q.raw_head + q.body).count(KEY.encode()), m.encode() in q.raw_head + q.body), (200, 1, True), f"placeholder: {what} nothing is put in its place")
    old = workload.Workload(s.b.enroll("coder"))
    dead = {u["name"]: u["placeholder"] for u in old.self_()["upstreams"]}["xapi"]
    t.is_(old.ask("DELETE", "/v1/self", alpn="sidekey-control").status, 204, "placeholder: an instance ends")
    s.up.clear()
    r = s.w.ask("POST", "/p/xapi/v1/x", [f"X-Api-Key: {dead}"], b"{}")
    t.is_((r.status, r.json().get("code"), oracle.up0(s.up)), (403, "placeholder_ended", ""), "placeholder: that of an instance that ended")


def echoes(t, s):
    c = s.w.connect()
    for (who, form), text in ECHOES.items():
        secret = SECRETS[who]
        r = c.ask("GET", f"/p/{who}/echo/" + urllib.parse.quote(f"{who}|{form}", safe=""))
        t.is_((oracle.can_bytes(secret, r.raw, form), len(r.body), r.body[:1] + r.body[-1:]), ("", len(text) + 2, b"<>"), f"echo: {who}, {form}")
        bad = []
        for at in range(0, len(text) + 8, 1 if form == "plain" else 5):
            r = c.ask("GET", f"/p/{who}/split/" + urllib.parse.quote(f"{who}|{form}|{at}", safe=""))
            if oracle.can_bytes(secret, r.raw, form) or len(r.body) != len(text) + 10:
                bad.append((at, r.body))
        t.is_(bad, [], f"echo: {who}, {form}, split at every offset and byte by byte")
    c.close()
    for place in PLACES:
        s.up.clear()
        c = s.w.connect()
        c.send("GET /p/xapi/place/" + urllib.parse.quote(place) + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        try:
            while c.more():
                pass
        except OSError:
            pass
        t.is_((oracle.can_bytes(KEY, c.buf, place), K[20:] in c.buf, len(s.up.requests)), ("", False, 1), f"echo: in {place}")
        c.close()
    for i, coding in enumerate(CODINGS):
        r = s.w.ask("GET", f"/p/xapi/coding/{i}")
        t.is_((r.status, r.json()["code"] if r.status == 502 else ""), (502, "unscannable_response"), f"echo: in a coding {coding!r}")


def oracles(t, s):
    """Who makes the upstream echo guesses learns nothing before it knows the whole key: not from what comes back, not from when."""
    c = s.w.connect()
    guesses = [K[:n] for n in range(8, len(K))] + [K[n:] for n in range(1, len(K) - 8)] + [K[:-1] + b"0", b"0" + K[1:], K.swapcase(), K[::-1], base64.b64encode(K)[:-8]]
    bad = [g for g in guesses if c.ask("POST", "/p/xapi/body", body=b"<" + g + b">").body != b"<" + g + b">"]
    t.is_(bad, [], f"oracle: {len(guesses)} guesses that are not the key come back as they are")
    r = c.ask("POST", "/p/xapi/body", body=K + b"," + K)
    t.is_(r.body, b"*" * len(K) + b"," + b"*" * len(K), "oracle: the key itself does not")
    c.close()
    arrived = {}
    for guess in [b"x", b"s", K[:3], b"sk-ant-api03-x", K[:14], K[:20], K[:19] + b"!", base64.b64encode(K)[:8], b"c2st", binascii.hexlify(K)[:6], b"%73", b"\\u0073"]:
        go_on.clear()
        c = s.w.connect()
        c.send(b"POST /p/xapi/pause HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(guess) + guess)
        c.head()
        if not c.buf and not c.sock.pending():
            select.select([c.sock], [], [], 0.15)
        arrived[guess] = bool(c.buf) or c.sock.pending() > 0 or bool(select.select([c.sock], [], [], 0)[0])
        go_on.set()
        c.read if not c.buf else None
        c.close()
    t.is_({k for k, v in arrived.items() if v}, set(), "oracle: whether a word waits for its end does not hang on whether the key begins so")


def rotation(t, s):
    """The key changes while streams are open: what was sent is blanked to the end, what comes then has the new one."""
    go_on.clear()
    c = s.w.connect()
    c.send(b"POST /p/xapi/pause HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % (len(K) + 1) + K + b"\n")
    c.head()
    s.b.cli("secret", "rotate", "k", stdin=KEY[::-1])
    go_on.set()
    body = b"".join(c.chunks())
    t.is_(body, b"*" * len(K) + b"\n\n", "rotated in mid-stream: the old key is blanked until the end")
    rotated.set()
    s.up.clear()
    r = c.ask("GET", "/p/xapi/old")
    t.is_((r.status, oracle.up1(s.up, "GET /old HTTP/1.1", "x-api-key", KEY[::-1])), (200, ""), "rotated: the next request, of the same connection, has the new key, and only it")
    r = c.ask("POST", "/p/xapi/body", body=KEY[::-1].encode())
    t.is_(r.body, b"*" * len(K), "rotated: the new key is blanked")
    c.close()
    s.b.cli("secret", "rollback", "k")
    s.up.clear()
    r = s.w.ask("GET", "/p/xapi/old")
    t.is_((r.status, oracle.can_bytes(KEY, r.raw, "401"), len(s.up.requests)), (401, "", 1), "a 401 behind a rotation is passed on, once, and blanked: nothing is sent again by itself")


def main(t):
    with Scene() as s:
        stored(t, s)
        clients(t, s)
        base = oracle.Baseline(s.b)  # with the connections that the pools keep
        placeholders(t, s)
        echoes(t, s)
        oracles(t, s)
        rotation(t, s)
        t.is_(oracle.alive(s.b, s.w.conf["gateway"], s.w.ca), "", "ALIVE")
        t.is_(base.back(), "", "ALIVE: no process grew or died in all this")
        t.is_(oracle.aud(s.b, event="decide", decision="deny", code="placeholder_misuse"), "", "AUD")
        for secret in (KEY, ODD, KEY[::-1]):
            t.is_(oracle.can(secret, s.b), "", "CAN")


if __name__ == "__main__":
    tap.Tap().run(main)
