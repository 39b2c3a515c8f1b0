#!/usr/bin/python3
"""Promise 11: where a protection or an identity is missing the program does not start: exit 125, one clear line, and no enrollment used up for nothing."""
import json
import os
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
from harness import broker, oracle, shim, stage, tap  # noqa: E402

DENY = f"{broker.for_any_uid(os.path.join(HERE, '../lib/harness'))}/deny.py"
RAN = ("sh", "-c", "echo RAN")


def change(b, enroll, name, **members):
    """A copy of the enrollment with other members; None takes one away."""
    with open(enroll) as f:
        conf = {**json.load(f), **members}
    return put(b, name, json.dumps({k: v for k, v in conf.items() if v is not None}))


def put(b, name, text, mode=0o400):
    os.makedirs(f"{b.dir}/changed", exist_ok=True)
    path = f"{b.dir}/changed/{name}"
    if os.path.exists(path):
        os.unlink(path)
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, mode)
    if b.prefix:
        subprocess.run(["chown", "-R", f"{broker.ONE_UID}:{broker.ONE_UID}", f"{b.dir}/changed"], check=True)
    return path


def stops(t, b, what, enroll, *words, wait="5s", within_s=4, deny=(), prefix=None):
    """The program did not run; the last line says why; nothing else is said but what was waited for."""
    prefix = b.prefix if prefix is None else prefix
    if deny:
        prefix = [*prefix, "/usr/bin/python3", DENY, *deny, "--"]
    start = time.monotonic()
    code, out, err = shim.run(enroll, *RAN, prefix=prefix, wait=wait)
    took = time.monotonic() - start
    lines = err.splitlines()
    said = [line for line in lines if ": waiting" not in line and "warning: waiting" not in line]
    t.ok(code == 125 and "RAN" not in out and len(said) == 1 and all(w in said[0] for w in words) and took < within_s, what, f"exit {code} after {took:.1f} s\n{out}{err}")
    return lines


def runs(t, b, what, enroll, deny=()):
    prefix = [*b.prefix, "/usr/bin/python3", DENY, *deny, "--"] if deny else b.prefix
    code, out, err = shim.run(enroll, *RAN, prefix=prefix)
    return t.ok((code, out, err) == (0, "RAN\n", ""), what, f"exit {code}\n{out}{err}")


def no_broker(t):
    with stage.Stage() as s:
        enroll = s.b.enroll("coder", "--reusable")
        s.b.stop()
        lines = stops(t, s.b, "no broker", enroll, "gave up after 1 s", "gateway.sock", wait="1s")
        t.ok(len(lines) == 2 and "waiting" in lines[0], "after it said what it waits for", lines)
        threading.Timer(1.0, s.b.start).start()
        code, out, err = shim.run(enroll, *RAN, prefix=s.b.prefix, wait="20s")
        t.ok((code, out) == (0, "RAN\n") and "waiting" in err, "a broker that comes later is waited for", f"{code} {out} {err}")


