#!/usr/bin/python3
"""Class K of the attacks: the operator's doors. Who is no operator reaches no admin route by any way, and what a permitted uid sends is parsed by no one who trusts it."""
import concurrent.futures
import hashlib
import json
import os
import re
import socket
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import broker, oracle, rawkeeper, shim, stage, tap, workload  # noqa: E402
from harness.rawkeeper import blob, frame, text  # noqa: E402

ROUTES = [("GET", "status"), ("GET", "workloads"), ("POST", "workloads"), ("POST", "workloads/coder/suspend"), ("POST", "workloads/coder/resume"), ("POST", "workloads/coder/revoke"),
          ("GET", "secrets"), ("GET", "secrets/anthropic-api-key/history"), ("POST", "secrets/anthropic-api-key/rollback"), ("POST", "secrets/anthropic-api-key/destroy"),
          ("POST", "secrets/anthropic-api-key/promote"), ("GET", "upstreams"), ("POST", "reload")]
BODY = '{"name":"planted","version":1}'
JSON = "Content-Type: application/json"


class State:
    """What an operator's door could change."""

    def __init__(self, b):
        self.b, self.was = b, self.now(b)

    @staticmethod
    def now(b):
        return [b.cli("--json", *args).stdout for args in (("workload", "list"), ("secret", "list"), ("secret", "history", "anthropic-api-key"))] + [b.pids()]

    def changed(self):
        now = self.now(self.b)
        cut = [re.sub(r'"last_\w+":\s*\d+|"live":\s*\d+', "", str(x)) for x in (self.was, now)]
        return "" if cut[0] == cut[1] else f"was {self.was}\nnow {now}"


def every_route_is_here(t):
    with open(f"{broker.ROOT}/broker/api/admin/routes.c") as f:
        rows = re.findall(r'\{ "(GET|POST)", "(\w+)", (\w+), (?:NULL|"(\w+)"),', f.read())
    there = {(method, section, verb) for method, section, _, verb in rows}
    t.is_({(m, p.split("/")[0], (p.split("/") + ["", ""])[2]) for m, p in ROUTES}, there, "every route of the admin server is tried")


# ---- as somebody else

def ask(connect, method, target, headers=(), body=b""):
    """The status, 0 when the connection ended without an answer."""
    try:
        c = connect()
    except OSError:
        return 0
    try:
        r = c.ask(method, target, headers, body)
        return r.status if r else 0
    except (OSError, EOFError, ValueError):
        return 0
    finally:
        c.close()


class Loopback:
    """The forwarder of a shim, as its child sees it."""

    def __init__(self, port):
        self.sock, self.buf = socket.create_connection(("127.0.0.1", port), timeout=5), b""

    send, more, head, read, ask, close, chunks = (getattr(workload.Client, n) for n in ("send", "more", "head", "read", "ask", "close", "chunks"))


def from_outside(t, s, sh):
    state, log = State(s.b), oracle.Log(s.b)
    ways = {"a workload": s.w.connect, "nobody": lambda: s.w.anonymous("sidekey-forward"), "a workload, ALPN control": lambda: s.w.connect("sidekey-control"),
            "nobody, ALPN control": s.w.anonymous, "a shim's child": lambda: Loopback(sh.port)}
    for method, route in ROUTES:
        target, body = f"/v1/admin/{route}", BODY if method == "POST" else b""
        log.mark()
        got = {who: ask(connect, method, target, [JSON] if body else [], body) for who, connect in ways.items()}
        t.is_(got, dict.fromkeys(ways, 404), f"no such path for anybody: {method} {target}")
        oracle.until(lambda: log.refusals(code="no_route") >= len(ways), 3)
        t.is_(log.refusals(code="no_route"), len(ways), f"AUD: each try of {method} {target}")
    tricks = [("GET", "/V1/ADMIN/status"), ("GET", "//v1/admin/status"), ("GET", "/v1//admin/status"), ("GET", "/v1/admin%2fstatus"), ("GET", "/v1/%61dmin/status"), ("GET", "/v1/self/../admin/status"),
              ("GET", "/v1/self/%2e%2e/admin/status"), ("GET", "/p/../v1/admin/status"), ("GET", "/p/anthropic/../../v1/admin/status"), ("GET", "/v1/self;/../admin/status"), ("GET", "/v1/self?/v1/admin/status"),
              ("GET", "http://sidekey/v1/admin/status"), ("GET", "http://127.0.0.1:7433/v1/admin/status"), ("GET", "/p/admin/status"), ("GET", "/p/sidekey/v1/admin/status"), ("POST", "/v1/self"), ("POST", "/v1/enroll/../admin/reload"),
              ("CONNECT", "sidekey:80"), ("CONNECT", f"unix:{s.b.run}/admin.sock"), ("GET", f"unix:{s.b.run}/admin.sock"), ("GET", "/v1/admin/status HTTP/1.1\r\nX: ")]
    for method, target in tricks:
        headers = ["X-Original-URL: /v1/admin/status", "X-Rewrite-URL: /v1/admin/reload", "X-HTTP-Method-Override: POST", "Sidekey-Ticket: " + "0" * 32]
        got = {who: ask(connect, method, target, headers) for who, connect in ways.items()}
        want_self = {200} if target.startswith("/v1/self?") else set()
        t.ok(set(got.values()) <= {0, 400, 401, 403, 404, 405, 501} | want_self, f"nor in disguise: {method} {target!r}", got)
    t.is_(state.changed(), "", "and nothing has changed")
    t.is_(oracle.up0(s.up), "", "UP0")


