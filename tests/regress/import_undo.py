#!/usr/bin/python3
"""import compose --apply fails in the middle, is done twice, or meets files that somebody changed; and the way back from each. The Docker client is the test's own."""
import json
import os
import shlex
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import broker, oracle, tap  # noqa: E402
from harness.stack import Case, FILES, KEYS, NEW, WROTE  # noqa: E402


def fails(t, c, what, spoil, repair, word, told=None):
    """spoil: a shell script that runs when half is done."""
    before, stored = c.files(), c.puts()
    c.client.outcome(spoil)
    p = c.apply()
    repair()
    if told is not None:
        t.is_(c.puts() > stored, told, f"{what}: the broker was {'' if told else 'not '}told before that")
    left = {n for n in set(c.files()) ^ set(before)} | {n for n, text in before.items() if c.files().get(n, b"") != text}
    t.ok(p.returncode != 0 and word in p.stderr and "taken back" in p.stderr, f"{what}: it fails, says why, and takes the steps back", p.stderr)
    t.is_(left, set(), f"{what}: no file and no folder is other than before")
    t.is_(c.known(), ([], []), f"{what}: the store has no value of it, and no enrollment is open")
    c.client.outcome("cat model-1")


def half_failed(t):
    with Case(passphrase="correct horse battery") as c:
        d, conf = c.dir, c.b.conf
        fails(t, c, "Compose refuses the outcome", "echo 'services.coder conflicts with itself' >&2; exit 15", lambda: None, "(exit 15): services.coder conflicts with itself", False)
        fails(t, c, "Compose quotes a value", f"echo 'no {KEYS['OPENAI_API_KEY']} here' >&2; exit 15", lambda: None, "so it is not shown")
        fails(t, c, "the broker is sealed meanwhile", f"cat model-1; \"{broker.BIN}/sidekey\" --config-dir '{conf}' --run-dir '{c.b.run}' seal >/dev/null",
              c.unseal, "sealed")
        fails(t, c, "a policy is broken meanwhile", f"cat model-1; echo 'policy: [' > '{conf}/policies/broken.yaml'", lambda: os.unlink(f"{conf}/policies/broken.yaml"), "broken.yaml", True)
        fails(t, c, "the enrollments' folder goes meanwhile", f"cat model-1; mv '{d}/.sidekey/enroll' '{d}/elsewhere'", lambda: os.rmdir(f"{d}/elsewhere"), "enroll")
        clean = json.dumps({"services": {"coder": {"environment": {"ANTHROPIC_API_KEY": "sk-ant-api03-x"}}, "models": {"labels": {"key": KEYS["OPENAI_API_KEY"]}}}})
        c.client.outcome(f"echo '{clean}'")
        p = c.apply()
        t.is_(p.returncode, 0, "what is repaired can be imported: no earlier try is in its way")
        t.ok("models still has the key of openai, outside its environment" in p.stderr and "coder still" not in p.stderr, "a key that the outcome has all the same is warned of", p.stderr)
        t.ok(f"{d}/.env:5: GH_TOKEN looks like a key, but no service has it in its environment" in p.stdout, "a key that no service has in its environment is said to stay", p.stdout)
        t.is_(c.known(), (["anthropic-api-key", "openai-api-key"], ["coder", "models"]), "with values and enrollments")
        t.is_(c.b.json("status")["exposed_secrets"], 2, "the keys are known to have been seen by others")
        t.is_([w for call in c.client.calls() for w in KEYS.values() if w in call], [], "no key was in a command line")
        t.ok("create --pull never --network none" in "\n".join(c.client.calls()) and any(call.startswith("rm --force --volumes 0123") for call in c.client.calls()),
             "a user's number is looked up in a container that is never started, pulls nothing and leaves no volume", c.client.calls())
        t.ok('path: "%s/.env.sidekey"' % d in c.read(WROTE[2]) and 'more.env"\n        required: false' in c.read(WROTE[2]), "env_file: the .env goes on as .env.sidekey, what may be missing still may", c.read(WROTE[2]))
        state = json.loads(c.read(".sidekey/import.json"))["health_before"]
        t.is_(state, {"coder": "Up 3 minutes (healthy)", "models": ""}, "the health of before is recorded")
        t.is_([k for k, v in KEYS.items() if oracle.can_bytes(v, c.said.encode(), k)], [], "no key was printed")


