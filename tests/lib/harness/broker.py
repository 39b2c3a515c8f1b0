"""A broker of the test's own in a temporary folder: init, start, command line, stop."""
import atexit
import json
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time

from . import tap

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../.."))
BUILT = os.path.join(ROOT, os.environ.get("SIDEKEY_TEST_BUILD", "build"), "bin")

# The mode of a container: one uid, no capability. Run as root, the tests step down to this uid.
ONE_UID = 65534


def reachable(path):
    """Whether any uid may walk to path: a checkout below /root is not."""
    while path != "/":
        path = os.path.dirname(path)
        if not os.stat(path).st_mode & 0o001:
            return False
    return True


def for_any_uid(folder):
    """The folder, or a copy that ONE_UID can reach, for as long as this test runs."""
    if os.geteuid() != 0 or reachable(f"{folder}/."):
        return folder
    copy = tempfile.mkdtemp(prefix="sidekey-copy-")
    os.chmod(copy, 0o755)
    shutil.copytree(folder, copy, symlinks=True, dirs_exist_ok=True)
    subprocess.run(["chmod", "-R", "a+rX", copy], check=True)
    atexit.register(shutil.rmtree, copy, ignore_errors=True)
    return copy


BIN = for_any_uid(BUILT)


# Started as root (SIDEKEY_TEST_MODE=root), each role has an own uid.
ACCOUNTS = {"gateway": 61001, "keeper": 61002, "api": 61003}


def own_uids():
    return os.geteuid() == 0 and os.environ.get("SIDEKEY_TEST_MODE") == "root"


def accounts_prefix(dir_, accounts):
    """Runs what follows where the accounts tst-ROLE exist; the machine's own files stay as they are."""
    fd, path = tempfile.mkstemp(dir=dir_)
    with open("/etc/passwd") as old, os.fdopen(fd, "w") as new:
        new.write(old.read())
        for name, uid in accounts.items():
            new.write(f"tst-{name}:x:{uid}:{uid}::/nonexistent:/usr/sbin/nologin\n")
    os.chmod(path, 0o644)
    return ["unshare", "-m", "--propagation", "slave", "sh", "-c", 'mount --bind "$1" /etc/passwd && shift && exec "$@"', "sh", path]


def one_uid_prefix():
    if os.geteuid() != 0 or own_uids():
        return []
    return ["setpriv", f"--reuid={ONE_UID}", f"--regid={ONE_UID}", "--clear-groups",
            "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"]


def wait_for(fn, what, timeout=10.0):
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        value = fn()
        if value:
            return value
        time.sleep(0.01)
    raise TimeoutError(f"waited {timeout} s for {what}")


