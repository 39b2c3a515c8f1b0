#!/usr/bin/python3
"""Class I of the attacks: memory and process. What its own uid may do to each process, where a secret is while it is used, and what is left of it 1 s after each way in which a use can end."""
import os
import random
import re
import socket
import string
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import broker, memory, oracle, pki, probe, sameuid, shim, stage, tap, upstream, workload  # noqa: E402

HOST = "\r\nHost: 127.0.0.1:7433\r\n"
hold = threading.Event()


def canary():
    return "".join(random.choices(string.ascii_letters + string.digits, k=48))


# ---- somebody with the same uid

def neighbour(t, b, named):
    if os.geteuid() == 0 and not b.prefix:
        t.skip("another process of the same uid", "started as root, it would be root too")
        return
    with sameuid.ordinary(b.prefix) as control:
        found, tried = sameuid.probe(b.prefix, [control, *[pid for _, pid in named]])
    t.is_(found[control], tried, "(an ordinary process is open to its uid in all of these ways)")
    for name, pid in named:
        for way in tried:
            t.ok(way not in found[pid], f"{name} is closed to its own uid: {way}")


def no_core(t, named):
    """Dumpable 0 is what stops a core, also one that a piped core_pattern would take whatever the limit says."""
    for name, pid in named:
        st = os.stat(f"/proc/{pid}/environ")
        with open(f"/proc/{pid}/status") as f:
            uid = int(re.search(r"Uid:\s+(\d+)", f.read()).group(1))
        t.ok(uid == 0 or st.st_uid == 0, f"{name}: what /proc has of it is root's", (uid, st.st_uid))
        if name != "shim" and not name.startswith("sidekey ") and probe.can_probe() and not oracle.SANITIZED:
            t.is_(probe.run(pid, ["prctl 3"]), ["0"], f"{name}: PR_GET_DUMPABLE is 0, so that no core_pattern gets a core")
        with open(f"/proc/{pid}/limits") as f:
            core = next(line for line in f if line.startswith("Max core file size")).split()[4:6]
        t.is_(core, ["0", "0"], f"{name}: and its core limit is 0")


def command_line(t, b):
    """`sidekey` itself, while a value comes in by its stdin."""
    started = [(f"sidekey secret {verb}", subprocess.Popen(b.command("secret", verb, name), stdin=subprocess.PIPE, stderr=subprocess.PIPE)) for verb, name in (("set", "half"), ("rotate", "used-key"))]
    for _, p in started:
        p.stdin.write(canary()[:20].encode())
        p.stdin.flush()
    oracle.until(lambda: all(b"secret\0" in open(f"/proc/{p.pid}/cmdline", "rb").read() and b"setpriv" not in open(f"/proc/{p.pid}/cmdline", "rb").read() for _, p in started), 5)
    time.sleep(0.3)  # its first lines have run
    neighbour(t, b, [(name, p.pid) for name, p in started])
    no_core(t, [(name, p.pid) for name, p in started])
    t.is_([p.poll() for _, p in started], [None, None], "(both were under way)")
    for _, p in started:
        p.kill()
        p.communicate()


# ---- where a secret is, and what is left of it

def handler(conn, req):
    secret, path = req.get("authorization"), req.target
    if path == "/echo":
        return upstream.reply(conn, 200, f"it is {secret}".encode(), "text/plain")
    if path == "/header":
        return upstream.reply(conn, 200, b"x", extra=[f"X-Echo: {secret}"])
    if path == "/500":
        return upstream.reply(conn, 500, f"bad: {secret}".encode())
    if path == "/cut":
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + secret.encode()[:20])
        return False
    if path == "/bad":
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\nX: " + secret.encode() + b"\r\n\r\n")
        return False
    if path == "/reset":
        conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        return False
    if path in ("/stream", "/silent"):
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n" + upstream.chunk(f"data: {secret}\n\n".encode()))
        hold.wait(30)
        return False
    return upstream.reply(conn, 200, {})


def once(path, method="GET", extra="", body=""):
    def use(s, name):
        c = s.w.connect()
        c.send(f"{method} /p/{name}{path} HTTP/1.1{HOST}{extra}\r\n{body}")
        try:
            c.read(method)
        except (OSError, EOFError, ValueError):
            pass
        c.close()
    return use


def leaves(path, method="GET", extra="", body=""):
    """A client that goes in the midst of it."""
    def use(s, name):
        c = s.w.connect()
        c.send(f"{method} /p/{name}{path} HTTP/1.1{HOST}{extra}\r\n{body}")
        oracle.until(lambda: any(s.keys[name].encode() in head for head in s.up.heads), 5)
        c.close()
    return use


def open_stream(s, name, w=None):
    c = (w or s.w).connect()
    c.send(f"GET /p/{name}/stream HTTP/1.1{HOST}\r\n")
    c.head()
    s.later.append(c)
    return c