# ---- on admin.sock, as a page in a browser might reach it

def admin(b, raw, timeout=5.0):
    """All that admin.sock says to these bytes."""
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(timeout)
    s.connect(f"{b.run}/admin.sock")
    data = b""
    try:
        s.sendall(raw)
        s.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # it has heard enough, and says why
    try:
        while more := s.recv(65536):
            data += more
    except OSError:
        pass
    s.close()
    return data


def http(method, target, *headers, body="", host="sidekey"):
    lines = [f"{method} {target} HTTP/1.1", *([f"Host: {host}"] if host is not None else []), *headers, *([f"Content-Length: {len(body)}"] if body else [])]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def statuses(data):
    """One an answer; libmicrohttpd says the head of its own refusals twice."""
    found = [int(x) for x in re.findall(rb"(?m)^HTTP/1\.[01] (\d{3})", data)]
    return found[:1] if set(found) == {400} else found


def browser(t, s):
    b, state = s.b, State(s.b)
    t.is_(statuses(admin(b, http("GET", "/v1/admin/status"))), [200], "(an operator's own request is answered)")
    shaped = {"Origin": ["Origin: http://evil.example"], "Origin null": ["Origin: null"], "Origin of the same name": ["Origin: http://sidekey"], "an empty Origin": ["Origin:"], "Referer": ["Referer: http://sidekey/"],
              "Sec-Fetch-Site cross-site": ["Sec-Fetch-Site: cross-site"], "Sec-Fetch-Site same-origin": ["Sec-Fetch-Site: same-origin"], "Sec-Fetch-Site none": ["Sec-Fetch-Site: none"],
              "oRIGIN": ["oRIGIN: http://evil.example"], "a second Host": ["Host: sidekey"]}
    for name, headers in shaped.items():
        got = [statuses(admin(b, http(m, f"/v1/admin/{r}", *headers, *([JSON] if m == "POST" else []), body=BODY if m == "POST" else ""))) for m, r in ROUTES]
        t.ok({tuple(g) for g in got} <= {(403,), (400,)}, f"refused on all {len(ROUTES)} routes: {name}", got)
    hosts = ["evil.example", "127.0.0.1", "localhost:80", "localhost.", "sidekey.evil.example", "sidekey, evil.example", "[::1]", "", " ", "localhost@evil.example", None]
    for host in hosts:
        got = [statuses(admin(b, http(m, f"/v1/admin/{r}", *([JSON] if m == "POST" else []), body=BODY if m == "POST" else "", host=host))) for m, r in ROUTES]
        t.ok({tuple(g) for g in got} <= {(403,), (400,)}, f"refused on all {len(ROUTES)} routes: Host {host!r}", got)
    forms = [("a form", http("POST", "/v1/admin/workloads", "Content-Type: application/x-www-form-urlencoded", body=BODY)), ("text/plain", http("POST", "/v1/admin/workloads", "Content-Type: text/plain", body=BODY)),
             ("multipart", http("POST", "/v1/admin/workloads", "Content-Type: multipart/form-data; boundary=x", body=BODY)), ("no type", http("POST", "/v1/admin/workloads", body=BODY)),
             ("two types", http("POST", "/v1/admin/workloads", JSON, "Content-Type: text/plain", body=BODY)), ("JSON in a form's clothes", http("POST", "/v1/admin/workloads", "Content-Type: text/plain; application/json", body=BODY)),
             ("a preflight", http("OPTIONS", "/v1/admin/workloads", "Access-Control-Request-Method: POST")), ("a change by GET", http("GET", "/v1/admin/workloads/coder/revoke")), ("a change by HEAD", http("HEAD", "/v1/admin/reload")),
             ("a change by GET that says POST", http("GET", "/v1/admin/workloads/coder/revoke", "X-HTTP-Method-Override: POST", "X-Method-Override: POST")), ("PUT", http("PUT", "/v1/admin/workloads/coder/revoke")),
             ("DELETE", http("DELETE", "/v1/admin/workloads/coder")), ("TRACE", http("TRACE", "/v1/admin/status")), ("CONNECT", http("CONNECT", "evil.example:443")), ("a change in the query", http("GET", "/v1/admin/workloads?name=planted")),
             ("absolute-form of another host", http("POST", "http://evil.example/v1/admin/reload")), ("HTTP/0.9", b"GET /v1/admin/status\r\n\r\n"), ("no Host in HTTP/1.0", b"GET /v1/admin/status HTTP/1.0\r\n\r\n")]
    for name, raw in forms:
        got = statuses(admin(b, raw))
        t.ok(got == [] or got[0] >= 400, f"not done: {name}", (got, raw))
    t.is_(state.changed(), "", "none of it changed anything")


