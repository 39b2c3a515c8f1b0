#!/usr/bin/python3
"""From an .env file to an agent that never sees it: import, delete the original, start the agent behind the shim with .env.sidekey, call every API."""
import json
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import broker, oracle, pki, shim, tap, upstream  # noqa: E402

KEYS = {"ANTHROPIC_API_KEY": "sk-ant-api03-CANARYanthropic0123456789abcdefghijklmnop-AA", "OPENAI_API_KEY": "sk-proj-CANARYopenai0123456789abcdefghij",
        "GITHUB_TOKEN": "ghp_CANARYgithub0123456789abcdefghijkl", "BRAVE_API_KEY": "BSACANARYbrave0123456789abc", "CRM_KEY": "crm-CANARY-0123456789abcdef"}
HOSTS = {"anthropic": "api.anthropic.com", "openai": "api.openai.com", "github": "api.github.com", "brave": "api.search.brave.com", "crm": "crm.corp.example"}
ENV = "\n".join(f"{k}={v}" for k, v in KEYS.items()) + "\nLOG_LEVEL=debug\nGREETING='hello world'\n"

# What an agent does: takes its variables, calls its APIs in their clients' ways. Prints what came back, by upstream.
AGENT = r'''
import json, os, urllib.request
E = os.environ
def call(name, url, headers, body=None):
    r = urllib.request.Request(url, headers=headers, data=body)
    try:
        with urllib.request.urlopen(r, timeout=10) as f:
            out[name] = f.status
    except urllib.error.HTTPError as e:
        out[name] = [e.code, e.read().decode()]
out = {}
call("anthropic", E["ANTHROPIC_BASE_URL"] + "/v1/messages", {"x-api-key": E["ANTHROPIC_API_KEY"], "content-type": "application/json"}, b"{}")
call("openai", E["OPENAI_BASE_URL"] + "/chat/completions", {"authorization": "Bearer " + E["OPENAI_API_KEY"], "content-type": "application/json"}, b"{}")
call("github", E["GITHUB_API_URL"] + "/repos/acme/site/issues", {"authorization": "token " + E["GITHUB_TOKEN"]})
call("brave", E["SIDEKEY_URL"] + "/p/brave/res/v1/web/search?q=x", {"x-subscription-token": E["BRAVE_API_KEY"]})
call("crm", E["SIDEKEY_URL"] + "/p/crm/customers", {"authorization": "Bearer " + E["CRM_KEY"]})
# Some read the file itself, whatever the environment says: what stands there is worthless, and no harm.
for line in open(".env.sidekey"):
    if line.startswith("ANTHROPIC_API_KEY="):
        call("from the file", E["ANTHROPIC_BASE_URL"] + "/v1/messages", {"x-api-key": line.split("=", 1)[1].strip().strip("'\"")}, b"{}")
print(json.dumps({"out": out, "env": dict(E)}))
'''


def own(b, path):
    if b.prefix:
        subprocess.run(["chown", "-R", f"{broker.ONE_UID}:{broker.ONE_UID}", path], check=True)


def compose(path, text):
    """What Compose makes of a text: ${VAR}, ${VAR:?message}, ${VAR:-default} from that file. By sh, which means the same with them."""
    p = subprocess.run(["sh", "-c", f'set -a; . "{path}"; eval "printf %s \\"$1\\""', "sh", text], capture_output=True, text=True, env={})
    return p.returncode, p.stdout, p.stderr


