#!/usr/bin/python3
"""Class M of the attacks: resources. Handshakes and heads that stop, floods, bombs, a reader of one byte a second, a bad reload, an end under load: others are served, and all comes back."""
import collections
import concurrent.futures
import json
import os
import resource
import signal
import ssl
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import broker, oracle, rawtls, stage, tap, upstream  # noqa: E402

LARGE = 4 << 20
HANDSHAKES, IN_FLIGHT = 2000, 1000
go_on = threading.Event()


def handler(conn, req):
    if req.target == "/large":
        return upstream.reply(conn, 200, b"x" * LARGE)
    if req.target.startswith("/held"):
        go_on.wait(30)
    if req.target.startswith("/slow"):
        time.sleep(0.2)
    return upstream.reply(conn, 200, {})


def alive(s):
    """Asked twice at most: the first answer may wait for what just came at once."""
    return oracle.alive(s.b, s.w.conf["gateway"], s.w.ca) and oracle.alive(s.b, s.w.conf["gateway"], s.w.ca)


def stalled(t, s):
    """Connections that stop at each place of a handshake or a head."""
    address, base = s.w.conf["gateway"], oracle.Baseline(s.b)
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
    for what, first in (("nothing", b""), ("one byte", b"\x16"), ("half a record's header", hello[:3]), ("half a hello", hello + bytes(100)), ("a record of no length", b"\x16\x03\x01\x00\x00" * 10)):
        socks = []
        for _ in range(150):
            sock = rawtls.dial(address)
            try:
                sock.sendall(first)
            except OSError:
                pass
            socks.append(sock)
        t.is_(alive(s), "", f"ALIVE beside 150 handshakes that stop behind {what}")
        for sock in socks:
            sock.close()
    for what, head in (("a method", b"GE"), ("a target", b"GET /p/anthropic/v1/x"), ("a field", b"GET /p/anthropic/v1/x HTTP/1.1\r\nHost: localhost\r\nX-A"), ("all but the last line end", b"GET /p/anthropic/v1/x HTTP/1.1\r\nHost: localhost\r\n\r"), ("a chunk", b"POST /p/anthropic/v1/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nhalf")):
        conns = [s.w.connect() for _ in range(40)]
        for c in conns:
            c.send(head)
        t.is_(alive(s), "", f"ALIVE beside 40 requests that stop in {what}")
        for c in conns:
            c.close()
    t.is_(base.back(), "", "ALIVE: when they have gone all is back at the baseline")


def hello():
    """What a client of ours says first."""
    out, ctx = ssl.MemoryBIO(), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ctx.check_hostname, ctx.verify_mode = False, ssl.CERT_NONE
    ctx.set_alpn_protocols(["sidekey-forward"])
    try:
        ctx.wrap_bio(ssl.MemoryBIO(), out).do_handshake()
    except ssl.SSLWantReadError:
        pass
    return out.read()


