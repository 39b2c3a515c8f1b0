#!/usr/bin/python3
"""The image, the broker's Compose project, and an agent in an image that knows nothing of Sidekey, with and without Landlock."""
import json
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import bench, docker, oracle, pki, tap, upstream  # noqa: E402

KEY = "sk-ant-api03-canary-0123456789abcdefghijklmnopqrstuvwxyz"
USE = '  anthropic:\n    allow: ["POST /v1/messages"]\n'
TEXT = "Hello from the local upstream."
CURL = 'curl -sS -m 20 -H "x-api-key: $ANTHROPIC_API_KEY" -d "{}" "$ANTHROPIC_BASE_URL/v1/messages"'
# What Docker Desktop's kernel says to Landlock, for an engine on a kernel that has it.
NO_LANDLOCK = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
    {"names": ["landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}]}
HARDENED = ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--pids-limit", "64", "--user", "1000:1000"]


class Agents:
    """Starts agents in a plain image: two read-only mounts and the enrollment, nothing else."""

    def __init__(self, p):
        self.p, self.e, self.count = p, p.e, 0

    def enroll(self, *flags):
        self.count += 1
        name = f"coder-{self.count}.json"
        self.p.cli("workload", "enroll", "coder", "--owner", "1000", "--out", f"/w/{name}", *flags, mount=self.e.dir)
        return f"{self.e.dir}/{name}"

    def run(self, enroll, *command, more=(), detach=None, **kw):
        how = ["-d", "--name", detach] if detach else ["--rm"]
        return self.e.run("run", *how, "--network", "none", *HARDENED, *more, "-v", "sidekey-run:/run/sidekey:ro", "-v", "sidekey-shim:/sidekey:ro",
                          "-v", f"{enroll}:/run/secrets/sidekey:ro", "--entrypoint", "/sidekey/sidekey-shim", "plain", "--wait", "10s", "--", *command,
                          check=False, **kw)


def said(p):
    return f"exit {p.returncode}\n{p.stdout[-1500:]}\n{p.stderr[-1500:]}"


def image(t, e):
    size = int(e.run("image", "inspect", "sidekey", "--format", "{{.Size}}").stdout)
    t.ok(size < 48 << 20, "the image is under 48 MiB", f"{size >> 20} MiB")
    t.is_(e.run("image", "inspect", "sidekey", "--format", "{{.Config.User}}").stdout.strip(), "7433:7433", "it does not run as root")
    t.ok("sidekey" in e.run("run", "--rm", "--network", "none", "sidekey", "version").stdout, "docker run --rm sidekey COMMAND is the command line")
    p = e.run("run", "--rm", "--network", "none", "--entrypoint", "/bin/sh", "sidekey", "-c", "true", check=False)
    t.is_(p.returncode, 127, "there is no shell in it")
    e.run("create", "--name", "look", "sidekey")
    listed = e.call(["sh", "-c", "docker export look | tar -tv"]).stdout
    e.run("rm", "look")
    modes = dict(reversed(line.split()[:6:5]) for line in listed.splitlines() if "usr/local/" in line)
    t.is_({n.rsplit("/", 1)[1]: m for n, m in modes.items() if "libexec/sidekey/" in n and not n.endswith("/")},
          dict.fromkeys(("sidekey-api", "sidekey-gateway", "sidekey-keeper", "sidekey-shim"), "-rwx--x--x"), "the daemons and the shim are closed to reading")
    t.is_(sorted(re.findall(r"^-rws.*|^-......s.*", listed, re.M)), [], "nothing in it is setuid or setgid")


def project(t, p):
    key = f"{p.dir}/secrets/unseal.key"
    p.init()
    st = os.stat(key)
    t.is_((st.st_uid, st.st_mode & 0o7777), (7433, 0o400), "init, without root and without capabilities, leaves the key to the broker's user alone")
    again = p.compose("run", "--rm", "init", check=False)
    t.ok(again.returncode != 0 and os.stat(key).st_ino == st.st_ino, "a second init is refused and changes nothing", said(again))
    p.up()
    t.ok(True, "the project comes up, and is healthy")
    c = p.e.inspect(p.id())[0]
    t.is_(bench.findings(c), [], "section 5 of the CIS Docker Benchmark holds for the broker")
    doctor = p.sidekey("doctor", check=False)
    t.ok(" 0 bad" in " " + doctor.stderr + doctor.stdout, "doctor finds nothing bad", said(doctor))
    t.is_(os.listdir(f"{p.e.data}/volumes/sidekey-run/_data"), ["gateway.sock"], "the volume that agents mount holds the gateway's socket and nothing else")
    shim = os.stat(f"{p.e.data}/volumes/sidekey-shim/_data/sidekey-shim")
    t.is_((shim.st_uid, shim.st_mode & 0o7777), (0, 0o711), "the shim belongs to root and cannot be read")
    old = shim.st_ino
    p.compose("up", "-d")
    t.ok(os.stat(f"{p.e.data}/volumes/sidekey-shim/_data/sidekey-shim").st_ino != old, "up again puts the image's shim there: an upgrade reaches it")


def agents(t, p, up):
    a = Agents(p)
    enroll = a.enroll("--reusable", "--cap", "4")
    st = os.stat(enroll)
    t.is_((st.st_uid, st.st_mode & 0o7777), (1000, 0o400), "the enrollment belongs to the agent's user")
    for what, command in (("a request reaches the upstream", CURL), ("and another container's, with the same enrollment", CURL)):
        up.clear()
        r = a.run(enroll, "sh", "-c", command)
        t.ok(r.returncode == 0 and TEXT in r.stdout, what, said(r))
        t.is_(oracle.up1(up, "POST /v1/messages HTTP/1.1", "x-api-key", KEY), "", "UP1: with the key, once")
    r = a.run(enroll, "sh", "-c", "env; tr '\\0' '\\n' < /proc/self/environ; cat /run/secrets/sidekey; cat /proc/1/environ; cat /proc/1/mem; ls -la /run/sidekey /sidekey; "
              "cat /sidekey/sidekey-shim; rm /run/sidekey/gateway.sock; echo x > /sidekey/x; ls /sys/class/net; kill -9 1; echo alive")
    t.ok("ANTHROPIC_API_KEY=sk-ant-api03-" in r.stdout and "alive" in r.stdout, "an agent looks around", said(r))
    with open(enroll) as f:
        secret = json.load(f)
    words = [v for v in secret.values() if isinstance(v, str) and re.fullmatch(r"[A-Za-z0-9_+/=-]{40,}", v)]
    t.ok(words and not any(w in r.stdout for w in words), "it cannot read its enrollment", said(r))
    t.is_(oracle.can_bytes(KEY, (r.stdout + r.stderr).encode(), "what an agent printed"), "", "CAN: nor the key, anywhere")
    t.is_(len(re.findall(r"Permission denied|Read-only file system", r.stderr)), 6, "six attempts on the shim, its memory and its mounts are refused")
    t.is_(r.stdout.split("alive")[0].strip().splitlines()[-1], "lo", "it has no network but loopback")
    r = a.run(enroll, "sh", "-c", f"sleep 1; {CURL}", more=["-v", "sidekey-admin:/admin"], detach="with-admin")  # what no overlay does
    p.e.run("wait", "with-admin")
    r = p.e.run("logs", "with-admin")
    t.ok(TEXT in r.stdout, "the operator's sockets are of no use to an agent", said(r))
    p.e.run("rm", "with-admin")
    return a


def without_landlock(t, p, a, up):
    profile = f"{p.e.dir}/no-landlock.json"
    with open(profile, "w") as f:
        json.dump(NO_LANDLOCK, f)
    more = ["--security-opt", f"seccomp={profile}"]
    up.clear()
    r = a.run(a.enroll("--reusable"), "sh", "-c", CURL, more=more)
    t.ok(r.returncode == 125 and "enroll_readable" in r.stderr, "without Landlock a reusable enrollment is refused, and the way out is named", said(r))
    t.is_(oracle.up0(up), "", "UP0")
    r = a.run(a.enroll(), "sh", "-c", CURL, more=more)
    t.ok(r.returncode == 0 and TEXT in r.stdout, "a single-use one works", said(r))
    p.write("policies/coder.yaml", f"policy: coder\nworkloads: [coder]\nenroll_readable: accept\nuse:\n{USE}")
    p.sidekey("reload")
    r = a.run(a.enroll("--reusable"), "sh", "-c", CURL, more=more)
    t.ok(r.returncode == 0 and TEXT in r.stdout, "and a reusable one where policy accepts that it can be read", said(r))
    with open(f"{p.dir}/compose.override.yaml", "w") as f:
        f.write(f'services: {{broker: {{security_opt: ["seccomp={profile}"]}}}}\n')
    p.up()
    t.ok("NO LANDLOCK" in p.log() and "andlock" in p.sidekey("status").stdout, "the broker runs without Landlock too, and says so loudly", p.log()[-1500:])
    r = a.run(a.enroll("--reusable"), "sh", "-c", CURL)
    t.ok(r.returncode == 0 and TEXT in r.stdout, "and serves", said(r))
    os.unlink(f"{p.dir}/compose.override.yaml")
    p.up()


def sweep_sees(t, e):
    """What the sweep below says is worth something: it finds a canary wherever one was put."""
    folder = f"{e.dir}/leaky"
    os.mkdir(folder)
    leaks = {"environment": ["-e", "X=leak-environment-0123456789", "plain", "sleep", "60"], "log": ["plain", "sh", "-c", "echo leak-log-0123456789"],
             "command line": ["plain", "sh", "-c", "sleep 60; : leak-command-line-0123456789"],
             "volume": ["-v", "leaky:/v", "plain", "sh", "-c", "echo leak-volume-0123456789 | base64 > /v/x"],
             "container's layer": ["plain", "sh", "-c", "printf leak-container-s-layer-0123456789 | od -An -tx1 | tr -d ' \\n' > /x"]}
    for what, how in leaks.items():
        e.run("run", "-d", "--network", "none", "--name", "leaky", *how)
        if "sleep" not in " ".join(how):
            e.run("wait", "leaky")
        t.ok(docker.can(f"leak-{re.sub('[^a-z]', '-', what)}-0123456789", e), f"the sweep finds a key in a {what}")
        e.run("rm", "-f", "leaky")
    with open(f"{folder}/Dockerfile", "w") as f:
        f.write("FROM plain\nRUN echo leak-image-0123456789 > /key\nRUN rm /key\n")
    e.build("leaky", folder)
    t.ok(docker.can("leak-image-0123456789", e), "and in an image whose next layer removed it")


def main(t):
    if docker.missing():
        t.lacks("a Docker engine of the test's own", docker.missing())
        return
    with docker.Engine() as e:
        e.sidekey()
        image(t, e)
        plain = f"{e.dir}/plain"
        os.mkdir(plain)
        with open(f"{plain}/Dockerfile", "w") as f:
            f.write(f"FROM {docker.BASE}\nRUN apt-get update -q && apt-get install -y -q --no-install-recommends curl\n")
        e.build("plain", plain)
        p = docker.Project(e)
        project(t, p)
        ca = pki.Ca(f"{e.dir}/pki")
        up = upstream.Upstream(*ca.leaf("up", "DNS:api.anthropic.com"), host=p.gateway_ip())
        try:
            p.upstream("anthropic", "anthropic", up, ca)
            p.write("policies/coder.yaml", f"policy: coder\nworkloads: [coder]\nuse:\n{USE}")
            p.sidekey("secret", "set", "anthropic-api-key", stdin=KEY)
            p.sidekey("workload", "add", "coder")
            p.sidekey("reload")
            a = agents(t, p, up)
            without_landlock(t, p, a, up)
        finally:
            up.close()
        sweep_sees(t, e)
        t.is_(docker.can(KEY, e), "", "CAN: no key in inspect, logs, processes, image layers, volumes")
        p.compose("down", "-v", "-t", "5")


tap.Tap().run(main)