NAMES = ["..", "%2e%2e", "a%2fb", "%00", "coder%00", "coder%", "coder%0", "coder%zz", "CODER", "coder%20", "%0d%0aX:%20y", "coder;x", "coder?x", "%f0%9f%94%91", "sidekey%2fgateway", "x" * 300, "%41" * 300, "coder/revoke", ""]
BODIES = {"nothing": "", "no object": "[]", "a number": "1", "null": "null", "an unknown key": '{"name":"planted","uid":0}', "a key twice": '{"name":"planted","name":"planted2"}', "another type": '{"name":["planted"]}',
          "NUL in a name": '{"name":"plan\\u0000ted"}', "half a pair": '{"name":"\\ud800"}', "100 deep": "[" * 100 + "]" * 100, "30 000 deep": "[" * 30000, "a name of 60 KiB": '{"name":"' + "x" * 60000 + '"}',
          "a huge number": '{"version":1e400}', "6 000 keys": "{" + ",".join(f'"k{i}":0' for i in range(6000)) + "}", "two documents": BODY + BODY, "a BOM": "\ufeff" + BODY, "trailing text": BODY + "x", "a name that is reserved": '{"name":"sidekey/gateway"}',
          "a name with an escape of a terminal": '{"name":"\\u001b[2J"}', "markup": '{"name":"<script>alert(1)</script>"}', "invalid UTF-8": '{"name":"\udcff"}', "64 KiB and one": '{"name":"' + "x" * 65600 + '"}'}


