#!/usr/bin/python3
"""The shim as PID 1, in a PID namespace where there is one to be had: signals, zombies, exit codes, nothing left behind."""
import os
import re
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import fakegateway, shim, tap  # noqa: E402

PID1 = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
if os.geteuid() != 0:
    PID1[1:1] = ["--user", "--map-current-user"]


def have_namespaces():
    return subprocess.run([*PID1, "true"], capture_output=True).returncode == 0


class Inside:
    """A shim that is PID 1 of a namespace of its own; pid is what the host calls it."""

    def __init__(self, enroll, script):
        self.proc = subprocess.Popen([*PID1, *shim.command(enroll, "/usr/bin/python3", "-u", "-c", script)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                     stderr=subprocess.PIPE, text=True, env=shim.ENV)
        self.pid = None

    def line(self):
        text = self.proc.stdout.readline().strip()
        if self.pid is None:
            self.pid = int(open(f"/proc/{self.proc.pid}/task/{self.proc.pid}/children").read().split()[0])
        return text

    def end(self, timeout=10):
        """(exit status, stdout, stderr, seconds)."""
        start = time.monotonic()
        try:
            out, err = self.proc.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            out, err = self.proc.communicate()
        return self.proc.returncode, out, err, time.monotonic() - start


def members(pid):
    """Processes of the namespace of pid, as the host sees them."""
    mine = os.readlink(f"/proc/{pid}/ns/pid")
    found = []
    for p in os.listdir("/proc"):
        try:
            if p.isdigit() and os.readlink(f"/proc/{p}/ns/pid") == mine:
                found.append(int(p))
        except OSError:
            pass
    return found


def zombies(pid):
    count = 0
    for p in members(pid):
        try:
            count += open(f"/proc/{p}/stat").read().rsplit(") ", 1)[1][0] == "Z"
        except OSError:
            pass
    return count


ORPHANS = """
import os, signal, time
for batch in range(20):
    for i in range(50):
        if os.fork() == 0:
            if os.fork() == 0:
                os._exit(0)   # its parent is gone, or will be: PID 1 has it
            os._exit(0)
    for i in range(50):
        os.wait()
print("done", flush=True)
time.sleep(600)
"""

STUBBORN = """
import os, signal, time
pids = []
for how in ("obeys", "ignores", "stopped", "session"):
    pid = os.fork()
    if pid == 0:
        if how == "ignores": signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if how == "session": os.setsid()
        if how == "stopped": os.kill(os.getpid(), signal.SIGSTOP)
        time.sleep(600)
        os._exit(0)
    pids.append(pid)
time.sleep(0.2)
print("ready", flush=True)
signal.pause()
"""

ECHO = """
import os, signal, sys
got = []
def on(n, f):
    os.write(1, b"got %d\\n" % n)
for n in list(range(1, 32)) + list(range(34, 65)):
    if n not in (signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD, signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP, signal.SIGABRT, signal.SIGSYS):
        signal.signal(n, on)
print("ready", os.getpid() == os.getpgrp(), os.getppid(), flush=True)
while True: signal.pause()
"""

FORWARDED = [1, 2, 3, 10, 12, 14, 15, 18, 20, 23, 24, 25, 26, 27, 28, 29, 30, 34, 50, 64]


def pid1(t, g):
    e = g.enrollment()
    p = Inside(e, ECHO)
    t.is_(p.line(), "ready True 1", "the command leads a process group, and the shim is PID 1")
    for n in FORWARDED:
        os.kill(p.pid, n)
        t.is_(p.line(), f"got {n}", f"signal {n} is passed on")
    os.kill(p.pid, signal.SIGPIPE)
    os.kill(p.pid, signal.SIGCHLD)
    os.kill(p.pid, signal.SIGUSR1)
    t.is_(p.line(), f"got {int(signal.SIGUSR1)}", "SIGPIPE and SIGCHLD are the shim's own")
    kid = [x for x in members(p.pid) if x != p.pid][0]
    os.kill(kid, signal.SIGKILL)
    code, _, err, took = p.end()
    t.ok(code == 128 + 9 and err == "" and took < 1, "a command that is killed: 137", (code, err, took))

    p = Inside(e, ORPHANS)
    t.is_(p.line(), "done", "1 000 orphans")
    t.ok(shim.until(lambda: len(members(p.pid)) == 2, 3), "are reaped: nothing is left but the shim and its command", (members(p.pid), zombies(p.pid)))
    os.kill(p.pid, signal.SIGTERM)
    code, _, err, took = p.end()
    t.ok(code == 143 and took < 1, "docker stop is fast: 143", (code, took))

    p = Inside(e, STUBBORN)
    t.is_(p.line(), "ready", "a command with children that obey, ignore, are stopped, have their own session")
    os.kill(p.pid, signal.SIGTERM)
    code, _, err, took = p.end()
    t.ok(code == 143 and 2.5 < took < 5, "SIGTERM for all, SIGKILL three seconds later for who ignores it", (code, took, err))

    p = Inside(e, "import os, time\nif os.fork() == 0:\n  time.sleep(600)\nprint('ready', flush=True)\ntime.sleep(0.2)\nos._exit(9)")
    p.line()
    code, _, err, took = p.end()
    t.ok(code == 9 and took < 1.5, "what outlives the command and obeys SIGTERM costs no time", (code, took))

    p = Inside(e, "import os, time, sys\nos.kill(1, 9); os.kill(1, 19)\nprint('alive', flush=True)\nos.kill(os.getpid(), 11)")
    t.is_(p.line(), "alive", "SIGKILL and SIGSTOP from inside do not touch PID 1")
    t.is_(p.end()[0], 139, "a command that crashes: 139")

    before = g.paths().count("DELETE /v1/self")
    p = Inside(e, "print('x')")
    p.end()
    t.is_(g.paths().count("DELETE /v1/self") - before, 1, "the certificate is given back")

    code = subprocess.run([*PID1, *shim.command(e, "no-such-command")], capture_output=True, env=shim.ENV).returncode
    t.is_(code, 127, "127 as PID 1 too")
    for n in (0, 1, 77, 125, 255):
        t.is_(Inside(e, f"import os; os._exit({n})").end()[0], n, f"exit status {n}")


def beside(t, g):
    """Not PID 1: under another init, or on a developer's machine."""
    e = g.enrollment()
    p = subprocess.Popen(shim.command(e, "/usr/bin/python3", "-u", "-c", ORPHANS.replace("range(20)", "range(4)")), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                         stdin=subprocess.DEVNULL, env=shim.ENV)
    t.is_(p.stdout.readline().strip(), "done", "orphans of a shim that is not PID 1")

    def children():
        return open(f"/proc/{p.pid}/task/{p.pid}/children").read().split()
    t.ok(shim.until(lambda: len(children()) == 1), "are its children, and reaped", children())
    p.send_signal(signal.SIGTERM)
    t.is_(p.wait(10), 143, "143")
    out = subprocess.run(shim.command(e, "sh", "-c", "sleep 300 & echo $!"), capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL, env=shim.ENV).stdout
    t.ok(shim.until(lambda: not os.path.exists(f"/proc/{out.strip()}")), "what is left of the command's group ends with it")
    p = subprocess.run(shim.command(e, "sh", "-c", "setsid sh -c 'echo $$; exec sleep 3' & sleep 0.2"), capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL, env=shim.ENV)
    pid = p.stdout.strip()
    t.is_(p.returncode, 0, "a process with a session of its own does not hold it up")
    if os.path.exists(f"/proc/{pid}"):
        os.kill(int(pid), signal.SIGKILL)


def forbidden(t, g):
    """The filter is the shim's own; test_shim_sandbox.c tries what it forbids."""
    e = g.enrollment()
    with shim.Shim(e) as s:
        shim.until(lambda: "Seccomp:\t2" in open(f"/proc/{s.proc.pid}/status").read())
        status = open(f"/proc/{s.proc.pid}/status").read()
        t.ok(re.search(r"Seccomp:\s+2", status) and re.search(r"Seccomp_filters:\s+1", status), "one filter, in force", status)
        kid = int(open(f"/proc/{s.proc.pid}/task/{s.proc.pid}/children").read().split()[0])
        t.ok(re.search(r"Seccomp:\s+0", open(f"/proc/{kid}/status").read()), "it is the shim's own: the command has none of it")


def main(t):
    threading.excepthook = lambda _: None
    g = fakegateway.FakeGateway()
    if have_namespaces():
        pid1(t, g)
    else:
        t.lacks("PID 1", "PID namespaces")
    beside(t, g)
    forbidden(t, g)


if __name__ == "__main__":
    tap.Tap().run(main)
