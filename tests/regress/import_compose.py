#!/usr/bin/python3
"""A stack of six Compose files leaves its .env and comes back: plan, import, second import, what Compose makes of the overlays, rotation, rollback.
Needs Docker Compose 2.24 (SIDEKEY_TEST_COMPOSE: a folder with docker-compose in it), and no Docker: what images say stands in tests/lib/stack."""
import json
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import broker, oracle, tap  # noqa: E402

STACK = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib/stack")
PATH = os.environ.get("SIDEKEY_TEST_COMPOSE", "/usr/libexec/docker/cli-plugins") + ":/usr/bin:/bin"
KINDS = ("", ".mcp", ".chat", ".cowork", ".langgraph", ".msagent")
AGENTS = ("master-controller", "researcher", "coder", "reviewer", "tester", "deployer", "claude-chat", "lead-agent")
OTHERS = ("review-agent", "langgraph-api", "msagent-runtime")


def run(b, *args):
    p = subprocess.run(["env", f"PATH={PATH}", "HOME=/tmp", "DOCKER_HOST=unix:///nonexistent", *b.command("import", "compose", *args)], capture_output=True, text=True, timeout=120)
    tap.look("import compose", p.stderr)
    return p


def contents(folder):
    return {n: open(f"{folder}/{n}", "rb").read() for n in sorted(os.listdir(folder)) if os.path.isfile(f"{folder}/{n}")}