def rotated(s, name):
    open_stream(s, name)
    for _ in range(3):
        s.b.cli("secret", "rotate", f"{name}-key", stdin=canary())


def destroyed(s, name):
    once("/echo")(s, name)
    s.b.cli("secret", "destroy", f"{name}-key", "--version", "1")


def revoked(s, name):
    open_stream(s, name, s.other)
    s.ends.append(lambda: s.b.cli("workload", "revoke", "other"))


def suspended(s, name):
    open_stream(s, name, s.third)
    s.ends.append(lambda: s.b.cli("workload", "suspend", "third"))


def pipelined(s, name):
    c = s.w.connect()
    c.send(f"GET /p/{name}/echo HTTP/1.1{HOST}\r\n" * 5)
    for _ in range(5):
        c.read()
    c.close()


def revealed(s, name):
    assert s.b.cli("secret", "show", f"{name}-key", "--reveal").stdout == s.keys[name]


def rolled_back(s, name):
    once("/echo")(s, name)
    s.b.cli("secret", "rotate", f"{name}-key", stdin=canary())
    once("/echo")(s, name)
    s.b.cli("secret", "rollback", f"{name}-key")
    once("/echo")(s, name)


def nothing(s, name):
    pass


BIG = "x" * 300000
ENDS = {
    "stored": nothing, "used": once("/v1/x"), "echoed": once("/echo"), "echoed-in-a-header": once("/header"), "echoed-in-a-500": once("/500"), "upstream-cuts": once("/cut"), "upstream-resets": once("/reset"), "upstream-has-two-readings": once("/bad"),
    "head": once("/echo", "HEAD"), "uploaded": once("/v1/x", "POST", f"Content-Length: {len(BIG)}\r\n", BIG), "client-leaves-its-upload": leaves("/v1/x", "POST", "Content-Length: 1000\r\n", "half"), "client-leaves-a-stream": leaves("/silent"),
    "pipelined": pipelined, "nobody-listens": once("/v1/x"), "wrong-certificate": once("/v1/x"), "denied": once("/deny/x"), "bad-target": once("/a/%2e%2e/b"), "rotated": rotated, "rolled-back": rolled_back, "destroyed": destroyed, "revoked": revoked, "suspended": suspended, "revealed": revealed,
}


class Scene(stage.Stage):
    def __init__(self):
        self.b = broker.Broker(gateways=2, passphrase=canary())
        self.ca, self.keys, self.later, self.ends = pki.Ca(f"{self.b.conf}/pki"), {}, [], []
        self.up = upstream.Upstream(*self.ca.leaf("up", "DNS:api.example.com"), handler)
        self.wrong = upstream.Upstream(*pki.Ca(f"{self.b.dir}/wrong").leaf("up", "DNS:api.example.com"), handler)
        closed = socket.create_server(("127.0.0.1", 0))
        ports = {"nobody-listens": closed.getsockname()[1], "wrong-certificate": self.wrong.port}
        for name in ENDS:
            self.b.write(f"upstreams/{name}.yaml", f"upstream: {name}\nlike: bearer\nurl: https://api.example.com\nca: {self.ca.cert}\nconnect: 127.0.0.1:{ports.get(name, self.up.port)}\ncredential: {{kind: static, secret: {name}-key}}\n")
        closed.close()
        use = "".join(f'  {name}:\n    allow: ["* /**"]\n    deny: ["* /deny/**"]\n' for name in ENDS)
        self.b.policy("all", ["coder", "other", "third"], use)
        self.b.start(ready=False)
        broker.wait_for(lambda: self.b.cli("status", check=False).returncode == 6, "sealed")
        self.b.cli("unseal", stdin=self.b.passphrase + "\n")
        broker.wait_for(self.b.answers, "unsealed")
        for name in ENDS:
            self.keys[name] = canary()
            self.b.secret(f"{name}-key", self.keys[name])
        for name in ("coder", "other", "third"):
            self.b.workload(name)
        self.b.reload()
        self.w, self.other, self.third = (workload.Workload(self.b.enroll(name, "--reusable")) for name in ("coder", "other", "third"))

    def __exit__(self, *exc):
        hold.set()
        self.wrong.close()
        super().__exit__(*exc)


def named(b, sh=None):
    return [("sidekeyd", b.proc.pid)] + [(role, p) for role, pids in sorted(b.pids().items()) for p in pids] + ([("shim", sh.proc.pid)] if sh else [])


def flags_of(pid):
    """[(from, to, VmFlags)]"""
    found, span = [], None
    with open(f"/proc/{pid}/smaps") as f:
        for line in f:
            m = re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line)
            if m:
                span = int(m.group(1), 16), int(m.group(2), 16)
            elif line.startswith("VmFlags:"):
                found.append((*span, set(line.split()[1:])))
    return found


