#!/usr/bin/python3
"""README, "Your own stack": its commands, line by line as they stand there, on a machine of the test's own. Needs root and mount(2)."""
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import broker, tap  # noqa: E402

KEY = "sk-ant-api03-canary-0123456789abcdefghijklmnopqrstuvwxyz"
NEW_KEY = "sk-ant-api03-rotated-0123456789abcdefghijklmnopqrstuvwxy"
USERS = ["sidekey-gateway", "sidekey-keeper", "sidekey-api"]


def commands():
    """The lines of the section's code blocks, without their comments."""
    with open(f"{broker.ROOT}/README.md") as f:
        section = f.read().split("\n## Your own stack\n")[1].split("\n## ")[0]
    lines = "\n".join(re.findall(r"```sh\n(.*?)```", section, re.S)).splitlines()
    return [line for line in (re.sub(r"\s+#.*", "", text).strip() for text in lines) if line]


def own_machine(folder):
    """A copy of /etc without our users, and nothing yet where programs, store and sockets will be. In a mount namespace of our own."""
    for path in ("/usr/local", "/run", "/var/lib", folder):
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0755", "none", path], check=True)
    etc = f"{folder}/etc"
    subprocess.run(["cp", "-a", "/etc", etc], check=True)
    subprocess.run(["rm", "-rf", f"{etc}/sidekey"], check=True)
    subprocess.run(["mount", "--bind", etc, "/etc"], check=True)
    for user in USERS:
        subprocess.run(["userdel", user], capture_output=True)
    os.makedirs(f"{folder}/stack")
    with open(f"{folder}/stack/.env", "w") as f:
        f.write(f"# staging\nANTHROPIC_API_KEY={KEY}\nLOG_LEVEL=debug\n")


class Machine:
    def __init__(self, folder):
        self.stack = f"{folder}/stack"
        self.daemon = None
        self.env = {**os.environ, "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                    "BUILD": os.path.dirname(broker.BUILT), "HOME": self.stack}

    def status(self):
        return subprocess.run(["sidekey", "status"], capture_output=True, env=self.env).returncode == 0

    def run(self, line):
        """(exit status, output) of a line; one that goes to the background is waited for as a person would."""
        if line.endswith("&"):
            with open(f"{self.stack}/log", "w") as log:
                self.daemon = subprocess.Popen(line.rstrip("& ").split(), stdout=log, stderr=log, env=self.env, cwd=self.stack)
            try:
                broker.wait_for(lambda: self.daemon.poll() is not None or self.status(), "the broker", 30)
            except TimeoutError:
                pass
            with open(f"{self.stack}/log") as log:
                return 0 if self.status() else 1, log.read()
        p = subprocess.run(["bash", "-ec", line], input=NEW_KEY + "\n", capture_output=True, text=True, timeout=300, env=self.env,
                           cwd=broker.ROOT if line.startswith("make") else self.stack)
        return p.returncode, p.stdout + p.stderr


def check_effects(t, m, said):
    with open(f"{m.stack}/.env.sidekey") as f:
        left = f.read()
    t.ok(KEY not in left and "ANTHROPIC_API_KEY=sk-ant-api03-" in left and "LOG_LEVEL=debug" in left,
         "the key is gone from the copy of the .env, all else is kept", left)
    env = next(text for line, text in said.items() if "sidekey-shim" in line)
    t.ok("ANTHROPIC_BASE_URL=http://127.0.0.1:7433/p/anthropic" in env and "ANTHROPIC_API_KEY=sk-ant-api03-" in env and KEY not in env,
         "the agent finds a base URL and a placeholder, no key", env)
    audit = said["sidekey audit tail"]
    t.ok("enroll allow coder" in audit and "workload_revoke coder" in audit, "the audit log has it all", audit)
    t.ok("proven:" in said["sidekey audit verify"], "and is proven", said["sidekey audit verify"])
    for secret in (KEY, NEW_KEY):
        t.ok(not any(secret in text for text in said.values()), "no command printed a key")
    shown = m.run("sidekey secret show anthropic-api-key --reveal")[1]
    t.is_(shown.strip(), NEW_KEY, "the key that was rotated in is the active one")
    t.is_(m.run("man -w sidekey sidekeyd sidekey-shim sidekey.yaml sidekey-upstream sidekey-policy")[0] if os.path.exists("/usr/bin/man") else 0, 0,
          "the manual pages are where man finds them")


def inside(t):
    folder = sys.argv[2]
    own_machine(folder)
    m = Machine(folder)
    said = {}
    for line in commands():
        rc, said[line] = m.run(line)
        if not t.ok(rc == 0, line, f"exit {rc}\n{said[line][-3000:]}"):
            break
    else:
        check_effects(t, m, said)
    if m.daemon is not None:
        m.daemon.terminate()
        t.is_(m.daemon.wait(20), 0, "the broker stops")


def main():
    if len(sys.argv) > 2:
        tap.Tap().run(inside)
    if "/asan/" in broker.BUILT:
        return tap.Tap().run(lambda t: t.skip("the README's commands", "a sanitized build is not what people install"))
    if os.geteuid() != 0 or subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode != 0:
        return tap.Tap().run(lambda t: t.lacks("the README's commands", "root and mount(2)"))
    with tempfile.TemporaryDirectory(prefix="sidekey-readme-") as folder:
        sys.exit(subprocess.run(["unshare", "-m", sys.executable, os.path.abspath(__file__), "inside", folder]).returncode)


main()
