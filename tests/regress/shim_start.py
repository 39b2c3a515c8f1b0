#!/usr/bin/python3
"""The shim's start: what it asks for, what it says, what the command gets, and everything that must stop it. Against a gateway made of Python."""
import json
import os
import pty
import re
import select
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import fakegateway, pki, shim, tap  # noqa: E402


def happy(t):
    g = fakegateway.FakeGateway()
    e = g.enrollment()
    code, out, err = shim.run(e, "sh", "-c", "env; exit 7", env={"HTTPS_PROXY": "http://proxy:1", "NO_PROXY": "corp", "SIDEKEY_X": "1", "A": "1"})
    env = dict(line.split("=", 1) for line in out.splitlines())
    t.is_(code, 7, "the command's exit status is the shim's")
    t.is_(err, "", "nothing is said when all is well")
    t.is_(g.paths(), ["POST /v1/enroll", "DELETE /v1/self"], "it enrolls, asks for nothing more, and gives the certificate back")
    t.is_([r.alpn for r in g.seen], ["sidekey-control"] * 2, "on connections of its own kind")
    t.is_([r.has_cert for r in g.seen], [False, True], "with its certificate as soon as it has one")
    url = env.get("SIDEKEY_URL", "")
    t.ok(re.fullmatch(r"http://127\.0\.0\.1:\d+", url), "SIDEKEY_URL is where it listens", url)
    t.is_(env.get("ANTHROPIC_BASE_URL"), url + "/p/anthropic", "{sidekey_url} is filled in")
    t.is_(env.get("ANTHROPIC_API_KEY"), "sk-ant-api03-placeholder", "the placeholder is set")
    t.is_((env.get("NO_PROXY"), env.get("no_proxy")), ("corp,127.0.0.1,localhost",) * 2, "a proxy of the container is kept off the loopback port")
    t.is_((env.get("A"), "SIDEKEY_X" in env, "SIDEKEY_ENROLL_FILE" in env), ("1", False, False), "other variables stay, our settings do not")
    t.ok(g.enroll_key not in out + err, "the enrollment key is nowhere in them")
    csr = json.loads(g.seen[0].body)["csr"]
    text = subprocess.run(["openssl", "req", "-noout", "-text", "-subject"], input=csr, capture_output=True, text=True).stdout
    t.ok("NIST CURVE: P-256" in text and re.search(r"^subject=\s*$", text, re.M) and "(none)" in text, "the request is a P-256 key and nothing else", text)
    shim.run(e, "true")
    csr2 = json.loads([r for r in g.seen if r.target == "/v1/enroll"][1].body)["csr"]
    t.ok(csr != csr2, "and the key is a new one at each start")
    code, out, err = shim.run(e, "sh", "-c", "cat", stdin=subprocess.DEVNULL)
    t.is_((code, out, err), (0, "", ""), "stdin is the command's")
    g.tcp = "127.0.0.1:21601"
    g.address = "tcp:localhost:21601"
    g.listen()
    code, out, err = shim.run(g.enrollment(), "true")
    t.is_((code, err), (0, ""), "over TCP, by a name in the hosts file")
    g.address = "tcp:127.0.0.1:21601"
    t.is_(shim.run(g.enrollment(), "true")[0], 0, "and by address")