def shapes(t, s):
    """What the admin server itself must not stumble over."""
    b, state = s.b, State(s.b)
    for name in NAMES:
        got = [statuses(admin(b, http(m, f"/v1/admin/{section}/{name}/{verb}", JSON if m == "POST" else "X: y"))) for m, section, verb in
               (("POST", "workloads", "revoke"), ("GET", "secrets", "history"), ("POST", "secrets", "destroy"))]
        t.ok(all(len(g) == 1 and 400 <= g[0] < 500 for g in got), f"no name: {name[:40]!r}", got)
    for what, body in BODIES.items():
        raw = body.encode("utf-8", "surrogateescape")
        head = f"Host: sidekey\r\n{JSON}\r\nContent-Length: {len(raw)}\r\n\r\n".encode()
        replies = [admin(b, f"POST /v1/admin/{r} HTTP/1.1\r\n".encode() + head + raw) for r in ("workloads", "secrets/anthropic-api-key/rollback")]
        got = [statuses(r) for r in replies]
        t.ok(all(len(g) == 1 and 400 <= g[0] < 500 for g in got), f"a body that is {what}", got)
        t.ok(not any(re.search(rb"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f<]", r) for r in replies), f"and an answer without control or markup: {what}", replies)
    framing = [b"\0" * 1000, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"A" * 100000,
               b"GET /v1/admin/status HTTP/1.1\r\n" + b"X: y\r\n" * 20000, b"GET " + b"/" * 50000 + b" HTTP/1.1\r\nHost: sidekey\r\n\r\n", b"POST /v1/admin/reload HTTP/1.1\r\nHost: sidekey\r\nContent-Length: 99999999999999999999\r\n\r\n",
               b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]
    for raw in framing:
        got = statuses(admin(b, raw))
        t.ok(200 not in got, f"no request: {raw[:30]!r}", got)
    second = http("POST", "/v1/admin/workloads", JSON, body=BODY)
    for what, first in (("", http("GET", "/v1/admin/status")), (" behind a body with two lengths", http("GET", "/v1/admin/status", f"Content-Length: {5 + len(second)}", "Transfer-Encoding: chunked") + b"0\r\n\r\n")):
        t.ok(len(statuses(admin(b, first + second))) == 1, f"one request a connection: a second one{what} is not looked at")
    t.is_(state.changed(), "", "nothing has changed, and nobody died")


# ---- by uid

def as_uid(b, uid, kind, path, data):
    """What that uid is told on the socket: an errno's name, or the bytes."""
    code = ("import errno, socket, sys\ns = socket.socket(socket.AF_UNIX, int(sys.argv[1]))\ns.settimeout(5)\ntry:\n    s.connect(sys.argv[2])\n    s.sendall(bytes.fromhex(sys.argv[3]))\n    print('said', s.recv(65536))\n"
            "except OSError as e:\n    print(errno.errorcode.get(e.errno, e))\n")
    p = subprocess.run(["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--bounding-set=-all", sys.executable, "-c", code, str(int(kind)), path, data.hex()], capture_output=True, text=True, cwd="/", timeout=20)
    return p.stdout.strip() or p.stderr


def uids(t, s):
    if os.geteuid() != 0:
        t.lacks("another uid at the operator's sockets", "root")
        return
    b = s.b
    doors = [("admin.sock", socket.SOCK_STREAM, http("GET", "/v1/admin/status"), {r"said b'HTTP/1\.1 403 .*not_admin"}), ("keeper.sock", socket.SOCK_SEQPACKET, frame("AK_STATUS", bytes(8)), {r"said b''$", "ECONNRESET$", "EPIPE$"})]
    strangers = {"another uid": {"admin.sock": 4242, "keeper.sock": 4242}}
    if b.accounts:
        strangers.update({"the gateways' uid": {"admin.sock": broker.ACCOUNTS["gateway"], "keeper.sock": broker.ACCOUNTS["gateway"]}, "the other door's uid": {"admin.sock": broker.ACCOUNTS["keeper"], "keeper.sock": broker.ACCOUNTS["api"]}})
    else:
        strangers["the highest uid"] = {"admin.sock": 4294967294, "keeper.sock": 4294967294}
    for who, of in strangers.items():
        for name, kind, data, want in doors:
            path, mode = f"{b.run}/{name}", os.stat(f"{b.run}/{name}").st_mode & 0o777
            t.is_(as_uid(b, of[name], kind, path, data), "EACCES", f"{who} on {name}: the kernel refuses")
            os.chmod(path, 0o666)
            got = as_uid(b, of[name], kind, path, data)
            t.ok(any(re.match(w, got, re.S) for w in want), f"{who} on {name}, its mode loosened: refused by who it is", got)
            os.chmod(path, mode)
            t.ok(re.search(rf"uid {of[name]} was refused|uid {of[name]} was refused on", b.log()), f"{who} on {name}: is in the broker's log", b.log()[-400:])


# ---- init twice

