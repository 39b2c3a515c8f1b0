"""Runs sidekey-shim: to its end, or beside the test."""
import os
import re
import signal
import subprocess
import time

from . import broker, tap

SHIM = f"{broker.BIN}/sidekey-shim"
with open(SHIM, "rb") as _f:
    SANITIZED = b"__asan_init" in _f.read()  # its memory says nothing then, and a non-dumpable process cannot look for leaks
ENV = {"PATH": os.environ["PATH"], **({"ASAN_OPTIONS": "detect_leaks=0"} if SANITIZED else {})}


def command(enroll, *args, listen="127.0.0.1:0", wait="10s", options=(), prefix=()):
    """prefix: what the shim is started through, such as broker.one_uid_prefix()."""
    return [*prefix, SHIM, "--enroll", enroll, "--listen", listen, "--wait", wait, *options, "--", *args]


def run(enroll, *args, timeout=20, env=None, stdin=subprocess.DEVNULL, **kw):
    """(exit status, stdout, stderr) of a whole run; the status is negative when a signal killed the shim itself."""
    p = subprocess.run(command(enroll, *args, **kw), capture_output=True, text=True, timeout=timeout, stdin=stdin,
                       env={**ENV, **(env or {})})
    tap.look("the shim", p.stderr)
    return p.returncode, p.stdout, p.stderr


class Shim:
    """A shim whose command prints its URL and waits; leave() ends it."""

    def __init__(self, enroll, *args, env=None, **kw):
        self.proc = subprocess.Popen(command(enroll, *(args or ("sh", "-c", "echo URL $SIDEKEY_URL; exec sleep 600")), **kw),
                                     stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                     env={**ENV, **(env or {})})
        self.url = self.port = None

    def started(self):
        line = self.proc.stdout.readline()
        m = re.match(r"URL (http://127\.0\.0\.1:(\d+))", line)
        if not m:
            raise AssertionError(f"no URL: {line!r} {self.proc.stderr.read() if self.proc.poll() is not None else ''}")
        self.url, self.port = m.group(1), int(m.group(2))
        return self

    def leave(self, sig=signal.SIGTERM, timeout=10):
        """(exit status, stderr)."""
        if self.proc.poll() is None:
            self.proc.send_signal(sig)
        try:
            _, err = self.proc.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            try:
                _, err = self.proc.communicate(timeout=1)
            except subprocess.TimeoutExpired:  # a command that outlives its shim holds the pipes
                err = "(not to be had)"
        tap.look("the shim", err)
        return self.proc.returncode, err

    def __enter__(self):
        return self.started()

    def __exit__(self, *exc):
        self.leave()

    def rss_kib(self):
        with open(f"/proc/{self.proc.pid}/status") as f:
            return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))


def until(fn, timeout=5.0):
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        if fn():
            return True
        time.sleep(0.01)
    return False