def protected(t):
    g = fakegateway.FakeGateway()
    e = g.enrollment()
    r, w = os.pipe()
    os.set_inheritable(r, True)
    p = subprocess.run(shim.command(e, "sh", "-c", "ls -l /proc/self/fd | wc -l; cat /proc/self/status; ulimit -c; ulimit -n"), pass_fds=[r, w],
                       capture_output=True, text=True, stdin=subprocess.DEVNULL, env=shim.ENV)
    fds, rest = p.stdout.split("\n", 1)
    t.is_(int(fds), 5, "the command has stdin, stdout, stderr, and no descriptor of ours or of whoever started us")
    t.ok("NoNewPrivs:\t1" in rest, "no new privileges for it either")
    mask = re.search(r"SigBlk:\t(\w+)", rest).group(1)
    t.is_(int(mask, 16), 0, "no signal is blocked in it")
    t.is_(rest.split()[-1], subprocess.run(["sh", "-c", "ulimit -n"], capture_output=True, text=True).stdout.strip(), "its descriptor limit is what it was")
    with shim.Shim(e, env={"CANARY": "canary-in-environ"}) as s:
        pid = s.proc.pid
        environ = open(f"/proc/{pid}/environ", "rb").read() if os.geteuid() == 0 else b""
        t.ok(b"canary" not in environ and b"PATH" not in environ, "our environment is overwritten where it stood", environ)
        shim.until(lambda: "Seccomp:\t2" in open(f"/proc/{pid}/status").read())  # the command starts a moment earlier
        status = open(f"/proc/{pid}/status").read()
        t.ok("Seccomp:\t2" in status and "NoNewPrivs:\t1" in status, "the shim runs under seccomp", status)
        t.is_(re.search(r"Max core file size\s+(\S+)\s+(\S+)", open(f"/proc/{pid}/limits").read()).groups(), ("0", "0"), "without core files")
        script = f"import os,sys\nfor f in ('environ','mem','maps'):\n  try: open('/proc/{pid}/'+f,'rb').read(1); print('READ',f)\n  except OSError as e: pass\n"
        other = subprocess.run(["setpriv", "--reuid=65534", "--clear-groups", "/usr/bin/python3", "-c", script], capture_output=True, text=True)
        t.is_(other.stdout, "", "another process cannot look into it")
        t.ok(all(g.enroll_key not in open(f"/proc/{pid}/{f}", errors="replace").read() for f in ("cmdline", "comm")), "the key is on no command line")
    for fds_closed in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
        p = subprocess.run(["sh", "-c", f"exec {' '.join(shim.command(e, 'true'))} {fds_closed}"], capture_output=True, timeout=20, env=shim.ENV)
        t.is_(p.returncode, 0, f"it starts with {fds_closed}")


def heap(t):
    """What is left of the key in the memory of a running shim; only root can look."""
    g = fakegateway.FakeGateway()
    if shim.SANITIZED:
        t.skip("the key is gone from memory", "sanitized")
        return
    if os.geteuid() != 0:
        t.lacks("the key is gone from memory", "root")
        return
    with shim.Shim(g.enrollment()) as s:
        time.sleep(0.3)
        found = []
        with open(f"/proc/{s.proc.pid}/maps") as maps, open(f"/proc/{s.proc.pid}/mem", "rb", 0) as mem:
            for line in maps:
                m = re.match(r"(\w+)-(\w+) rw", line)
                if not m:
                    continue
                lo, hi = (int(x, 16) for x in m.groups())
                try:
                    mem.seek(lo)
                    data = mem.read(hi - lo)
                except OSError:
                    continue
                pieces = [g.enroll_key[i:i + 12].encode() for i in range(0, 31)]
                found += [(line.strip(), p) for p in pieces if p in data]
        t.is_(found, [], "not even a piece of the enrollment key is left in its memory")


