"""What the fault tables let somebody do while something fails: each deed knows whether it was acknowledged, and what must be true afterwards."""
import itertools
import json
import os
import signal
import time

from . import broker, disk, oracle, stage, workload

STILL = {f"still-{i}": f"value-of-still-{i}-0123456789" for i in range(3)}
OLD, NEW = "the-old-value-0123456789", "the-new-value-9876543210"


def ended(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(") ", 1)[1][0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def power_off(b):
    """All of the broker's processes end at once, without a word."""
    if b.proc.poll() is not None:
        b.stop()
        return
    os.kill(b.proc.pid, signal.SIGSTOP)  # so that it starts none that is not listed
    pids = [b.proc.pid] + [p for ps in b.pids().values() for p in ps]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    b.proc.wait()
    b.stop()
    broker.wait_for(lambda: all(map(ended, pids)), "the end of all processes")


LOG = "audit: {size: 1MiB}\n"  # so that segments are short


class Scene(stage.Stage):
    """A broker on a Disk, with what the deeds need; again() puts it back to how it was made."""

    def __init__(self, yaml=LOG):
        self.disk = disk.Disk()
        super().__init__(disk=self.disk, yaml=yaml)
        for name, value in STILL.items():
            self.b.secret(name, value)
        self.b.secret("moving", OLD)
        self.b.workload("leaver")
        self.b.policy("leaver", ["leaver"], stage.ALLOW_ALL)
        self.b.reload()
        self.leaver = workload.Workload(self.b.enroll("leaver", "--reusable"))
        self.single = self.b.enroll("coder")
        self.numbers = itertools.count()
        self.answered = []  # targets that were answered 200 since again()
        self.keep()

    def keep(self, clean=True):
        """What is there now is what again() goes back to."""
        if clean:
            self.b.stop()
        else:
            power_off(self.b)
        self.saved = self.disk.save()

    def again(self, start=True):
        self.disk.disarm()
        if self.b.proc is not None:
            power_off(self.b)
        self.disk.load(self.saved)
        self.up.clear()
        self.answered = []
        if start:
            self.b.start()
            self.serving()

    def serving(self):
        broker.wait_for(lambda: oracle.alive(self.b, self.w.conf["gateway"], self.w.ca) == "", "the gateway to serve", 20)

    def fill(self):
        """Until the newest segment has room for a few more lines, behind so many that the oldest must go."""
        self.again()
        while self.newest() < 9 or self.filled() < 123_000:
            if self.ask(tail="/" + "x" * 1500) != 200:  # its share of the log is used up
                self.b.stop()
                self.b.start()
                self.serving()
        self.keep()

    def newest(self):
        """The number of the log's newest segment."""
        return max(int(name[:8]) for name in os.listdir(f"{self.b.state}/audit") if name.endswith(".jsonl"))

    def filled(self):
        """How many bytes the lines in it have."""
        with open(f"{self.b.state}/audit/{self.newest():08d}.jsonl", "rb") as f:
            return len(f.read().rstrip(b"\0"))

    def ask(self, who=None, tail=""):
        """The status of a request of who's, 0 when it was cut; whoever it is, the target is new."""
        target = f"/v1/{next(self.numbers)}{tail}"
        try:
            r = (who or self.w).ask("GET", f"/p/anthropic{target}")
        except (OSError, EOFError):
            r = None
        if r and r.status == 200:
            self.answered.append(target)
        return r.status if r else 0

    def redeem(self):
        try:
            w = workload.Workload(self.single, enroll=False)
            r = w.enroll()
        except (OSError, EOFError):
            return 0, None
        if r is None or r.status != 200:
            return r.status if r else 0, None
        w.take(r)
        return 200, w

    def tried(self, *args, stdin=None):
        return self.b.cli(*args, stdin=stdin, check=False).returncode == 0

    def value(self, name):
        p = self.b.cli("secret", "show", name, "--reveal", check=False)
        return p.stdout if p.returncode == 0 else None

    def sound(self):
        """"" or what is wrong with a broker that answers again: the store, the log, the proxy."""
        p = self.b.cli("audit", "verify", check=False)
        if p.returncode != 0:
            return f"audit verify: {p.stdout}{p.stderr}"
        bad = [name for name, value in STILL.items() if self.value(name) != value]
        if bad:
            return f"secrets that nobody touched: {bad}"
        if self.ask() != 200:
            return "a request is not answered"
        if self.up.requests[-1].get("x-api-key") != stage.KEY:
            return "the upstream did not get the key"
        allowed = {r["target"] for r in oracle.records(self.b) if r["event"] == "decide" and r["decision"] == "allow"}
        lost = ({r.target for r in self.up.requests} | set(self.answered)) - allowed
        return f"requests that went out, and have no record: {lost}" if lost else ""

    def recorded(self, event):
        return "" if any(r["event"] == event for r in oracle.records(self.b)) else f"acknowledged, and no record {event}"


class Deed:
    """do(s): whether it was acknowledged. wrong(s, told): "" or what is not as it must be after that."""
    running = True  # it begins with a broker that runs
    ends = False    # and ends with none

    def wrong(self, s, told):
        return ""


class Put(Deed):
    """A new secret."""

    def do(self, s):
        return s.tried("secret", "set", "fresh", stdin=NEW)

    def wrong(self, s, told):
        got = s.value("fresh")
        return s.recorded("secret_put") if told and got == NEW else "" if got in ((NEW,) if told else (NEW, None)) else f"fresh is {got!r}"


class Rotate(Deed):
    """Another version of a secret."""

    def do(self, s):
        return s.tried("secret", "rotate", "moving", stdin=NEW)

    def wrong(self, s, told):
        got = s.value("moving")
        return s.recorded("secret_rotate") if told and got == NEW else "" if got in ((NEW,) if told else (NEW, OLD)) else f"moving is {got!r}"


class Rekey(Deed):
    """Another data key for all rows."""

    def do(self, s):
        told = s.tried("rekey")
        if told:
            oracle.until(lambda: s.disk.fired or s.b.cli("--json", "status", check=False).stdout.find('"rekey_left":0,') >= 0, 5)
        return told

    def wrong(self, s, told):
        if not oracle.until(lambda: s.b.json("status")["rekey_left"] == 0, 10):
            return f"a rekey that does not go on: {s.b.json('status')}"
        return s.recorded("rekey") if told else ""


class Redeem(Deed):
    """A single-use enrollment, and the certificate for it."""

    def do(self, s):
        status, self.w = s.redeem()
        return status == 200

    def wrong(self, s, told):
        if told:
            status = s.ask(self.w)
            if status != 200:
                return f"the certificate that was given out does not work: {status}"
        else:
            s.redeem()  # what was not told may have been done
        status, _ = s.redeem()
        return s.recorded("enroll") if status == 403 else f"the key works again: {status}"


class Revoke(Deed):
    """A workload whose certificate works until then."""

    def do(self, s):
        return s.tried("workload", "revoke", "leaver")

    def wrong(self, s, told):
        state = {r["name"]: r["state"] for r in map(json.loads, s.b.cli("--json", "workload", "list").stdout.splitlines())}["leaver"]
        status = s.ask(s.leaver)
        if (state, status) not in ([("revoked", 403)] if told else [("revoked", 403), ("active", 200)]):
            return f"told: {told}; it is {state}, its request got {status}"
        return s.recorded("workload_revoke") if told else ""


class Requests(Deed):
    """So many requests, one after the other, each with a long target: the segment ends within them."""

    def __init__(self, count):
        self.count = count

    def do(self, s):
        self.newest = s.newest()
        return [s.ask(tail="/" + "x" * 1500) for _ in range(self.count)] == [200] * self.count

    def wrong(self, s, told):
        return "" if not told or s.newest() > self.newest else "the segment did not end"


class Stop(Deed):
    """TERM."""
    ends = True

    def do(self, s):
        s.b.proc.terminate()
        oracle.until(lambda: s.disk.fired or s.b.proc.poll() is not None, 20)
        if s.disk.fired is None:
            s.b.stop()
        return s.disk.fired is None


class Start(Deed):
    """A start behind whatever end the last one had."""
    running = False

    def do(self, s):
        s.b.start(ready=False)
        oracle.until(lambda: s.disk.fired or s.b.answers(), 20)
        return s.disk.fired is None and s.b.answers()