def floods(t, s):
    """Handshakes as fast as they can be begun, or made, by a stranger: each costs the gateway a key exchange and a signature, and all of them do not cost the one who was there before."""
    first, base, served = hello(), oracle.Baseline(s.b), s.w.connect()

    def begin(_):
        sock = rawtls.dial(s.w.conf["gateway"])
        try:
            sock.sendall(first)
            sock.recv(1)  # the gateway has done its part
        except OSError:
            pass
        sock.close()

    def stay(_):
        sock = rawtls.dial(s.w.conf["gateway"])
        sock.sendall(first)
        kept.append(sock)

    def whole(_):
        try:
            s.w.anonymous("sidekey-forward").close()
        except OSError:
            pass
    def measure(fn, took, over):
        while not over.is_set():
            at = time.monotonic()
            took.append(time.monotonic() - at if fn().status == 200 else 99)
            time.sleep(0.02)

    def connected():
        return served.ask("GET", "/p/anthropic/v1/x")

    def anew():
        return s.w.ask("GET", "/p/anthropic/v1/x")
    for what, one in (("begun", begin), ("begun and left open", stay), ("made", whole)):
        kept, took, fresh, over = [], [], [], threading.Event()
        meters = [threading.Thread(target=measure, args=x) for x in ((connected, took, over), (anew, fresh, over))]
        for m in meters:
            m.start()
        at = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            list(pool.map(one, range(HANDSHAKES)))
        lasted = time.monotonic() - at
        over.set()
        for m in meters:
            m.join()
        for sock in kept:
            sock.close()
        took.sort()
        t.ok(took and took[-1] < 2 * oracle.ALIVE_S and took[len(took) // 2] < oracle.ALIVE_S / 4, f"{HANDSHAKES} handshakes {what} at full speed: a workload that is connected is answered within two seconds, as a rule a quarter of one", (len(took), took[-5:], took[len(took) // 2:][:1]))
        t.ok(fresh and max(fresh) < lasted + 2 * oracle.ALIVE_S, f"{HANDSHAKES} handshakes {what}: and one that connects anew waits for those in front of it, no more", (max(fresh, default=None), lasted))
    served.close()
    t.is_(base.back(), "", "ALIVE: back at the baseline")


def bombs(t, s):
    """Bodies of every control route that cost more to read than to send."""
    deep, many = "[" * 30000 + "]" * 30000, "{" + ",".join(f'"k{i}":0' for i in range(6000)) + "}"
    rows = {"30 000 deep": deep, "deep objects": '{"a":' * 9000, "6 000 keys": many, "one key 6 000 times": "{" + ",".join(['"csr":""'] * 6000) + "}", "a number of 60 000 digits": '{"csr":' + "9" * 60000 + "}", "a string of 60 000 escapes": '{"csr":"' + "\\u0041" * 10000 + '"}', "60 000 quotes": '"' * 60000, "PEM of 60 000": '{"csr":"-----BEGIN CERTIFICATE REQUEST-----' + "A" * 60000 + '"}'}
    base = oracle.Baseline(s.b)
    for what, body in rows.items():
        begin = time.monotonic()
        got = [s.w.ask("POST", "/v1/renew", ["Content-Type: application/json"], body, alpn="sidekey-control").status]
        c = s.w.anonymous()
        got.append(c.ask("POST", "/v1/enroll", ["Content-Type: application/json", f"Authorization: Bearer {s.w.conf['key']}"], body).status)
        c.close()
        t.ok(all(400 <= x < 500 for x in got) and time.monotonic() - begin < 2 * oracle.ALIVE_S, f"renew and enroll with {what}: refused at once", (got, time.monotonic() - begin))
    t.is_(base.back(), "", "ALIVE: back at the baseline")


def one_byte_a_second(t, s):
    base = oracle.Baseline(s.b)
    conns = [s.w.connect() for _ in range(20)]
    for c in conns:
        c.send("GET /p/anthropic/large HTTP/1.1\r\nHost: localhost\r\n\r\n")
    for _ in range(3):
        for c in conns:
            c.sock.recv(1)
        t.is_(alive(s), "", "ALIVE beside 20 downloads of 4 MiB that are read one byte a second")
        time.sleep(1)
    grown = base.grown() if not oracle.SANITIZED else ""
    t.ok("KiB" not in grown, "which cost no more memory than their buffers", grown)
    for c in conns:
        c.close()
    t.is_(base.back(), "", "ALIVE: back at the baseline")


def bad_reload(t, s):
    b = s.b
    path = f"{b.conf}/policies/coder.yaml"
    with open(path) as f:
        good = f.read()
    was = json.loads(b.cli("--json", "status").stdout).get("generation")
    rows = {"no YAML": "{", "an unknown key": good + "frob: 1\n", "an unknown upstream": good.replace("anthropic", "nowhere"), "a key twice": good + "policy: other\n", "an alias bomb": "a: &a [x]\nb: *a\n", "100 deep": "[" * 100, "2 MiB": good + "# " + "x" * (2 << 20) + "\n", "NUL": good + "\0", "nothing at all": ""}
    for what, text in rows.items():
        with open(path, "w") as f:
            f.write(text)
        p = b.cli("reload", check=False)
        t.ok(p.returncode != 0 and s.w.ask("GET", "/p/anthropic/v1/x").status == 200, f"a reload of {what}: refused, and the rules before it stay", p.stderr)
    with open(path, "w") as f:
        f.write(good)
    b.reload()
    t.is_((alive(s), s.w.ask("GET", "/p/anthropic/v1/x").status), ("", 200), f"and a good one is taken again, behind generation {was}")


def drained(t, s):
    """TERM during 1 000 requests: what was begun ends, whole; what comes later is turned away; nothing is half done."""
    b, codes, stop = s.b, [], threading.Event()
    s.up.clear()

    def run(i):
        for n in range(100):
            try:
                codes.append((f"/slow/{i}/{n}", s.w.ask("GET", f"/p/anthropic/slow/{i}/{n}").status))
            except (OSError, EOFError, AttributeError):
                codes.append((f"/slow/{i}/{n}", 0))
            if stop.is_set():
                return
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        for i in range(10):
            pool.submit(run, i)
        oracle.until(lambda: len(codes) > 50, 20)
        begin = time.monotonic()
        rc = b.stop()
        took = time.monotonic() - begin
        stop.set()
    t.ok(rc == 0 and took < 12, "TERM under load: it ends by itself", (rc, took))
    b.start()
    oracle.until(lambda: alive(s) == "", 10)
    done = {path for path, code in codes if code == 200}
    seen = {r.target for r in s.up.requests}
    rows = oracle.records(b)
    allowed = {r["target"]: r["seq"] for r in rows if r["event"] == "decide" and r.get("decision") == "allow"}
    finished = {r["of"] for r in rows if r["event"] == "finish"}
    t.ok(len(done) > 40 and done <= seen, "what was answered was done", sorted(done - seen)[:5])
    t.is_(sorted(seen - set(allowed)), [], "AUD: what reached the upstream is in the log")
    t.is_([p for p, n in allowed.items() if p.startswith("/slow") and n not in finished], [], "AUD: each has its end")
    t.is_(oracle.aud(b, event="keeper_start"), "", "the chain verifies")


def in_flight(t, s):
    """TERM with 1 000 requests at the upstream: each gets its whole answer."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    b = s.b
    s.up.clear()
    go_on.clear()

    def begin(i):
        c = s.w.connect(timeout=30)
        c.send(f"GET /p/anthropic/held/{i} HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return c

    def end(c):
        try:
            return c.read().status
        except (OSError, EOFError, AttributeError) as e:
            return repr(e)
        finally:
            c.close()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        conns = list(pool.map(begin, range(IN_FLIGHT)))
        t.ok(oracle.until(lambda: len(s.up.requests) >= IN_FLIGHT, 30), f"{IN_FLIGHT} requests are at the upstream", len(s.up.requests))
        at = time.monotonic()
        b.proc.terminate()
        time.sleep(0.5)
        late = turned_away(s)
        go_on.set()
        codes = list(pool.map(end, conns))
        oracle.until(lambda: b.proc.poll() is not None, 15)  # a second TERM would end it at once
        rc = b.stop()
        took = time.monotonic() - at
    t.is_({x: codes.count(x) for x in codes}, {200: IN_FLIGHT}, f"TERM with {IN_FLIGHT} requests in flight: each gets its answer")
    t.ok(late, "while one that comes now is turned away", late)
    t.ok(rc == 0 and took < 12, "and it ends by itself", (rc, took))
    b.start()
    oracle.until(lambda: alive(s) == "", 10)
    rows = oracle.records(b)
    held = {r["seq"] for r in rows if r["event"] == "decide" and r.get("target", "").startswith("/held/")}
    ends = collections.Counter(r.get("code") for r in rows if r["event"] == "finish" and r["of"] in held)
    t.is_((len(held), ends), (IN_FLIGHT, {"ok": IN_FLIGHT}), f"AUD: each has its end, and it is ok ({took:.1f} s)")


def every_pid(b):
    return [b.proc.pid] + [p for pids in b.pids().values() for p in pids]


def stopped(t, s, what, pids, seconds, meanwhile):
    """These processes stand still so long, meanwhile() is judged, and they go on as the same ones."""
    was = s.b.pids()
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    begin = time.monotonic()
    try:
        meanwhile()
        time.sleep(max(0, begin + seconds - time.monotonic()))
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    t.ok(oracle.until(lambda: alive(s) == "" and s.b.ready(), 5), f"{what} goes on: ALIVE")
    t.is_((s.w.ask("GET", "/p/anthropic/v1/x").status, s.b.pids() == was), (200, True), f"{what} goes on: requests are served, by the same processes")


def paused(t):
    """Who stands still for a minute where no agent waits for it, and the whole container as `docker pause` and a laptop's lid stop it."""
    with stage.Stage(handler) as s:
        b, pids = s.b, s.b.pids()
        s.w.ask("GET", "/p/anthropic/v1/x")

        def operator():
            begin = time.monotonic()
            p = b.cli("status", check=False, timeout=90)
            t.ok(p.returncode == 5 and "sidekey doctor" in p.stderr and time.monotonic() - begin < 65, "admin stopped for 62 s: the command line gives up within a minute, with exit 5", (p.returncode, p.stderr))
            t.is_(s.w.ask("GET", "/p/anthropic/v1/x").status, 200, "admin stopped for 62 s: what is proxied goes on")
            t.is_(s.w.self_()["workload"], "coder", "admin stopped for 62 s: and so does a workload's control plane")
        stopped(t, s, "admin stopped for 62 s", pids["admin"], 62, operator)

        def agents():
            t.is_((s.w.ask("GET", "/p/anthropic/v1/x").status, b.cli("status", check=False).returncode), (200, 0), "sidekeyd stopped for 5 s: agents and operators do not notice")
        stopped(t, s, "sidekeyd stopped for 5 s", [b.proc.pid], 5, agents)
        c, log = s.w.connect(timeout=40), oracle.Log(b)
        s.up.clear()

        def sleep():
            c.send(b"GET /p/anthropic/v1/paused HTTP/1.1\r\nHost: localhost\r\n\r\n")
            time.sleep(16)  # longer than all that the processes give one another
            t.is_(oracle.up0(s.up), "", "all stopped for 16 s: UP0")
        stopped(t, s, "all stopped for 16 s", every_pid(b), 16, sleep)
        r = c.read()
        t.ok(r and r.status in (200, 503), "all stopped for 16 s: a request that came meanwhile gets its answer", r and r.raw)
        t.is_(log.holds(event="decide", target="/v1/paused"), "", "all stopped for 16 s: AUD")
        c.close()
        t.is_(oracle.aud(b, event="keeper_start"), "", "the chain verifies")


def turned_away(s):
    """Or not taken: it stays in the queue of a socket that nobody reads any more."""
    try:
        return s.w.connect(timeout=1).ask("GET", "/p/anthropic/v1/late").status != 200
    except (OSError, AttributeError):
        return True


def main(t):
    beside = tap.Later(paused)
    with stage.Stage(handler) as s:
        s.w.ask("GET", "/p/anthropic/v1/x")
        for part in (stalled, floods, bombs, one_byte_a_second, bad_reload, drained, in_flight):
            part(t, s)
        t.is_(oracle.can(stage.KEY, s.b), "", "CAN")
    beside.tell(t)


tap.Tap().run(main)
