#!/usr/bin/python3
"""import compose --config: models in depth (overrides, profiles, extends, include, anchors, env_file, secrets, short and long syntax), and the options.
What Compose 2.26 printed of tests/lib/depth stands beside it; where Compose is there (SIDEKEY_TEST_COMPOSE) it is asked whether it still says so, and takes the overlays."""
import json
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import broker, oracle, tap  # noqa: E402

DEPTH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib/depth")
COMPOSE = os.path.join(os.environ.get("SIDEKEY_TEST_COMPOSE", "/usr/libexec/docker/cli-plugins"), "docker-compose")
CONVERTED = ["builder", "coder", "reviewer", "writer"]


class Depth:
    def __init__(self, b):
        self.b, self.dir = b, tempfile.mkdtemp(prefix="sidekey-depth-")
        os.chmod(self.dir, 0o755)
        for name in os.listdir(DEPTH):
            with open(f"{DEPTH}/{name}") as f:
                text = f.read().replace("@DIR@", self.dir)
            with open(f"{self.dir}/{'.env' if name == 'env' else name}", "w") as f:
                f.write(text)
        if b.prefix:
            subprocess.run(["chown", "-R", f"{broker.ONE_UID}:{broker.ONE_UID}", self.dir], check=True)
        self.uid = broker.ONE_UID if b.prefix else os.getuid()
        self.keys = dict(line.split("=", 1) for line in open(f"{self.dir}/.env").read().splitlines())
        self.files = [w for n in ("", ".override") for w in ("-f", f"{self.dir}/docker-compose{n}.yml")]
        self.given = [*self.files, "--images", f"{self.dir}/images.json", *[w for s in CONVERTED for w in ("--owner", f"{s}={self.uid}")]]
        self.models = [w for i in (1, 2) for w in ("--config", f"{self.dir}/model-{i}.json")]
        self.said = ""

    def run(self, *args, stdin=None):
        p = subprocess.run(self.b.command(*args[:1], "import", "compose", *args[1:]) if args[0] == "--json" else self.b.command("import", "compose", *args),
                           input=stdin, capture_output=True, text=True, timeout=60, env={"PATH": "/usr/bin:/bin", "HOME": "/tmp"})
        tap.look("import compose", p.stderr)
        self.said += p.stdout + p.stderr
        return p

    def plan(self, *args, stdin=None):
        p = self.run("--json", *self.given, *args, stdin=stdin)
        rows = [json.loads(line) for line in p.stdout.splitlines()]
        return p, {r["service"]: r for r in rows if "service" in r}, [text for r in rows if "service" not in r for text in r.values()]

    def compose(self, *args):
        p = subprocess.run([COMPOSE, "--profile", "*", *args, "config", "--format", "json"], cwd=self.dir, env={"PATH": "/usr/bin:/bin", "HOME": "/tmp"}, capture_output=True, text=True)
        return json.loads(p.stdout) if p.returncode == 0 else p.stderr


def says(notes, *words):
    return any(all(w in n for w in words) for n in notes)


SCRIPTS = {
    "Makefile": "up:\n\tdocker compose -f docker-compose.yml up -d\nclean:\n\trm -f compose.log\n",
    "run.sh": "#!/bin/sh\ndocker compose \\\n  --profile review \\\n  -f docker-compose.yml \\\n  up -d\ntar -f x\n",
    "tools/up.py": "import subprocess\nsubprocess.run(['docker', 'compose', '-f', 'docker-compose.yml', 'up'])\n",
    ".github/workflows/ci.yml": "jobs:\n  - run: docker-compose --file=docker-compose.yml up\n",
    ".envrc": "export COMPOSE_FILE=docker-compose.yml:docker-compose.override.yml\n",
    "notes.md": "docker compose -f docker-compose.yml up\n",
    "plain.sh": "docker compose up -d\n",
}
FOUND = [".envrc:1", ".github/workflows/ci.yml:2", "Makefile:2", "run.sh:4", "tools/up.py:2"]


def scripts(t, d):
    for name, text in SCRIPTS.items():
        os.makedirs(os.path.dirname(f"{d.dir}/{name}"), exist_ok=True)
        with open(f"{d.dir}/{name}", "w") as f:
            f.write(text)
    p, _, notes = d.plan(*d.models)
    t.is_(sorted(n.split(": names Compose files itself")[0].removeprefix(d.dir + "/") for n in notes if "names Compose files itself" in n), FOUND, "scripts that name Compose files are listed, with their lines")


