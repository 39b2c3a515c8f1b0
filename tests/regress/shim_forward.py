#!/usr/bin/python3
"""What the shim carries: bytes both ways as they come, ends as they are, and an answer of its own when there is no gateway."""
import hashlib
import http.client
import json
import os
import re
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import broker, fakegateway, pki, shim, tap  # noqa: E402


def cpu_s(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def connect(s, timeout=10):
    c = socket.create_connection(("127.0.0.1", s.port), timeout=timeout)
    c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return c


def read_all(c):
    """(bytes, how it ended)."""
    data = b""
    try:
        while True:
            more = c.recv(65536)
            if not more:
                return data, "end"
            data += more
    except ConnectionResetError:
        return data, "reset"
    except (TimeoutError, socket.timeout):
        return data, "timeout"


def ask(s, raw=b"GET /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"):
    c = connect(s)
    c.sendall(raw)
    data, how = read_all(c)
    c.close()
    return data, how


def quiet(t, s, what):
    """No turn of the loop without a cause."""
    before = cpu_s(s.proc.pid)
    time.sleep(0.7)
    used = cpu_s(s.proc.pid) - before
    t.ok(used < 0.1, f"it sleeps while {what}", f"{used} s of CPU in 0.7 s")


def plain(t, g, s):
    h = http.client.HTTPConnection("127.0.0.1", s.port, timeout=10)
    for i in range(3):
        h.request("POST", f"/p/anthropic/v1/{i}?q=%2f", body=b"x" * 1000, headers={"X-Odd": "a  b"})
        r = json.loads(h.getresponse().read())
        t.ok(r["target"] == f"/p/anthropic/v1/{i}?q=%2f" and r["body_len"] == 1000 and r["headers"]["x-odd"] == "a  b" and r["alpn"] == "sidekey-forward" and r["cert"], f"request {i + 1} on one connection", r)
    h.close()
    code = subprocess.run(["curl", "-sS", "--max-time", "10", s.url + "/y"], capture_output=True, text=True)
    t.is_(json.loads(code.stdout)["target"], "/y", "curl")


def large(t, g, s):
    blob = os.urandom(1 << 20) * 16
    digest = hashlib.sha256(blob).hexdigest()

    def swap(conn):
        """Reads all, answers with its digest and the same bytes."""
        data = bytearray()
        while len(data) < len(blob):
            data += conn.recv(65536)
        conn.sendall(hashlib.sha256(data).hexdigest().encode() + bytes(data))
        g.end(conn)
    g.on_forward = swap
    c = connect(s, 60)
    threading.Thread(target=c.sendall, args=(blob,), daemon=True).start()
    data, how = read_all(c)
    t.is_((data[:64].decode(), hashlib.sha256(data[64:]).hexdigest(), how), (digest, digest, "end"), "16 MiB there and back")
    peak = s.rss_kib()
    t.ok(peak < 8192 or shim.SANITIZED, "and no more memory than before", f"{peak} KiB")


def slow(t, g, s):
    """Back-pressure: whoever does not read stops whoever writes."""
    sent = {"down": 0, "up": 0}

    def flood(conn):
        conn.recv(1)
        conn.settimeout(1.5)
        try:
            while sent["down"] < 64 << 20:
                sent["down"] += conn.send(b"x" * 16384)
        except (TimeoutError, socket.timeout, ssl.SSLError, OSError):
            pass
        conn.settimeout(10)
    g.on_forward = flood
    c = connect(s)
    c.sendall(b"x")
    time.sleep(2)
    t.ok(0 < sent["down"] < 16 << 20, "a client that does not read stops the gateway", sent)
    t.ok(s.rss_kib() < 8192 or shim.SANITIZED, "without memory for it", s.rss_kib())
    quiet(t, s, "a client does not read")
    c.close()
    pause = threading.Event()
    g.on_forward = lambda conn: pause.wait(20)
    c = connect(s, 1.5)
    try:
        while sent["up"] < 64 << 20:
            sent["up"] += c.send(b"x" * 16384)
    except (TimeoutError, socket.timeout):
        pass
    t.ok(0 < sent["up"] < 16 << 20, "a gateway that does not read stops the client", sent)
    quiet(t, s, "the gateway does not read")
    pause.set()
    c.close()


def streaming(t, g, s):
    step = threading.Semaphore(0)

    def sse(conn):
        conn.recv(65536)
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        for i in range(3):
            step.acquire(timeout=10)
            conn.sendall(f"data: {i}\n\n".encode())
        g.end(conn)
    g.on_forward = sse
    c = connect(s)
    c.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    data = b""
    while b"\r\n\r\n" not in data:
        data += c.recv(100)
    for i in range(3):
        step.release()
        start = time.monotonic()
        t.ok(c.recv(100) == f"data: {i}\n\n".encode() and time.monotonic() - start < 0.2, f"event {i} arrives when it is sent")
    t.is_(read_all(c), (b"", "end"), "and the end is an end")
    quiet(t, s, "nothing is open")


def ends(t, g, s):
    def whole(conn):
        data = b""
        while True:
            more = conn.recv(65536)
            if not more:
                break
            data += more
        conn.sendall(b"got " + str(len(data)).encode())
    g.on_forward = whole
    c = connect(s)
    c.sendall(b"x" * 100000)
    c.shutdown(socket.SHUT_WR)
    data, how = read_all(c)
    t.is_(data, b"got 100000", "a client that ended its side still gets the answer")

    def cut(conn):
        conn.recv(100)
        conn.sendall(b"HTTP/1.1 200 OK\r\n\r\nhalf of it")
        time.sleep(0.1)
        conn.shutdown(socket.SHUT_RDWR)  # no close_notify: whoever can cut the connection could cut the body
    g.on_forward = cut
    data, how = ask(s)
    t.is_(how, "reset", "an answer that was cut off does not look complete")

    def early(conn):
        conn.recv(100)
        conn.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno\n")
        g.end(conn)
    g.on_forward = early
    c = connect(s)

    def upload():
        try:
            for _ in range(400):
                c.sendall(b"x" * 16384)
        except OSError:
            pass
    threading.Thread(target=upload, daemon=True).start()
    data, how = read_all(c)
    t.ok(b"413" in data and data.endswith(b"no\n"), "an early answer reaches a client that is still sending", (data[:60], how))

    def dead(conn):
        conn.recv(100)
        conn.shutdown(socket.SHUT_RDWR)
    g.on_forward = dead
    data, how = ask(s)
    t.ok(b" 502 " in data and b"went away before it answered" in data and how == "end", "no answer at all is a 502", data)

    gone = threading.Event()

    def watch(conn):
        conn.recv(100)
        conn.settimeout(5)
        try:
            while conn.recv(100):
                pass
        except OSError:
            pass
        gone.set()
    g.on_forward = watch
    c = connect(s)
    c.sendall(b"GET / HTTP/1.1\r\n\r\n")
    time.sleep(0.2)
    c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    c.close()
    t.ok(gone.wait(1), "a client that goes away is gone for the gateway at once")


def many(t, g, s):
    g.on_forward = g.echo
    clients = [connect(s) for _ in range(300)]
    for i, c in enumerate(clients):
        c.sendall(f"GET /{i} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode())
    good = 0
    for i, c in enumerate(clients):
        data = b""
        while b"}" not in data:
            more = c.recv(65536)
            if not more:
                break
            data += more
        good += f'"/{i}"'.encode() in data
        c.close()
    t.is_(good, 300, "300 connections at once, each with its own answer")
    print(f"# RSS after 300 connections: {s.rss_kib()} KiB", flush=True)
    t.ok(shim.until(lambda: len(os.listdir(f"/proc/{s.proc.pid}/fd")) < 16), "and all of it is given back", os.listdir(f"/proc/{s.proc.pid}/fd"))


def spares(t):
    g = fakegateway.FakeGateway()
    held = []
    g.on_connect = held.append
    with shim.Shim(g.enrollment()) as s:
        t.ok(shim.until(lambda: len(held) == 2), "two connections are made ahead", len(held))
        time.sleep(0.3)
        t.is_(len(held), 2, "and no more")
        data, _ = ask(s)
        t.ok(b'"/x"' in data, "one of them is used")
        t.ok(shim.until(lambda: len(held) == 3), "and replaced")
        alive = [conn for conn in held if conn.fileno() != -1]
        count = len(held)
        for conn in alive:
            conn.shutdown(socket.SHUT_RDWR)
        t.ok(len(alive) >= 2 and shim.until(lambda: len(held) >= count + 2), "those that the gateway closes are replaced")
        data, _ = ask(s)
        t.ok(b'"/x"' in data, "and no client meets a dead one", data)
        time.sleep(0.2)
        count = g.connections
        g.on_connect = lambda conn: conn.shutdown(socket.SHUT_RDWR)
        for conn in held:
            if conn.fileno() != -1:
                conn.shutdown(socket.SHUT_RDWR)
        time.sleep(1.5)
        t.ok(2 <= g.connections - count < 16, "a gateway that closes each at once is not hammered", g.connections - count)


def no_gateway(t):
    g = fakegateway.FakeGateway()
    with shim.Shim(g.enrollment()) as s:
        ask(s)
        g.stop()
        time.sleep(0.2)
        data, how = ask(s)
        head, _, body = data.partition(b"\r\n\r\n")
        t.ok(head.startswith(b"HTTP/1.1 502 ") and b"application/problem+json" in head and how == "end", "no gateway: 502", data)
        problem = json.loads(body)
        t.ok(problem["code"] == "gateway_unreachable" and g.address in problem["detail"] and problem["status"] == 502, "that says so", problem)
        data, _ = ask(s, b"HEAD /x HTTP/1.1\r\nHost: h\r\n\r\n")
        t.ok(data.endswith(b"\r\n\r\n"), "and without a body for HEAD", data)
        data, how = ask(s, b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 5000000\r\n\r\n" + b"x" * 5000000)
        t.ok(b" 502 " in data and how == "end", "also for who is still sending", (data[:50], how))
        c = connect(s, 1)
        t.is_(read_all(c), (b"", "timeout"), "a client that says nothing hears nothing")
        c.close()
        quiet(t, s, "there is no gateway")
        g.listen()
        t.ok(shim.until(lambda: b" 200 " in ask(s)[0]), "it is found again when it is back")
        t.is_(s.proc.poll(), None, "and the command runs all the time")
        g.stop()
        g.alpn = ["h2"]
        g.listen()
        data, _ = ask(s)
        t.ok(b" 502 " in data and b"does not speak" in data, "something else in its place", data)
        g.stop()
        evil = fakegateway.FakeGateway(ca=pki.Ca(f"{g.dir}/evil"), listen=False)
        evil.address = g.address
        evil.listen()
        data, _ = ask(s)
        t.ok(b" 502 " in data and b"gateway_unverified" in data, "an impostor in its place", data)
        t.is_(evil.seen, [], "sees nothing")
        evil.stop()
        good_ca = g.ca
        g.alpn = ["sidekey-control", "sidekey-forward"]
        g.ca = evil.ca  # the gateway's own certificate stays; ours comes from a CA that it does not know
        g.listen()
        data, _ = ask(s)
        t.ok(b" 403 " in data and b"identity_refused" in data and b"x-should-retry: false" in data, "a gateway that refuses our certificate: 403, and not again", data)
        g.ca = good_ca


def few_descriptors(t):
    g = fakegateway.FakeGateway()
    hold = threading.Event()
    g.on_forward = lambda conn: (hold.wait(20), g.echo(conn))
    e = g.enrollment()
    p = shim.Shim.__new__(shim.Shim)
    command = shim.command(e, "sh", "-c", "echo URL $SIDEKEY_URL; exec sleep 600")
    p.proc = subprocess.Popen(["sh", "-c", "ulimit -n 64; exec \"$@\"", "sh", *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=shim.ENV)
    with p as s:
        clients = [connect(s, 20) for _ in range(60)]
        for c in clients:
            c.sendall(b"GET /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        time.sleep(0.5)
        quiet(t, s, "there are more clients than descriptors")
        hold.set()
        good = 0
        for c in clients:
            data = c.recv(65536)
            good += b" 200 " in data
            c.close()
        t.is_(good, 60, "all of them are served in the end")
        t.is_(s.proc.poll(), None, "and the shim lives")


def exhausted(t):
    """accept() fails with EMFILE: the limit is taken away under a shim that runs."""
    g = fakegateway.FakeGateway()
    with shim.Shim(g.enrollment()) as s:
        time.sleep(0.3)
        now = len(os.listdir(f"/proc/{s.proc.pid}/fd"))
        subprocess.run(["prlimit", f"--pid={s.proc.pid}", f"--nofile={now}:"], check=True)
        c = connect(s)
        c.sendall(b"GET /x HTTP/1.1\r\n\r\n")
        data, how = read_all(c)
        t.ok(b" 503 " in data or how == "reset", "no descriptor left: an answer, or a reset", (data, how))
        waiting = [connect(s) for _ in range(3)]
        quiet(t, s, "no descriptor is left")
        for c in waiting:
            c.close()
        subprocess.run(["prlimit", f"--pid={s.proc.pid}", "--nofile=1000:"], check=True)
        t.ok(shim.until(lambda: b" 200 " in ask(s)[0]), "it serves again when there are some")


def probed(t):
    """Over TCP a host that vanished says nothing: the kernel asks it (timer 2 is the keep-alive's, proc_net_tcp(5))."""
    def timers():
        with open("/proc/net/tcp") as f:
            rows = [line.split() for line in f.readlines()[1:]]
        return [r[5].split(":") for r in rows if r[2].endswith(f":{21611:04X}") and r[3] == "01"]

    def idle():
        return len(timers()) >= 2 and all(kind == "02" for kind, _ in timers())
    t.ok(broker.wait_for(idle, "probes on the spare connections"), "spare connections over TCP are probed", timers())
    t.ok(all(int(when, 16) <= 60 * os.sysconf("SC_CLK_TCK") for _, when in timers()), "a minute after the last word at most", timers())


def given_up(t, g):
    """What is sent to a host that vanished is acknowledged by nobody: the kernel is told when to give up."""
    if not shutil.which("strace"):
        t.lacks("data that nobody acknowledges", "strace")
        return
    with tempfile.NamedTemporaryFile("r", prefix="sidekey-strace-") as f:
        code, _, err = shim.run(g.enrollment(), "true", prefix=["strace", "-f", "-qq", "-e", "trace=setsockopt", "-o", f.name])
        told = re.findall(r"TCP_USER_TIMEOUT, \[(\d+)\], 4\) = (\S+)", f.read())
    t.ok(code == 0 and told and set(told) == {("120000", "0")}, "connections over TCP end two minutes behind the last acknowledgement", (code, err, told))


def main(t):
    threading.excepthook = lambda _: None
    g = fakegateway.FakeGateway()
    with shim.Shim(g.enrollment()) as s:
        for part in (plain, large, slow, streaming, ends, many):
            part(t, g, s)
        code, err = s.leave()
        t.is_((code, err), (143, ""), "and all that without a word")
    for part in (spares, no_gateway, few_descriptors):
        part(t)
    if os.geteuid() == 0:
        exhausted(t)
    g.tcp = "127.0.0.1:21611"
    g.address = "tcp:127.0.0.1:21611"
    g.on_forward = g.echo
    g.listen()
    with shim.Shim(g.enrollment()) as s:
        for part in (plain, streaming, ends, many):
            part(t, g, s)
        probed(t)
    given_up(t, g)


if __name__ == "__main__":
    tap.Tap().run(main)
