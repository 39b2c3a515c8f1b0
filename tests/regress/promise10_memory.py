#!/usr/bin/python3
"""Promise 10, memory: 1 s after its last use no piece of a secret is in any process of the broker or in the shim; the shim is as closed as the broker."""
import base64
import json
import os
import random
import string
import subprocess
import sys
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import broker, memory, pki, sameuid, shim, stage, tap, upstream, workload  # noqa: E402

FIXED = "sk-ant-api03-"
PASSPHRASE = "".join(random.choices(string.ascii_lowercase + string.digits, k=40))


def canary(prefix=""):
    return prefix + "".join(random.choices(string.ascii_letters + string.digits, k=48))


def handler(conn, req):
    if req.target == "/echo":
        return upstream.reply(conn, 200, f"the key is {req.get('x-api-key')}".encode(), "text/plain")
    if req.target == "/basic":
        return upstream.reply(conn, 200, f"the header was {req.get('authorization')}".encode(), "text/plain")
    if req.target == "/cut":
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        return False
    return upstream.messages_api(conn, req)


def named(b, s):
    return [("sidekeyd", b.proc.pid)] + [(role, p) for role, pids in sorted(b.pids().items()) for p in pids] + ([("shim", s.proc.pid)] if s else [])


def finds(b, s, secrets):
    return [(name, *hit) for name, pid in named(b, s) for hit in memory.scan(pid, secrets)]


def use(b, w, s, key):
    """Every path that a key takes: in, echoed, cut off, over a shim, shown, rotated, in a file."""
    for path in ("/v1/x", "/echo", "/cut"):
        for _ in range(3):
            try:
                w.ask("GET", f"/p/anthropic{path}")
            except (OSError, EOFError):
                pass
    w.ask("GET", "/p/basic/basic")
    w.ask("POST", "/p/anthropic/v1/messages", body=b"{" + b" " * 200000 + b"}")
    w.ask("GET", "/p/anthropic/v1/x", ["x-api-key: sk-ant-api03-somebody-elses"])
    with urllib.request.urlopen(f"{s.url}/p/anthropic/echo") as r:
        assert key.encode() not in r.read()
    assert b.cli("secret", "show", "anthropic-api-key", "--reveal").stdout == key


def heap(t):
    if not memory.can_look():
        t.lacks("the memory of others can be read", "root")
        return
    first, second, basic = canary(FIXED), canary(FIXED), canary()
    with broker.Broker(gateways=2, passphrase=PASSPHRASE) as b:
        ca = pki.Ca(f"{b.conf}/pki")
        up = upstream.Upstream(*ca.leaf("up", "DNS:api.anthropic.com"), handler)
        b.upstream("anthropic", "anthropic", up, ca.cert)
        b.write("upstreams/basic.yaml", f"upstream: basic\nlike: basic\nurl: https://api.anthropic.com\nca: {ca.cert}\nconnect: 127.0.0.1:{up.port}\n"
                "credential: {kind: static, secret: basic-key}\ninject: {basic: user}\n")
        b.policy("coder", ["coder"], '  anthropic:\n    allow: ["* /**"]\n  basic:\n    allow: ["* /**"]\n')
        b.start(ready=False)
        broker.wait_for(lambda: b.cli("status", check=False).returncode == 6, "sealed")
        b.cli("unseal", stdin=PASSPHRASE + "\n")
        broker.wait_for(b.answers, "unsealed")
        b.secret("anthropic-api-key", first)
        b.secret("basic-key", basic)
        b.workload("coder")
        b.reload()
        enroll = b.enroll("coder", "--reusable", "--cap", "3")
        with open(enroll) as f:
            enroll_key = json.load(f)["key"]
        w = workload.Workload(enroll)
        with shim.Shim(enroll, prefix=b.prefix) as s:
            use(b, w, s, first)
            b.cli("secret", "rotate", "anthropic-api-key", stdin=second)
            use(b, w, s, second)
            t.is_({h for r in up.requests for h in (r.get("x-api-key"), r.get("authorization")) if h},
                  {first, second, "Basic " + base64.b64encode(f"user:{basic}".encode()).decode()}, "all three keys were used")
            bad = workload.Workload(enroll, enroll=False)
            wrong = canary()[:43]
            bad.enroll(key=wrong)
            secrets = {"first key": memory.pieces(first, len(FIXED)), "second key": memory.pieces(second, len(FIXED)), "basic key": memory.pieces(basic),
                       "basic header": memory.pieces(base64.b64encode(f"user:{basic}".encode()).decode()), "enrollment key": memory.pieces(enroll_key),
                       "a wrong enrollment key": memory.pieces(wrong), "passphrase": memory.pieces(PASSPHRASE)}
            secrets["enrollment key, decoded"] = memory.raw_pieces(base64.urlsafe_b64decode(enroll_key + "="))
            time.sleep(1)  # the promise is about this second
            for name, pid in named(b, s):
                t.is_(memory.scan(pid, secrets), [], f"{name}: nothing of any secret is left in its memory")
            with open(f"{b.dir}/probe.py", "w") as f:
                f.write("import sys, time\nkeep = sys.stdin.read()\nprint('here', flush=True)\ntime.sleep(30)\n")
            probe = subprocess.Popen([sys.executable, f"{b.dir}/probe.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            probe.stdin.write(first)
            probe.stdin.close()
            probe.stdout.readline()
            t.ok(memory.scan(probe.pid, secrets), "(a process that keeps one is found out)")
            probe.kill()
            probe.wait()

            slow = w.connect()
            slow.send(b"POST /p/anthropic/v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{")
            hits = broker.wait_for(lambda: finds(b, None, {"second key": secrets["second key"]}), "a key in use", 30)
            t.is_({hit[0] for hit in hits}, {"gateway"}, "while a request is open, its gateway has the key, and nobody else")
            slow.close()
            time.sleep(1)
            t.is_(finds(b, s, secrets), [], "1 s after the client has gone it has not")
        up.close()


def own_child(t):
    """The one process that will try: the agent itself, a child of the shim with its uid."""
    with stage.Stage() as st:
        enroll = st.b.enroll("coder", "--reusable")
        if os.geteuid() == 0 and not st.b.prefix:
            t.skip("the command can read nothing of its shim", "it is root like its shim")
            return
        script = f"import os, sys\nsys.argv = ['x', str(os.getppid())]\n{sameuid.PROBE}"
        code, out, err = shim.run(enroll, "/usr/bin/python3", "-c", script, prefix=st.b.prefix)
        uid, found = out.split(" ", 1)
        can = [names for pid, names in json.loads(found).items() if "of" not in pid]
        t.is_((code, int(uid), can), (0, broker.ONE_UID if st.b.prefix else os.getuid(), [[]]), "the command can read nothing of its shim")
        with shim.Shim(enroll, prefix=st.b.prefix) as s:
            with open(f"/proc/{s.proc.pid}/limits") as f:
                core = next(line for line in f if line.startswith("Max core file size")).split()
            t.is_(core[4:6], ["0", "0"], "the shim dumps no core")


def main(t):
    heap(t)
    own_child(t)


tap.Tap().run(main)
