#!/usr/bin/python3
"""README's three lines on a real engine: import compose asks the Docker client itself, the stack runs without its keys, and again on its originals.
Then the same by the image alone."""
import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import broker, docker, oracle, pki, tap, upstream  # noqa: E402

KEYS = {"ANTHROPIC_API_KEY": "sk-ant-api03-livecanary-0123456789abcdefghijklmnopqrstuvw", "OPENAI_API_KEY": "sk-proj-livecanary0123456789abcdefghijklmnopqrstuvwxyzAB"}
NEW = "sk-ant-api03-rotated-0123456789abcdefghijklmnopqrstuvwxy"
TEXT = "Hello from the local upstream."
DOCKERFILE = f"""FROM {docker.BASE}
RUN apt-get update -q && apt-get install -y -q --no-install-recommends curl
RUN apt-get install -y -q --no-install-recommends tini && useradd -u 1234 agent
VOLUME /cache
USER agent
ENTRYPOINT ["tini", "--"]
CMD ["sh", "-c", "while :; do curl -sS -m 20 -H \\"x-api-key: $ANTHROPIC_API_KEY\\" -d '{{}}' \\"$ANTHROPIC_BASE_URL/v1/messages\\"; echo; sleep 1; done"]
"""
FIRST = """name: live
x-agent: &agent
  image: live-agent
  cap_drop: [ALL]
  restart: on-failure:3
  stop_grace_period: 1s
services:
  coder:
    <<: *agent
    env_file: .env
    environment: {ANTHROPIC_API_KEY: "${ANTHROPIC_API_KEY:?set it}"}
    healthcheck: {test: [CMD, "true"], interval: 1s}
"""
SECOND = """services:
  models:
    image: live-agent
    command: [sleep, infinity]
    environment: {OPENAI_API_KEY: "${OPENAI_API_KEY}"}
    ports: ["127.0.0.1:${PORT}:8080"]
    stop_grace_period: 1s
  emptied:
    image: live-agent
    entrypoint: []
    environment: {OPENAI_API_KEY: "${OPENAI_API_KEY}"}
    stop_grace_period: 1s
  db:
    image: live-agent
    command: [sleep, infinity]
    environment: {POSTGRES_PASSWORD: "${POSTGRES_PASSWORD:-of-the-database}"}
    stop_grace_period: 1s
"""


def commands(name, mark):
    """The lines of the block of a document that has the mark, without comments."""
    with open(f"{broker.ROOT}/{name}") as f:
        block = next(b for b in re.split(r"^```\w*\n", f.read(), flags=re.M)[1::2] if mark in b)
    return [line for line in (re.sub(r"\s+#.*", "", text).strip() for text in block.replace("|\n", "| ").replace("\\\n", " ").splitlines()) if line]


class Live:
    def __init__(self, e, p):
        self.e, self.p, self.dir, self.said = e, p, f"{e.dir}/live", ""
        self.originals = {".env": "".join(f"{k}={v}\n" for k, v in KEYS.items()) + f"PORT={20000 + os.getpid() % 2000}\n",
                          "docker-compose.yml": FIRST, "docker-compose.mcp.yml": SECOND}
        os.makedirs(f"{e.dir}/cli-plugins", exist_ok=True)
        if not os.path.exists(f"{e.dir}/cli-plugins/docker-compose"):
            os.symlink(f"{docker.CACHE}/docker-compose", f"{e.dir}/cli-plugins/docker-compose")
        os.mkdir(self.dir)
        with open(f"{self.dir}/Dockerfile", "w") as f:
            f.write(DOCKERFILE)
        e.build("live-agent", self.dir)
        os.unlink(f"{self.dir}/Dockerfile")
        for name, text in self.originals.items():
            with open(f"{self.dir}/{name}", "w") as f:
                f.write(text)

    def sh(self, line):
        """A line as a person types it: sidekey on the host, with the broker that runs in its own project."""
        p = self.e.call(["bash", "-ec", line], cwd=self.dir, check=False,
                        env={"PATH": f"{broker.BUILT}:{os.environ['PATH']}", "SIDEKEY_CONFIG_DIR": self.p.conf, "SIDEKEY_RUN_DIR": f"{self.e.data}/volumes/sidekey-admin/_data"})
        self.said += p.stdout + p.stderr
        tap.look(line, p.stderr)
        return p

    def contents(self):
        return {n: open(f"{self.dir}/{n}").read() for n in os.listdir(self.dir) if os.path.isfile(f"{self.dir}/{n}")}

    def inspect(self):
        """{service: docker inspect}"""
        found = self.e.inspect(*self.e.containers("label=com.docker.compose.project=live"))
        return {c["Config"]["Labels"]["com.docker.compose.service"]: c for c in found}

    def healthy(self):
        return oracle.until(lambda: self.inspect().get("coder", {}).get("State", {}).get("Health", {}).get("Status") == "healthy", 30)

    def logs(self):
        return self.e.run("logs", self.inspect()["coder"]["Id"]).stdout

    def things(self):
        """Of the engine: what a look-up must not leave behind."""
        return self.e.containers(), self.e.run("volume", "ls", "-q").stdout


