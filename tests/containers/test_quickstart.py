#!/usr/bin/python3
"""compose/quickstart leaves its .env: what ran with keys runs without, on a real engine, and no key is anywhere."""
import os
import pty
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import bench, broker, docker, oracle, pki, tap, upstream  # noqa: E402

KEYS = {"ANTHROPIC_API_KEY": "sk-ant-api03-canary-0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz-0123456-AA",
        "OPENAI_API_KEY": "sk-proj-canary0123456789abcdefghijklmnopqrstuvwxyzABCDEFGH"}
TEXT = "Hello from the local upstream."
TASKS = {"lead": b"Say hello.", "coder": b"Write a function."}
MOVED = ("lead", "coder", "chat", "mcp-models")
LEFT = ("db-service", "task-init")


class Stack:
    """The stack's folder as its owner has it, with a .env of canaries."""

    def __init__(self, e, port):
        self.e, self.dir, self.files, self.port = e, f"{e.dir}/quickstart", [], port
        shutil.copytree(f"{broker.ROOT}/compose/quickstart", self.dir, ignore=shutil.ignore_patterns("node_modules"))
        with open(f"{self.dir}/.env", "w") as f:
            f.write("".join(f"{k}={v}\n" for k, v in KEYS.items()) + f"POSTGRES_PASSWORD=of-the-database\nMODELS_PORT={port}\nEVERY_S=4\n")
        with open(f"{self.dir}/docker-compose.yml", "rb") as f:
            self.original = f.read()

    def compose(self, *args, **kw):
        return self.e.compose(self.dir, *self.files, *args, **kw)

    def inspect(self):
        """{service: docker inspect}"""
        found = self.e.inspect(*self.compose("ps", "-aq").stdout.split())
        return {c["Config"]["Labels"]["com.docker.compose.service"]: c for c in found}

    def logs(self, service):
        p = self.compose("logs", "--no-color", service)
        return p.stdout + p.stderr

    def models(self):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=10) as r:
                return r.status
        except urllib.error.HTTPError as e:
            return e.code
        except OSError as e:
            return repr(e)


def ask(up, who):
    return sum(TASKS[who] in r.body for r in list(up.requests))


def works(t, s, up, what, who=("lead", "coder")):
    """Claude Code of each agent asks anew, and is answered."""
    up.clear()
    before = {w: s.logs(w).count(TEXT) for w in who}
    for w in who:
        good = oracle.until(lambda w=w: ask(up, w) and s.logs(w).count(TEXT) > before[w], 60)
        t.ok(good, f"{what}: Claude Code in {w} works", s.logs(w)[-1500:])
    good = oracle.until(lambda: s.models() == 200, 20)
    t.ok(good, f"{what}: the published service works, with its API", f"{s.models()}\n{s.logs('mcp-models')[-800:]}")
    bad = [(r.line, r.headers) for r in list(up.requests)
           if (r.get("x-api-key") or r.get("authorization")) not in (KEYS["ANTHROPIC_API_KEY"], f"Bearer {KEYS['OPENAI_API_KEY']}")]
    t.is_(bad, [], f"{what}: each request had its key, put in on the way")


def move(t, s, p):
    """As docs/DEPLOY.md has the operator do it: what Docker says is asked outside, the rest is done by the image."""
    with open(f"{s.dir}/images.json", "w") as f:
        f.write(s.e.run("image", "inspect", "quickstart-agent").stdout)
    config = s.compose("config", "--format", "json").stdout
    words = ["run", "--rm", "-T", "-v", f"{s.dir}:{s.dir}", "-w", s.dir, "cli", "import", "compose", "--config", "-", "--images", "images.json",
             "-f", "docker-compose.yml", *(word for name in MOVED for word in ("--owner", f"{name}=1000"))]
    plan = p.compose(*words, stdin=config, check=False)
    t.ok(plan.returncode == 0 and not os.path.exists(f"{s.dir}/.env.sidekey"), "import compose shows a plan and does nothing", plan.stdout[-2500:] + plan.stderr[-1500:])
    done = p.compose(*words, "--apply", stdin=config, check=False)
    t.ok(done.returncode == 0, "import compose --apply does it", done.stdout[-2500:] + done.stderr[-1500:])
    said = (plan.stdout + plan.stderr + done.stdout + done.stderr).encode()
    t.is_([k for k, v in KEYS.items() if oracle.can_bytes(v, said, k)], [], "and prints no key")
    s.files = ["--env-file", ".env.sidekey", "-f", "docker-compose.yml", "-f", "docker-compose.sidekey.yml"]


def before(t, s):
    """What the stack is today."""
    s.compose("create", "--no-build")
    was = s.inspect()
    for name, key in KEYS.items():
        t.ok(docker.can(key, s.e), f"today {name} is there for whoever looks")
    s.compose("down", "-t", "1")
    return was


