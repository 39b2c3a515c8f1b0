"""A broker whose gateways run on a clock that the test pushes (tests/lib/tool_gateway.c): deadlines of many minutes pass at once."""
import atexit
import os
import shutil
import struct
import tempfile

from . import broker, workload

TOOL = os.path.join(os.path.dirname(broker.BUILT), "tests/tool_gateway")


class Clock:
    """Its folder holds the programs for Broker(programs=...); hosts is what the gateway finds in /etc/hosts."""

    def __init__(self, hosts=""):
        self.dir = tempfile.mkdtemp(prefix="sidekey-clock-")
        atexit.register(shutil.rmtree, self.dir, ignore_errors=True)
        shutil.copytree(broker.BIN, self.dir, dirs_exist_ok=True)
        shutil.copy(TOOL, f"{self.dir}/sidekey-gateway")
        os.chmod(self.dir, 0o755)
        with open(f"{self.dir}/hosts", "w") as f:
            f.write(hosts)
        self.pushed_ms = 0
        self.fd = os.open(f"{self.dir}/clock", os.O_RDWR | os.O_CREAT, 0o644)
        self.write()

    def write(self):
        os.pwrite(self.fd, struct.pack("<q", self.pushed_ms), 0)

    def push(self, b, seconds, answers=True):
        """The gateway's time goes on so far, and it has looked at what was due; answers: it lives on."""
        self.pushed_ms += int(seconds * 1000)
        self.write()
        for _ in range(2):  # the second answer is written in a turn behind the timers of the first one's
            try:
                c = workload.Client(f"unix:{b.run}/gateway.sock", f"{b.state}/ca.pem")
                c.ask("GET", "/healthz")
                c.close()
            except OSError:
                if answers:
                    raise
                return


class Wall:
    """A broker whose keeper reads a wall clock that the test sets (tests/lib/tool_keeper.c); its folder holds the programs for Broker(programs=...)."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="sidekey-wall-")
        atexit.register(shutil.rmtree, self.dir, ignore_errors=True)
        shutil.copytree(broker.BIN, self.dir, dirs_exist_ok=True)
        shutil.copy(os.path.join(os.path.dirname(broker.BUILT), "tests/tool_keeper"), f"{self.dir}/sidekey-keeper")
        os.chmod(self.dir, 0o755)
        self.fd = os.open(f"{self.dir}/wall", os.O_RDWR | os.O_CREAT, 0o644)
        self.set(0)

    def set(self, seconds):
        """That far from the true time, forward or back."""
        os.pwrite(self.fd, struct.pack("<q", int(seconds * 1000)), 0)
