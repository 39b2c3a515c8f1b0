#!/usr/bin/python3
"""The command line against a running broker: exit codes, how values get in and out, imports that happen whole or not at all."""
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import broker, tap  # noqa: E402

CANARY = "sk-ant-api03-CANARY0123456789CANARY"
OTHER = "ghp_CANARY9876543210CANARY"


def own(b, path):
    if b.prefix:
        subprocess.run(["chown", "-R", f"{broker.ONE_UID}:{broker.ONE_UID}", path], check=True)
    return path


def put_file(b, name, text):
    path = f"{b.dir}/{name}"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(text)
    return own(b, path)


def exit_codes(t, b):
    for want, args in ((0, ["status"]), (0, ["--help"]), (0, ["version"]), (2, []), (2, ["frob"]), (2, ["status", "--frob"]),
                       (2, ["secret", "set", "x", "argv-value-0123456789"]), (2, ["secret", "set", "Bad Name"]),
                       (1, ["policy", "check", put_file(b, "bad/policies/p.yaml", "policy: p\n").rsplit("/", 2)[0]]),
                       (3, ["secret", "show", "absent"]), (3, ["secret", "show", "absent", "--reveal"]), (3, ["secret", "history", "absent"]),
                       (3, ["workload", "revoke", "absent"]), (3, ["upstream", "check", "absent"]), (3, ["import", "env", "absent", "--workload", "w"]),
                       (2, ["audit", "export", "--since", "yesterday"]), (5, ["--run-dir", "/nonexistent", "status"]),
                       (5, ["--run-dir", "/nonexistent", "secret", "show", "x", "--reveal"])):
        p = b.cli(*args, check=False)
        t.ok(p.returncode == want and (want == 0 or p.stderr.startswith("sidekey: ") and p.stdout == ""),
             f"exit {want}: sidekey {' '.join(args)}", f"exit {p.returncode}\n{p.stdout}{p.stderr}")
    p = b.cli("secret", "set", "x", "argv-value-0123456789", check=False)
    t.ok("argv-value" not in p.stderr and "stdin" in p.stderr, "a value in argv is refused, and not repeated", p.stderr)


STRANGER = 65533  # a uid that owns nothing here


def denied(t, b):
    """Another user of the host, who may reach the programs and not the broker."""
    if os.geteuid() != 0:
        return t.lacks("exit 4 for another user", "root")

    def ask(*args):
        env = {"PATH": "/usr/bin:/bin"}
        argv = ["setpriv", f"--reuid={STRANGER}", f"--regid={STRANGER}", "--clear-groups", *b.command(*args)[len(b.prefix):]]
        return subprocess.run(argv, input="value-0123456789", capture_output=True, text=True, env=env, cwd="/", timeout=30)

    commands = (["status"], ["reload"], ["workload", "add", "mine"], ["secret", "set", "mine"], ["secret", "show", "one", "--reveal"], ["seal"], ["audit", "tail"])
    for args in commands:
        p = ask(*args)
        t.ok(p.returncode == 4 and "permission denied" in p.stderr and p.stdout == "", f"exit 4: another user's sidekey {' '.join(args)}", f"exit {p.returncode}\n{p.stdout}{p.stderr}")
    socks = [f"{b.run}/{s}.sock" for s in ("admin", "keeper")]
    modes = [os.stat(s).st_mode & 0o777 for s in socks]
    t.is_(modes, [0o600, 0o600], "both sockets are their owner's alone")
    for s in socks:
        os.chmod(s, 0o666)
    for args in commands:  # the kernel lets them through: who it is decides
        p = ask(*args)
        # the api answers 403; the keeper hangs up without a word
        t.ok(p.returncode in (4, 5) and ("hung up" in p.stderr) == (p.returncode == 5) and p.stdout == "", f"refused, with the sockets open to all: {' '.join(args)}", f"exit {p.returncode}\n{p.stdout}{p.stderr}")
    for s, mode in zip(socks, modes):
        os.chmod(s, mode)
    t.ok(b.cli("secret", "show", "mine", check=False).returncode == 3 and b.ready(), "nothing was done")


