"""A Docker engine of the test's own: dockerd on a private socket, a base image from Debian's mirror, Sidekey's image, Compose."""
import json
import os
import shutil
import subprocess
import tempfile

from . import broker, oracle

BASE = "debian:bookworm-slim"
CACHE = os.path.join(broker.ROOT, os.environ.get("SIDEKEY_TEST_BUILD", "build"), "containers")
POOL = "base=10.213.0.0/16,size=24"  # of bridges, so that no other engine's are met


def missing():
    """What this machine lacks to run these tests, "" for nothing."""
    lacks = [p for p in ("dockerd", "docker", "debootstrap", "iptables") if shutil.which(p) is None]
    return " ".join(lacks + ([] if os.geteuid() == 0 else ["root"]))


class Engine:
    """The engine that SIDEKEY_TEST_DOCKER names, or a new one that ends with the test."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="sidekey-docker-")
        os.chmod(self.dir, 0o755)
        self.proc, self.host = None, os.environ.get("SIDEKEY_TEST_DOCKER")
        self.data = os.environ.get("SIDEKEY_TEST_DOCKER_DATA")
        if self.host is None:
            self.start()

    def start(self):
        self.host, self.data = f"unix://{self.dir}/docker.sock", f"{self.dir}/data"
        with open(f"{self.dir}/dockerd.log", "ab") as log:
            self.proc = subprocess.Popen(
                ["dockerd", "--data-root", self.data, "--exec-root", f"{self.dir}/exec", "-H", self.host, "-p", f"{self.dir}/pid",
                 "--bridge=none", "--iptables=false", "--ip6tables=false", "--default-address-pool", POOL], stdout=log, stderr=log)
        try:
            broker.wait_for(lambda: self.proc.poll() is not None or self.run("version", check=False).returncode == 0, "dockerd to answer", 60)
            if self.proc.poll() is not None:
                raise RuntimeError("dockerd ended: " + open(f"{self.dir}/dockerd.log").read()[-3000:])
        except BaseException:
            self.close()
            raise

    def env(self, **more):
        return {"PATH": os.environ["PATH"], "HOME": self.dir, "DOCKER_CONFIG": self.dir, "DOCKER_HOST": self.host, "DOCKER_BUILDKIT": "0",
                "NO_COLOR": "1", **more}

    def call(self, argv, stdin=None, check=True, timeout=300, cwd=None, env=None):
        p = subprocess.run(argv, input=stdin, capture_output=True, text=True, errors="replace", timeout=timeout, cwd=cwd, env=self.env(**(env or {})))
        if check and p.returncode != 0:
            raise RuntimeError(f"{' '.join(argv)}: exit {p.returncode}\n{p.stdout[-4000:]}{p.stderr[-4000:]}")
        return p

    def run(self, *args, **kw):
        return self.call(["docker", *args], **kw)

    def compose(self, folder, *args, **kw):
        return self.call([f"{CACHE}/docker-compose", *args], cwd=folder, **kw)

    def inspect(self, *names):
        return json.loads(self.run("inspect", *names).stdout) if names else []

    def containers(self, *filters):
        return self.run("ps", "-aq", "--no-trunc", *(x for f in filters for x in ("--filter", f))).stdout.split()

    def has(self, image):
        return self.run("image", "inspect", image, check=False).returncode == 0

    def base(self):
        """An ordinary Debian base, made by debootstrap: no registry is asked."""
        if self.has(BASE):
            return
        tar = f"{CACHE}/base.tar"
        if not os.path.exists(tar):
            os.makedirs(CACHE, exist_ok=True)
            root = f"{self.dir}/base"
            self.call(["debootstrap", "--variant=minbase", "bookworm", root, "http://deb.debian.org/debian"], timeout=600)
            subprocess.run(f"rm -rf {root}/var/cache/apt/archives/*.deb {root}/var/lib/apt/lists/*", shell=True, check=True)
            self.call(["tar", "-C", root, "-cf", f"{tar}.new", "."])
            os.rename(f"{tar}.new", tar)
            shutil.rmtree(root)
        self.run("import", "--change", 'CMD ["bash"]', tar, BASE)

    def build(self, tag, folder, *args):
        return self.run("build", "--network=host", "--force-rm", "-t", tag, *args, folder, timeout=900)

    def sidekey(self):
        self.base()
        subprocess.run([f"{broker.ROOT}/tools/compose.sh", CACHE], check=True, timeout=300)
        if not self.has("sidekey"):
            self.build("sidekey", broker.ROOT)

    def close(self):
        if self.proc is not None:
            if self.proc.poll() is None:
                for c in self.containers() if os.path.exists(f"{self.dir}/docker.sock") else []:
                    self.run("rm", "-f", c, check=False)
                networks = self.run("network", "ls", "-q", "--filter", "type=custom", check=False).stdout.split()
                self.run("network", "rm", *networks, check=False) if networks else None
                self.proc.terminate()
            try:
                self.proc.wait(60)
            except subprocess.TimeoutExpired:
                self.proc.kill()
                self.proc.wait()
            # dockerd leaves this mount, and the folder would stay with it
            subprocess.run(["umount", f"{self.dir}/exec/netns/default"], stderr=subprocess.DEVNULL, check=False)
        if not os.environ.get("SIDEKEY_TEST_KEEP"):
            shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


class Project:
    """compose/broker, from a copy of the folder, as docs/DEPLOY.md has the operator do it."""

    def __init__(self, e):
        self.e, self.dir = e, f"{e.dir}/broker"
        shutil.copytree(f"{broker.ROOT}/compose/broker", self.dir)
        self.conf = f"{self.dir}/etc"

    def compose(self, *args, **kw):
        return self.e.compose(self.dir, *args, **kw)

    def init(self):
        os.mkdir(f"{self.dir}/secrets", 0o700)
        os.chown(f"{self.dir}/secrets", 7433, 7433)
        return self.compose("run", "--rm", "init")

    def up(self):
        self.compose("up", "-d")
        self.healthy()

    def healthy(self):
        broker.wait_for(lambda: self.state().get("Health", {}).get("Status") == "healthy", "the broker to be healthy", 60)

    def id(self):
        return self.compose("ps", "-aq", "broker").stdout.strip()

    def state(self):
        return self.e.inspect(self.id())[0]["State"]

    def log(self):
        p = self.e.run("logs", self.id())
        return p.stdout + p.stderr

    def sidekey(self, *args, **kw):
        """The command line in the broker's own container."""
        return self.compose("exec", "-T", "broker", "sidekey", *args, **kw)

    def cli(self, *args, mount=None, **kw):
        """The command line in a container of its own, which may write files for other users."""
        return self.compose("run", "--rm", "-T", *(["-v", f"{mount}:/w", "-w", "/w"] if mount else []), "cli", *args, **kw)

    def gateway_ip(self):
        """The host's address on the network that the broker reaches its upstreams by."""
        net = self.e.run("network", "inspect", "sidekey_upstream", "--format", "{{(index .IPAM.Config 0).Gateway}}")
        return net.stdout.strip()

    def upstream(self, name, like, up, ca):
        shutil.copy(ca.cert, f"{self.conf}/{name}-ca.pem")
        os.chmod(f"{self.conf}/{name}-ca.pem", 0o644)
        self.write(f"upstreams/{name}.yaml", f"upstream: {name}\nlike: {like}\nca: {name}-ca.pem\nconnect: {self.gateway_ip()}:{up.port}\n")

    def write(self, name, text):
        with open(f"{self.conf}/{name}", "w") as f:
            f.write(text)