def twice(t):
    with Case() as c:
        t.is_(c.apply().returncode, 0, "a first import")
        first = c.files()
        p = c.apply("--project-directory", c.dir)
        t.is_((p.returncode, c.files()), (0, first), "a second one changes nothing")
        line = next(text for text in p.stderr.splitlines() if "next: " in text).split("next: ")[1]
        pairs = [w for a, b in zip(("docker-compose.yml", "docker-compose.mcp.yml"), (WROTE[2], WROTE[1])) for w in ("-f", f"{c.dir}/{a}", "-f", f"{c.dir}/{b}")]
        t.is_(shlex.split(line), ["docker", "compose", "--project-directory", c.dir, *pairs, "--env-file", f"{c.dir}/.env.sidekey", "up", "-d"], "the next line is one that a shell takes as it stands")
        c.write(WROTE[2], "# mine\n", "a")
        p = c.apply()
        t.ok(p.returncode == 1 and f"{WROTE[2]} was changed since an import wrote it" in p.stderr and c.read(WROTE[2]).endswith("# mine\n"), "an overlay that somebody edited is not written over", p.stderr)
        t.is_((c.apply("--force").returncode, c.read(WROTE[2]).endswith("# mine\n")), (0, False), "--force does")
        c.b.cli("secret", "rotate", "anthropic-api-key", stdin=NEW)
        p = c.apply()
        t.ok(p.returncode == 1 and "exists already with another value" in p.stderr, "a key that was rotated since is not set back", p.stderr)
        before = c.files()
        os.makedirs(f"{c.dir}/{WROTE[2]}.sidekey.old/x")
        c.write("docker-compose.yml", "# the same, and a comment\n", "a")
        c.client.outcome("cat model-1")
        p = c.apply("--force")
        shutil.rmtree(f"{c.dir}/{WROTE[2]}.sidekey.old")
        c.write("docker-compose.yml", FILES["docker-compose.yml"])
        c.own()
        t.ok(p.returncode == 1 and "taken back" in p.stderr and c.files() == before, "a second import that fails leaves what the first one wrote", p.stderr)
        shown = c.b.cli("secret", "show", "anthropic-api-key", "--reveal").stdout
        t.is_(shown, NEW, "and the value that was active")
        t.is_(c.apply("--force").returncode, 0, "--force takes the value of the .env")
        t.is_(c.b.cli("secret", "show", "anthropic-api-key", "--reveal").stdout, KEYS["ANTHROPIC_API_KEY"], "(it is active)")
        # The .env is gone, as the first import said; then only a part is imported again.
        os.unlink(f"{c.dir}/.env")
        c.client.say("bare", json.dumps({"services": {"coder": {}}}))
        p = c.run(*c.one, "--apply")
        t.is_(p.returncode, 0, "a third import, of one file, without the .env")
        t.is_(c.rollback().returncode, 0, "is taken back with all that the first one did")
        t.is_(c.read(".env"), "".join(FILES[".env"].splitlines(True)[1:]), "the .env is there again, whole but for its comment")
        t.is_(sorted(n for n in os.listdir(c.dir) if "sidekey" in n), [], "and nothing else of any import")
        t.is_(os.listdir(f"{c.b.conf}/policies"), [], "neither are policies")


def other_env(t):
    with Case() as c:
        t.is_(c.apply().returncode, 0, "imported with one .env")
        c.write("prod.env", FILES[".env"])
        c.own()
        before = c.files()
        p = c.apply("--env-file", f"{c.dir}/prod.env")
        t.ok(p.returncode == 1 and "--rollback" in p.stderr and c.files() == before, "an import with another .env would forget the first: refused, with the way out", p.stderr)
        c.rollback()
        t.is_(c.apply("--env-file", f"{c.dir}/prod.env").returncode, 0, "that gone, it is imported with the other")
        p = c.rollback()
        t.is_((p.returncode, shlex.split(p.stderr.splitlines()[-1])[-4:]), (0, ["--env-file", f"{c.dir}/prod.env", "up", "-d"]), "and the stack is to be started with that again")