def said(p):
    return f"exit {p.returncode}\n{p.stdout[-2500:]}\n{p.stderr[-1500:]}"


def env(container):
    return dict(v.split("=", 1) for v in container["Config"]["Env"])


def planned(t, s, line):
    before = s.contents(), s.things()
    p = s.sh(line)
    t.ok(p.returncode == 0 and "would write" in p.stderr and "coder" in p.stdout, line, said(p))
    p = s.sh(line.replace("sidekey import", "sidekey --json import", 1))
    plan = {r["service"]: r for r in map(json.loads, p.stdout.splitlines()) if "service" in r}
    if not t.ok(p.returncode == 0 and {n: r["action"] for n, r in plan.items()} == {"coder": "converted", "models": "converted", "emptied": "converted", "db": "no key"}, "sidekey asks docker and Compose, and has a plan", said(p)):
        return False
    t.is_((plan["coder"]["owner"], plan["coder"]["dropped_init"], plan["coder"]["health"][:2], plan["coder"]["network"], plan["models"]["network"]), (1234, "tini", "Up", "none", "kept"),
          "with the number of the image's user, its init, the health of now, and who needs a network")
    t.is_((s.contents(), s.things()), before, "nothing is changed, and no container or volume is left of the look-up")
    return True


def moved(t, s, up, was):
    now = s.inspect()
    t.is_((was["emptied"]["Config"]["Entrypoint"], now["emptied"]["Config"]["Entrypoint"], now["emptied"]["Config"]["Cmd"]), ([], ["/sidekey/sidekey-shim", "--"], was["emptied"]["Config"]["Cmd"]),
          "an emptied entrypoint keeps the image's command, behind the shim too")
    t.ok(s.healthy() and oracle.until(lambda: TEXT in s.logs(), 30), "coder is healthy, and its requests are answered", s.logs()[-1000:])
    t.is_({r.get("x-api-key") for r in list(up.requests)}, {KEYS["ANTHROPIC_API_KEY"]}, "with the key, put in on the way")
    c = now["coder"]
    t.is_((c["Config"]["Entrypoint"], c["Config"]["Cmd"][:2], c["HostConfig"]["NetworkMode"], c["HostConfig"]["CapDrop"], c["HostConfig"]["RestartPolicy"]["Name"]),
          (["/sidekey/sidekey-shim", "--"], ["sh", "-c"], "none", ["ALL"], "on-failure"), "the shim is its entrypoint, without tini; no network; the rest as it was")
    t.ok(now["models"]["HostConfig"]["PortBindings"] and now["models"]["State"]["Running"], "models keeps its port")
    t.is_((now["db"]["Config"]["Entrypoint"], env(now["db"])["POSTGRES_PASSWORD"]), (["tini", "--"], "of-the-database"), "db is left alone")
    key = KEYS["ANTHROPIC_API_KEY"]
    t.is_(docker.can(key, s.e) or docker.can_files(key, s.dir), "", "CAN: the key is in nothing that the engine or the stack's folder has")
    t.ok(KEYS["OPENAI_API_KEY"] not in json.dumps(now), "nor is the other in any container's environment")


def back(t, s, line):
    s.p.sidekey("secret", "rotate", "anthropic-api-key", stdin=NEW)
    p = s.sh(line)
    want = {**s.originals, ".env": s.originals[".env"].replace(KEYS["ANTHROPIC_API_KEY"], NEW)}
    t.ok(p.returncode == 0 and s.contents() == want and not os.path.exists(f"{s.dir}/.sidekey"), "rolled back: the originals, the .env with the key of now, nothing else", said(p))
    lines = re.findall(r"^sidekey: next: (docker compose .*)$", p.stderr, re.M)
    if not t.is_(lines, ["docker compose -f docker-compose.yml -f docker-compose.mcp.yml up -d"], "and how to start the stack on them"):
        return
    p = s.sh(lines[0])
    good = p.returncode == 0 and s.healthy()
    c = s.inspect()["coder"]
    t.ok(good and c["Config"]["Entrypoint"] == ["tini", "--"] and env(c)["ANTHROPIC_API_KEY"] == NEW and c["HostConfig"]["NetworkMode"] == "live_default",
         "the stack runs on its originals again", said(p) + json.dumps(c["Config"]))