def planned(t, d):
    p, plan, notes = d.plan(*d.models, "--take", "CRM_KEY=crm")
    if not t.is_(p.returncode, 0, "the plan is shown"):
        t.ok(False, "(what it said)", p.stderr)
        return
    t.is_(sorted(n for n, r in plan.items() if r["action"] == "converted"), CONVERTED, "who has a key is converted, by extends, override, profile and anchor")
    t.ok(plan["guest"]["action"] == "left" and "include" in plan["guest"]["why"], "a service of an included file is left, and the file to be named", plan["guest"])
    t.is_([plan[n]["action"] for n in ("cache", "reader")], ["no key"] * 2, "others have no key in their environment")
    t.is_(plan["coder"]["missing_controls"], ["cap_drop ALL (5.3)", "log rotation (5.7)", "memory limit (5.10)", "CPU limit (5.11)", "read-only root (5.12)", "no-new-privileges (5.25)", "pids limit (5.28)"],
          "the CIS controls that a service lacks are reported")
    secrets = {n: {v["variable"]: v.get("secret", "stays") for v in plan[n]["variables"]} for n in CONVERTED}
    t.is_(secrets["coder"], {"ANTHROPIC_API_KEY": "anthropic-api-key", "OPENAI_API_KEY": "openai-api-key", "DATABASE_URL": "stays", "GITHUB_TOKEN": "github-token", "LANGSMITH_API_KEY": "langsmith-api-key",
                             "CRM_KEY": "crm-key"}, "coder: list syntax, an override's mapping, all of an env_file")
    t.is_((secrets["reviewer"]["COPY"], secrets["writer"]["CRM_KEY"]), ("anthropic-api-key", "crm-key"), "the same key under another name is one secret; --take takes one of no known shape")
    t.is_([plan[n]["overlays"] for n in ("coder", "writer", "builder")], [[f"{d.dir}/docker-compose.sidekey.yml", f"{d.dir}/docker-compose.override.sidekey.yml"]] * 2 + [[f"{d.dir}/docker-compose.sidekey.yml"]],
          "an overlay a file that speaks of the service")
    t.is_((plan["writer"]["dropped_init"], plan["coder"]["dropped_init"]), ("dumb-init", "tini"), "an init goes, from an override's entrypoint and from the image's")
    t.is_({n: plan[n]["network"] for n in CONVERTED}, {"builder": "none", "coder": "kept", "reviewer": "kept", "writer": "none"}, "no network where nothing needs one")
    t.ok("cache" in plan["coder"]["network_why"] and "DATABASE_URL" in plan["reviewer"]["network_why"], "a peer that serves, and an address that stays, do", plan["reviewer"])
    t.ok(says(notes, "docker-compose.yml:21:", "env_file is not rewritten"), "an env_file that --config does not name is said, with its line", notes)
    t.ok(says(notes, "docker-compose.override.yml:5:", "env_file is not rewritten"), "in each file", notes)
    t.ok(says(notes, "reader reads the Compose secret api as a file") and says(notes, "writer reads the Compose secret db"), "Compose secrets are said to stay, in short and long syntax", notes)
    t.ok(says(notes, "OPENAI_API_KEY keeps its key: secrets needs it") and says(notes, "LANGSMITH_API_KEY keeps its key: builder needs it") and says(notes, "ANTHROPIC_API_KEY keeps its key: guest needs it"),
         "who needs a key as it is: a Compose secret that is made of it, a build, a service that is left", notes)
    t.ok(not says(notes, "CRM_KEY keeps"), "who does not, does not", notes)
    return plan


def options(t, d):
    for what, args, rc, word in (("--take of no variable", ["--take", "NONE=crm"], 3, "no such variable"), ("--take without an upstream", ["--take", "CRM_KEY"], 2, "--take CRM_KEY=UPSTREAM"),
                                 ("--take for what is no name", ["--take", "CRM_KEY=A B"], 2, "not an upstream's name"), ("--keep-network of no service", ["--keep-network", "nobody"], 3, "no such service"),
                                 ("--owner of no service", ["--owner", "nobody=1"], 2, "SERVICE=UID"), ("--apply with --rollback", ["--apply", "--rollback"], 2, "not both"),
                                 ("a third --config", ["--config", f"{d.dir}/model-2.json"], 2, "more --config than")):
        p = d.run(*d.given, *d.models, *args)
        t.ok(p.returncode == rc and word in p.stderr, f"{what} is refused", (p.returncode, p.stderr))
    p = d.run(*d.files, *d.models[:2], "--config", f"{d.dir}/docker-compose.yml")
    t.ok(p.returncode == 1 and "is not JSON" in p.stderr, "a --config that is no JSON is refused", p.stderr)
    _, plan, _ = d.plan(*d.models, "--keep-network", "writer", "--keep-network", "builder")
    t.is_([(plan[n]["network"], plan[n]["network_why"]) for n in ("writer", "builder")], [("kept", "--keep-network")] * 2, "--keep-network keeps it")
    with open(f"{d.dir}/model-2.json") as f:
        _, plan, _ = d.plan("--config", "-", stdin=f.read())
    t.is_(sorted(n for n, r in plan.items() if r["action"] == "converted"), CONVERTED, "one --config, from a pipe, is for all files together")


