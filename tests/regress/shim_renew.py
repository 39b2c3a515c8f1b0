#!/usr/bin/python3
"""The shim's certificate over time: renewed at half life, retried, over in the end, given back; and the names it finds its gateway by."""
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import fakegateway, shim, tap  # noqa: E402

PLAIN = b"GET /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"


def ask(s, raw=PLAIN):
    with socket.create_connection(("127.0.0.1", s.port), timeout=10) as c:
        c.sendall(raw)
        data = b""
        try:
            while True:
                more = c.recv(65536)
                if not more:
                    break
                data += more
        except ConnectionResetError:
            pass
        return data


def serial(conn):
    return conn.getpeercert()["serialNumber"]


def renewed(t):
    g = fakegateway.FakeGateway()
    g.ttl = 4
    made = []
    g.on_connect = lambda conn: made.append((time.monotonic(), serial(conn), conn))
    with shim.Shim(g.enrollment()) as s:
        start = time.monotonic()
        held = socket.create_connection(("127.0.0.1", s.port))
        held.sendall(b"GET /held HTTP/1.1\r\nHost: h\r\n\r\n")
        t.ok(b"/held" in held.recv(65536), "a connection is opened with the first certificate")
        t.ok(shim.until(lambda: "POST /v1/renew" in g.paths(), 6), "it renews")
        took = time.monotonic() - start
        t.ok(0.9 < took < 3.5, "at about half of the certificate's life", took)
        r = [r for r in g.seen if r.target == "/v1/renew"][0]
        t.ok(r.has_cert and r.alpn == "sidekey-control" and "authorization" not in r.headers, "with its certificate, on a connection of its own, without the enrollment key", r.headers)
        csrs = [json.loads(r.body)["csr"] for r in g.seen if r.body]
        t.ok(len(set(csrs)) == len(csrs) >= 2, "with a new key")
        old = made[0][1]
        t.ok(shim.until(lambda: sum(1 for m in made if m[1] != old) >= 2), "the spares are made again with the new certificate")
        time.sleep(0.2)
        n = len(made)
        ask(s)
        t.ok(all(m[1] != old for m in made[n - 2:]), "and new clients are carried with it")
        held.sendall(b"GET /again HTTP/1.1\r\nHost: h\r\n\r\n")
        held.settimeout(5)
        t.ok(b"/again" in held.recv(65536), "a connection that is open stays open")
        held.settimeout(15)
        t.is_(held.recv(100), b"", "and is closed in a quiet moment before its certificate ends, so that the client comes again with the new one")
        t.ok(shim.until(lambda: g.paths().count("POST /v1/renew") >= 3, 10), "it goes on renewing")
    t.is_(g.paths()[-1], "DELETE /v1/self", "at the end the certificate is given back")


def retried(t):
    g = fakegateway.FakeGateway()
    g.ttl = 6
    g.refuse = {"POST /v1/renew": (503, {"code": "sealed", "detail": "no key"})}
    with shim.Shim(g.enrollment()) as s:
        t.ok(shim.until(lambda: g.paths().count("POST /v1/renew") >= 2, 8), "a renewal that fails is tried again")
        t.ok(b" 200 " in ask(s), "while the old certificate still works")
        g.refuse = {}
        n = g.issued
        t.ok(shim.until(lambda: g.issued > n, 5), "until it succeeds")
        time.sleep(2)
        t.ok(b" 200 " in ask(s), "and the command never noticed")
        code, err = s.leave()
        lines = err.splitlines()
        t.ok(len(lines) == 2 and "not renewed" in lines[0] and "sealed" in lines[0] and "was renewed" in lines[1], "one line says that it failed, one that it is over", err)


def expired(t):
    for what, problem, status, code in (("refused", (403, {"code": "suspended", "detail": "the workload is suspended"}), b" 403 ", b"renewal_refused"),
                                        ("not to be had", (503, {"code": "sealed", "detail": "no key"}), b" 502 ", b"certificate_expired")):
        g = fakegateway.FakeGateway()
        g.ttl = 3
        g.refuse = {"POST /v1/renew": problem}
        with shim.Shim(g.enrollment()) as s:
            t.ok(shim.until(lambda: code in ask(s), 10), f"renewal {what} and the certificate over: {code.decode()}")
            data = ask(s)
            t.ok(status in data and b"restart the container" in data and problem[1]["code"].encode() in data, "says why, and what helps", data)
            t.is_(b"x-should-retry: false" in data, status == b" 403 ", "a refusal ends a client, a failure lets it try again")
            t.is_(s.proc.poll(), None, "the command runs on")
            time.sleep(1.2)
            n = len(g.seen)
            connections = g.connections
            time.sleep(1)
            t.ok(len(g.seen) - n <= 1 and g.connections - connections <= 2, "and the gateway is left in peace", (len(g.seen) - n, g.connections - connections))
            status, err = s.leave()
            t.ok("restart this container" in err, "the log says what helps too", err)
            t.ok("DELETE /v1/self" not in g.paths(), "nothing is given back: there is nothing left")