def digest(top):
    h = hashlib.sha256()
    for folder, dirs, files in sorted(os.walk(top)):
        for name in sorted(files):
            st = os.stat(f"{folder}/{name}")
            with open(f"{folder}/{name}", "rb") as f:
                h.update(f"{folder}/{name} {st.st_mode} {st.st_uid}".encode() + f.read())
    return h.hexdigest()


def init_args(b, d):
    return ["init", "--state-dir", f"{d}/state", "--trust-domain", "again.example", "--unseal", "key-file", "--key-file", f"{d}/root.key"]


def init_twice(t, s):
    b = s.b
    key = open(b.key_file, "rb").read()
    again = ["init", "--state-dir", b.state, "--trust-domain", "again.example", "--unseal", "key-file", "--key-file", b.key_file]
    p = b.cli(*again, check=False)
    t.ok(p.returncode != 0 and "init: " in p.stderr, "init where a broker runs: refused", p.stderr)
    b.stop()
    was = digest(b.state)
    for what, args in (("again", again), ("with another key", [*again[:-1], f"{b.dir}/other.key"]), ("with a passphrase", ["init", "--state-dir", b.state, "--trust-domain", "again.example", "--unseal", "passphrase"])):
        p = b.cli(*args, check=False, stdin="a-passphrase-of-mine\n")
        t.ok(p.returncode != 0 and digest(b.state) == was and open(b.key_file, "rb").read() == key, f"init {what}: refused, and not a byte of store or key differs", (p.returncode, p.stderr))
        t.ok(not os.path.exists(f"{b.dir}/other.key"), f"init {what}: leaves no key behind")
    b.start()
    for n in range(8):
        d = tempfile.mkdtemp(dir=b.dir)
        b.prefix and os.chown(d, broker.ONE_UID, broker.ONE_UID)
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            ran = list(pool.map(lambda _: b.cli("--config-dir", f"{d}/conf", *init_args(b, d), check=False).returncode, range(8)))
        made = [os.path.exists(f"{d}/{name}") for name in ("conf/sidekey.yaml", "state/store.db", "root.key")]
        if not t.is_((ran.count(0), made), (1, [True] * 3), f"eight at once into one place, round {n}: one makes it, and nobody takes it away"):
            return
        t.is_(os.stat(f"{d}/root.key").st_mode & 0o777, 0o400, "with one key, for its owner alone")
    t.ok(b.cli("--config-dir", f"{d}/conf", *init_args(b, d), check=False).returncode != 0, "and nobody makes it anew")


# ---- on keeper.sock, as a permitted uid

def garbage(fd):
    """[(what, datagram, descriptors)]: none is a message that the command line may send."""
    kinds = rawkeeper.TYPES
    cli = {"AK_STATUS", "AK_WORKLOAD_ADD", "AK_WORKLOAD_LIST", "AK_WORKLOAD_SET", "AK_SECRET_LIST", "AK_SECRET_HISTORY", "AK_SECRET_SET", "CK_UNSEAL", "CK_SEAL", "CK_SECRET_PUT", "CK_SECRET_REVEAL", "CK_ENROLL_NEW", "CK_REKEY", "CK_AUDIT_OPEN", "CK_AUDIT_KEY"}
    rows = [("one byte", b"\1", ()), ("half a header", frame("AK_STATUS")[:5], ()), ("a header alone", frame("AK_STATUS", length=8), ()), ("a body that is shorter than it says", frame("AK_STATUS", bytes(8), length=9), ()),
            ("a length of 4 GiB", frame("AK_STATUS", bytes(8), length=0xffffffff), ()), ("a byte behind the last message", frame("AK_STATUS", bytes(8)) + b"x", ()), ("a reserved field that is set", frame("AK_STATUS", bytes(8), zero=1), ()),
            ("a body of a byte too few", frame("AK_STATUS", bytes(7)), ()), ("of a byte too many", frame("AK_STATUS", bytes(9)), ()), ("128 KiB of zeros", bytes(131072), ()), ("200 KiB", b"\xff" * 200000, ()), ("type 0", frame(0, bytes(8)), ()),
            ("a type behind the last", frame(len(kinds), bytes(8)), ()), ("type 65535", frame(65535, bytes(8)), ()), ("a descriptor where none belongs", frame("AK_STATUS", bytes(8)), (fd,)), ("16 descriptors", frame("AK_STATUS", bytes(8)), (fd,) * 16),
            ("a name longer than its message", frame("AK_SECRET_HISTORY", bytes(8) + struct.pack("<H", 200) + b"abc"), ()), ("NUL in a name", frame("AK_SECRET_HISTORY", bytes(8) + text(b"anthropic-api-key\0x")), ()),
            ("a name with something behind it", frame("AK_SECRET_HISTORY", bytes(8) + text("anthropic-api-key") + b"x"), ()), ("a value longer than its message", frame("CK_SECRET_PUT", bytes(8) + text("planted") + b"\0" + struct.pack("<I", 1 << 31) + b"v"), ()),
            ("a flag that is no bool", frame("CK_ENROLL_NEW", bytes(8) + text("coder") + b"\2" + bytes(9)), ()), ("a good message, then garbage", frame("AK_STATUS", bytes(8)) + frame(65535), ())]
    return rows + [(f"{name}, which another role says", frame(name, bytes(44)), (fd,) if name in ("AK_RULES_LOAD", "SUP_LINK", "SUP_LISTEN", "GK_CONFIG", "GE_CONN") else ()) for name in kinds if name not in cli | {"MSG_NONE"}]