def sealed(t, b):
    b.start()
    b.cli("seal")
    for args in (["status"], ["secret", "list"], ["secret", "show", "one", "--reveal"], ["secret", "set", "new"], ["workload", "add", "new"], ["reload"]):
        p = b.cli(*args, check=False, stdin="value-0123456789")
        t.ok(p.returncode == 6, f"exit 6 of a sealed broker: sidekey {' '.join(args)}", f"exit {p.returncode}\n{p.stdout}{p.stderr}")
    p = b.cli("unseal", stdin="a-passphrase", check=False)
    t.ok(p.returncode == 1 and "opened by its key file" in p.stderr and "restart sidekeyd" in p.stderr, "unseal of a store with a key file says what to do", p.stderr)


def told(t, b):
    """What a command says is so."""
    p = b.cli("upstream", "check", "azure-openai", check=False)
    t.ok(p.returncode == 3 and "needs a file" in p.stderr, "an upstream that is built in but for its host", p.stderr)
    b.write("upstreams/near.yaml", "upstream: near\nlike: bearer\nurl: https://a.example\nconnect: 127.0.0.1:9\ncredential: {secret: s}\n")
    t.ok("private addresses too" in b.cli("upstream", "check", "near").stdout and "never a private" in b.cli("upstream", "check", "brave").stdout,
         "connect: may lead to a private address, and upstream check says so")
    os.unlink(f"{b.conf}/upstreams/near.yaml")


def values(t, b):
    b.cli("secret", "set", "one", stdin="value-of-one-1\n")
    t.is_(b.cli("secret", "show", "one", "--reveal").stdout, "value-of-one-1", "from stdin, one newline cut; none added when it is no terminal")
    b.cli("secret", "rotate", "one", "@" + put_file(b, "v", "value-of-one-2\r\n"))
    t.is_(b.cli("secret", "show", "one", "--reveal").stdout, "value-of-one-2", "from a file")
    t.is_(b.cli("secret", "show", "one", "--reveal", "--version", "1").stdout, "value-of-one-1", "the older version")
    for words in (["list"], ["show", "one"], ["history", "one"]):
        for flags in ([], ["--json"]):
            t.ok("value-of" not in b.cli(*flags, "secret", *words).stdout, f"secret {' '.join(words)} {' '.join(flags)} has no value")
    for what, value in (("empty", ""), ("a newline alone", "\n"), ("a line break inside", "a\nb"), ("a NUL", "a\0b"), ("too long", "x" * 16385)):
        p = b.cli("secret", "set", "bad", stdin=value, check=False)
        t.ok(p.returncode == 1 and b.cli("secret", "show", "bad", check=False).returncode == 3, f"refused: {what}", p.stderr)
    b.cli("secret", "set", "long", stdin="x" * 16384 + "\n")
    t.is_(len(b.cli("secret", "show", "long", "--reveal").stdout), 16384, "the longest")
    p = b.cli("secret", "destroy", "long", "--version", "1")
    t.ok("no active version" in p.stderr, "who destroys the active version is told what that means", p.stderr)
    b.cli("secret", "rotate", "long", stdin="short-0123456789")
    t.ok("secret_reveal" in b.cli("audit", "export", "--secret", "one").stdout, "a reveal is audited")
    rows = [json.loads(line) for line in b.cli("--json", "secret", "list").stdout.splitlines()]
    t.ok([r["name"] for r in rows] == ["long", "one"] and rows[1]["active_version"] == 2, "--json: one object a line", rows)