def hidden(t):
    g = fakegateway.FakeGateway()
    e = g.enrollment()
    dir_ = os.path.dirname(e)
    os.makedirs(f"{g.dir}/other", exist_ok=True)
    open(f"{g.dir}/other/file", "w").write("fine")
    open(f"{dir_}/beside", "w").write("fine")
    os.symlink(e, f"{g.dir}/other/link")
    tries = {
        "read it": f"cat {e}",
        "read it by another path": f"cat {dir_}/../secrets/enroll.json",
        "read it through a link": f"cat {g.dir}/other/link",
        "link it elsewhere": f"ln {e} {g.dir}/other/hard && cat {g.dir}/other/hard",
        "move it elsewhere": f"mv -T {dir_} {g.dir}/other/moved && cat {g.dir}/other/moved/enroll.json",
        "move its folder": f"mv -T {dir_} {g.dir}/renamed && cat {g.dir}/renamed/enroll.json; r=$?; mv -T {g.dir}/renamed {dir_}; exit $r",
        "copy it": f"cp {e} {g.dir}/other/copy",
        "read it from a grandchild": f"sh -c 'setsid cat {e}'",
        "read it through /proc": f"cat /proc/self/root{e}",
        "mount over it": f"unshare -rm sh -c 'mount --bind {dir_} /mnt && cat /mnt/enroll.json'",
    }
    for what, script in tries.items():
        code, out, err = shim.run(e, "sh", "-c", script)
        t.ok(code not in (0, 125) and g.enroll_key not in out, f"the command cannot {what}", f"{code} {out} {err}")
        t.ok(os.path.exists(e), "and it stays where it is")
    for what, script in {"the file beside it": f"cat {dir_}/beside", "a file near it": f"cat {g.dir}/other/file", "a link and a move between folders":
                         f"cd {g.dir}/other && ln file a && mkdir d && mv a d/b && cat d/b && rm -r d", "programs, libraries, /proc": "ls / >/dev/null && cat /proc/self/comm /etc/passwd /dev/null >/dev/null",
                         "pipes and memory files": "echo x | cat /dev/stdin; echo y | /usr/bin/python3 -c 'import os; fd = os.memfd_create(\"m\"); os.write(fd, b\"z\"); open(f\"/proc/self/fd/{fd}\").read()'"}.items():
        code, out, err = shim.run(e, "sh", "-c", script)
        t.ok(code == 0, f"{what} can be used", f"{code} {out} {err}")
    os.link(e, f"{g.dir}/second-name")
    code, out, err = shim.run(e, "true")
    t.ok(code == 125 and "more than one name" in err and "enroll_readable" in err, "a file with two names cannot be hidden: a reusable enrollment is refused", err)
    t.is_(g.paths()[-1], "DELETE /v1/self", "and the certificate is given back")
    g.readable_ok = True
    t.is_(shim.run(e, "true")[0], 0, "unless policy accepts that")
    g.readable_ok, g.reusable = False, False
    t.is_(shim.run(e, "true")[0], 0, "or it works only once anyway")