def main(t):
    if subprocess.run(["docker-compose", "version"], env={"PATH": PATH}, capture_output=True).returncode if shutil.which("docker-compose", path=PATH) else 1:
        t.skip("a stack is imported", "needs Docker Compose 2.24 (SIDEKEY_TEST_COMPOSE)")
        return
    with broker.Broker() as b, tempfile.TemporaryDirectory(prefix="sidekey-stack-") as stack:
        for name in os.listdir(STACK):
            shutil.copy(f"{STACK}/{name}", f"{stack}/{'.env' if name == 'env' else name}")
        if b.prefix:
            subprocess.run(["chown", "-R", f"{broker.ONE_UID}:{broker.ONE_UID}", stack], check=True)
        uid = broker.ONE_UID if b.prefix else os.getuid()
        b.start()
        keys = dict(line.split("=", 1) for line in open(f"{stack}/.env").read().splitlines() if "CANARY" in line)
        files = [w for k in KINDS for w in ("-f", f"{stack}/docker-compose{k}.yml")]
        args = [*files, "--images", f"{stack}/images.json", *[w for s in (*AGENTS, *OTHERS) for w in ("--owner", f"{s}={uid}")]]
        before = contents(stack)

        p = run(b, "--json", *args)
        rows = [json.loads(line) for line in p.stdout.splitlines()]
        plan = {r["service"]: r for r in rows if "service" in r}
        t.is_(contents(stack), before, "the plan changes nothing")
        t.is_(sorted(n for n, r in plan.items() if r["action"] == "converted"), sorted((*AGENTS, *OTHERS)), "who uses a key that a base URL reaches is converted")
        t.is_({n: plan[n]["network"] for n in (*AGENTS, *OTHERS)}, {**{n: "none" for n in AGENTS}, **{n: "kept" for n in OTHERS}}, "no network where nothing needs one; published ports, and keys that stay, do")
        t.ok("pull" in plan["msagent-memory"]["why"], "an image that is not there is said, with what to do", plan["msagent-memory"])
        t.ok(plan["coder"]["dropped_init"] == "tini" and not plan["coder"]["missing_controls"], "tini goes, and a hardened service lacks no control", plan["coder"])
        stays = {(n, v["variable"]): v["stays"] for n, r in plan.items() for v in r["variables"] if "stays" in v}
        t.ok("compiled in" in stays["mcp-github", "GITHUB_PERSONAL_ACCESS_TOKEN"] and "compiled in" in stays["mcp-search", "BRAVE_API_KEY"] and "PostgreSQL" in stays["mcp-postgres", "DATABASE_URL"],
             "what cannot be converted has its reason", stays)
        t.ok(any("docker-compose.langgraph.yml:9:" in r.get("literal", "") for r in rows) and any("start.sh:3:" in r.get("script", "") for r in rows), "secrets in the files and scripts with -f have their lines", rows)

        p = run(b, *args, "--apply")
        if not t.is_(p.returncode, 0, "it is applied"):
            t.ok(False, "(what it said)", p.stderr)
            return
        said = p.stdout + p.stderr
        t.is_({n: c for n, c in contents(stack).items() if n in before}, before, "the originals are byte for byte as they were")
        t.is_({(os.stat(f"{stack}/.sidekey/enroll/{n}.json").st_uid, os.stat(f"{stack}/.sidekey/enroll/{n}.json").st_mode & 0o777) for n in (*AGENTS, *OTHERS)}, {(uid, 0o400)}, "each has an enrollment that its user alone can read")
        t.is_(b.cli("policy", "test").returncode, 0, "the policies give the decisions that were written beside them")
        said_to = [b.cli("--json", "policy", "explain", n, u, "POST", path, check=False).stdout for n, u, path in
                   (("coder", "anthropic", "/v1/messages"), ("coder", "openai", "/v1/responses"), ("mcp-search", "anthropic", "/v1/messages"))]
        t.is_(["allow" in one and "deny" not in one for one in said_to], [True, False, False], "each may use what it had a key for, and no more")
        overlays = "".join(c.decode() for n, c in contents(stack).items() if ".sidekey." in n)
        t.is_([k for k, v in keys.items() if oracle.can_bytes(v, (overlays + said).encode(), k)], [], "no key is in an overlay or was printed")
        t.is_([k for k, v in keys.items() if v in open(f"{stack}/.env.sidekey").read()], ["GITHUB_TOKEN", "BRAVE_API_KEY", "POSTGRES_PASSWORD", "AZURE_OPENAI_API_KEY"],
              ".env.sidekey keeps what a service that was left needs, and nothing else")
        after = contents(stack)
        t.is_((run(b, *args, "--apply").returncode, contents(stack)), (0, after), "a second import changes nothing")
        versions = [json.loads(line)["active_version"] for line in b.cli("--json", "secret", "list").stdout.splitlines()]
        t.is_(set(versions), {1}, "nor does it store a second version")

        os.rename(f"{stack}/.env", f"{stack}/gone")
        pairs = [w for k in KINDS for f in (f"docker-compose{k}.yml", f"docker-compose{k}.sidekey.yml") if os.path.exists(f"{stack}/{f}") for w in ("-f", f"{stack}/{f}")]
        p = subprocess.run(["docker-compose", *pairs, "--env-file", f"{stack}/.env.sidekey", "config", "--format", "json"], env={"PATH": PATH, "HOME": "/tmp"}, capture_output=True, text=True)
        if t.is_(p.returncode, 0, "Compose takes originals and overlays with .env.sidekey, the .env gone"):
            services = json.loads(p.stdout)["services"]
            t.is_({n for n in (*AGENTS, *OTHERS) for k in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "LANGCHAIN_API_KEY", "AZURE_OPENAI_API_KEY") if keys[k] in json.dumps(services[n])}, set(), "no converted service has a key that it uses")
            coder = services["coder"]
            t.is_((coder["entrypoint"], coder["command"], coder.get("init"), coder["network_mode"], coder.get("networks")), (["/sidekey/sidekey-shim", "--", "claude"], ["--version"], False, "none", None), "the shim is in front, CMD is there, no other init, no network")
            t.ok("healthcheck" in coder and coder["cap_drop"] == ["ALL"] and coder["read_only"] and coder["restart"] == "on-failure:3", "health check and hardening are kept", coder)
            t.is_(services["master-controller"]["command"], ["-p", "plan the $$TASK"], "a $ stays one")
            t.is_({n: services[n].get("entrypoint") for n in ("db-service", "task-init")}, {"db-service": None, "task-init": ["sh", "-c", "mkdir -p /tasks && echo $$HOME"]}, "who has no key is left alone")

        b.cli("secret", "rotate", "anthropic-api-key", stdin="sk-ant-api03-rotated-0123456789")
        with open(f"{stack}/docker-compose.chat.sidekey.yml", "a") as f:
            f.write("# mine\n")
        p = run(b, *files, "--rollback")
        t.ok(p.returncode == 1 and "changed since" in p.stderr and not os.path.exists(f"{stack}/.env"), "a rollback over an overlay that was edited is refused, and says so", p.stderr)
        with open(f"{stack}/docker-compose.chat.sidekey.yml", "wb") as f:
            f.write(after["docker-compose.chat.sidekey.yml"])
        b.cli("secret", "destroy", "openai-api-key", "--version", "1", check=False)
        p = run(b, *files, "--rollback")
        if p.returncode == 0:
            t.ok(True, "(the active version cannot be destroyed)")
        else:
            t.ok("OPENAI_API_KEY" in p.stderr and not os.path.exists(f"{stack}/.env"), "a value that is gone refuses the rollback, by name", p.stderr)
            b.cli("secret", "rotate", "openai-api-key", stdin=keys["OPENAI_API_KEY"])
            t.is_(run(b, *files, "--rollback").returncode, 0, "rolled back")
        env = open(f"{stack}/.env").read()
        t.ok("ANTHROPIC_API_KEY=sk-ant-api03-rotated-0123456789\n" in env and all(f"{k}={v}\n" in env for k, v in keys.items() if k != "ANTHROPIC_API_KEY"), "the .env is there again, with the values of now")
        t.is_(sorted(n for n in os.listdir(stack) if "sidekey" in n), [], "and nothing else of the import")
        t.is_(sorted(os.listdir(f"{b.conf}/policies")), [], "neither are its policies")
        t.is_([k for k, v in keys.items() if oracle.can_bytes(v, (p.stdout + p.stderr).encode(), k)], [], "no key was printed")


tap.Tap().run(main)