def places(pid, wanted):
    """VmFlags of each region in which a piece of it is."""
    out = []
    with open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for lo, hi, flags in flags_of(pid):
            if "wr" not in flags or hi - lo >= memory.REGION_MAX:
                continue
            mem.seek(lo)
            data = mem.read(hi - lo)
            if any(piece in data for piece in wanted):
                out.append(flags)
    return out


def in_use(t, s):
    """While a request is open its gateway has the secret: in memory that is locked, and left out of dumps and forks."""
    c = s.w.connect()
    c.send(f"POST /p/used/v1/x HTTP/1.1{HOST}Content-Length: 10\r\n\r\n{{")
    wanted = memory.raw_pieces(s.keys["used"].encode())

    def holders():
        return {(role, pid): flags for role, pid in named(s.b) for flags in [places(pid, wanted)] if flags}
    oracle.until(holders, 5)
    time.sleep(0.3)  # the record that took it upstream has been sent
    found = holders()
    t.is_([role for role, _ in found], ["gateway"], "a request under way: one gateway has its key, and no other process")
    t.ok(all({"lo", "dd"} <= flags for places_ in found.values() for flags in places_), "in locked memory alone, which no dump has", found)
    t.ok(all("dc" in flags or "wf" in flags for places_ in found.values() for flags in places_), "and no child would inherit", found)
    c.close()


def residue(t, s, sh):
    b = s.b
    for name, use in ENDS.items():
        use(s, name)
    with open(f"{b.dir}/bad", "w") as f:
        f.write(s.keys.setdefault("refused", canary()) + "\r\nX-Injected: y\n")
    assert b.cli("secret", "set", "refused-key", f"@{f.name}", check=False).returncode != 0
    os.unlink(f.name)
    wrong = s.keys.setdefault("a-wrong-passphrase", canary())
    for end in s.ends:
        end()
    for c in s.later:
        c.close()
    hold.set()
    b.cli("seal")
    assert b.cli("unseal", stdin=wrong + "\n", check=False).returncode != 0
    s.keys["the-passphrase"] = b.passphrase
    after(t, s, sh, "sealed")
    time.sleep(1)
    b.cli("unseal", stdin=b.passphrase + "\n")
    oracle.until(b.answers, 10)
    after(t, s, sh, "unsealed again")


def after(t, s, sh, when):
    time.sleep(1)  # the promise is about this second
    secrets = {name: memory.pieces(key) for name, key in s.keys.items()}
    found = [(role, *hit) for role, pid in named(s.b, sh) for hit in memory.scan(pid, secrets)]
    for name in secrets:
        t.is_([hit for hit in found if hit[2] == name], [], f"{when}, 1 s later: nothing is left in any process of the one that was: {name.replace('-', ' ')}")


def root_key(t):
    """Read from its file at the start, wiped behind the unwrapping; gone with a seal, too."""
    with stage.Stage() as s:
        with open(s.b.key_file, "rb") as f:
            raw = f.read()
        forms = {"the root key's file": {**memory.raw_pieces(raw), **memory.pieces(raw.hex())}, "the stored key": memory.pieces(stage.KEY[13:])}
        s.w.ask("GET", "/p/anthropic/v1/x")
        time.sleep(1)
        for when in ("unsealed", "sealed"):
            for role, pid in named(s.b):
                t.is_(memory.scan(pid, forms), [], f"{when}: nothing of the key file is in {role}, nor of what it keeps")
            s.b.cli("seal", check=False)  # the second time there is nothing to do
            time.sleep(1)


def main(t):
    if not memory.can_look():
        t.lacks("the memory of others can be read", "root")
        return
    with Scene() as s:
        with shim.Shim(s.b.enroll("coder", "--reusable"), prefix=s.b.prefix) as sh:
            neighbour(t, s.b, [n for i, n in enumerate(named(s.b, sh)) if n[0] not in [x[0] for x in named(s.b, sh)[:i]]])
            no_core(t, named(s.b, sh))
            command_line(t, s.b)
            if not oracle.SANITIZED:  # its runtime takes mlock's place, and maps otherwise
                in_use(t, s)
            residue(t, s, sh)
        seen = b"".join(s.up.heads).decode("latin-1")
        used = [n for n in ENDS if n not in ("stored", "nobody-listens", "wrong-certificate", "denied", "bad-target", "revealed")]
        t.is_([n for n in used if f"Bearer {s.keys[n]}\r\n" not in seen], [], "(each of them was used)")
        t.is_([n for n in ("denied", "bad-target") if s.keys[n] in seen] + s.wrong.requests, [], "UP0 where it must not be")
        for name, key in s.keys.items():
            t.is_(oracle.can(key, s.b), "", f"CAN: {name.replace('-', ' ')}")
    root_key(t)


tap.Tap().run(main)