class Terminal:
    """sidekey on a terminal of its own."""

    def __init__(self, b, *args):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(b.dir)
            argv = b.command(*args)
            os.execvpe(argv[0], argv, {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin"})
        self.seen = b""

    def expect(self, word, timeout=10):
        end = time.monotonic() + timeout
        while word not in self.seen:
            ready = select.select([self.fd], [], [], max(0, end - time.monotonic()))[0]
            try:
                data = os.read(self.fd, 4096) if ready else b""
            except OSError:
                data = b""
            if not data:
                return False
            self.seen += data
        self.seen = self.seen[self.seen.index(word) + len(word):]
        return True

    def type(self, text):
        os.write(self.fd, text)

    def end(self):
        rest = self.seen
        while True:
            try:
                data = os.read(self.fd, 4096)
            except OSError:
                break
            if not data:
                break
            rest += data
        rc = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self.fd)
        return rc, rest


def prompt(t, b):
    term = Terminal(b, "secret", "set", "typed")
    t.ok(term.expect(b"typed (not shown): "), "it asks")
    term.type(b"oops\x15typed-valueX\x7f-01\r")
    t.ok(term.expect(b"once more: "), "it asks again")
    term.type(b"typed-value-01\r")
    rc, rest = term.end()
    t.ok(rc == 0 and b"value" not in term.seen + rest, "stored, and not echoed", rest)
    t.is_(b.cli("secret", "show", "typed", "--reveal").stdout, "typed-value-01", "Ctrl-U and backspace work")

    term = Terminal(b, "secret", "set", "differ")
    term.expect(b": ")
    term.type(b"first-value-01\r")
    term.expect(b": ")
    term.type(b"other-value-01\r")
    rc, rest = term.end()
    t.ok(rc == 1 and b"not the same" in rest, "two different ones are refused", rest)

    term = Terminal(b, "secret", "set", "given-up")
    term.expect(b": ")
    term.type(b"half\x03")
    rc, rest = term.end()
    t.ok(rc == 1 and b"given up" in rest, "Ctrl-C ends it with the terminal restored", rest)
    for name in ("differ", "given-up"):
        t.is_(b.cli("secret", "show", name, check=False).returncode, 3, f"{name} was not stored")


ENV = f"""# comment {OTHER}
export ANTHROPIC_API_KEY="{CANARY}"
STRIPE_KEY='plain-secret-0123456789'
DATABASE_URL=postgres://u:p@db/x
LOG_LEVEL=debug
"""


def import_whole(t, b):
    env = put_file(b, "stack/.env", ENV)
    own(b, f"{b.dir}/stack")
    p = b.cli("import", "env", env, "--workload", "agent,team/bot", "--take", "STRIPE_KEY", "--dry-run")
    t.ok(not os.path.exists(env + ".sidekey") and b.cli("workload", "list", "--json").stdout == "", "--dry-run does nothing", p.stdout)
    p = b.cli("--json", "import", "env", env, "--workload", "agent,team/bot", "--take", "STRIPE_KEY")
    report = {r["variable"]: r for r in map(json.loads, p.stdout.splitlines())}
    t.ok("CANARY" not in p.stdout + p.stderr and "plain-secret" not in p.stdout + p.stderr, "the report has no value")
    t.ok(report["ANTHROPIC_API_KEY"]["upstream"] == "anthropic" and report["STRIPE_KEY"]["secret"] == "stripe-key"
         and report["DATABASE_URL"]["action"] == "left" and "password" in report["DATABASE_URL"]["note"], "it says what was taken and left", report)
    t.is_(open(env).read(), ENV, "the original is as it was")
    new = open(env + ".sidekey").read()
    t.ok("CANARY" not in new and "plain-secret" not in new, "no key in the new file", new)
    t.is_(os.stat(env + ".sidekey").st_mode & 0o777, 0o600, "mode 0600")
    sh = subprocess.run(["sh", "-c", f'. "{env}.sidekey" && printf "%s|%s|%s|%s" "$ANTHROPIC_API_KEY" "$STRIPE_KEY" "$DATABASE_URL" "$LOG_LEVEL"'],
                        capture_output=True, text=True).stdout.split("|")
    t.ok(sh[0].startswith("sk-ant-api03-") and len(sh[0]) == len(CANARY) and len(sh[1]) == 23
         and sh[2:] == ["postgres://u:p@db/x", "debug"], "every variable is there, in shape", sh)
    t.is_(b.cli("secret", "show", "anthropic-api-key", "--reveal").stdout, CANARY, "the key is in the store")
    t.ok(b.json("secret", "show", "stripe-key")["exposed"], "and marked exposed")
    t.is_(b.json("policy", "explain", "team/bot", "anthropic", "POST", "/v1/messages")["verdict"], "allow", "the policy allows what clients need")
    t.ok(b.json("status")["workloads"] == 2, "the workloads are known")
    expect = open(f"{b.conf}/policies/team.bot.expect").read()
    t.ok("\nallow team/bot anthropic POST /v1/messages\n" in expect and "\ndeny team/bot anthropic DELETE /v1/messages not_allowed\n" in expect,
         "beside each policy stands what it decides", expect)
    p = b.cli("policy", "test")
    t.ok("in 2 files, 0 wrong" in p.stderr + p.stdout, "and policy test finds it so", p.stderr)
    p = b.cli("import", "env", env, "--workload", "agent", check=False)
    t.ok(p.returncode == 1 and "already" in p.stderr and CANARY not in p.stderr, "a second import is refused", p.stderr)
    put_file(b, "stack/.env", ENV.replace(CANARY, CANARY + "2"))
    b.cli("import", "env", env, "--workload", "agent,team/bot", "--force")
    t.is_(b.cli("secret", "show", "anthropic-api-key", "--reveal").stdout, CANARY + "2", "--force rotates")
    t.is_([f for f in os.listdir(f"{b.conf}/policies") + os.listdir(f"{b.dir}/stack") if f.endswith((".new", ".old"))], [], "nothing is left lying about")


def import_nothing(t, b):
    """The broker's own folder does not compile, the one named here does: so the reload fails, late."""
    conf = f"{b.dir}/conf2"
    for d in ("upstreams", "policies"):
        os.makedirs(f"{conf}/{d}")
    old = "policy: late\nworkloads: [late]\nuse: {anthropic: {allow: [\"GET /old\"]}}\n"
    put_file(b, "conf2/policies/late.yaml", old)
    own(b, conf)
    env = put_file(b, "late/.env", f"ANTHROPIC_API_KEY={CANARY}3\nGITHUB_TOKEN={OTHER}\n")
    own(b, f"{b.dir}/late")
    broken = put_file(b, "conf/policies/broken.yaml", "policy: broken\n")
    before = b.json("status")["generation"]
    p = b.cli("--config-dir", conf, "import", "env", env, "--workload", "late", "--force", check=False)
    t.ok(p.returncode == 1 and "broken.yaml" in p.stderr and "taken back" in p.stderr, "a late failure is told", p.stderr)
    t.is_(os.listdir(f"{conf}/upstreams") + os.listdir(f"{conf}/policies"), ["late.yaml"], "no new file")
    t.is_(open(f"{conf}/policies/late.yaml").read(), old, "the replaced one is back")
    t.is_(os.listdir(f"{b.dir}/late"), [".env"], "no .env.sidekey")
    t.is_(b.cli("secret", "show", "anthropic-api-key", "--reveal").stdout, CANARY + "2", "what was active still is")
    t.is_(b.cli("secret", "show", "github-token", "--reveal", check=False).returncode == 0, False, "the new value is gone")
    t.ok(all(r["name"] != "late" for r in map(json.loads, b.cli("--json", "workload", "list").stdout.splitlines())), "no new workload")
    t.is_(b.json("status")["generation"], before, "the rules in force are the same")
    os.unlink(broken)
    b.cli("--config-dir", conf, "import", "env", env, "--workload", "late", "--force")
    t.is_(b.cli("secret", "show", "github-token", "--reveal").stdout, OTHER, "the same import works afterwards")


def files_synced(t, b):
    """A file that a command puts in its place is on the disk first, and its name after."""
    if os.geteuid() != 0 or not shutil.which("strace"):
        return t.lacks("what the commands sync", "strace and root")
    env = put_file(b, "synced/.env", "OPENAI_API_KEY=sk-proj-CANARY0123456789canary\n")
    out = own(b, put_file(b, "synced/trace", ""))
    own(b, f"{b.dir}/synced")
    environ = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}  # a sanitizer looks for them by tracing, which strace does already
    for args, count in ((["import", "env", env, "--workload", "synced"], 3), (["workload", "enroll", "synced", "--out", f"{b.dir}/synced/enroll.json", "--replace"], 1)):
        subprocess.run(["strace", "-f", "-y", "-o", out, "-e", "trace=rename,fsync", *b.command(*args)], capture_output=True, check=True, timeout=60, env=environ)
        with open(out) as f:
            lines = f.read().splitlines()
        placed = [(n, m[1], m[2]) for n, line in enumerate(lines) if (m := re.search(r'rename\("([^"]*\.new)", "([^"]*)"\) += 0', line))]
        t.is_(len(placed), count, f"{args[0]}: files put in their places")
        for n, new, name in placed:
            t.ok(any(f"<{new}>) " in line for line in lines[:n]) and any(f"<{os.path.dirname(name)}>) " in line for line in lines[n:]),
                 f"{os.path.basename(name)}: the file is synced before, the folder after", "\n".join(lines))