class Broker:
    def __init__(self, yaml="", gateways=1, tcp=None, passphrase=None, trust_domain="test.example", address=None, programs=None, disk=None):
        self.dir = tempfile.mkdtemp(prefix="sidekey-test-")
        os.chmod(self.dir, 0o755)
        self.conf, self.state, self.run = (f"{self.dir}/{d}" for d in ("conf", "state", "run"))
        self.disk = disk  # harness/disk.py: where the state lies
        self.key_file = f"{self.dir}/root.key"
        self.log_path = f"{self.dir}/sidekeyd.log"
        self.prefix = one_uid_prefix()
        self.accounts = ACCOUNTS if own_uids() else None
        self.programs = programs or BIN  # of sidekeyd and its children
        self.passphrase = passphrase
        self.proc = None
        self.provoked = []  # what of the log the test itself has brought about, and is no bug
        if disk:
            self.state = disk.mount(f"{self.dir}/disk", self.owner()) + "/state"
        for d in (self.conf, f"{self.conf}/upstreams", f"{self.conf}/policies", self.run):
            os.makedirs(d, exist_ok=True)
        listen = "{unix: true" + (f', tcp: "{tcp}"' if tcp else "") + "}"
        unseal = "passphrase" if passphrase else f"{{key_file: {self.key_file}}}"
        self.write("sidekey.yaml", f"state_dir: {self.state}\nrun_dir: {self.run}\nlisten: {listen}\n"
                   f"gateway_address: {address or f'unix:{self.run}/gateway.sock'}\ngateways: {gateways}\n"
                   f"unseal: {unseal}\n"
                   + f"user: {'tst' if self.accounts else 'none'}\n" + yaml)
        if self.prefix:
            subprocess.run(["chown", "-R", f"{ONE_UID}:{ONE_UID}", self.dir], check=True)
        args = ["init", "--state-dir", self.state, "--trust-domain", trust_domain, "--unseal"]
        args += ["passphrase"] if passphrase else ["key-file", "--key-file", self.key_file]
        self.cli(*args, stdin=f"{passphrase}\n" if passphrase else None)

    def write(self, name, text):
        path = f"{self.conf}/{name}"
        with open(path, "w") as f:
            f.write(text)
        return path

    def command(self, *args):
        return [*self.prefix, f"{BIN}/sidekey", "--config-dir", self.conf, "--run-dir", self.run, *args]

    def cli(self, *args, stdin=None, check=True, rc=None, timeout=60):
        p = subprocess.run(self.command(*args), input=stdin, capture_output=True, text=True, timeout=timeout,
                           env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": self.dir}, cwd=self.dir)
        tap.look(f"sidekey {' '.join(args)}", p.stderr)
        if (check and rc is None and p.returncode != 0) or (rc is not None and p.returncode != rc):
            raise RuntimeError(f"sidekey {' '.join(args)}: exit {p.returncode}\n{p.stdout}{p.stderr}\n{self.log()[-2000:]}")
        return p

    def json(self, *args):
        return json.loads(self.cli("--json", *args).stdout)

    def start(self, ready=True, extra=(), env=None):
        self.log_file = open(self.log_path, "ab")
        prefix = accounts_prefix(self.dir, self.accounts) if self.accounts else []
        self.proc = subprocess.Popen([*prefix, *self.prefix, f"{self.programs}/sidekeyd", "--config-dir", self.conf, *extra],
                                     stdout=self.log_file, stderr=self.log_file,
                                     env={"PATH": "/usr/bin:/bin", **{k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")}, **(env or {})})
        if ready:
            wait_for(lambda: self.proc.poll() is not None or self.answers(), "the broker to answer", 20)
            if self.proc.poll() is not None:
                raise RuntimeError("sidekeyd ended: " + self.log()[-2000:])
        return self

    def ready_word(self):
        p = subprocess.run(self.command("--json", "status"), capture_output=True, text=True)
        return json.loads(p.stdout).get("ready") if p.returncode in (0, 6) and p.stdout else None

    def answers(self):
        """Unsealed, with rules in force or waiting for the secret that they name."""
        return self.ready_word() in ("yes", "no_rules")

    def ready(self):
        return self.ready_word() == "yes"

    def log(self):
        try:
            with open(self.log_path, errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def pids(self):
        """{role: [pid, ...]} of the broker's processes, found as children of sidekeyd."""
        found = {}
        with open(f"/proc/{self.proc.pid}/task/{self.proc.pid}/children") as f:
            for pid in f.read().split():
                try:
                    with open(f"/proc/{pid}/cmdline", "rb") as c:
                        argv = c.read().split(b"\0")
                except (FileNotFoundError, ProcessLookupError):
                    continue  # reaped since it was listed
                found.setdefault(argv[1].decode() if len(argv) > 2 else argv[0].decode(), []).append(int(pid))
        return found

    def owner(self):
        """The user whose the store is."""
        return ONE_UID if self.prefix else self.accounts["keeper"] if self.accounts else os.geteuid()

    def give(self, path):
        """What the test put into the store's place, to its owner."""
        uid = self.owner()
        subprocess.run(["chown", "-R", f"{uid}:{uid}", path], check=True)

    def stop(self, sig=signal.SIGTERM, timeout=20):
        if self.proc is None:
            return None
        if self.proc.poll() is None:
            self.proc.send_signal(sig)
        rc = self.proc.wait(timeout)
        self.log_file.close()
        self.proc = None
        return rc

    def close(self):
        try:
            self.stop()
        except subprocess.TimeoutExpired:
            self.proc.kill()
            self.proc.wait()
        said = self.log()
        for one in self.provoked:
            said = said.replace(one, "")
        tap.look("sidekeyd and its children", said)
        if self.disk:
            self.disk.close()
        if not os.environ.get("SIDEKEY_TEST_KEEP"):
            shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    # Setting things up, in the words of the tests.

    def secret(self, name, value, *flags):
        self.cli("secret", "set", name, *flags, stdin=value)

    def workload(self, name):
        self.cli("workload", "add", name)

    def enroll(self, name, *flags):
        path = f"{self.dir}/enroll-{name.replace('/', '_')}-{time.monotonic_ns()}.json"
        self.cli("workload", "enroll", name, "--out", path, *flags)
        return path

    def upstream(self, name, like, up, ca, extra=""):
        """An upstream file that sends `like`'s host to the recording upstream."""
        self.write(f"upstreams/{name}.yaml", f"upstream: {name}\nlike: {like}\nca: {ca}\n"
                   f"connect: 127.0.0.1:{up.port}\n{extra}")

    def policy(self, name, workloads, use):
        self.write(f"policies/{name}.yaml", f"policy: {name}\nworkloads: [{', '.join(workloads)}]\nuse:\n{use}")

    def reload(self):
        self.cli("reload")


def user_name(uid):
    return pwd.getpwuid(uid).pw_name