def keeper_sock(t, s):
    b, state, keeper = s.b, State(s.b), s.b.pids()["keeper"]
    good = rawkeeper.Link(b)
    got = good.ask(frame("AK_STATUS", struct.pack("<Q", 7)))
    t.ok(got and got[0] == "AK_OK" and got[1][:8] == struct.pack("<Q", 7), "(what the command line may ask is answered)", got)
    with tempfile.TemporaryFile() as f:
        for what, data, fds in garbage(f.fileno()):
            link = rawkeeper.Link(b)
            got, last = link.ask(data, fds), None
            while got is not None and got[0] == "AK_OK" and "then garbage" in what:
                got = link.answer()
            link.close()
            t.ok(got is None, f"hung up on: {what}", got)
    refusals = [("an unknown workload", "AK_WORKLOAD_SET", struct.pack("<I", 0) + text("absent") + b"\3"), ("a change that does not exist", "AK_WORKLOAD_SET", struct.pack("<I", 0) + text("coder") + b"\x63"),
                ("a change 0", "AK_WORKLOAD_SET", struct.pack("<I", 0) + text("coder") + b"\0"), ("a name with an escape", "AK_WORKLOAD_ADD", struct.pack("<I", 0) + text("\x1b[2J")), ("a reserved name", "AK_WORKLOAD_ADD", struct.pack("<I", 0) + text("sidekey/x")),
                ("an empty value", "CK_SECRET_PUT", text("planted") + b"\0" + blob(b"")), ("CR LF in a value", "CK_SECRET_PUT", text("planted") + b"\0" + blob(b"a\r\nX: y")), ("flags that do not exist", "CK_SECRET_PUT", text("planted") + b"\xf8" + blob(b"value-0123456789")),
                ("version 4294967295", "CK_SECRET_REVEAL", text("anthropic-api-key") + struct.pack("<I", 0xffffffff)), ("an enrollment for ever", "CK_ENROLL_NEW", text("coder") + b"\1" + struct.pack("<II", 0xffffffff, 1) + b"\0"),
                ("a cap of 4 294 967 295", "CK_ENROLL_NEW", text("coder") + b"\1" + struct.pack("<II", 3600, 0xffffffff) + b"\0"), ("segment 4294967295", "CK_AUDIT_OPEN", struct.pack("<I", 0xffffffff)), ("unsealing what is open", "CK_UNSEAL", blob(b"guess"))]
    for what, kind, rest in refusals:
        link = rawkeeper.Link(b)
        got = link.ask(frame(kind, bytes(8) + rest))
        link.close()
        t.ok(got is None or got[0] == "AK_FAIL", f"refused: {what}", got)
        t.is_(oracle.can_bytes(stage.KEY, got[1] if got else b"", "the answer"), "", f"CAN: {what}")
    t.is_(good.ask(frame("AK_STATUS", bytes(8)))[0], "AK_OK", "another operator's link notices nothing")
    forged = good.ask(frame("AK_WORKLOAD_ADD", bytes(8) + struct.pack("<I", 31337) + text("by-the-kernels-word")))
    t.ok(forged[0] == "AK_OK" and oracle.aud(b, event="workload_add", uid=os.geteuid()) == "" and not [r for r in oracle.records(b) if r.get("uid") == 31337],
         "a uid that the message names is not believed", (forged, oracle.records(b)[-2:]))
    b.cli("workload", "revoke", "by-the-kernels-word")
    crowd(t, s, good)
    t.is_(b.pids()["keeper"], keeper, "the keeper is the same one")
    t.is_(re.sub("by-the-kernels-word", "", state.changed()) and [r["name"] for r in map(json.loads, b.cli("--json", "secret", "list").stdout.splitlines())], ["anthropic-api-key"], "nothing was planted")


