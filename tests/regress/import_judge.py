#!/usr/bin/python3
"""import compose: whose key, whose address, whose file, and who needs a network. The Docker client is the test's own."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import tap, workload  # noqa: E402
from harness.stack import Case, FILES, KEYS, WROTE  # noqa: E402

UPSTREAM = "upstream: {0}\nlike: {1}\nurl: https://{0}.example\ncredential: {{kind: static, secret: {0}-key}}\nenv: {{{2}_URL: \"{{base_url}}\", {2}_KEY: \"{{placeholder}}\"}}\n"
HERE, THERE = {"OPENAI_BASE_URL": "https://a.example/v1"}, {"OPENAI_BASE_URL": "https://b.example/v1"}
KEY, SECOND = {"OPENAI_API_KEY": KEYS["OPENAI_API_KEY"]}, {"OPENAI_API_KEY": "sk-proj-CANARYsecond0123456789abcdefghij"}
AZURE = {"AZURE_OPENAI_API_KEY": "0123456789abcdef0123456789abcdef"}
# What coder has, what models has, why models is left ("": it is not), the address of the upstream then.
CLASHES = {
    "another address": ({**KEY, **HERE}, {**KEY, **THERE}, "its openai is at another address than that of coder (OPENAI_BASE_URL)", "https://a.example"),
    "no address where the other has one": ({**KEY, **HERE}, KEY, "than that of coder (OPENAI_BASE_URL)", "https://a.example"),
    "an address where the other has none": (KEY, {**KEY, **HERE}, "than that of coder (OPENAI_BASE_URL)", None),
    "the usual address": (KEY, {**KEY, "OPENAI_BASE_URL": "https://api.openai.com/v1/"}, "", None),
    "the same address": ({**KEY, **HERE}, {**KEY, **HERE}, "", "https://a.example"),
    "an address of who has no key": (HERE, KEY, "", None),
    "another address under a name that the upstream does not know": ({**KEY, "OPENAI_API_BASE": "https://a.example/v1"}, {**KEY, "OPENAI_API_BASE": "https://b.example/v1"}, "(OPENAI_API_BASE)", "https://a.example"),
    "no address where there is no usual one": ({**AZURE}, {**AZURE, "AZURE_OPENAI_ENDPOINT": "https://x.openai.azure.com"}, "", "https://x.openai.azure.com"),
    "an address that is not https, as a proxy's of the stack": ({"ANTHROPIC_API_KEY": KEYS["ANTHROPIC_API_KEY"]}, {**KEY, "OPENAI_BASE_URL": "http://litellm:4000/v1"}, "its OPENAI_BASE_URL is no https address of openai", None),
    "one beside the usual address": (KEY, {**KEY, "OPENAI_BASE_URL": "http://litellm:4000/v1"}, "its OPENAI_BASE_URL is no https address of openai", None),
    "no address at all": (KEY, AZURE, "no service says where its azure-openai is; write upstreams/azure-openai.yaml", None),
    "a second key, and the first under another name": (KEY, {**SECOND, "COPY": KEY["OPENAI_API_KEY"]}, "its OPENAI_API_KEY would be replaced by the key of openai", None),
    "another's name of the key for something else": ({**KEY, "MODE": KEY["OPENAI_API_KEY"]}, {**KEY, "MODE": "fast"}, "its MODE would be replaced by the key of openai", None),
}


def two_keys(t):
    """Services with keys of their own for one upstream."""
    with Case() as c:
        other = "sk-ant-api03-CANARYother0123456789abcdefghijklmnopqrstuv-AA"
        model = json.loads(open(f"{c.client.folder}/model-2").read())
        model["services"]["models"]["environment"] = {"ANTHROPIC_API_KEY": other}
        for i in (1, 2):
            c.client.say(f"model-{i}", json.dumps(model))
        c.write(".env", FILES[".env"] + f"OTHER_KEY={other}\n")
        c.own()
        p = c.apply()
        t.ok(p.returncode == 0 and "another key of anthropic" in p.stdout, "the first is taken, the other stays with its service and is said to", p.stdout + p.stderr)
        t.ok(f"OTHER_KEY={other}\n" in c.read(".env.sidekey") and KEYS["ANTHROPIC_API_KEY"] not in c.read(".env.sidekey"), "(it does)", c.read(".env.sidekey"))
        t.ok("keep it out of version control" in p.stderr, "a .env.sidekey that still holds keys is to be kept as the .env was", p.stderr)
        t.is_(c.known(), (["anthropic-api-key"], ["coder"]), "whose service is no workload")


def whose_value(t):
    """Services that hold different values under one name: --take means one of them, and no other is stored for it."""
    with Case() as c:
        mine, other = "CANARY-of-coder-0123456789", "CANARY-of-models-0123456789"
        keys = {"coder": KEYS["ANTHROPIC_API_KEY"], "models": "sk-ant-api03-CANARYmodels0123456789abcdefghijklmnopqrstuv-AA"}
        model = json.loads(open(f"{c.client.folder}/model-2").read())
        for name, value in (("coder", mine), ("models", other)):
            model["services"][name]["environment"] = {"CRM_KEY": value, "ANTHROPIC_API_KEY": keys[name], "LOG": name}
        for i in (1, 2):
            c.client.say(f"model-{i}", json.dumps(model))
        for name, like, variable in (("crm", "bearer", "CRM"), ("crm-b", "bearer", "CRM"), ("anthropic-b", "anthropic", "ANTHROPIC")):
            c.b.write(f"upstreams/{name}.yaml", UPSTREAM.format(name, like, variable).replace("ANTHROPIC_KEY", "ANTHROPIC_API_KEY"))
        c.b.reload()

        def reveal(secret):
            return c.b.cli("secret", "show", secret, "--reveal").stdout

        for take, rc, word in ((["CRM_KEY=crm"], 2, "coder and models hold different values of it; say whose: --take coder:CRM_KEY=UPSTREAM"), (["nobody:CRM_KEY=crm"], 3, "no service nobody"),
                               (["models:NO_KEY=crm"], 3, "models has no such variable"), (["models:CRM_KEY"], 2, "--take models:CRM_KEY=UPSTREAM"),
                               (["coder:CRM_KEY=crm", "models:CRM_KEY=crm"], 1, "the service models: CRM_KEY, and the service coder: CRM_KEY, hold different keys")):
            p = c.apply(*[w for one in take for w in ("--take", one)])
            t.ok(p.returncode == rc and word in p.stderr, f"--take {' '.join(take)} is refused, and says why", (p.returncode, p.stderr))
        p = c.apply("--take", "models:CRM_KEY=crm")
        t.ok("another value than that of models, which is taken; if it is a key too: --take coder:CRM_KEY=UPSTREAM" in p.stdout,
             "the value that is not taken is said to stay, with its service", p.stdout)
        t.is_((p.returncode, reveal("crm-key")), (0, other), "the value of the service that was named is stored, though it comes last")
        t.is_((c.rollback().returncode, c.apply("--take", "models:CRM_KEY=crm", "--take", "coder:CRM_KEY=crm-b").returncode, reveal("crm-key"), reveal("crm-b-key")), (0, 0, other, mine),
              "each can have an upstream of its own")
        t.ok("another key of anthropic than that in coder:ANTHROPIC_API_KEY is taken" in p.stdout and "--take models:ANTHROPIC_API_KEY=UPSTREAM" in p.stdout, "of two keys that are known by their name it says which is taken, and how the other is", p.stdout)
        c.rollback()
        t.is_((c.apply("--take", "models:ANTHROPIC_API_KEY=anthropic-b").returncode, reveal("anthropic-api-key"), reveal("anthropic-b-key")), (0, keys["coder"], keys["models"]), "said so, each is stored as its own")


def clashes(t):
    """What an upstream has once, and services have otherwise: none goes where another goes, or gets another's key for its own."""
    with Case() as c:
        def plan(coder, models):
            services = {n: {"image": "agent:1", "environment": env} for n, env in (("coder", coder), ("models", models))}
            for i in (1, 2):
                c.client.say(f"model-{i}", json.dumps({"name": "stack", "services": services}))
            rows = c.run(*c.both, "--json")
            return {r["service"]: r for r in map(json.loads, rows.stdout.splitlines()) if "service" in r}.get("models", {"why": rows.stderr})

        def url():
            name = next((n for n in os.listdir(f"{c.b.conf}/upstreams") if n.endswith(".yaml")), None)
            text = open(f"{c.b.conf}/upstreams/{name}").read() if name else ""
            return text.partition('url: "')[2].partition('"')[0] or None

        for what, (coder, models, why, address) in CLASHES.items():
            row = plan(coder, models)
            t.ok(why in row["why"] and row.get("action") == ("left" if why else "converted"), f"{what}: {'left, with the reason' if why else 'converted'}", row)
            p = c.apply("--force")
            t.is_((p.returncode, url()), (0, address), f"{what}: the upstream is where coder's is, or the only one")
            t.is_(plan(coder, models).get("action"), row.get("action"), f"{what}: a second import sees it so too")
            c.rollback()
        c.b.write("upstreams/openai.yaml", "upstream: openai\nlike: openai\nurl: https://proxy.example\n")
        t.is_(plan({**KEY, **HERE}, {**KEY, **THERE}).get("action"), "converted", "where an operator's own file says where the upstream is, all go there")