def refused(t):
    """What Docker's client says instead of a model."""
    with Case() as c:
        before, folder = c.files(), c.client.folder
        c.client.say("version", "1.29.2\n")
        p = c.apply()
        t.ok(p.returncode == 1 and "no Docker Compose 2.24 or newer" in p.stderr and "--config" in p.stderr, "a Compose that is too old is refused, and the other way named", p.stderr)
        c.client.say("version", "v5.0.1\n")
        c.client.say("refusal", f"error while interpolating: required variable ANTHROPIC_API_KEY is missing a value: not {KEYS['OPENAI_API_KEY']}\n")
        p = c.apply()
        t.ok(p.returncode == 1 and "misses the variable ANTHROPIC_API_KEY" in p.stderr, "a variable that Compose misses is named", p.stderr)
        c.client.say("refusal", f"services.coder.x: {KEYS['OPENAI_API_KEY']} is no boolean\n")
        p = c.apply()
        t.ok(p.returncode == 1 and "see for yourself:" in p.stderr and f"-f '{c.dir}/docker-compose.yml'" in p.stderr and "--profile '*'" in p.stderr, "what else it refuses is to be seen with the line that is named", p.stderr)
        os.unlink(f"{folder}/refusal")
        c.client.say("model-2", "{")
        p = c.apply()
        t.ok(p.returncode == 1 and "is not JSON" in p.stderr, "what is no JSON is refused", p.stderr)
        c.client.say("model-2", open(f"{folder}/model-1").read())
        os.unlink(f"{folder}/image")
        p = c.apply()
        t.ok(p.returncode == 1 and "docker compose pull coder" in p.stdout and "no service here can be converted" in p.stderr, "an image that is not there is to be pulled first", p.stdout + p.stderr)
        for text in ("[[", '[{"RepoTags": [1, null]}]'):
            c.write("images.json", text)
            p = c.run(*c.both, "--images", f"{c.dir}/images.json", "--apply")
            t.ok(p.returncode == 1 and ("images.json:1: this is not JSON; give what docker image inspect prints" in p.stderr or "pull coder" in p.stdout), f"--images {text}: refused, or of no use", p.stdout + p.stderr)
        os.unlink(f"{c.dir}/images.json")
        for args, env, word in (((), "COMPOSE_FILE=a.yml", "with -f"), (c.both, "COMPOSE_ENV_FILES=a.env", "with --env-file")):
            p = c.client.run(*args, "--apply", cwd=c.dir, env=[env])
            t.ok(p.returncode == 2 and word in p.stderr, f"{env} in the environment: Compose would read other files than the import", p.stderr)
        t.is_(c.files(), before, "nothing was changed by any of these")
        t.is_([k for k, v in KEYS.items() if oracle.can_bytes(v, c.said.encode(), k)], [], "nor a key printed")


def killed(t):
    with Case() as c:
        c.client.outcome("kill -9 $PPID")
        p = c.apply()
        c.client.outcome("cat model-1")
        t.is_((p.returncode, c.known()), (-9, ([], [])), "killed in the middle, before the broker was told")
        before = {n: c.read(n) for n in FILES}
        t.is_((c.apply().returncode, c.known()), (0, (["anthropic-api-key", "openai-api-key"], ["coder", "models"])), "it can be done again, as if nothing had been")
        t.is_([n for n in c.files() if n.endswith((".new", ".old"))], [], "and leaves no half of a file")
        p = c.rollback("--project-directory", c.dir)
        t.is_(p.returncode, 0, "and is rolled back")
        t.is_(({n: c.read(n) for n in FILES}, sorted(n for n in os.listdir(c.dir) if "sidekey" in n)), (before, []), "to what was before")
        t.is_(shlex.split(p.stderr.splitlines()[-1].partition("next: ")[2]), ["docker", "compose", "--project-directory", c.dir, *c.both, "up", "-d"],
              "which the containers have to be started on: the last line says how")


def again(t):
    """What the broker keeps of an import that was taken back, and another one."""
    with Case() as c:
        t.is_((c.apply().returncode, c.rollback().returncode), (0, 0), "imported, and taken back")
        t.is_(c.known(), (["anthropic-api-key", "openai-api-key"], ["coder", "models"]), "secrets and open enrollments stay")
        p = c.apply()
        t.is_((p.returncode, c.known()[1]), (0, ["coder", "models"]), "another import needs no --force")
        t.ok("the workload coder was known, and its enrollment is not in this folder" in p.stderr and "enrollment is not in" not in c.apply().stderr, "and ends what is open elsewhere with a warning, as it would of another stack", p.stderr)
        p = c.rollback()
        t.ok("secrets stay in the store" in p.stderr and "enrollments are open (sidekey workload revoke NAME" in p.stderr, "that is said at the end, and how they end", p.stderr)
        for name in ("coder", "models"):
            c.b.cli("workload", "revoke", name)
        before = c.files()
        p = c.apply()
        adds = [line.split("(sidekey ")[1].split(")")[0].split() for line in p.stderr.splitlines() if "was revoked" in line]
        t.ok(p.returncode == 1 and adds == [["workload", "add", n] for n in ("coder", "models")] and c.files() == before, "behind a revocation it is refused, with all that is to be done", p.stderr)
        for words in adds:
            c.b.cli(*words)
        t.is_((c.apply().returncode, c.known()), (0, (["anthropic-api-key", "openai-api-key"], ["coder", "models"])), "that done, it works")


