#!/usr/bin/python3
"""The real shim with the real broker: variables, requests, streams, renewal under way, outage, revocation, give-back; over both kinds of socket, in an empty root."""
import concurrent.futures
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import broker, oracle, shim, stage, tap, upstream  # noqa: E402

TCP = "127.0.0.1:22101"


def handler(conn, req):
    if req.target == "/steps":
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for i in range(5):
            conn.send(upstream.chunk(b"data: %d\n\n" % i))
            time.sleep(0.1)
        return conn.send(b"0\r\n\r\n")
    if req.target == "/endless":
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n" + upstream.chunk(b"data: x\n\n"))
        time.sleep(20)
        return False
    return upstream.messages_api(conn, req)


def environment(text):
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def get(s, path, key="x", timeout=10):
    """(status, body, Sidekey-Decision) on a connection of its own."""
    h = http.client.HTTPConnection("127.0.0.1", s.port, timeout=timeout)
    try:
        h.request("GET", path, headers={"x-api-key": key})
        r = h.getresponse()
        return r.status, r.read(), r
    finally:
        h.close()


def status(s, path="/p/anthropic/v1/x"):
    try:
        return get(s, path)[0]
    except (OSError, http.client.HTTPException):
        return 0


def variables(t, st, enroll):
    code, out, err = shim.run(enroll, "sh", "-c", "env; cat /proc/self/environ | tr '\\0' '\\n' >&2", prefix=st.b.prefix)
    env = environment(out)
    t.is_(code, 0, "the command runs")
    t.ok(env.get("ANTHROPIC_BASE_URL") == env.get("SIDEKEY_URL", "?") + "/p/anthropic", "the base URL leads to the shim", env)
    key = env.get("ANTHROPIC_API_KEY", "")
    t.ok(key.startswith("sk-ant-api03-") and len(key) > 40 and key != stage.KEY, "the key is a placeholder in the shape of one", key)
    t.is_(oracle.can_bytes(stage.KEY, (out + err).encode(), "the command's environment"), "", "CAN: the command's environment")
    with open(enroll) as f:
        t.ok(json.load(f)["key"] not in out + err, "and the enrollment key is not in it")
    script = "import os, urllib.request as u\nr = u.Request(os.environ['ANTHROPIC_BASE_URL'] + '/v1/y', headers={'x-api-key': os.environ['ANTHROPIC_API_KEY']})\nprint(u.urlopen(r).status)"
    st.up.clear()
    code, out, err = shim.run(enroll, "/usr/bin/python3", "-c", script, prefix=st.b.prefix)
    t.is_((code, out), (0, "200\n"), "a client that takes only the variables gets its answer")
    t.is_(oracle.up1(st.up, "GET /v1/y HTTP/1.1", "x-api-key", stage.KEY), "", "UP1: with the real key")


def exits(t, st, enroll):
    for what, want, command in (("its own", 7, ["sh", "-c", "exit 7"]), ("128 and a signal", 137, ["sh", "-c", "kill -9 $$"]), ("not executable", 126, ["/etc/passwd"]),
                                ("not found", 127, ["no-such-command"])):
        t.is_(shim.run(enroll, *command, prefix=st.b.prefix)[0], want, f"exit status {want}: {what}")
    with shim.Shim(enroll, "sh", "-c", "trap 'echo TERM; exit 5' TERM; echo URL $SIDEKEY_URL; while :; do sleep 0.05; done", prefix=st.b.prefix) as s:
        s.proc.send_signal(signal.SIGTERM)
        t.is_(s.proc.wait(5), 5, "SIGTERM reaches the command, which decides")
    once = st.b.enroll("coder")
    t.is_(shim.run(once, "true", prefix=st.b.prefix)[0], 0, "a single-use enrollment works once")
    code, out, err = shim.run(once, "sh", "-c", "echo RAN", prefix=st.b.prefix)
    t.ok(code == 125 and "RAN" not in out and "enroll_refused" in err and len(err.splitlines()) == 1, "and is refused then: 125, one line", err)


def traffic(t, st, s):
    h = http.client.HTTPConnection("127.0.0.1", s.port, timeout=10)
    h.request("GET", "/p/anthropic/steps")
    r = h.getresponse()
    arrivals = []
    while r.read1(100):
        arrivals.append(time.monotonic())
    t.ok(len(arrivals) >= 5 and arrivals[-1] - arrivals[0] > 0.3, "events come as they are sent", arrivals)
    body = os.urandom(1 << 20)
    h.request("POST", "/p/anthropic/v1/up", body=body)
    t.is_(json.loads(h.getresponse().read())["length"], len(body), "1 MiB up, on the same connection")
    t.ok(st.up.requests[-1].body == body, "byte for byte")
    h.close()
    with concurrent.futures.ThreadPoolExecutor(60) as pool:
        got = list(pool.map(lambda i: json.loads(get(s, f"/p/anthropic/v1/n?{i}")[1])["target"], range(300)))
    t.is_(got, [f"/v1/n?{i}" for i in range(300)], "300 connections, 60 at a time, each with its own answer")
    code, body, r = get(s, "/p/anthropic/v1/%2e%2e/x")
    t.ok(code == 403 and r.getheader("Sidekey-Decision") == "deny" and r.getheader("x-should-retry") == "false", "a refusal comes through as it is", body)