def given_back(t):
    g = fakegateway.FakeGateway()
    hang = threading.Event()
    g.refuse = {"DELETE /v1/self": lambda r: hang.wait(20) and None}
    start = time.monotonic()
    code, _, err = shim.run(g.enrollment(), "true")
    took = time.monotonic() - start
    t.ok(code == 0 and 1.5 < took < 3.5 and err == "", "a broker that does not answer DELETE delays the end by two seconds at most", took)
    hang.set()
    g.refuse = {}
    with shim.Shim(g.enrollment()) as s:
        g.stop()
        start = time.monotonic()
        code, err = s.leave()
        t.ok(code == 143 and time.monotonic() - start < 1 and err == "", "one that is gone does not", (code, err))


def suspended(t):
    """A machine that slept: its timers stood still, the wall clock went on. Stopped and continued, the shim looks at the clock."""
    g = fakegateway.FakeGateway()
    g.ttl = 4
    with shim.Shim(g.enrollment()) as s:
        ask(s)
        s.proc.send_signal(signal.SIGSTOP)
        time.sleep(5)
        s.proc.send_signal(signal.SIGCONT)
        data = ask(s)
        t.ok(b"certificate_expired" in data or b" 200 " in data, "after a sleep past the certificate's end a client is told, not left waiting", data)
        t.is_(s.proc.poll(), None, "and the shim lives")


class Dns(threading.Thread):
    """Answers A for one name, after it was told which; counts the questions."""

    def __init__(self):
        super().__init__(daemon=True)
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 53))
        self.addresses, self.count, self.names = [], 0, set()
        self.start()

    def run(self):
        while True:
            q, peer = self.sock.recvfrom(2048)
            self.count += 1
            end = q.index(b"\0", 12) + 5
            self.names.add(q[13:end - 5].decode(errors="replace"))
            kind = struct.unpack(">H", q[end - 4:end - 2])[0]
            answers = [socket.inet_aton(a) for a in self.addresses] if kind == 1 else []
            flags = 0x8180 if self.addresses else 0x8183
            reply = q[:2] + struct.pack(">HHHHH", flags, 1, len(answers), 0, 0) + q[12:end]
            self.sock.sendto(reply + b"".join(b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + a for a in answers), peer)


def by_name(t):
    """Needs a resolv.conf of its own: runs again in a mount and network namespace."""
    dns = Dns()
    g = fakegateway.FakeGateway(listen=False)
    g.tcp, g.address = "127.0.0.1:21621", "tcp:gateway.test.example:21621"
    e = g.enrollment()
    code, _, err = shim.run(e, "true", wait="1s")
    t.ok(code == 125 and "no such host" in err, "a name that does not exist", err)
    dns.addresses = ["127.0.0.9", "127.0.0.1"]
    code, _, err = shim.run(e, "true", wait="0")
    t.ok(code == 125 and "refused" in err, "a name without a gateway behind it", err)
    g.listen()
    with shim.Shim(e, wait="5s") as s:
        t.ok(b" 200 " in ask(s), "the second address of a name is tried when the first refuses")
        n = dns.count
        for _ in range(5):
            ask(s)
        t.is_(dns.count, n, "an answer is used for a while")
        dns.addresses = ["127.0.0.77"]
        g.stop()
        t.ok(b" 502 " in ask(s), "when none answers any more, that is said")
        g.tcp = "127.0.0.77:21621"
        g.listen()
        t.ok(shim.until(lambda: b" 200 " in ask(s)), "and the name is looked up again: the gateway moved")
        dns.sock.close()
        t.ok(b" 200 " in ask(s), "a DNS that is gone does not matter while the address works")
        code, err = s.leave()
        t.is_(err, "", "all that under seccomp, without a word")


def main(t):
    threading.excepthook = lambda _: None
    if sys.argv[1:] == ["by_name"]:
        by_name(t)
        return
    for part in (renewed, retried, expired, given_back, suspended):
        part(t)
    if os.geteuid() == 0 and subprocess.run(["unshare", "-mn", "true"], capture_output=True).returncode == 0:
        inner = ("ip link set lo up || ifconfig lo up; printf 'nameserver 127.0.0.1\\n' >$0.conf && mount --bind $0.conf /etc/resolv.conf && exec /usr/bin/python3 $0 by_name")
        copy = f"/tmp/sidekey-resolv-{os.getpid()}"
        p = subprocess.run(["unshare", "-mn", "sh", "-c", inner.replace("$0.conf", copy), __file__], capture_output=True, text=True)
        os.path.exists(copy) and os.unlink(copy)
        for line in p.stdout.splitlines():
            m = re.match(r"(ok|not ok) \d+ - (.*)", line)
            if m:
                t.ok(m.group(1) == "ok", f"DNS: {m.group(2)}", p.stdout + p.stderr)
        t.is_(p.returncode, 0, "the part with its own DNS ends well")
    else:
        t.lacks("names by DNS", "namespaces")


if __name__ == "__main__":
    tap.Tap().run(main)