def import_revoked(t, b):
    b.workload("gone")
    b.cli("workload", "revoke", "gone")
    env = put_file(b, "gone/.env", f"BRAVE_API_KEY=BSACANARY0123456789canary\nOPENAI_API_KEY=sk-proj-$CANARY0123456789\n")
    own(b, f"{b.dir}/gone")
    before = sorted(os.listdir(f"{b.conf}/policies"))
    p = b.cli("import", "env", env, "--workload", "new,gone", check=False)
    t.ok(p.returncode == 1 and '"gone" was revoked' in p.stderr and "sidekey workload add gone" in p.stderr, "for a revoked workload: refused, with the next step", p.stderr)
    t.is_((sorted(os.listdir(f"{b.conf}/policies")), os.listdir(f"{b.dir}/gone")), (before, [".env"]), "and nothing was written")
    t.ok(b.cli("secret", "show", "brave-api-key", check=False).returncode == 3 and '"new"' not in b.cli("--json", "workload", "list").stdout, "nor stored")
    b.cli("workload", "add", "gone")
    p = b.cli("import", "env", env, "--workload", "new,gone")
    t.ok("OPENAI_API_KEY (line 2) stays in" in p.stderr and "single quotes" in p.stderr and "CANARY" not in p.stderr, "what has a $ stays, and that is said", p.stderr)