def sealed(t):
    with broker.Broker(passphrase="correct horse battery") as b:
        b.policy("coder", ["coder"], stage.ALLOW_ALL)
        b.start(ready=False)
        broker.wait_for(lambda: b.cli("status", check=False).returncode == 6, "sealed")
        b.cli("unseal", stdin="correct horse battery\n")
        broker.wait_for(b.answers, "unsealed")
        b.workload("coder")
        b.secret("anthropic-api-key", stage.KEY)
        b.reload()
        enroll, once = b.enroll("coder", "--reusable"), b.enroll("coder")
        b.cli("seal")
        lines = stops(t, b, "a sealed broker", enroll, "sealed", "gave up after 1 s", wait="1s")
        t.ok(any("waiting" in line and "sealed" in line for line in lines), "it says that it waits for that", lines)
        p = subprocess.Popen(shim.command(once, *RAN, prefix=b.prefix, wait="20s"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=shim.ENV)
        first = p.stderr.readline()
        b.cli("unseal", stdin="correct horse battery\n")
        out, err = p.communicate(timeout=20)
        t.ok(p.returncode == 0 and out == "RAN\n" and "sealed" in first, "unsealed meanwhile, it starts, with the enrollment that works once", (p.returncode, out, first, err))


def refused(t, s):
    b = s.b
    good = b.enroll("coder", "--reusable", "--cap", "4")
    once = b.enroll("coder")
    runs(t, b, "an enrollment that works once works", once)
    stops(t, b, "and not twice", once, "enroll_refused")
    old = b.enroll("coder", "--ttl", "1s")
    time.sleep(2.1)
    stops(t, b, "an expired one", old, "enroll_refused")
    stops(t, b, "a key that nobody made", change(b, good, "key.json", key="A" * 43), "enroll_refused")
    with broker.Broker() as other:
        other.start()
        other.workload("coder")
        theirs = other.enroll("coder")
        with open(theirs) as f:
            theirs_conf = json.load(f)
        stops(t, b, "the CA of another broker", change(b, good, "ca.json", ca=theirs_conf["ca"]), "certificate")
        t.is_([r for r in oracle.records(b) if r["event"] == "enroll"][-1]["workload"], "coder", "which gets no key to see")
        stops(t, b, "another broker in the place of ours", change(b, good, "gw.json", gateway=theirs_conf["gateway"]), "certificate")
        t.is_([r for r in oracle.records(other) if r["event"] in ("enroll", "control")], [], "and it was asked nothing")
    stops(t, b, "another trust domain", change(b, good, "td.json", trust_domain="evil.example"), "certificate")
    stops(t, b, "another workload's name on it", change(b, good, "name.json", workload="admin"), "workload")
    for what, text, words in (("empty", "", ()), ("no JSON", "hello", ()), ("cut off", open(good).read()[:-30], ()), ("not the right kind", '["x"]', ()), ("too large", "{" + " " * 70000 + "}", ()),
                              ("two keys of one name", open(good).read().replace('{', '{"key":"' + "A" * 43 + '",', 1), ())):
        stops(t, b, f"an enrollment file that is {what}", put(b, "file.json", text), "file.json", *words)
    stops(t, b, "a file that cannot be read", put(b, "closed.json", "{}", mode=0), "closed.json", *(["ermission denied"] if b.prefix or os.geteuid() != 0 else []))
    os.unlink(f"{b.dir}/changed/closed.json")
    stops(t, b, "a folder in its place", f"{b.dir}/changed", "changed")
    stops(t, b, "no file", f"{b.dir}/nowhere.json", "nowhere.json", "No such file")
    os.mkfifo(f"{b.dir}/pipe")
    os.chmod(f"{b.dir}/pipe", 0o644)
    stops(t, b, "a pipe, which is not waited for", f"{b.dir}/pipe", "is a pipe")
    b.cli("workload", "suspend", "coder")
    stops(t, b, "a suspended workload", good, "suspended")
    b.cli("workload", "resume", "coder")
    runs(t, b, "resumed, it runs", good)
    t.is_(oracle.can(stage.KEY, b), "", "CAN")


def kernel(t, s):
    """What the shim asks of the kernel, taken away piece by piece."""
    b = s.b
    once = b.enroll("coder")
    for what, deny, words in (("it cannot close itself to others", ["prctl:4=EPERM"], ["protecting this process"]), ("no_new_privs is refused", ["prctl:38=EPERM"], ["protecting this process"]),
                              ("core files cannot be forbidden", ["setrlimit=EPERM", "prlimit64=EPERM"], ["protecting this process"]), ("descriptors cannot be closed", ["close_range=ENOSYS"], []),
                              ("memory cannot be locked", ["mlock=ENOMEM"], ["locked memory"])):
        if shim.SANITIZED and deny[0] in ("setrlimit=EPERM", "mlock=ENOMEM"):  # its runtime asks for the one, and takes the other's place
            t.skip(what, "sanitized")
            continue
        stops(t, b, f"{what}: it does not start", once, *words, deny=deny)
    # Behind the start of the program nothing may fail open either: the command ends before it did anything, or is never begun.
    reusable = b.enroll("coder", "--reusable", "--cap", "4")
    stops(t, b, "no Landlock, and the enrollment works again: it does not start", reusable, "enroll_readable", "single-use", deny=["landlock_create_ruleset=ENOSYS"])
    stops(t, b, "Landlock switched off", reusable, "enroll_readable", deny=["landlock_create_ruleset=EOPNOTSUPP"])
    stops(t, b, "Landlock that does not let us in", reusable, deny=["landlock_restrict_self=EPERM"])
    stops(t, b, "no process can be made", reusable, deny=["clone=EAGAIN", "clone3=EAGAIN", "fork=EAGAIN", "vfork=EAGAIN"])
    stops(t, b, "no seccomp", reusable, deny=["seccomp=EINVAL", "prctl:22=EINVAL"])
    t.is_([r["instance"] for r in oracle.records(b) if r["event"] == "enroll"][-1], [r["instance"] for r in oracle.records(b) if r["event"] == "give_back"][-1], "what was enrolled for nothing was given back")
    runs(t, b, "without Landlock a single-use enrollment is worth nothing to the command: it runs", once, deny=["landlock_create_ruleset=ENOSYS"])
    b.write("policies/coder.yaml", f"policy: coder\nworkloads: [coder]\nenroll_readable: accept\nuse:\n{stage.ALLOW_ALL}")
    b.reload()
    runs(t, b, "with enroll_readable: accept, too", reusable, deny=["landlock_create_ruleset=ENOSYS"])


def main(t):
    for part in (no_broker, sealed):
        part(t)
    with stage.Stage() as s:
        refused(t, s)
        kernel(t, s)


tap.Tap().run(main)