def main(t):
    with broker.Broker() as b, tempfile.TemporaryDirectory(prefix="sidekey-stack-") as stack:
        os.chmod(stack, 0o755)
        with open(f"{stack}/.env", "w") as f:
            f.write(ENV)
        own(b, stack)
        ca = pki.Ca(f"{b.conf}/pki")
        up = upstream.Upstream(*ca.leaf("up", ",".join(f"DNS:{h}" for h in HOSTS.values())))
        for name in ("anthropic", "openai", "github", "brave"):
            b.upstream(name, name, up, ca.cert)
        b.write("upstreams/crm.yaml", f"upstream: crm\nlike: bearer\nurl: https://{HOSTS['crm']}\nca: {ca.cert}\nconnect: 127.0.0.1:{up.port}\n"
                "credential: {kind: static, secret: crm-key}\nenv: {CRM_KEY: \"{placeholder}\"}\n")
        own(b, b.conf)
        b.start()

        p = b.cli("--json", "import", "env", f"{stack}/.env", "--workload", "agent", "--take", "CRM_KEY=crm")
        report = {r["variable"]: r for r in map(json.loads, p.stdout.splitlines())}
        t.is_({k: report[k].get("upstream") for k in KEYS}, {"ANTHROPIC_API_KEY": "anthropic", "OPENAI_API_KEY": "openai", "GITHUB_TOKEN": "github", "BRAVE_API_KEY": "brave", "CRM_KEY": "crm"}, "every key is taken, for its upstream")
        t.ok("for 1 of the upstreams no usual rules are known" in p.stderr, "it says what it cannot know", p.stderr)
        b.policy("agent-crm", ["agent"], '  crm:\n    allow: ["GET /customers"]\n')
        b.reload()
        t.is_([oracle.can_bytes(v, (p.stdout + p.stderr).encode(), k) for k, v in KEYS.items()], [""] * len(KEYS), "and none is printed")
        t.is_(open(f"{stack}/.env").read(), ENV, "the original is as it was")
        t.is_(b.json("status")["exposed_secrets"], len(KEYS), "all of them are known to have been seen by others")
        puts = [r["secret"] for r in oracle.records(b) if r["event"] == "secret_put"]
        t.is_(len(puts), len(KEYS), "and are in the log")
        t.ok(b.cli("policy", "check").returncode == 0 and b.ready(), "what was written compiles, and is in force")

        new = f"{stack}/.env.sidekey"
        text = open(new).read()
        for name, value in KEYS.items():
            rc, out, err = compose(new, "${%s:?is missing}" % name)
            t.ok(rc == 0 and len(out) == len(value) and out != value and (name == "CRM_KEY" or out[:3] == value[:3]), f"${{{name}:?}} still resolves, to something of the same shape", (rc, out, err))
        t.is_(compose(new, "${LOG_LEVEL}|${GREETING:?}|${NOT_THERE:-default}"), (0, "debug|hello world|default", ""), "what was no secret is there unchanged")
        t.ok(compose(new, "${NOT_THERE:?is missing}")[0] != 0, "(what was missing still is)")
        t.is_([oracle.can_bytes(v, text.encode(), k) for k, v in KEYS.items()], [""] * len(KEYS), "no key is in it")

        os.unlink(f"{stack}/.env")
        enroll = b.enroll("agent", "--reusable")
        env = dict(line.split("=", 1) for line in compose(new, "$(env)")[1].splitlines() if "=" in line)
        p = subprocess.run(shim.command(enroll, "/usr/bin/python3", "-c", AGENT, prefix=b.prefix), capture_output=True, text=True, timeout=30, cwd=stack,
                           env={**shim.ENV, **{k: v for k, v in env.items() if k in (*KEYS, "LOG_LEVEL", "GREETING")}})
        t.is_(p.returncode, 0, "the agent runs with the new file, the old one is gone")
        if p.returncode != 0:
            t.ok(False, "(what it said)", p.stderr)
            return
        said = json.loads(p.stdout)
        t.is_(said["out"], {n: 200 for n in (*HOSTS, "from the file")}, "and reaches every API")
        t.is_((said["env"]["LOG_LEVEL"], said["env"]["GREETING"]), ("debug", "hello world"), "with its other variables as before")
        t.is_([oracle.can_bytes(v, p.stdout.encode() + p.stderr.encode(), k) for k, v in KEYS.items()], [""] * len(KEYS), "CAN: nothing that the agent had or got holds a key")
        got = {r.get("host"): (r.get("x-api-key") or r.get("authorization") or r.get("x-subscription-token")) for r in up.requests}
        want = {HOSTS["anthropic"]: KEYS["ANTHROPIC_API_KEY"], HOSTS["openai"]: "Bearer " + KEYS["OPENAI_API_KEY"], HOSTS["github"]: "Bearer " + KEYS["GITHUB_TOKEN"],
                HOSTS["brave"]: KEYS["BRAVE_API_KEY"], HOSTS["crm"]: "Bearer " + KEYS["CRM_KEY"]}
        t.is_(got, want, "each API got its own key, in its own way")
        t.is_(sorted(r.line for r in up.requests), sorted(["POST /v1/messages HTTP/1.1"] * 2 + ["POST /v1/chat/completions HTTP/1.1", "GET /repos/acme/site/issues HTTP/1.1",
              "GET /res/v1/web/search?q=x HTTP/1.1", "GET /customers HTTP/1.1"]), "and the request that was meant")
        bare = subprocess.run(shim.command(enroll, "sh", "-c", "curl -sS -o /dev/null -w '%{http_code}' -X DELETE $SIDEKEY_URL/p/github/repos/acme/site", prefix=b.prefix), capture_output=True, text=True, env=shim.ENV, cwd=stack)
        t.is_(bare.stdout, "403", "what the imported policy does not allow is refused")

        for name in ("anthropic-api-key", "crm-key"):
            b.cli("secret", "rotate", name, stdin=f"rotated-{name}-0123456789")
        t.is_(b.json("status")["exposed_secrets"], len(KEYS) - 2, "rotated, a key is exposed no more")
        for name, value in KEYS.items():
            t.is_(oracle.can(value, b), "", f"CAN: {name}")
        up.close()


tap.Tap().run(main)
