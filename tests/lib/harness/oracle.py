"""The oracles of the attack tables: CAN, UP0, UP1, AUD, ALIVE. Each gives "" when it holds, else what was seen."""
import base64
import binascii
import glob
import json
import os
import re
import subprocess
import time
import urllib.parse
import zlib

from . import workload


def spellings(secret):
    """Every form of a canary that must not be anywhere."""
    raw = secret.encode()
    forms = {"raw": raw, "hex": binascii.hexlify(raw), "HEX": binascii.hexlify(raw).upper(),
             "percent": "".join(f"%{b:02x}" for b in raw).encode(), "quoted": urllib.parse.quote(secret, safe="").encode(),
             "json": json.dumps(secret)[1:-1].encode()}
    for shift in range(3):  # without the characters that bytes in front or behind would change
        first, end = (0, 2, 3)[shift], (shift + len(raw)) * 8 // 6
        for name, fn in (("base64", base64.b64encode), ("base64url", base64.urlsafe_b64encode)):
            forms[f"{name}+{shift}"] = fn(b"x" * shift + raw)[first:end]
    return forms


def inflated(data):
    """What stands behind each gzip or zlib header in data."""
    for m in re.finditer(rb"\x1f\x8b\x08|\x78[\x01\x5e\x9c\xda]", data):
        try:
            yield zlib.decompressobj(47).decompress(data[m.start():], 1 << 20)
        except zlib.error:
            continue


def until(fn, timeout):
    """Whether fn() came true in time."""
    end = time.monotonic() + timeout
    while not fn():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def can_bytes(secret, data, where):
    forms = spellings(secret)
    for form_of, part in [("", data), *(("inflated ", d) for d in inflated(data))]:
        for name, form in forms.items():
            if len(form) >= 8 and form in part:
                return f"{where}: the canary as {form_of}{name}"
    return ""


INSIDE = re.compile(rb"/tmp/|/run/|/home/|\.sock|\.c:\d|0x[0-9a-f]{6,}|\bpid\b|\berrno\b|sqlite|sodium|seccomp|SSL_|error:[0-9A-F]{8}|\(null\)", re.I)


def inside(data):
    """What of the broker's own inside an answer tells a stranger."""
    return " ".join(m.decode() for m in INSIDE.findall(data))


def can(secret, broker, replies=()):
    """No spelling of the canary in replies, log, store, audit, nor in any process's command line or environment."""
    for i, reply in enumerate(replies):
        bad = reply is not None and can_bytes(secret, reply.raw, f"reply {i}")
        if bad:
            return bad
    for top, _, files in os.walk(broker.dir):
        for name in files:
            path = os.path.join(top, name)
            if not os.path.isfile(path):
                continue
            with open(path, "rb") as f:
                bad = can_bytes(secret, f.read(), path)
            if bad:
                return bad
    pids = [broker.proc.pid] + [p for role in broker.pids().values() for p in role]
    for pid in pids:
        for part in ("cmdline", "environ"):
            try:
                with open(f"/proc/{pid}/{part}", "rb") as f:
                    bad = can_bytes(secret, f.read(), f"/proc/{pid}/{part}")
            except OSError:
                continue
            if bad:
                return bad
    return ""


def up0(upstream):
    return "" if not upstream.requests else f"the upstream saw {[r.line for r in upstream.requests]}"


CREDENTIAL_HEADERS = ("authorization", "proxy-authorization", "x-api-key", "api-key", "x-subscription-token", "cookie")


def up1(upstream, line, header, value):
    """Exactly one request, that line, exactly one credential and it is this one."""
    if len(upstream.requests) != 1:
        return f"the upstream saw {len(upstream.requests)} requests: {[r.line for r in upstream.requests]}"
    req = upstream.requests[0]
    if req.line != line:
        return f"request line {req.line!r}, want {line!r}"
    creds = [(k, v) for k, v in req.headers if k.lower().replace("_", "-") in CREDENTIAL_HEADERS]
    if len(creds) != 1 or creds[0][0].lower() != header.lower() or creds[0][1] != value:
        return f"credentials at the upstream: {[(k, len(v)) for k, v in creds]}, want one {header}"
    return ""


def records(broker, *filters):
    out = broker.cli("audit", "export", *filters).stdout
    return [json.loads(line) for line in out.splitlines()]


def aud(broker, **want):
    """The chain verifies, and a record with these fields is in it."""
    p = broker.cli("audit", "verify", check=False)
    if p.returncode != 0:
        return f"audit verify: exit {p.returncode}: {p.stdout}{p.stderr}"
    for r in reversed(records(broker)):
        if all(r.get(k) == v for k, v in want.items()):
            return ""
    return f"no audit record has {want}; the last: {records(broker)[-3:]}"