class Steady:
    """Clients of one shim that never rest: connections of their own, and one that is kept open for as long as it lasts."""

    def __init__(self, s):
        self.s, self.end, self.bad, self.count, self.connections = s, threading.Event(), [], 0, 1
        self.threads = [threading.Thread(target=f) for f in (self.fresh, self.kept)]
        for th in self.threads:
            th.start()

    def fresh(self):
        while not self.end.wait(0.05):
            code = status(self.s)
            self.count += 1
            if code != 200:
                self.bad.append(("fresh", code))

    def kept(self):
        h = http.client.HTTPConnection("127.0.0.1", self.s.port, timeout=10)
        while not self.end.wait(0.1):
            try:
                h.request("GET", "/p/anthropic/v1/kept")
                r = h.getresponse()
                r.read()
                if r.status != 200:
                    self.bad.append(("kept", r.status))
                if h.sock is None:
                    self.connections += 1
            except (OSError, http.client.HTTPException) as e:
                self.bad.append(("kept", repr(e)))
                h.close()
        h.close()

    def stop(self):
        self.end.set()
        for th in self.threads:
            th.join()


def renewal(t, st, enroll):
    with shim.Shim(enroll, prefix=st.b.prefix) as s:
        steady = Steady(s)
        time.sleep(12)
        steady.stop()
        t.is_(steady.bad, [], f"certificates of 6 s, 12 s of requests: each of {steady.count} is answered, also on a connection that is never idle")
        t.ok(2 <= steady.connections < 60, "which is closed behind an answer before its certificate ends, and seldom", steady.connections)
        me = json.loads(get(s, "/v1/self")[1])
        renewed = [r for r in oracle.records(st.b) if r["event"] == "renew" and r["instance"] == me["instance"]]
        t.ok(2 <= len(renewed) <= 6, "renewed at about half life, the instance stays", len(renewed))
        return s.leave()[1]


def outage(t, st, enroll):
    with shim.Shim(enroll, prefix=st.b.prefix) as s:
        t.is_(status(s), 200, "before the outage")
        st.b.stop()
        code, body, r = get(s, "/p/anthropic/v1/x")
        t.ok(code == 502 and b"gateway_unreachable" in body, "no broker: the client is told", body)
        t.is_(s.proc.poll(), None, "the command goes on")
        st.b.start()
        t.ok(shim.until(lambda: status(s) == 200), "the broker is back: so is the service, with the same certificate")


def revoked(t, st, enroll):
    with shim.Shim(enroll, prefix=st.b.prefix) as s:
        h = http.client.HTTPConnection("127.0.0.1", s.port, timeout=10)
        h.request("GET", "/p/anthropic/endless")
        r = h.getresponse()
        r.read1(100)
        st.up.clear()
        st.b.cli("workload", "suspend", "coder")
        code, body, _ = get(s, "/p/anthropic/v1/x")
        t.ok(code == 403 and b"suspended" in body, "suspended: 403, in words", body)
        st.b.cli("workload", "resume", "coder")
        t.is_(status(s), 200, "resumed")
        h.close()
        h = http.client.HTTPConnection("127.0.0.1", s.port, timeout=10)
        h.request("GET", "/p/anthropic/endless")
        r = h.getresponse()
        r.read1(100)
        st.up.clear()
        st.b.cli("workload", "revoke", "coder")
        start = time.monotonic()
        try:
            rest = r.read()
            cut = False
        except (OSError, http.client.HTTPException):
            cut, rest = True, b""
        t.ok(cut and time.monotonic() - start < 1, "revoked: the open stream is cut, and does not look complete", rest)
        code, body, r = get(s, "/p/anthropic/v1/x")
        t.ok(code == 403 and r.getheader("x-should-retry") == "false" and b"revoked" in body, "and the next request refused for good: 403, in words", body)
        t.is_(oracle.up0(st.up), "", "UP0")
        t.is_(s.proc.poll(), None, "the command is not killed for it")
    code, out, err = shim.run(enroll, "sh", "-c", "echo RAN", prefix=st.b.prefix)
    t.ok(code == 125 and "RAN" not in out and len(err.splitlines()) == 1, "and cannot be started again", err)