class Failing:
    """The admin socket, but the Nth request whose path ends so is answered with 500."""

    def __init__(self, b, path, nth):
        self.real, self.path, self.left = f"{b.run}/admin.sock", path, nth
        self.dir = f"{b.dir}/run-failing"
        os.mkdir(self.dir)
        os.link(f"{b.run}/keeper.sock", f"{self.dir}/keeper.sock")
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.bind(f"{self.dir}/admin.sock")
        self.sock.listen()
        own(b, self.dir)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            conn = self.sock.accept()[0]
            threading.Thread(target=self.relay, args=(conn,), daemon=True).start()

    def relay(self, conn):
        up = socket.socket(socket.AF_UNIX)
        up.connect(self.real)
        while True:
            for s in select.select([conn, up], [], [])[0]:
                data = s.recv(65536)
                if not data:
                    conn.close()
                    up.close()
                    return
                if s is conn and self.path in data.split(b"\r\n")[0]:
                    self.left -= 1
                    if self.left == 0:
                        conn.sendall(b"HTTP/1.1 500 x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
                        continue
                (up if s is conn else conn).sendall(data)


def import_half_promoted(t, b):
    """The last steps fail one by one: the secret that was rotated already goes back to the version that it had."""
    env = put_file(b, "half/.env", f"ANTHROPIC_API_KEY={CANARY}5\nGITHUB_TOKEN={OTHER}5\n")
    own(b, f"{b.dir}/half")
    b.cli("secret", "rotate", "anthropic-api-key", stdin="newest-of-one-0123")
    b.cli("secret", "rollback", "anthropic-api-key")
    was = [b.json("secret", "show", n)["active_version"] for n in ("anthropic-api-key", "github-token")]
    failing = Failing(b, b"/promote ", 2)
    p = b.cli("--run-dir", failing.dir, "import", "env", env, "--workload", "half", check=False)
    t.ok(p.returncode == 1 and "exists already" in p.stderr, "without --force: refused", p.stderr)
    p = b.cli("--run-dir", failing.dir, "import", "env", env, "--workload", "half", "--force", check=False)
    t.ok(p.returncode == 1 and "taken back" in p.stderr and "not all" not in p.stderr, "the second promotion fails: taken back", p.stderr)
    t.is_([b.json("secret", "show", n)["active_version"] for n in ("anthropic-api-key", "github-token")], was, "both secrets are at the version that they had")
    t.is_([r["state"] for r in map(json.loads, b.cli("--json", "secret", "history", "anthropic-api-key").stdout.splitlines()) if r["version"] > was[0] + 1], ["destroyed"], "the new value is gone")
    t.is_(os.listdir(f"{b.dir}/half"), [".env"], "no file was left")


def audit(t, b):
    p = b.cli("audit", "verify")
    t.ok("anchor:" in p.stdout, "verify asks the broker", p.stdout)
    follow = subprocess.Popen(b.command("--json", "audit", "tail", "-n", "0", "-f"), stdout=subprocess.PIPE, text=True)
    os.set_blocking(follow.stdout.fileno(), True)
    time.sleep(0.3)  # the start of another process: there is no event to wait for
    b.workload("followed")
    line = follow.stdout.readline()
    follow.send_signal(signal.SIGTERM)
    follow.wait()
    t.ok('"workload":"followed"' in line, "tail -f shows what comes", line)
    t.is_(len(b.cli("audit", "tail", "-n", "3").stdout.splitlines()), 3, "tail -n")
    for filters in (["--secret", "one"], ["--workload", "followed"], ["--workload", "followed", "--secret", "one"], ["--since", "1h", "--secret", "one"], ["--secret", "absent"]):
        passed = b.cli("audit", "export", *filters).stdout.splitlines()
        for n in (1, 2, 100):
            t.is_(b.cli("--json", "audit", "tail", "-n", str(n), *filters).stdout.splitlines(), passed[-n:], f"tail -n {n} {' '.join(filters)}: the newest that pass")
    b.stop()
    p = b.cli("audit", "verify", "--dir", f"{b.state}/audit")
    t.ok("proven:" in p.stdout, "offline, with the key beside it", p.stdout)
    anchor = json.loads(b.cli("--json", "audit", "verify", "--dir", f"{b.state}/audit").stdout)["anchor"]
    t.is_(b.cli("audit", "verify", "--dir", f"{b.state}/audit", "--anchor", anchor).returncode, 0, "the anchor is found")
    t.is_(b.cli("audit", "verify", "--dir", f"{b.state}/audit", "--anchor", "00" * 32, check=False).returncode, 1, "another is missed")


def shim(t, b):
    folder = f"{b.dir}/mounted"
    os.mkdir(folder)
    b.give(folder)
    p = b.cli("shim", "install", folder)
    at = f"{folder}/sidekey-shim"
    t.ok(open(at, "rb").read() == open(f"{broker.BIN}/sidekey-shim", "rb").read() and os.stat(at).st_mode & 0o7777 == 0o711, "shim install puts the program there, mode 0711")
    t.ok("run this as root" in p.stderr or os.stat(at).st_uid == 0, "and says so where its user could change it", p.stderr)
    was = os.stat(at).st_ino
    b.cli("shim", "install", folder)
    t.ok(os.stat(at).st_ino != was and os.listdir(folder) == ["sidekey-shim"], "again: another file in its place, so that running ones keep theirs")
    b.cli("shim", "install", f"{folder}/absent", rc=1)


def main(t):
    with broker.Broker() as b:
        b.start()
        for part in (exit_codes, told, values, denied, prompt, import_whole, import_nothing, files_synced, import_revoked, import_half_promoted, shim, audit, sealed):
            part(t, b)
        t.ok("CANARY" not in b.log() and "value-of" not in b.log(), "no value in the log")


tap.Tap().run(main)
