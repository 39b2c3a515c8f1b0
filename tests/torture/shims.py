#!/usr/bin/python3
"""The shim as a whole program: at the Nth allocation, or system call, from its start on it fails: enrolling, forwarding, renewing. It goes on, or ends and says why.

    shims.py [N...]   these; without them a few. The program is that of make torture-programs."""
import concurrent.futures
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import broker, fakegateway, shim, tap  # noqa: E402

PROGRAM = os.path.join(broker.ROOT, "build/torture-programs/bin/sidekey-shim")
ALLOCATIONS = [1, 13, 89, 377, 987, 1597, 2584, 4181, 5500, 7000]
CALLS = [1, 2, 3, 5, 8, 13, 21, 34, 55, 80]
PLAIN = b"GET /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
HANGS_S = 25


class Run:
    """One shim, from its start to its end."""

    def __init__(self, what):
        self.folder = tempfile.mkdtemp(prefix="sidekey-torture-")
        path = shutil.copy(PROGRAM, self.folder)
        with open(f"{path}.nth", "w") as f:
            f.write(what)
        self.g = fakegateway.FakeGateway()
        self.g.ttl = 2  # renewed after a second
        command = [path if a == shim.SHIM else a for a in shim.command(self.g.enrollment(), "sh", "-c", "echo URL $SIDEKEY_URL; exec sleep 600", wait="4s")]
        self.proc = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=shim.ENV)
        self.hung = threading.Timer(HANGS_S, self.proc.kill)
        self.hung.start()
        line = self.proc.stdout.readline().decode().strip()
        self.port = int(line.rsplit(":", 1)[1]) if line.startswith("URL http://") else None

    def serves(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as c:
                c.sendall(PLAIN)
                data = c.recv(65536)
                while b"/x" not in data and (more := c.recv(65536)):
                    data += more
                return b"/x" in data
        except OSError:
            return False

    def through(self):
        """What is wrong with a shim whose command runs, or "" also when it has ended by then."""
        alive = lambda: self.proc.poll() is None  # noqa: E731
        self.serves()  # it may be the one that fails
        shim.until(lambda: not alive() or "POST /v1/renew" in self.g.paths(), 6)
        served = shim.until(self.serves, 5)
        if not alive() or (served and "POST /v1/renew" in self.g.paths()):
            return ""
        return f"served {served}, {self.g.paths()}"

    def end(self):
        """(exit status, stderr, whether the shim ended by itself)"""
        alone = self.proc.poll() is not None or self.port is None
        if not alone:
            self.proc.send_signal(signal.SIGTERM)
        _, err = self.proc.communicate()
        self.hung.cancel()
        self.g.stop()
        read = not os.path.exists(f"{self.folder}/sidekey-shim.nth")
        shutil.rmtree(self.folder, ignore_errors=True)
        return self.proc.returncode, err.decode(errors="replace"), alone, read


def one(what):
    run = Run(what)
    wrong = run.through() if run.port else ""
    rc, err, alone, read = run.end()
    if "the certificate ended" in err:  # its renewal failed, and a second has no room for another
        wrong = ""
    if rc < 0:
        wrong += f" ended by signal {-rc}"
    if " bug: " in err:
        wrong += " a bug"
    if alone and (rc == 0 or "sidekey-shim: " not in err):
        wrong += " ended without a word"
    if not read:
        wrong += " nothing was to fail"
    return what, wrong, f"{'started' if run.port else 'not started'}, exit {rc}, {err[-600:]}"


def main(t):
    ns = [int(n) for n in sys.argv[1:]]
    plans = [f"a {n}" for n in ns or ALLOCATIONS] + [f"c {n}" for n in ns or CALLS]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for what, wrong, said in pool.map(one, plans):
            t.ok(not wrong, f"sidekey-shim, {what}", f"{wrong}; {said}")


tap.Tap().run(main)