def applied(t, d):
    with open(f"{d.dir}/docker-compose.yml", "rb") as f:
        original = f.read()
    p = d.run(*d.given, *d.models, "--take", "CRM_KEY=crm", "--apply")
    if not t.is_(p.returncode, 0, "it is applied"):
        t.ok(False, "(what it said)", p.stderr)
        return
    with open(f"{d.dir}/docker-compose.yml", "rb") as f:
        t.ok(f.read() == original, "the original is byte for byte as it was")
    left = {line.split("=", 1)[0] for line in open(f"{d.dir}/.env.sidekey").read().splitlines() if any(line.endswith("=" + v) for v in d.keys.values())}
    t.is_(left, {"ANTHROPIC_API_KEY", "OPENAI_API_KEY", "LANGSMITH_API_KEY", "GITHUB_TOKEN", "DATABASE_URL"}, ".env.sidekey keeps what was said, and replaces the rest")
    ours = "".join(open(f"{d.dir}/docker-compose{n}.sidekey.yml").read() for n in ("", ".override"))
    t.is_([w for w in ("cap_drop", "read_only", "pids", "security_opt", "mem", "cpus", "logging", "healthcheck", "restart") if w in ours], [], "and none is added: what was reported is the owner's")
    t.is_([k for k, v in d.keys.items() if oracle.can_bytes(v, (ours + d.said).encode(), k)], [], "no value is in an overlay or was printed")


def as_compose_says(t, d):
    if not os.path.exists(COMPOSE):
        return
    for i in (1, 2):
        with open(f"{d.dir}/model-{i}.json") as f:
            t.is_(d.compose(*d.files[:2 * i]), json.load(f), f"Compose resolves the first {i} as the model beside them says")


def merged(t, d):
    if not os.path.exists(COMPOSE):
        return
    pairs = [w for n in ("", ".override") for f in (f"docker-compose{n}.yml", f"docker-compose{n}.sidekey.yml") for w in ("-f", f"{d.dir}/{f}")]
    model = d.compose(*pairs, "--env-file", f"{d.dir}/.env.sidekey")
    if not t.ok(isinstance(model, dict), "Compose takes originals and overlays", model):
        return
    s = model["services"]
    t.is_((s["coder"]["entrypoint"], s["coder"]["command"], s["coder"]["labels"], s["coder"]["healthcheck"]),
          (["/sidekey/sidekey-shim", "--", "claude"], ["--model", "opus"], {"tier": "agents"}, {"test": ["CMD", "true"]}), "coder: shim in front, the override's command, what it extends")
    t.is_((s["writer"]["entrypoint"], s["writer"]["network_mode"], len(s["writer"]["secrets"]), sorted(v["target"] for v in s["writer"]["volumes"])),
          (["/sidekey/sidekey-shim", "--", "node", "w.js"], "none", 2, ["/data", "/in", "/run/sidekey", "/sidekey"]), "writer: its secret and volumes beside ours, once each")
    bad = [(n, k) for n in CONVERTED for k in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "CRM_KEY") if d.keys[k] in json.dumps(s[n])]
    t.is_(bad, [], "no converted service has a key that it uses")


def main(t):
    with broker.Broker() as b:
        b.write("upstreams/crm.yaml", "upstream: crm\nlike: bearer\nurl: https://crm.example\ncredential: {kind: static, secret: crm-key}\nenv: {CRM_URL: \"{base_url}\", CRM_KEY: \"{placeholder}\"}\n")
        if b.prefix:
            subprocess.run(["chown", "-R", f"{broker.ONE_UID}:{broker.ONE_UID}", b.conf], check=True)
        b.start()
        d = Depth(b)
        try:
            as_compose_says(t, d)
            if planned(t, d):
                options(t, d)
                scripts(t, d)
                applied(t, d)
                merged(t, d)
        finally:
            shutil.rmtree(d.dir)


tap.Tap().run(main)