def crowd(t, s, good):
    """Links that ask and do not read, and more links than there is room for."""
    b, base = s.b, oracle.Baseline(s.b)
    deaf = rawkeeper.Link(b, timeout=2)
    try:
        for _ in range(5000):
            deaf.send(frame("AK_SECRET_LIST", bytes(8) + text("")) * 500)
        cut = "never"
    except OSError as e:
        cut = type(e).__name__
    t.ok(cut in ("ConnectionResetError", "BrokenPipeError"), "a link that asks 500 questions a frame and reads no answer is cut", cut)
    t.ok(oracle.until(lambda: base.grown() == "", 3), "before it costs much memory", base.grown())
    t.is_(s.w.ask("GET", "/p/anthropic/v1/x").status, 200, "and held nobody up")
    deaf.close()
    links = []
    for _ in range(400):
        try:
            links.append(rawkeeper.Link(b))
        except OSError:
            break
    t.is_(oracle.alive(b, s.w.conf["gateway"], s.w.ca), "", f"ALIVE beside {len(links)} links that say nothing")
    t.is_(s.w.ask("GET", "/p/anthropic/v1/x").status, 200, "requests are decided")
    t.is_(good.ask(frame("AK_STATUS", bytes(8)))[0], "AK_OK", "a link that was there goes on")
    for link in links:
        link.close()
    t.ok(oracle.until(lambda: b.cli("status", check=False).returncode == 0, 5), "and when they have gone there is room again")
    t.is_(base.back(), "", "ALIVE: back at the baseline")


def admin_crowd(t, s):
    """Connections to admin.sock that say nothing, or half of something: what they cost is theirs."""
    b, base, socks = s.b, oracle.Baseline(s.b), []
    for what, first in (("nothing", b""), ("half a head", b"GET /v1/admin/sta"), ("half a body", http("POST", "/v1/admin/workloads", JSON, body=BODY)[:-5])):
        for _ in range(300):
            c = socket.socket(socket.AF_UNIX)
            c.settimeout(0.2)
            try:
                c.connect(f"{b.run}/admin.sock")
                c.sendall(first)
            except OSError:
                c.close()
                break
            socks.append(c)
        t.is_(oracle.alive(b, s.w.conf["gateway"], s.w.ca), "", f"ALIVE beside {len(socks)} connections to admin.sock, the last ones with {what}")
        t.is_((s.w.ask("GET", "/p/anthropic/v1/x").status, s.w.self_()["workload"]), (200, "coder"), f"workloads are served beside them: {what}")
    t.ok(oracle.until(lambda: b.cli("status", check=False).returncode == 0, 15), "an operator is served while they stay: who says nothing is closed after some seconds")
    for c in socks:
        c.close()
    t.is_(base.back(), "", "ALIVE: back at the baseline")


def main(t):
    every_route_is_here(t)
    with stage.Stage() as s:
        with shim.Shim(s.b.enroll("coder", "--reusable"), prefix=s.b.prefix) as sh:
            from_outside(t, s, sh)
        browser(t, s)
        shapes(t, s)
        uids(t, s)
        keeper_sock(t, s)
        admin_crowd(t, s)
        t.is_(oracle.alive(s.b, s.w.conf["gateway"], s.w.ca), "", "ALIVE")
        t.is_(oracle.aud(s.b, event="keeper_start"), "", "the chain verifies")
        t.is_(oracle.can(stage.KEY, s.b), "", "CAN")
        init_twice(t, s)


tap.Tap().run(main)