def tree(pid):
    """pid and all that descends from it."""
    out = [pid]
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as f:
                for child in f.read().split():
                    out += tree(int(child))
    except OSError:
        pass  # ended meanwhile
    return out


def processes(e, ids):
    """[(container, pid)] of everything that runs in these containers."""
    return [(c["Name"], pid) for c in e.inspect(*ids) if c["State"]["Running"] for pid in tree(c["State"]["Pid"])]


def can_processes(secret, e, ids):
    for name, pid in processes(e, ids):
        for part in ("cmdline", "environ"):
            try:
                with open(f"/proc/{pid}/{part}", "rb") as f:
                    bad = oracle.can_bytes(secret, f.read(), f"{name} /proc/{pid}/{part}")
            except OSError:
                continue
            if bad:
                return bad
    return ""


def can_files(secret, top, but=()):
    """No spelling of the canary in a file below top, which is not followed out of."""
    for folder, dirs, files in os.walk(top):
        dirs[:] = [d for d in dirs if os.path.join(folder, d) not in but]
        for name in files:
            path = os.path.join(folder, name)
            if os.path.islink(path) or not os.path.isfile(path):
                continue
            with open(path, "rb") as f:
                while data := f.read(1 << 24):
                    bad = next((n for n, form in oracle.spellings(secret).items() if len(form) >= 8 and form in data), "")
                    if bad:
                        return f"{path}: the canary as {bad}"
                    if len(data) == 1 << 24:
                        f.seek(-512, os.SEEK_CUR)  # so that no spelling is cut in two
    return ""


def can(secret, e):
    """No spelling of the canary in docker inspect, logs, /proc, nor in any file of the engine: image layers, volumes, what containers wrote."""
    ids = e.containers()
    for c in ids:
        logs = e.run("logs", c)
        for where, text in (("inspect", e.run("inspect", c).stdout), ("logs", logs.stdout + logs.stderr)):
            bad = oracle.can_bytes(secret, text.encode(), f"docker {where} {c[:12]}")
            if bad:
                return bad
    for image in set(e.run("image", "ls", "-aq").stdout.split()):
        bad = oracle.can_bytes(secret, e.run("image", "inspect", image).stdout.encode(), f"docker image inspect {image}")
        if bad:
            return bad
    return can_processes(secret, e, ids) or can_files(secret, e.data)
