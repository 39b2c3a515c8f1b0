"""The oracles of the attack tables: CAN, UP0, UP1, AUD, ALIVE. Each gives "" when it holds, else what was seen."""
import base64
import binascii
import json
import os
import subprocess
import time
import urllib.parse

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


def can_bytes(secret, data, where):
    for name, form in spellings(secret).items():
        if len(form) >= 8 and form in data:
            return f"{where}: the canary as {name}"
    return ""


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


def alive(broker, address, ca):
    start = time.monotonic()
    c = workload.Client(address, ca, alpn="sidekey-control", timeout=2.0)
    reply = c.ask("GET", "/readyz")
    c.close()
    took = time.monotonic() - start
    return "" if reply and reply.status == 200 and took < 1 else f"readyz {reply and reply.status} after {took:.2f} s"


def descriptors(pid):
    """Open descriptors of a non-dumpable process, as root; None when that is not to be had."""
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return None


def rss_kib(pid):
    out = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True).stdout
    return int(out or 0)
