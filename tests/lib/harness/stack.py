"""A stack of two Compose files, a broker for it, and a Docker client of the test's own that knows it."""
import json
import os
import shutil
import subprocess
import tempfile

from . import broker, client, oracle

KEYS = {"ANTHROPIC_API_KEY": "sk-ant-api03-CANARYanthropic0123456789abcdefghijklmnop-AA", "OPENAI_API_KEY": "sk-proj-CANARYopenai0123456789abcdefghij"}
NEW = "sk-ant-api03-ROTATEDanthropic0123456789abcdefghijklmno-AA"
FILES = {
    ".env": "# keys\n" + "".join(f"{k}={v}\n" for k, v in KEYS.items()) + "LOG_LEVEL=info\nGH_TOKEN=ghp_CANARYgithub0123456789abcdefghijkl\n",
    "docker-compose.yml": "services:\n  coder:\n    image: agent:1\n    env_file: [.env, {path: more.env, required: false}]\n    environment: {ANTHROPIC_API_KEY: '${ANTHROPIC_API_KEY:?}'}\n",
    "docker-compose.mcp.yml": "services:\n  models: {image: agent:1, environment: {OPENAI_API_KEY: '${OPENAI_API_KEY}'}}\n",
}
WROTE = [".env.sidekey", "docker-compose.mcp.sidekey.yml", "docker-compose.sidekey.yml"]


class Case:
    """A broker, a stack of two files, and a client that knows it."""

    def __init__(self, passphrase=None):
        self.b = broker.Broker(passphrase=passphrase)
        self.b.start(ready=passphrase is None)
        if passphrase:
            self.unseal()
        self.dir = tempfile.mkdtemp(prefix="sidekey undo-")
        os.chmod(self.dir, 0o755)
        for name, text in FILES.items():
            self.write(name, text)
        self.uid = broker.ONE_UID if self.b.prefix else os.getuid()
        self.own()
        env = {"coder": {"ANTHROPIC_API_KEY": KEYS["ANTHROPIC_API_KEY"], "LOG_LEVEL": "info", "PASSED": None}, "models": {"OPENAI_API_KEY": KEYS["OPENAI_API_KEY"]}}
        services = {n: {"image": "agent:1", "entrypoint": None, "command": None, "environment": e, "healthcheck": {"test": ["CMD", "true"]}} for n, e in env.items()}
        bare = {"services": {"coder": {"env_file": [{"path": f"{self.dir}/.env", "required": True}, {"path": f"{self.dir}/more.env", "required": False}]}, "models": {}}}
        both = {"name": "stack", "services": services}
        self.client = client.Client(self.b, f"{self.b.dir}/client", [{"name": "stack", "services": {"coder": services["coder"]}}, both], bare,
                                    {"RepoTags": ["agent:1"], "Config": {"User": "node:node", "Entrypoint": ["tini", "--", "claude"], "Cmd": ["--help"]}},
                                    f"root:x:0:0::/:/bin/sh\nnode:x:{self.uid}:{self.uid}::/:/bin/sh\n", "coder|Up 3 minutes (healthy)\n")
        self.one, self.both = ("-f", f"{self.dir}/docker-compose.yml"), ("-f", f"{self.dir}/docker-compose.yml", "-f", f"{self.dir}/docker-compose.mcp.yml")
        self.said = ""

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.b.close()
        shutil.rmtree(self.dir)

    def unseal(self):
        broker.wait_for(lambda: self.b.ready_word() is not None, "the broker to ask for its passphrase", 20)
        self.b.cli("unseal", stdin=f"{self.b.passphrase}\n")

    def write(self, name, text, mode="w"):
        with open(f"{self.dir}/{name}", mode) as f:
            f.write(text)

    def own(self):
        if self.b.prefix:
            subprocess.run(["chown", "-R", f"{broker.ONE_UID}:{broker.ONE_UID}", self.dir], check=True)

    def read(self, name):
        with open(f"{self.dir}/{name}") as f:
            return f.read()

    def run(self, *args):
        p = self.client.run(*args)
        self.said += p.stdout + p.stderr
        return p

    def apply(self, *more):
        return self.run(*self.both, "--apply", *more)

    def rollback(self, *more):
        return self.run(*self.both, "--rollback", *more)

    def files(self):
        """All files and folders of the stack and of the configuration."""
        found = {}
        for top in (self.dir, self.b.conf):
            for folder, dirs, names in os.walk(top):
                found.update({f"{folder}/{d}": None for d in dirs})
                for n in names:
                    if os.path.islink(f"{folder}/{n}"):
                        found[f"{folder}/{n}"] = os.readlink(f"{folder}/{n}").encode()
                        continue
                    with open(f"{folder}/{n}", "rb") as f:
                        found[f"{folder}/{n}"] = f.read()
        return found

    def puts(self):
        return sum(r["event"] == "secret_put" for r in oracle.records(self.b)) if self.b.answers() else 0

    def known(self):
        """(secrets that have a value, workloads that could come)"""
        secrets = [r["name"] for r in map(json.loads, self.b.cli("--json", "secret", "list").stdout.splitlines()) if r.get("active_version")]
        rows = map(json.loads, self.b.cli("--json", "workload", "list").stdout.splitlines())
        return sorted(secrets), sorted(r["name"] for r in rows if r["open_enrollments"])