def env_files(t):
    """An env_file with a variable in its name; and a stack that Compose cannot show without its variables, since a file that it includes has one."""
    with Case() as c:
        bare = json.loads(open(f"{c.client.folder}/bare").read())
        bare["services"]["coder"]["env_file"].append({"path": f"{c.dir}/${{STAGE:-dev}}.env", "required": False})
        c.client.say("bare", json.dumps(bare))
        p = c.apply()
        t.ok(p.returncode == 0 and f"coder: its env_file {c.dir}/${{STAGE:-dev}}.env is not rewritten" in p.stdout and f'path: "{c.dir}/${{STAGE:-dev}}.env"' in c.read(WROTE[2]),
             "its name stays as it is written, and it is listed", p.stdout + p.stderr)
        c.rollback()
        os.unlink(f"{c.client.folder}/bare")
        p = c.apply()
        t.ok(p.returncode == 0 and "docker-compose.yml:4: this env_file is not rewritten" in p.stdout and "env_file" not in c.read(WROTE[2]), "each env_file is listed where none is known", p.stdout + p.stderr)


NETWORKS = {
    "nothing": ({}, "none", "no ports, no peers, no other address"),
    "links": ({"links": ["models:m"]}, "kept", "has links"),
    "extra_hosts as a list": ({"extra_hosts": ["db=10.0.0.7"]}, "kept", "has extra_hosts"),
    "extra_hosts as a mapping": ({"extra_hosts": {"db": "10.0.0.7"}}, "kept", "has extra_hosts"),
    "the host's": ({"network_mode": "host"}, "kept", "network_mode is host"),
    "none already": ({"network_mode": "none"}, "none", "no ports"),
    "published ports": ({"ports": [{"target": 80, "published": "8080"}]}, "kept", "publishes ports"),
    "an address": ({"environment": {"ANTHROPIC_API_KEY": KEYS["ANTHROPIC_API_KEY"], "HOOK": "https://hooks.example/x"}}, "kept", "HOOK holds an address"),
    "an address of itself": ({"environment": {"ANTHROPIC_API_KEY": KEYS["ANTHROPIC_API_KEY"], "SELF": "http://127.0.0.1:3000"}}, "none", "no ports"),
    "a peer by its name": ({"command": ["serve", "models:6379"]}, "kept", "speaks of models"),
    "a peer that serves": ({"depends_on": {"models": {"condition": "service_started"}}}, "kept", "depends on models, which may serve it"),
    "a peer that ends before": ({"depends_on": {"models": {"condition": "service_completed_successfully"}}}, "none", "no ports"),
}