def by_the_image(t, s):
    """docs/DEPLOY.md's lines; and with the stack's folder mounted elsewhere, its way there and back."""
    images, line = commands("docs/DEPLOY.md", "import compose --config")
    line = line.replace("/path/to/compose/broker", s.p.dir)
    owners = " --owner coder=1234 --owner models=1234"
    p = s.sh(images)
    t.is_(p.returncode, 0, images)
    p = s.sh(line)
    t.ok(p.returncode == 0 and "--owner coder=UID" in p.stdout, "the image's plan says which users it cannot look up, and that it cannot see env_file", said(p))
    t.ok("docker-compose.yml:10: this env_file is not rewritten" in p.stdout, "(env_file)", said(p))
    s.sh("docker compose config --format json > config.json")
    run = ("docker run --rm -i --network none --user 0:0 -v sidekey-admin:/run/sidekey -v " + s.p.conf + ':/etc/sidekey -v "$PWD:/w" -w /w sidekey import compose -f docker-compose.yml')
    before = s.contents()
    p = s.sh(f"{run} --config - --images images.json {owners.replace(' --owner models=1234', '')} --apply --force < config.json")
    st = os.stat(f"{s.dir}/.sidekey/enroll/coder.json") if p.returncode == 0 else None
    t.ok(st is not None and (st.st_uid, st.st_mode & 0o777) == (1234, 0o400), "docker run --rm -v \"$PWD:/w\" applies it, the enrollment is the user's", said(p))
    p = s.sh("docker compose -f docker-compose.yml -f docker-compose.sidekey.yml --env-file .env.sidekey config -q")
    t.is_((p.returncode, p.stderr), (0, ""), "Compose takes what it wrote")
    p = s.sh(f"{run} --rollback")
    t.ok(p.returncode == 0 and s.contents() == before, "and takes it back", said(p))


def scenario(t, e, p, up):
    s = Live(e, p)
    plan, apply, rollback = commands("README.md", "--rollback")
    r = s.sh("docker compose -f docker-compose.yml -f docker-compose.mcp.yml up -d")
    t.ok(r.returncode == 0 and s.healthy() and docker.can(KEYS["ANTHROPIC_API_KEY"], e), "a stack runs with its keys in every container", said(r))
    was = s.inspect()
    if not planned(t, s, plan):
        return
    r = s.sh(apply)
    lines = re.findall(r"^sidekey: next: (docker compose .*)$|^next: (docker compose .*)$", r.stdout + r.stderr, re.M)
    if not t.ok(r.returncode == 0 and lines, "applied", said(r)):
        return
    with open(f"{s.dir}/.sidekey/import.json") as f:
        t.ok("(healthy)" in json.load(f)["health_before"]["coder"], "the health of before is recorded")
    t.is_({n: s.contents()[n] for n in s.originals}, s.originals, "the originals are as they were")
    os.unlink(f"{s.dir}/.env")
    r = s.sh("".join(lines[0]))
    if t.is_(r.returncode, 0, "the line that it printed starts the stack, without the .env"):
        moved(t, s, up, was)
    back(t, s, rollback)
    by_the_image(t, s)
    t.is_([k for k, v in KEYS.items() if oracle.can_bytes(v, s.said.encode(), k)], [], "no command printed a key")
    r = s.sh("docker compose -f docker-compose.yml -f docker-compose.mcp.yml down -v -t 1")
    t.ok(r.returncode == 0 and not s.inspect(), "the stack ends", said(r))


def main(t):
    if docker.missing():
        t.lacks("a Docker engine of the test's own", docker.missing())
        return
    with docker.Engine() as e:
        e.sidekey()
        p = docker.Project(e)
        p.init()
        p.up()
        ca = pki.Ca(f"{e.dir}/pki")
        up = upstream.Upstream(*ca.leaf("up", "DNS:api.anthropic.com,DNS:api.openai.com"), host=p.gateway_ip())
        try:
            for like in ("anthropic", "openai"):
                p.upstream(like, like, up, ca)
            scenario(t, e, p, up)
        finally:
            up.close()
            p.compose("down", "-v", "-t", "5")


tap.Tap().run(main)
