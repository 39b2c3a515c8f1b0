#!/usr/bin/python3
"""Promise 10, broker: a process with the same uid can read no memory, environment or descriptor of it, and nothing dumps core."""
import json
import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import broker, oracle, tap  # noqa: E402

# Runs with the broker's uid; says what it could do to each pid.
PROBE = r"""
import ctypes, json, os, sys
libc = ctypes.CDLL(None, use_errno=True)
SYS = {"x86_64": (310, 434, 438), "aarch64": (270, 434, 438)}[os.uname().machine]

def attempt(fn):
    try:
        return fn() is not None
    except OSError:
        return False

def call(*args):
    libc.syscall.restype = ctypes.c_long
    rc = libc.syscall(*[ctypes.c_long(a) for a in args])
    if rc < 0:
        raise OSError(ctypes.get_errno(), "")
    return rc

def read_memory(pid):
    here = ctypes.create_string_buffer(16)
    local = (ctypes.c_ulong * 2)(ctypes.addressof(here), 16)
    remote = (ctypes.c_ulong * 2)(0x400000, 16)
    libc.syscall(SYS[0], pid, ctypes.byref(local), 1, ctypes.byref(remote), 1, 0)
    if ctypes.get_errno() == 14:    # EFAULT: the address was bad, the permission was there
        return True
    raise OSError(ctypes.get_errno(), "")

def trace(pid):
    if libc.ptrace(0x4206, pid, None, None) != 0:    # PTRACE_SEIZE
        raise OSError(ctypes.get_errno(), "")
    return True

found = {}
for pid in map(int, sys.argv[1:]):
    p = f"/proc/{pid}"
    found[pid] = [name for name, fn in {
        "mem": lambda: open(p + "/mem", "rb"),
        "maps": lambda: open(p + "/maps").read(),
        "environ": lambda: open(p + "/environ", "rb").read(),
        "auxv": lambda: open(p + "/auxv", "rb").read(),
        "fd": lambda: os.listdir(p + "/fd"),
        "exe": lambda: os.readlink(p + "/exe"),
        "ptrace": lambda: trace(pid),
        "process_vm_readv": lambda: read_memory(pid),
        "pidfd_getfd": lambda: call(SYS[2], call(SYS[1], pid, 0), 0, 0),
    }.items() if attempt(fn)]
print(json.dumps(found))
"""


def probe(b, pids):
    p = subprocess.run([*b.prefix, sys.executable, "-c", PROBE, *map(str, pids)], capture_output=True, text=True, timeout=30)
    return json.loads(p.stdout), p.stderr


def status_of(pid):
    with open(f"/proc/{pid}/status") as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


def closed_to_inspection(t, b, named):
    control = subprocess.Popen([*b.prefix, "/bin/sleep", "30"])
    broker.wait_for(lambda: os.stat(f"/proc/{control.pid}").st_uid == os.stat(f"/proc/{b.proc.pid}").st_uid or not b.prefix, "the control's uid")
    found, said = probe(b, [control.pid])
    t.ok("environ" in found[str(control.pid)] and "mem" in found[str(control.pid)], "the probe can read an ordinary process", f"{found} {said}")
    control.kill()
    control.wait()
    if os.geteuid() == 0 and not b.prefix:
        t.skip("its own uid can read nothing of it", "started as root, the probe would be root too")
        return
    for name, pid in named:
        found, said = probe(b, [pid])
        t.is_(found[str(pid)], [], f"{name}: nothing of it can be read by its own uid")


def confined(t, b, named):
    for name, pid in named:
        s = status_of(pid)
        t.is_((s["Seccomp"], s["NoNewPrivs"]), ("2", "1"), f"{name}: system calls are filtered, exec gives nothing")
        with open(f"/proc/{pid}/limits") as f:
            core = next(line for line in f if line.startswith("Max core file size")).split()
        t.is_(core[4:6], ["0", "0"], f"{name}: no core")
        if name != "sidekeyd" or b.prefix:
            t.is_(int(s["CapPrm"], 16), 0, f"{name}: no capability")


def crash_leaves_nothing(t, b):
    before = set(os.listdir(b.dir))
    pid = b.pids()["gateway"][0]
    os.kill(pid, signal.SIGABRT)  # as SEGV would, but that a sanitizer reports as a bug
    broker.wait_for(lambda: b.pids().get("gateway", [pid]) != [pid], "a new gateway")
    broker.wait_for(b.ready, "ready again", 20)
    t.is_(set(os.listdir(b.dir)), before, "a crash leaves no file behind")
    t.ok(f"gateway 0 (pid {pid}) ended: " in b.log(), "and is logged")


def main(t):
    with broker.Broker() as b:
        b.policy("p", ["a"], '  anthropic:\n    allow: ["GET /v1/models"]\n')
        b.start()
        b.secret("anthropic-api-key", "sk-ant-api03-0123456789abcdef")
        b.reload()
        broker.wait_for(b.ready, "ready")
        named = [("sidekeyd", b.proc.pid)] + [(role, pids[0]) for role, pids in sorted(b.pids().items())]
        t.is_(len(named), 5, "sidekeyd and four children")
        closed_to_inspection(t, b, named)
        confined(t, b, named)
        crash_leaves_nothing(t, b)
        broker.wait_for(lambda: oracle.alive(b, f"unix:{b.run}/gateway.sock", f"{b.state}/ca.pem") == "", "ALIVE")
        b.stop()
        t.ok("forbidden system call" not in b.log(), "and nobody made a forbidden call", b.log()[-800:])


tap.Tap().run(main)