def chat(t, s):
    """A person at the terminal of the interactive service."""
    name = s.inspect()["chat"]["Name"].lstrip("/")
    ours, theirs = pty.openpty()
    p = subprocess.Popen(["docker", "attach", name], stdin=theirs, stdout=theirs, stderr=theirs, env=s.e.env(TERM="dumb"), start_new_session=True)
    os.close(theirs)
    os.set_blocking(ours, False)
    said = b""

    def read():
        nonlocal said
        try:
            said += os.read(ours, 65536)
        except (BlockingIOError, OSError):
            pass
        return TEXT.encode() in said

    os.write(ours, b"tty; claude -p 'Say hello.' < /dev/null; env | grep -c ANTHROPIC_API_KEY=sk-ant\n")
    t.ok(oracle.until(read, 60) and b"/dev/" in said, "a person at chat's terminal is served by Claude Code", said.decode(errors="replace")[-1500:])
    p.kill()
    p.wait()
    os.close(ours)


def sweep(t, s, when):
    for name, key in KEYS.items():
        t.is_(docker.can(key, s.e) or docker.can_files(key, s.dir), "", f"CAN, {when}: {name} is in no environment, layer, volume, inspect, log or file of the stack")


def controls(t, was, now):
    for name in MOVED + LEFT:
        lost = sorted(set(bench.findings(now[name])) - set(bench.findings(was[name])))
        t.is_(lost, [], f"{name}: every control of section 5 that it had is on")
    for name in ("lead", "coder", "chat"):
        t.is_(now[name]["HostConfig"]["NetworkMode"], "none", f"{name} has no network any more")
        t.is_(bench.findings(now[name]), [], f"{name}: section 5 holds whole")
    for name in LEFT:
        t.is_((now[name]["Config"]["Entrypoint"], now[name]["Config"]["Env"]), (was[name]["Config"]["Entrypoint"], was[name]["Config"]["Env"]), f"{name} is left alone")
    for name in ("lead", "coder"):
        t.ok(now[name]["HostConfig"]["RestartPolicy"] == was[name]["HostConfig"]["RestartPolicy"], f"{name} keeps its restart policy")
    t.is_(now["coder"]["Config"].get("Healthcheck"), was["coder"]["Config"].get("Healthcheck"), "coder keeps its health check")


def revoke(t, s, p, up):
    p.sidekey("workload", "revoke", "coder")
    up.clear()
    mark = len(s.logs("coder"))
    t.ok(oracle.until(lambda: "agent: failed" in s.logs("coder")[mark:] or "sidekey-shim:" in s.logs("coder")[mark:], 60), "a revoked agent is refused", s.logs("coder")[-1500:])
    works(t, s, up, "one agent revoked, the others go on", ("lead",))
    t.is_(ask(up, "coder"), 0, "and nothing of the revoked one arrives")
    s.compose("restart", "-t", "3", "coder")
    good = oracle.until(lambda: s.inspect()["coder"]["State"]["Status"] in ("exited", "restarting") and "refuse" in s.logs("coder"), 60)
    t.ok(good, "a restart does not bring it back", s.logs("coder")[-1500:])


def scenario(t, e, p, up, ca):
    s = Stack(e, 18000 + os.getpid() % 2000)
    was = before(t, s)
    for like in ("anthropic", "openai"):
        p.upstream(like, like, up, ca)
    move(t, s, p)
    os.unlink(f"{s.dir}/.env")
    with open(f"{s.dir}/docker-compose.yml", "rb") as f:
        t.ok(f.read() == s.original, "the stack's own file is byte for byte what it was")
    s.compose("up", "-d", "--no-build")
    works(t, s, up, "moved")
    controls(t, was, s.inspect())
    chat(t, s)
    sweep(t, s, "moved")
    s.compose("restart", "-t", "5")
    works(t, s, up, "all containers restarted")
    p.compose("restart", "broker")
    p.healthy()
    works(t, s, up, "the broker restarted")
    revoke(t, s, p, up)
    sweep(t, s, "at the end")
    t.is_(p.sidekey("audit", "verify", check=False).returncode, 0, "the audit log verifies")
    start = time.monotonic()
    s.compose("down", "-t", "10")
    t.ok(time.monotonic() - start < 60, "the stack ends")


def main(t):
    if docker.missing():
        t.lacks("a Docker engine of the test's own", docker.missing())
        return
    agent = f"{broker.ROOT}/compose/quickstart/agent"
    with docker.Engine() as e:
        e.sidekey()
        subprocess.run(["npm", "ci", "--silent", "--no-audit", "--no-fund"], cwd=agent, check=True)
        e.build("quickstart-agent", agent)
        p = docker.Project(e)
        p.init()
        p.up()
        ca = pki.Ca(f"{e.dir}/pki")
        up = upstream.Upstream(*ca.leaf("up", "DNS:api.anthropic.com,DNS:api.openai.com"), host=p.gateway_ip())
        try:
            scenario(t, e, p, up, ca)
        finally:
            up.close()
            p.compose("down", "-v", "-t", "5")
tap.Tap().run(main)