def moved(t):
    with Case() as c:
        t.is_(c.apply().returncode, 0, "imported, and the stack's folder moved")
        here, there = c.dir, f"{c.dir}-moved"
        os.rename(here, there)
        c.dir = there
        before = c.files()
        for flag in ("--rollback", "--apply"):
            p = c.run("-f", f"{there}/docker-compose.yml", "-f", f"{there}/docker-compose.mcp.yml", flag)
            t.ok(p.returncode == 1 and f"done with {here}" in p.stderr and c.files() == before, f"{flag} there is refused: what the import wrote is known by where it was", p.stderr)
        os.rename(there, here)
        c.dir = here
        record = json.loads(c.read(".sidekey/import.json"))
        c.write(".sidekey/import.json", json.dumps({**record, "config_dir": "/elsewhere"}))
        p = c.rollback()
        t.ok(p.returncode == 1 and "/elsewhere" in p.stderr, "so it is with another configuration folder", p.stderr)
        c.write(".sidekey/import.json", json.dumps(record)[:-9])
        before = c.files()
        p = c.apply()
        t.ok(p.returncode == 1 and "import.json is there, and is not what" in p.stderr and c.files() == before, "a record that is not whole is not replaced by another import", p.stderr)
        c.write(".sidekey/import.json", json.dumps(record))
        t.is_(c.rollback().returncode, 0, "where it was, it is taken back")


def way_back(t):
    with Case() as c:
        t.is_(c.apply().returncode, 0, "imported, the .env deleted")
        os.unlink(f"{c.dir}/.env")
        c.b.cli("secret", "rotate", "anthropic-api-key", stdin=NEW)
        c.b.cli("secret", "destroy", "openai-api-key", "--version", "1")
        before = c.files()
        p = c.rollback()
        t.ok(p.returncode != 0 and "OPENAI_API_KEY" in p.stderr and "nothing was changed" in p.stderr and c.files() == before, "a key that was destroyed refuses the rollback, by its variable", p.stderr)
        p = c.rollback("--force")
        t.ok(p.returncode != 0 and c.files() == before, "with --force too: it makes no key", p.stderr)
        c.b.cli("secret", "rotate", "openai-api-key", stdin=KEYS["OPENAI_API_KEY"])
        c.write(WROTE[1], "# mine\n", "a")
        p = c.rollback()
        t.ok(p.returncode == 1 and WROTE[1] in p.stderr and not os.path.exists(f"{c.dir}/.env"), "an overlay that somebody edited refuses it", p.stderr)
        c.write("docker-compose.yml", "# changed since\n", "a")
        c.own()
        t.is_(c.rollback("--force").returncode, 0, "--force removes that too")
        t.is_(c.read("docker-compose.yml"), FILES["docker-compose.yml"] + "# changed since\n", "an original that was changed meanwhile stays as it is now")
        t.is_(c.read(".env"), f"ANTHROPIC_API_KEY={NEW}\nOPENAI_API_KEY={KEYS['OPENAI_API_KEY']}\n" + "".join(FILES[".env"].splitlines(True)[3:]), "the .env has the values of now")
        t.is_(sorted(n for n in os.listdir(c.dir) if "sidekey" in n), [], "nothing else is left")
        p = c.rollback()
        t.ok(p.returncode == 3 and "import.json" in p.stderr, "a second rollback knows of nothing to take back", (p.returncode, p.stderr))


def way_back_with_env(t):
    with Case() as c:
        t.is_(c.apply().returncode, 0, "imported, the .env kept")
        c.b.cli("secret", "rotate", "anthropic-api-key", stdin=NEW)
        c.write(".env", "LOG_LEVEL=debug\nOPENAI_API_KEY=\n")
        c.own()
        before = c.files()
        p = c.rollback()
        t.ok(p.returncode == 1 and "no line for ANTHROPIC_API_KEY" in p.stderr and c.files() == before, "a line that is gone from the .env is missed, not forgotten", p.stderr)
        c.write(".env", "# mine\nLOG_LEVEL=debug\nANTHROPIC_API_KEY=\nOPENAI_API_KEY='x'\n")
        c.own()
        t.is_(c.rollback().returncode, 0, "with a line for each it is rolled back")
        t.is_(c.read(".env"), f"# mine\nLOG_LEVEL=debug\nANTHROPIC_API_KEY={NEW}\nOPENAI_API_KEY={KEYS['OPENAI_API_KEY']}\n", "into the .env as it is now")
        c.write(".env", FILES[".env"])
        c.own()
        t.is_(c.apply("--force").returncode, 0, "and imported again")
        c.write(".env", FILES[".env"])
        before = c.files()
        c.b.stop()
        p = c.rollback()
        t.ok(p.returncode != 0 and c.files() == before, "a broker that does not answer refuses a rollback; nothing is changed", p.stderr)