def given_back(t, st, enroll):
    with shim.Shim(enroll, prefix=st.b.prefix) as s:
        instance = json.loads(get(s, "/v1/self")[1])["instance"]
        code, err = s.leave()
    t.is_((code, err), (143, ""), "it ends without a word")
    t.is_(oracle.aud(st.b, event="give_back", instance=instance), "", "AUD: the certificate was given back")
    t.is_(oracle.aud(st.b, event="enroll", instance=instance), "", "AUD: and where it began")


def empty_root(t, st, enroll, tcp):
    """A static program needs nothing of the image: no /proc, no /etc, no libraries. Its command here is the same program."""
    if shim.SANITIZED:
        t.skip("in an empty root", "a sanitized shim is not static")
        return
    if os.geteuid() != 0:
        t.lacks("in an empty root", "root")
        return
    root = tempfile.mkdtemp(prefix="sidekey-root-", dir=st.b.dir)
    os.chmod(root, 0o755)
    os.makedirs(f"{root}/secrets")
    shutil.copy(shim.SHIM, f"{root}/sidekey-shim")
    os.chmod(f"{root}/sidekey-shim", 0o755)
    with open(enroll) as f:
        conf = json.load(f)
    if not tcp:
        os.link(f"{st.b.run}/gateway.sock", f"{root}/gateway.sock")
        conf["gateway"] = "unix:/gateway.sock"
    for name, change in (("enroll.json", {}), ("absent.json", {"gateway": "unix:/absent.sock"})):
        with open(f"{root}/secrets/{name}", "w") as f:
            json.dump({**conf, **change}, f)
        os.chmod(f"{root}/secrets/{name}", 0o444)
    os.chown(root, broker.ONE_UID, broker.ONE_UID)
    chroot = ["/usr/sbin/chroot", f"--userspec={broker.ONE_UID}:{broker.ONE_UID}", root, "/sidekey-shim", "--enroll"]
    kind = "TCP" if tcp else "a unix socket"
    p = subprocess.run([*chroot, "/secrets/enroll.json", "--listen", "127.0.0.1:22110", "--wait", "5s", "--", "/sidekey-shim", "--version"], capture_output=True, text=True, env={}, timeout=20)
    t.ok(p.returncode == 0 and p.stdout.startswith("sidekey-shim "), f"in an empty root, over {kind}", f"{p.returncode} {p.stdout}{p.stderr}")
    # The command waits for a broker that never comes: meanwhile the outer shim serves.
    p = subprocess.Popen([*chroot, "/secrets/enroll.json", "--listen", "127.0.0.1:22110", "--wait", "5s", "--", "/sidekey-shim", "--enroll", "/secrets/absent.json",
                          "--listen", "127.0.0.1:22111", "--wait", "20s", "--", "/sidekey-shim"], stderr=subprocess.PIPE, text=True, env={})
    s = type("Port", (), {"port": 22110})
    t.ok(shim.until(lambda: status(s) == 200), "and it serves there")
    p.terminate()
    _, err = p.communicate(timeout=10)
    t.is_(p.returncode, 143, "and ends as it was told")
    shutil.rmtree(root)


def short_lives(t):
    with stage.Stage(handler, yaml="certificate_ttl: 6s\n") as st:
        renewal(t, st, st.b.enroll("coder", "--reusable"))
        t.is_(oracle.can(stage.KEY, st.b), "", "CAN")


def main(t):
    threading.excepthook = lambda _: None
    meanwhile = tap.Later(short_lives)
    with stage.Stage(handler) as st:
        enroll = st.b.enroll("coder", "--reusable", "--cap", "9")
        for part in (variables, exits, given_back):
            part(t, st, enroll)
        with shim.Shim(enroll, prefix=st.b.prefix) as s:
            traffic(t, st, s)
        empty_root(t, st, enroll, tcp=False)
        outage(t, st, enroll)
        revoked(t, st, enroll)
        t.is_(oracle.can(stage.KEY, st.b), "", "CAN")
    with stage.Stage(handler, tcp=TCP, address=f"tcp:{TCP}") as st:
        enroll = st.b.enroll("coder", "--reusable", "--cap", "9")
        with open(enroll) as f:
            t.is_(json.load(f)["gateway"], f"tcp:{TCP}", "over TCP")
        with shim.Shim(enroll, prefix=st.b.prefix) as s:
            traffic(t, st, s)
        given_back(t, st, enroll)
        empty_root(t, st, enroll, tcp=True)
    meanwhile.tell(t)


tap.Tap().run(main)