def networks(t):
    """What the man page says keeps a network; and an enrollment for as many containers as the service has."""
    with Case() as c:
        model = json.loads(open(f"{c.client.folder}/model-2").read())
        usual, models = model["services"]["coder"], {**model["services"]["models"], "expose": ["6379"]}

        def say(more):
            for i in (1, 2):
                c.client.say(f"model-{i}", json.dumps({"name": "stack", "services": {"coder": {**usual, **more}, "models": models}}))

        for what, (more, network, why) in NETWORKS.items():
            say(more)
            row = next(r for r in map(json.loads, c.run(*c.both, "--json").stdout.splitlines()) if r.get("service") == "coder")
            t.ok(row["network"] == network and why in row["network_why"], f"{what}: {network}", row)
        say({"deploy": {"replicas": 2}})
        t.is_(c.apply().returncode, 0, "imported, with two replicas of one")
        for name, want in (("coder", 2), ("models", 1)):
            one = workload.Workload(f"{c.dir}/.sidekey/enroll/{name}.json", enroll=False)
            said = [one.enroll().status for _ in range(want + 1)]
            rows = map(json.loads, c.b.cli("--json", "workload", "list").stdout.splitlines())
            t.is_((said, next(r for r in rows if r["name"] == name)["live_certificates"]), ([200] * (want + 1), want), f"{name}: as many at a time, and then the oldest ends")


def main(t):
    two_keys(t)
    whose_value(t)
    clashes(t)
    env_files(t)
    networks(t)


tap.Tap().run(main)