def refusals(t):
    g = fakegateway.FakeGateway()
    e = g.enrollment()

    def stops(what, words, *command, status=125, quick=True, path=None, **kw):
        start = time.monotonic()
        code, out, err = shim.run(path or g.enrollment(), *(command or ("sh", "-c", "echo RAN")), **kw)
        took = time.monotonic() - start
        good = code == status and all(w in err for w in words) and "RAN" not in out and len(err.splitlines()) == 1 and (not quick or took < 3)
        t.ok(good and g.enroll_key not in err, what, f"exit {code} after {took:.1f} s\n{out}{err}")

    stops("a command that is not there: 127", ["no-such-command", "not found"], "no-such-command", status=127)
    t.is_(g.paths(), [], "before anything was asked for")
    stops("a path that is not there: 127", ["No such file"], "/no/such/command", status=127)
    stops("a file that is no program: 126", ["/etc/passwd"], "/etc/passwd", status=126)
    stops("an empty command", ["no COMMAND"], "", path=e)
    stops("an address that is not loopback", ["loopback"], listen="0.0.0.0:21602")
    busy = socket.create_server(("127.0.0.1", 21603))
    stops("a port that is taken", ["127.0.0.1", "21603", "in use"], listen="127.0.0.1:21603")
    busy.close()
    stops("no enrollment file", ["/nonexistent", "No such file"], path="/nonexistent")
    for what, change, word in (("without a key", {"key": None}, '"key" is missing'), ("with a short key", {"key": "AAAA"}, '"key"'), ("with an unknown member", {"x": "y"}, 'unknown member "x"'),
                               ("with a CA that is none", {"ca": "nonsense"}, '"ca"'), ("with a leaf as CA", {"ca": open(g.cert).read()}, '"ca"'),
                               ("with an address of no kind", {"gateway": "http://x"}, '"gateway"')):
        stops(f"an enrollment {what}", [word], path=g.enrollment(**change))
    before = len(g.seen)
    stops("a key that the broker does not know", ["enroll_key_unknown", "401"], path=g.enrollment(key="A" * 43))
    t.is_(len(g.seen) - before, 1, "is tried once")
    for status in (400, 403, 404, 409):
        g.refuse = {"POST /v1/enroll": (status, {"code": "no", "detail": "because\x1b[31m"})}
        stops(f"a refusal with {status}", [str(status), "because", "\\x1b"])
    g.refuse = {"POST /v1/enroll": lambda r: b"SSH-2.0-x\r\n\r\n"}
    stops("an answer that is none", ["no answer of a gateway"])
    g.refuse = {"POST /v1/enroll": lambda r: b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}"}
    stops("an ambiguous answer", ["no answer of a gateway"])
    g.refuse = {"POST /v1/enroll": lambda r: b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"}
    stops("an answer without a certificate", ["no certificate"])
    g.refuse = {"POST /v1/enroll": lambda r: b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n" + b"x" * 600000}
    stops("an answer that is too long", ["no answer of a gateway"])
    g.refuse = {}
    for what, extra in (("no upstreams", {"upstreams": None}), ("no enrollment", {"enrollment": {}}), ("upstreams of no kind", {"upstreams": ["x"]})):
        g.self_extra = extra
        stops(f"a description with {what}", ["the broker's"])
        t.is_(g.paths()[-1], "DELETE /v1/self", "and the certificate is given back")
    g.self_extra = {}
    g.sign_as = "spiffe://test.example/other"
    stops("a certificate for another workload", ["another workload"])
    g.sign_as = None
    g.env = {"SIDEKEY_URL": "http://evil"}
    stops("a variable that is ours", ["SIDEKEY_URL"])
    g.env = {"A=B": "x"}
    stops("a variable with a bad name", ["A=B"])
    g.env = {}
    g.alpn = None
    stops("a server without our protocol", ["does not speak"])
    g.alpn = ["h2", "http/1.1"]
    stops("a server with other protocols", ["does not speak"])
    g.alpn = ["sidekey-control", "sidekey-forward"]
    g.tls_max = ssl.TLSVersion.TLSv1_2
    stops("a server with TLS 1.2 only", ["TLS"])


def impostors(t):
    good = fakegateway.FakeGateway(listen=False)
    for what, kw in (("another CA with the same name", {"ca": pki.Ca(f"{good.dir}/evil")}), ("a workload's certificate", {"ca": good.ca, "uri": "URI:spiffe://test.example/coder"}),
                     ("another trust domain's", {"ca": good.ca, "uri": "URI:spiffe://evil.example/sidekey/gateway"}), ("two URI names", {"ca": good.ca, "uri": fakegateway.GATEWAY_URI + ",URI:spiffe://test.example/x"}),
                     ("a DNS name and a tempting CN", {"ca": good.ca, "uri": "DNS:broker", "subject": "/CN=spiffe:\\/\\/test.example\\/sidekey\\/gateway"}),
                     ("no server usage", {"ca": good.ca, "ext": "extendedKeyUsage=clientAuth\n"}), ("no usage", {"ca": good.ca, "ext": ""}),
                     ("a CA certificate", {"ca": good.ca, "ext": "extendedKeyUsage=serverAuth\nbasicConstraints=critical,CA:TRUE\n"})):
        bad = fakegateway.FakeGateway(**kw)
        bad.enroll_key = good.enroll_key
        path = bad.enrollment(ca=open(good.ca.cert).read())
        code, out, err = shim.run(path, "sh", "-c", "echo RAN")
        t.ok(code == 125 and "certificate" in err and "RAN" not in out, f"a gateway with {what} is not believed", f"{code} {out} {err}")
        t.is_(bad.seen, [], "and gets no key to see")
        bad.stop()


def waiting(t):
    g = fakegateway.FakeGateway(listen=False)
    e = g.enrollment()
    start = time.monotonic()
    code, out, err = shim.run(e, "sh", "-c", "echo RAN", wait="2s")
    took = time.monotonic() - start
    lines = err.splitlines()
    t.ok(code == 125 and 1.8 < took < 4 and "RAN" not in out, "no broker: it waits as long as it was told and fails", f"{code} {took} {err}")
    t.ok(len(lines) == 2 and "waiting" in lines[0] and "gave up after 2 s" in lines[1] and all(g.address in line and "No such file" in line for line in lines), "one line says why it waits, one that it gave up", err)
    start = time.monotonic()
    code, out, err = shim.run(e, "true", wait="0")
    t.ok(code == 125 and time.monotonic() - start < 1 and len(err.splitlines()) == 1, "--wait 0 fails at once", err)

    sealed = (503, {"code": "sealed", "detail": "the keeper is sealed"})
    g.refuse = {"POST /v1/enroll": sealed}
    s = shim.Shim(e, wait="20s")
    time.sleep(0.5)
    g.listen()
    t.ok(shim.until(lambda: g.seen), "it finds a broker that starts late")
    t.ok(shim.until(lambda: len(g.seen) > 1), "a sealed one is asked again")
    before = len(g.seen)
    g.refuse = {"POST /v1/enroll": (502, {"code": "busy", "detail": "later"})}
    shim.until(lambda: len(g.seen) > before + 1)
    g.refuse = {}
    s.started()
    _, err = s.leave()
    waits = [line for line in err.splitlines() if "waiting" in line]
    t.ok(len(waits) == 3 and "No such file" in waits[0] and "sealed" in waits[1] and "busy" in waits[2], "each change of the reason is said once", err)
    csrs = {json.loads(r.body)["csr"] for r in g.seen if r.target == "/v1/enroll"}
    t.is_(len(csrs), 1, "all attempts carry one and the same request")

    g.refuse = {"POST /v1/enroll": sealed}
    for sig, name in ((15, "TERM"), (2, "INT")):
        p = subprocess.Popen(shim.command(e, "true", wait="20s"), stderr=subprocess.PIPE, env=shim.ENV)
        p.stderr.readline()
        p.send_signal(sig)
        start = time.monotonic()
        t.is_(p.wait(5), 128 + sig, f"SIG{name} ends the waiting")
        t.ok(time.monotonic() - start < 1, "at once")
    silent = socket.socket(socket.AF_UNIX)
    silent.bind(f"{g.dir}/silent.sock")
    silent.listen(8)
    start = time.monotonic()
    code, out, err = shim.run(g.enrollment(gateway=f"unix:{g.dir}/silent.sock"), "true", wait="1s")
    t.ok(code == 125 and time.monotonic() - start < 6 and "no answer in time" in err, "a gateway that says nothing does not hold it much longer", err)


def terminal(t):
    g = fakegateway.FakeGateway()
    e = g.enrollment()
    pid, fd = pty.fork()
    if pid == 0:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # ignored, if this runs in the background: a shell cannot trap that
        os.execve(shim.SHIM, shim.command(e, "sh", "-c", "ps -o pgid=,tpgid= -p $$; trap 'echo GOT INT; exit 3' INT; echo ready; while :; do sleep 0.1; done"), shim.ENV)
    seen = b""

    def read_until(word):
        nonlocal seen
        end = time.monotonic() + 8
        while word not in seen and select.select([fd], [], [], max(0, end - time.monotonic()))[0]:
            try:
                seen += os.read(fd, 4096)
            except OSError:
                break
        return word in seen
    t.ok(read_until(b"ready"), "it runs on a terminal", seen)
    pgid, tpgid = seen.split()[:2]
    t.is_(pgid, tpgid, "the command's group has the terminal")
    os.write(fd, b"\x03")
    if not t.ok(read_until(b"GOT INT"), "Ctrl-C reaches it", seen):
        os.kill(pid, signal.SIGKILL)
    read_until(b"never")
    _, status = os.waitpid(pid, 0)
    t.is_(os.waitstatus_to_exitcode(status), 3, "and its exit status comes back")
    os.close(fd)


def usage(t):
    for option, word in (("--help", "usage: sidekey-shim"), ("--version", "sidekey-shim ")):
        p = subprocess.run([shim.SHIM, option], capture_output=True, text=True, env=shim.ENV)
        t.ok(p.returncode == 0 and word in p.stdout and p.stderr == "", f"{option}", p)
    p = subprocess.run([shim.SHIM, "--bogus", "x"], capture_output=True, text=True, env=shim.ENV)
    t.ok(p.returncode == 125 and "--bogus" in p.stderr and "--help" in p.stderr and p.stdout == "", "an unknown option is named", p)
    p = subprocess.run([shim.SHIM, "--help"], stdout=open("/dev/full", "w"), stderr=subprocess.PIPE, env=shim.ENV)
    t.is_(p.returncode, 125, "a help that cannot be written is a failure")


def main(t):
    threading.excepthook = lambda _: None
    for part in (usage, happy, protected, heap, hidden, refusals, impostors, waiting, terminal):
        part(t)


if __name__ == "__main__":
    tap.Tap().run(main)