def way_back_killed(t):
    """A rollback that was killed leaves the .env set aside, or the old one beside it; what somebody keeps beside it under a name like that is his own."""
    with Case() as c:
        c.write(".env.old", "mine\n")
        c.write(".env.new", "mine too\n")
        for before in (None, FILES[".env"]):
            t.is_(c.apply().returncode, 0, "imported")
            os.rename(f"{c.dir}/.env", f"{c.dir}/.env.sidekey.old")
            c.write(".env.sidekey.new", "half of ")
            if before:
                c.write(".env", before)
            c.own()
            t.is_((c.rollback().returncode, c.read(".env")), (0, FILES[".env"]), f"killed {'behind' if before else 'before'} the new one had its name: rolled back, the .env is whole")
            t.is_([n for n in os.listdir(c.dir) if "sidekey" in n], [], "and no old one, with keys, lies about")
        c.b.cli("secret", "rotate", "anthropic-api-key", stdin=NEW)
        t.is_(c.apply("--force").returncode, 0, "imported over what was rotated")
        c.b.cli("secret", "rotate", "anthropic-api-key", stdin=NEW)
        t.is_((c.rollback().returncode, NEW in c.read(".env"), c.read(".env.old"), c.read(".env.new")), (0, True, "mine\n", "mine too\n"), "a new .env is written, and who had copies beside it has them still")
        t.is_([n for n in os.listdir(c.dir) if "sidekey" in n], [], "nothing else is")


def way_back_through_link(t):
    """The .env is a symbolic link, as where it lies with other secrets of the host."""
    with Case() as c:
        safe = f"{c.dir}/safe"
        os.mkdir(safe)
        os.rename(f"{c.dir}/.env", f"{safe}/prod.env")
        os.chmod(f"{safe}/prod.env", 0o440)
        os.symlink("safe/prod.env", f"{c.dir}/.env")
        c.own()
        t.is_(c.apply().returncode, 0, "imported, the .env a symbolic link")
        c.b.cli("secret", "rotate", "anthropic-api-key", stdin=NEW)
        p = c.rollback()
        t.ok(p.returncode == 0 and os.path.islink(f"{c.dir}/.env"), "taken back after a rotation it is one still", p.stderr)
        st = os.stat(f"{safe}/prod.env")
        t.is_((c.read("safe/prod.env"), st.st_mode & 0o777, st.st_uid, sorted(os.listdir(safe))), (FILES[".env"].replace(KEYS["ANTHROPIC_API_KEY"], NEW), 0o440, c.uid, ["prod.env"]),
              "the file that it leads to has the value of now, its mode and owner as before, and nothing beside it")
        for i in (1, 2):
            with open(f"{c.client.folder}/model-{i}") as f:
                text = f.read()
            c.client.say(f"model-{i}", text.replace(KEYS["ANTHROPIC_API_KEY"], NEW))
        t.is_(c.apply().returncode, 0, "imported again, without being forced, and that file deleted")
        os.unlink(f"{safe}/prod.env")
        before = c.files()
        p = c.rollback()
        t.ok(p.returncode == 1 and f"{c.dir}/.env is a symbolic link to a file that is gone" in p.stderr and "remove the link" in p.stderr and c.files() == before,
             "a link that leads nowhere refuses it, and says what to do; nothing is changed", p.stderr)
        os.unlink(f"{c.dir}/.env")
        t.is_((c.rollback().returncode, NEW in c.read(".env")), (0, True), "without the link the .env is an ordinary file with its keys")


def main(t):
    half_failed(t)
    twice(t)
    refused(t)
    killed(t)
    again(t)
    other_env(t)
    moved(t)
    way_back(t)
    way_back_with_env(t)
    way_back_killed(t)
    way_back_through_link(t)


tap.Tap().run(main)