FIELDS = set("""chain seq rev time event mac workload instance upstream method target query secret version decision code rule policy of status
    bytes_up bytes_down duration_ms trace count uid detail segment from_seq interval prev sig key""".split())


def strict(line):
    """One line of the log as a record; ValueError when another reader might see something else in it."""
    if re.search(rb"[\x00-\x1f\x7f]", line):
        raise ValueError(f"a control character in {line!r}")

    def no_twins(pairs):
        if len({k for k, _ in pairs}) != len(pairs):
            raise ValueError(f"a field twice in {line!r}")
        return dict(pairs)
    r = json.loads(line.decode("utf-8"), object_pairs_hook=no_twins)
    if not isinstance(r, dict) or not set(r) <= FIELDS or not {"seq", "event", "time"} <= set(r):
        raise ValueError(f"not a record: {line!r}")
    return r


class Log:
    """The files of the audit log themselves, read on as they grow."""

    def __init__(self, broker):
        self.dir, self.at, self.all, self.seen = f"{broker.state}/audit", {}, {}, 0
        self.mark()

    def read(self):
        """Every record by its sequence; what a later segment repeats counts once."""
        for path in sorted(glob.glob(f"{self.dir}/*.jsonl")):
            with open(path, "rb") as f:
                f.seek(self.at.get(path, 0))
                data = f.read()
            whole = data[:data.rfind(b"\n") + 1]
            self.at[path] = self.at.get(path, 0) + len(whole)
            for line in whole.splitlines():
                r = strict(line)
                if r["event"] != "segment":
                    self.all[r["seq"]] = r
        return self.all

    def mark(self):
        self.seen = max(self.read(), default=0)

    def settle(self):
        """mark(), behind all that was folded until now: a count comes within two seconds."""
        quiet = time.monotonic()
        while time.monotonic() < quiet + 2.2:
            was = self.seen
            self.mark()
            if self.seen != was:
                quiet = time.monotonic()
            time.sleep(0.1)

    def new(self):
        return [r for seq, r in sorted(self.read().items()) if seq > self.seen]

    def holds(self, timeout=3.0, **want):
        """"" when a record since mark() has these fields, else what there is."""
        end = time.monotonic() + timeout
        while True:
            new = self.new()
            if any(all(r.get(k) == v for k, v in want.items()) for r in new):
                return ""
            if time.monotonic() > end:
                return f"no record has {want}; new are: " + "\n".join(json.dumps(r) for r in new[-5:])
            time.sleep(0.02)

    def refusals(self, **want):
        """How many since mark(): written out, and folded into counts."""
        new = self.new()
        out = sum(r.get("decision") == "deny" and "count" not in r and all(r.get(k) == v for k, v in want.items()) for r in new)
        return out + sum(r["count"] for r in new if r["event"] == "denied_folded")


SANITIZED = "asan" in os.environ.get("SIDEKEY_TEST_BUILD", "")
ALIVE_S = 4 if SANITIZED else 1  # those builds take several times the time and memory


def alive(broker, address, ca):
    start = time.monotonic()
    try:
        c = workload.Client(address, ca, alpn="sidekey-control", timeout=2.0 * ALIVE_S)
        reply = c.ask("GET", "/readyz")
        c.close()
    except OSError as e:  # a gateway that was just started has no certificate yet
        return f"readyz: {e!r}"
    took = time.monotonic() - start
    return "" if reply and reply.status == 200 and took < ALIVE_S else f"readyz {reply and reply.status} after {took:.2f} s"


def descriptors(pid):
    """Open descriptors of a non-dumpable process, as root; None when that is not to be had."""
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return None


def rss_kib(pid):
    out = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True).stdout
    return int(out or 0)


FD_SLACK, RSS_SLACK_KIB = 2, 6144


class Baseline:
    """ALIVE, the second half: descriptors and RSS of every process come back to what they were."""

    def __init__(self, broker):
        self.broker = broker
        self.was = self.now()

    def now(self):
        return {(role, pid): (descriptors(pid), rss_kib(pid)) for role, pids in self.broker.pids().items() for pid in pids}

    def grown(self):
        now = self.now()
        if set(now) != set(self.was):
            return f"other processes: {sorted(now)}, want {sorted(self.was)}"
        for who, (fds, rss) in now.items():
            fds_was, rss_was = self.was[who]
            if fds is not None and fds > fds_was + FD_SLACK:
                return f"{who} has {fds} descriptors, before {fds_was}"
            if not SANITIZED and rss > rss_was + RSS_SLACK_KIB:
                return f"{who} has {rss} KiB, before {rss_was}"
        return ""

    def back(self, timeout=6.0):
        end = time.monotonic() + timeout
        while True:
            bad = self.grown()
            if not bad or time.monotonic() > end:
                return bad
            time.sleep(0.1)
