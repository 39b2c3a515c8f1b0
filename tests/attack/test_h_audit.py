#!/usr/bin/python3
"""Class H of the attacks: the audit log. Whoever edits it is found out, whatever stands in a field is one field, and without it nothing goes out."""
import base64
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import broker, oracle, rawtls, stage, tap, workload  # noqa: E402

SERVE = "the gateway to serve"


def serving(s):
    return oracle.until(lambda: quiet(lambda: oracle.alive(s.b, s.w.conf["gateway"], s.w.ca)) == "", 20)


def quiet(fn):
    try:
        return fn()
    except (OSError, EOFError, AttributeError) as e:
        return str(e) or type(e).__name__


# ---- edits, offline

class Copy:
    """A log that was copied away: its segments as lists of lines, and what verify says of them after a change."""

    def __init__(self, b, name):
        self.b, self.dir = b, f"{b.dir}/copy-{name}"
        shutil.copytree(f"{b.state}/audit", f"{self.dir}/audit")
        shutil.copy(f"{b.state}/audit.pub", f"{self.dir}/audit.pub")
        b.give(self.dir)
        self.good = {n: open(f"{self.dir}/audit/{n}", "rb").read().rstrip(b"\0").splitlines(True) for n in sorted(os.listdir(f"{self.dir}/audit"))}

    def put(self, segments):
        for n in os.listdir(f"{self.dir}/audit"):
            os.unlink(f"{self.dir}/audit/{n}")
        for n, lines in segments.items():
            with open(f"{self.dir}/audit/{n}", "wb") as f:
                f.write(b"".join(lines))
        self.b.give(self.dir)

    def verify(self, *args):
        p = self.b.cli("--json", "audit", "verify", "--dir", f"{self.dir}/audit", *args, check=False)
        return p.returncode, json.loads(p.stdout) if p.stdout.startswith("{") else p.stderr

    def lines(self):
        """A copy to be changed."""
        return {n: list(lines) for n, lines in self.good.items()}


def make_log(s):
    """Three runs, the second ended by kill -9: two segments, several checkpoints, a tail with nothing behind it."""
    for run in range(3):
        for n in range(8):
            s.w.ask("POST" if n % 2 else "GET", f"/p/anthropic/v1/run{run}/{n}")
        s.w.ask("GET", "/p/nowhere/v1/x")
        if run == 1:
            keeper = s.b.pids()["keeper"][0]
            os.kill(keeper, signal.SIGKILL)
            broker.wait_for(lambda: s.b.pids().get("keeper", [keeper])[0] != keeper, "a new keeper")
            broker.wait_for(s.b.ready, "ready again", 20)
        else:
            s.b.stop()
            s.b.start()
        serving(s)
    s.b.stop()


def at(lines, event, nth=0, **want):
    """The index of the nth line with that event."""
    for i, line in enumerate(lines):
        r = json.loads(line)
        if r["event"] == event and all(r.get(k) == v for k, v in want.items()):
            if nth == 0:
                return i
            nth -= 1
    raise LookupError(event)


def interval(lines):
    """(first line, checkpoint, a decision in the middle) of the first interval that holds some decisions."""
    ends = [0] + [i for i, line in enumerate(lines) if json.loads(line)["event"] == "checkpoint"]
    for before, end in zip(ends, ends[1:]):
        allowed = [i for i in range(before, end - 2) if json.loads(lines[i]).get("decision") == "allow" and "target" in json.loads(lines[i])]
        if before > 0 and len(allowed) >= 3:
            return before + 1, end, allowed[2]
    raise LookupError("no interval with three decisions")


def edits(copy):
    """[(name, change(segments) -> (segment, line) that verify must name, or None)]; lines count from 1."""
    first = next(iter(copy.good))
    lines = copy.good[first]
    start, cp, allow = interval(lines)
    deny, finish = at(lines, "decide", 0, decision="deny"), at(lines, "finish", 1)

    def swap_text(i, old, new):
        def change(seg):
            assert old in seg[first][i], (old, seg[first][i])
            seg[first][i] = seg[first][i].replace(old, new, 1)
            return first, i + 1
        return change

    def edit(i, fn, line=None):
        def change(seg):
            seg[first] = fn(seg[first], i)
            return first, (i if line is None else line) + 1
        return change
    mac = json.loads(lines[allow])["mac"].encode()
    rows = [
        ("another workload", swap_text(allow, b'"workload":"coder"', b'"workload":"codes"')), ("another target", swap_text(allow, b"/v1/run0", b"/v1/run9")),
        ("a denial that says allow", swap_text(deny, b'"decision":"deny"', b'"decision":"allow"')), ("another code", swap_text(deny, b'"code":"no_upstream"', b'"code":"no_policy"')),
        ("another status", swap_text(finish, b'"status":200', b'"status":500')), ("another time", swap_text(allow, b'"time":"20', b'"time":"21')), ("another revision", swap_text(allow, b'"rev":', b'"rev":1')),
        ("another sequence", swap_text(allow, b'"seq":', b'"seq":1')), ("another chain", swap_text(allow, b'"chain":"01"', b'"chain":"02"')), ("another secret version", swap_text(allow, b'"version":1', b'"version":2')),
        ("another mac", swap_text(allow, mac[:4], bytes([mac[0] ^ 1]) + mac[1:4])), ("the mac in capitals", edit(allow, lambda x, i: x[:i] + [x[i].replace(mac, mac.upper())] + x[i + 1:])),
        ("a field taken out", edit(allow, lambda x, i: x[:i] + [re.sub(rb',"method":"\w+"', b"", x[i])] + x[i + 1:])), ("a field put in", swap_text(allow, b',"workload"', b',"count":1,"workload"')),
        ("a space", swap_text(allow, b',"workload"', b', "workload"')), ("an escape of the same letter", swap_text(allow, b'"workload":"c', b'"workload":"\\u0063')),
        ("two fields in another order", swap_text(allow, b'"decision":"allow","code":"ok"', b'"code":"ok","decision":"allow"')), ("a space at the end", swap_text(allow, b"\n", b" \n")),
        ("a line end of Windows", swap_text(allow, b"\n", b"\r\n")), ("an empty line", edit(allow, lambda x, i: x[:i] + [b"\n"] + x[i:])), ("a line of text", edit(allow, lambda x, i: x[:i] + [b"hello\n"] + x[i:])),
        ("NUL in a line", swap_text(allow, b'"coder"', b'"coder\0"')), ("two lines joined", edit(allow, lambda x, i: x[:i] + [x[i][:-1] + x[i + 1]] + x[i + 2:])), ("a line cut in two", swap_text(allow, b',"event"', b'\n,"event"')),
        ("a line of 1 MiB", edit(allow, lambda x, i: x[:i] + [b'{"chain":"01","seq":' + b"9" * (1 << 20) + b"}\n"] + x[i:])),
        ("a record deleted", edit(allow, lambda x, i: x[:i] + x[i + 1:])), ("a record doubled", edit(allow, lambda x, i: x[:i] + [x[i]] + x[i:], allow + 1)),
        ("two records swapped", edit(allow, lambda x, i: x[:i] + [x[i + 1], x[i]] + x[i + 2:])), ("a record moved to the end of its interval", edit(allow, lambda x, i: x[:i] + x[i + 1:cp] + [x[i]] + x[cp:])),
        ("the first record deleted", edit(1, lambda x, i: x[:i] + x[i + 1:])), ("the last record of an interval deleted", edit(cp - 1, lambda x, i: x[:i] + x[i + 1:])),
        ("a checkpoint deleted", edit(cp, lambda x, i: x[:i] + x[i + 1:])), ("a checkpoint doubled", edit(start - 1, lambda x, i: x[:i] + [x[i]] + x[i:], start)),
        ("a checkpoint's signature changed", edit(cp, lambda x, i: x[:i] + [x[i].replace(b'"sig":"', b'"sig":"0')[:-3] + b'"}\n'] + x[i + 1:])),
        ("a checkpoint's key changed", edit(cp, lambda x, i: x[:i] + [re.sub(rb'"key":"....', b'"key":"0000', x[i])] + x[i + 1:])),
        ("a whole interval deleted", edit(start, lambda x, i: x[:i] + x[cp + 1:])), ("the header deleted", edit(0, lambda x, i: x[1:])), ("two headers", edit(0, lambda x, i: [x[0]] + x, 1)),
        ("a record changed, and a later one deleted", edit(allow, lambda x, i: x[:i] + [x[i].replace(b'"workload":"coder"', b'"workload":"codes"'), x[i + 1]] + x[i + 3:])),
        ("a record changed, and a later one moved", edit(allow, lambda x, i: x[:i] + [x[i].replace(b'"workload":"coder"', b'"workload":"codes"')] + x[i + 2:cp] + [x[i + 1]] + x[cp:])),
        ("a header with another number", edit(0, lambda x, i: [x[0].replace(b'"segment":1', b'"segment":2')] + x[1:])),
    ]
    return rows + segment_edits(copy, start, cp)


def forge_interval(lines, start, cp):
    """The key of an interval is published by its end: all of it is made anew, as if nothing else had ever been. What is not ours is the signature."""
    key = bytes.fromhex(json.loads(lines[cp])["key"])
    prev = bytes.fromhex(json.loads(lines[start - 1])["mac"])
    for i in range(start, cp + 1):
        body, mark, tail = lines[i].partition(b',"mac":"')
        body = body.replace(b'"coder"', b'"codes"')
        prev = hashlib.blake2b(prev + body, digest_size=32, key=key).digest()
        lines[i] = body + mark + prev.hex().encode() + tail[64:]


def repeated(copy):
    """Where what the second segment repeats begins in the first."""
    one, two = list(copy.good)[:2]
    due = json.loads(copy.good[two][0])["from_seq"]
    return next(i for i, line in enumerate(copy.good[one]) if json.loads(line)["seq"] == due)


def holed(line):
    """As a block that was never written leaves it, in the middle of it."""
    return line[:20] + bytes(len(line) - 21) + b"\n"


def zeros_good(copy):
    """[(name, lines of the first segment)] that a failed sync and a power cut may leave: all of it stands in the second one."""
    lines, r = next(iter(copy.good.values())), repeated(copy)
    return [("in the first", lines[:r] + [holed(lines[r])] + lines[r + 1:]), ("in the last", lines[:-1] + [holed(lines[-1])]), ("in all", lines[:r] + [holed(x) for x in lines[r:]]), ("two bytes of a name", lines[:r] + [lines[r].replace(b'"event"', b'"ev\0\0t"')] + lines[r + 1:]),
            ("over the end of a line", lines[:r] + [lines[r][:20] + bytes(len(lines[r]) - 10) + lines[r + 1][10:]] + lines[r + 2:]), ("and the end cut", lines[:r] + [holed(lines[r]), lines[r + 1][:50]])]


def zeros_bad(copy, start, cp):
    """Zeros are no blanket: what is not repeated may not be under them, and nothing may be put behind them."""
    one, r = next(iter(copy.good)), repeated(copy)
    last = len(copy.good[one]) - 1
    forged = copy.good[one][start].replace(b'"allow"', b'"deny" ')
    fresh = re.sub(rb'"seq":\d+', b'"seq":%d' % (json.loads(copy.good[one][last])["seq"] + 1), forged)

    def row(name, at, fn):
        def change(seg):
            seg[one] = fn(seg[one])
            return one, at + 1
        return f"zeros {name}", change
    return [
        row("over a record that only the first has", start + 1, lambda x: x[:start + 1] + [holed(x[start + 1])] + x[start + 2:]), row("over a checkpoint", cp, lambda x: x[:cp] + [holed(x[cp])] + x[cp + 1:]),
        row("from a proven record to the end", start, lambda x: x[:start] + [holed(x[start])[:-1] + bytes(5000) + b"x"]), row("over one record more than is repeated", r - 1, lambda x: x[:r - 1] + [holed(x[r - 1])] + x[r:]),
        row("over the header", 0, lambda x: [holed(x[0])] + x[1:]), row("over the header, many blocks", 0, lambda x: [x[0][:20] + bytes(200000)] + x[1:]),
        row("and a record put behind them that was never there", r + 1, lambda x: x[:r] + [holed(x[r]), forged] + x[r + 1:]), row("and a record behind the end", last + 1, lambda x: x[:r] + [holed(x[r])] + x[r + 1:] + [fresh]),
        row("and another behind them changed", last, lambda x: x[:r] + [holed(x[r])] + x[r + 1:last] + [x[last].replace(b'"rev":', b'"rev":1')]), row("and two behind them swapped", r + 1, lambda x: x[:r] + [holed(x[r]), x[r + 2], x[r + 1]] + x[r + 3:]),
        row("and text behind them", r + 1, lambda x: x[:r] + [holed(x[r]), b"hello\n"] + x[r + 1:]), row("and text in the same line", r, lambda x: x[:r] + [holed(x[r])[:-7] + b"hello\n"] + x[r + 1:]), row("of many blocks, and text behind them", last + 1, lambda x: x + [bytes(200000) + b"hello\n"]),
        row("and an old record again behind them", r + 1, lambda x: x[:r] + [holed(x[r]), x[start]] + x[r + 1:]), row("and the header again behind them", r + 1, lambda x: x[:r] + [holed(x[r]), x[0]] + x[r + 1:]),
    ]


def segment_edits(copy, start, cp):
    one, two = list(copy.good)[:2]

    def swapped(seg):
        seg[one], seg[two] = seg[two], seg[one]
        return one, 1

    def renamed(seg):
        seg["00000009.jsonl"] = seg.pop(two)
        return None  # somewhere: which of the two is wrong cannot be known

    def forge(seg):
        forge_interval(seg[one], start, cp)
        return one, cp + 1

    def twice(seg):
        seg[two] = list(seg[one])
        return two, 1
    def first_copy(old, new):
        """What a kill -9 left behind the last checkpoint: the next segment repeats it."""
        start = json.loads(copy.good[two][0])["from_seq"]
        i = next(i for i, line in enumerate(copy.good[one]) if json.loads(line)["seq"] >= start and old in line)
        assert copy.good[one][i] in copy.good[two], "the next segment repeats it byte for byte"

        def change(seg):
            seg[one][i] = seg[one][i].replace(old, new, 1)
            return one, i + 1
        return change
    copies = [("another target", b"/v1/run1", b"/v1/run9"), ("a field taken out", b',"code":"ok"', b""), ("no record any more", b'{"chain"', b"{chain")]
    rows = [(f"the first of two copies: {name}", first_copy(old, new)) for name, old, new in copies]
    return rows + zeros_bad(copy, start, cp) + [("an interval forged with its published key", forge), ("two segments swapped", swapped), ("a segment under another number", renamed), ("a segment twice", twice)]


def judge(copy, change):
    seg = copy.lines()
    where = change(seg)
    copy.put(seg)
    rc, r = copy.verify()
    if rc != 1 or not isinstance(r, dict) or r["good"]:
        return f"exit {rc}: {r}"
    got = (f"{r['bad_segment']:08d}.jsonl", r["bad_line"])
    return "" if (where is None and r["bad_line"]) or got == where else f"at {got}, want {where}: {r['why']}"


def truncated(t, copy, anchor):
    """What verifies by itself, and is missed only by who kept an anchor."""
    names = list(copy.good)
    last = copy.good[names[-1]]
    cps = [i for i, line in enumerate(last) if json.loads(line)["event"] == "checkpoint"]
    older = {n: copy.good[n] for n in names[:-1]}
    rows = [("the last segment gone", older), ("the end cut at a checkpoint", {**older, names[-1]: last[:cps[0] + 1]}) if len(cps) > 1 else ("all but the header gone", {**older, names[-1]: last[:1]}),
            ("the end zeroed, as if it were reserve", {**older, names[-1]: last[:-3] + [bytes(sum(map(len, last[-3:])))]}), ("the last line gone", {**older, names[-1]: last[:-1]}), ("the last line cut", {**older, names[-1]: last[:-1] + [last[-1][:40]]})]
    for name, seg in rows:
        copy.put(seg)
        rc, r = copy.verify("--anchor", anchor)
        t.ok(rc == 1 and r["anchor_missing"], f"{name}: found by the anchor", (rc, r))
        rc, r = copy.verify()
        t.ok(isinstance(r, dict) and r["last_seq"] < json.loads(last[-1])["seq"], f"{name}: the end is where it is", (rc, r))
    copy.put({**copy.good, names[0]: []})
    rc, r = copy.verify()
    t.ok(rc == 1 and r["first_seq"] > 1 and r["segments_removed"], "the oldest segment emptied: nothing says that retention did it", (rc, r))
    copy.put({n: lines for n, lines in copy.good.items() if n != names[0]})
    rc, r = copy.verify()
    t.ok(rc == 1 and r["segments_removed"], "the oldest segment gone: the same", (rc, r))
    copy.put(copy.good)
    t.is_(copy.verify("--anchor", anchor)[0], 0, "the anchor is in the whole log")
    t.is_(copy.verify("--anchor", "0" * 64)[1]["anchor_missing"], True, "another anchor is not")


def offline(t, s):
    copy = Copy(s.b, "edits")
    rc, r = copy.verify()
    t.ok(rc == 0 and r["good"] and r["proven_seq"] == r["last_seq"] and len(copy.good) >= 2, "the log as it is: proven to its end, with the public key alone", (rc, r, list(copy.good)))
    anchor = r["anchor"]
    for name, change in edits(copy):
        t.is_(judge(copy, change), "", f"found, and where: {name}")
    for name, lines in zeros_good(copy):
        copy.put({**copy.good, next(iter(copy.good)): lines})
        rc, now = copy.verify("--anchor", anchor)
        t.ok(rc == 0 and {**now, "torn": r["torn"]} == r, f"zeros of a power cut in the first of two copies, {name}: nothing is lost, and no less is proven", (rc, now))
    truncated(t, copy, anchor)
    with broker.Broker() as other:
        other.start()
        other.stop()
        foreign = Copy(other, "foreign")
        first = next(iter(copy.good))

        def replaced(seg):
            seg[first] = foreign.good[next(iter(foreign.good))]
            return first, 1

        def spliced(seg):
            seg[first][9:9] = [next(x for x in foreign.good[next(iter(foreign.good))] if b'"keeper_start"' in x)]
            return first, 10
        t.is_(judge(copy, replaced), "", "found, and where: another broker's segment")
        t.is_(judge(copy, spliced), "", "found, and where: another broker's record")
        rc, r = copy.verify("--key", f"{foreign.dir}/audit.pub")
        t.ok(rc == 1 and r["bad_line"] == 1, "under another broker's key nothing of it is proven", (rc, r))
    for name, text in (("garbage", "hello"), ("nothing", ""), ("zeros", "0" * 64), ("one digit too many", "0" * 65), ("as long as a list of users", "root:x:0:0\n" * 99)):
        with open(f"{copy.dir}/bad.pub", "w") as f:
            f.write(text)
        s.b.give(copy.dir)
        rc, r = copy.verify("--key", f"{copy.dir}/bad.pub")
        t.ok(rc == 1 and (name == "zeros" or "must hold 64 hex digits" in r), f"a public key that is {name}", (rc, r))
    return anchor


# ---- a broker on a log that was tampered with

def missing(t, s):
    """A segment that somebody removed from between the others: what is left is shown, and what is not there is said."""
    b = s.b
    audit = f"{b.state}/audit"
    names = sorted(os.listdir(audit))
    gone = names[1]
    seq = {n: [json.loads(line)["seq"] for line in open(f"{audit}/{n}", "rb") if line.endswith(b"\n") and line.startswith(b'{"chain":"01","seq":')] for n in names}
    whole = {r["seq"] for r in map(json.loads, b.cli("audit", "export").stdout.splitlines())}
    os.rename(f"{audit}/{gone}", f"{b.dir}/gone")
    for when in ("while it runs", "after a restart"):
        for args in (("audit", "export"), ("--json", "audit", "tail", "--lines", "100000")):
            p = b.cli(*args, check=False)
            left = {r["seq"] for r in map(json.loads, p.stdout.splitlines())}
            t.ok(p.returncode == 0 and p.stderr.count(f"segment {gone[:8]} is missing") == 1 and whole - left and whole - left <= set(seq[gone]),
                 f"a segment in between removed, {when}: {args[1]} goes on behind it, and says so", (p.returncode, p.stderr, sorted(whole - left)))
        p = b.cli("audit", "verify", check=False)
        t.ok(p.returncode == 1 and f"BAD: segment {names[2][:8]}, line 1" in p.stderr and f"segment {gone[:8]} is not here" in p.stderr, f"verify says what is missing, {when}", p.stderr)
        b.stop()
        b.start()
    t.ok(any(r["event"] == "audit_missing" for r in oracle.records(b)), "AUD: audit_missing")
    b.stop()
    os.rename(f"{b.dir}/gone", f"{audit}/{gone}")
    b.start()
    serving(s)


def refused(s):
    """(exit status, what it said) of a start that must fail."""
    before = len(s.b.log())
    s.b.start(ready=False)
    try:
        rc = s.b.proc.wait(15)
    except subprocess.TimeoutExpired:
        rc = None
    s.b.stop(signal.SIGKILL) if rc is None else s.b.stop()
    return rc, s.b.log()[before:]


def starts(t, s):
    b, audit = s.b, f"{s.b.state}/audit"
    kept = f"{b.dir}/kept"
    for n in range(3):  # a tail behind the last checkpoint, as kill -9 of everything leaves it
        if n == 0:
            b.start()
            serving(s)
        s.w.ask("GET", f"/p/anthropic/v1/tail/{n}")
    pids = [b.proc.pid] + [p for role in b.pids().values() for p in role]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    b.proc.wait()
    b.proc = None
    shutil.copytree(audit, kept)
    newest = sorted(os.listdir(audit))[-1]
    lines = open(f"{audit}/{newest}", "rb").read().rstrip(b"\0").splitlines(True)

    def write(data):
        with open(f"{audit}/{newest}", "wb") as f:
            f.write(data)

    def as_link():
        os.rename(f"{audit}/{newest}", f"{b.dir}/elsewhere")
        os.symlink(f"{b.dir}/elsewhere", f"{audit}/{newest}")

    def as_file():
        shutil.rmtree(audit)
        with open(audit, "w") as f:
            f.write("x")
    rows = [("an unproven record changed", lambda: write(b"".join(lines).replace(b"/v1/tail/1", b"/v1/tail/7", 1)), "changed"), ("an unproven record deleted", lambda: write(b"".join(lines[:-2] + lines[-1:])), "missing"),
            ("unproven records cut off, which the store has seen", lambda: write(b"".join(lines[:2])), "truncated or rolled back"), ("the newest segment gone", lambda: os.unlink(f"{audit}/{newest}"), ""),
            ("the log gone", lambda: (shutil.rmtree(audit), os.mkdir(audit, 0o700)), "truncated or rolled back"), ("a line of text at the end", lambda: write(b"".join(lines) + b"hello\n"), "none of ours"),
            ("a segment that others may read", lambda: os.chmod(f"{audit}/{newest}", 0o644), "chmod 600"), ("a directory that others may enter", lambda: os.chmod(audit, 0o755), "chmod 700"),
            ("a segment that is a link", as_link, "no link"), ("a second name for a segment", lambda: os.link(f"{audit}/{newest}", f"{b.dir}/second"), "hard links"), ("a file in the directory's place", as_file, "")]
    for name, change, word in rows:
        change()
        if os.path.isdir(audit) and not name.startswith("a segment that is a link"):
            b.give(audit)
        rc, said = refused(s)
        t.ok(rc not in (None, 0) and word in said, f"it does not start on {name}", f"exit {rc}\n{said[-800:]}")
        shutil.rmtree(audit, ignore_errors=True)
        for path in (audit, f"{b.dir}/elsewhere", f"{b.dir}/second"):
            if os.path.lexists(path) and not os.path.isdir(path):
                os.unlink(path)
        shutil.copytree(kept, audit)
        os.chmod(audit, 0o700)
        b.give(audit)
    with open(f"{audit}/{newest}", "r+b") as f:  # where the next line would have begun, in the reserve
        f.seek(sum(map(len, lines)))
        f.write(b'{"chain":"01","seq":')
    b.start()
    serving(s)
    t.is_(oracle.aud(b, event="audit_cut"), "", "half a line at the end is a crash: it starts, says so, and verifies")
    killed = open(f"{audit}/{newest}", "rb").read()
    with open(f"{audit}/{newest}", "r+b") as f:
        f.write(killed.replace(b"/v1/tail/1", b"/v1/tail/7", 1))
    p = b.cli("audit", "verify", check=False)
    t.ok(p.returncode == 1 and f"BAD: segment {newest[:8]}, line " in p.stderr and "otherwise" in p.stderr, "the copy that a kill left, changed under a broker that runs: verify says so", p.stderr)
    for args in (("audit", "export"), ("audit", "tail", "--lines", "1000"), ("--json", "audit", "tail", "--lines", "1000")):
        said = b.cli(*args).stdout
        t.ok("/v1/tail/7" not in said and said.count("/v1/tail/1") == 1, f"{' '.join(args)}: the copy that is proven", re.findall(r".*/v1/tail/.*", said))
    holes(t, b, f"{audit}/{newest}", killed)
    with open(f"{audit}/{newest}", "r+b") as f:
        f.write(killed)
    old = sorted(os.listdir(audit))[0]
    data = open(f"{audit}/{old}", "rb").read()
    with open(f"{audit}/{old}", "r+b") as f:
        f.write(data.replace(b'"workload":"coder"', b'"workload":"codes"', 1))
    p = b.cli("audit", "verify", check=False)
    t.ok(p.returncode == 1 and "BAD" in p.stderr, "an old record changed under a broker that runs: verify says so", p.stderr)
    with open(f"{audit}/{old}", "r+b") as f:
        f.write(data)
    t.is_(b.cli("audit", "verify", check=False).returncode, 0, "put right, it verifies")
    counts = range(1, len(b.cli("audit", "export").stdout.splitlines()) + 1)
    t.is_([n for n in counts if all(len(b.cli("--json", "audit", "tail", "--lines", str(n)).stdout.splitlines()) != n for _ in range(2))], [], "audit tail --lines: as many as asked for, copies not counted")
    missing(t, s)


def holes(t, b, path, killed):
    """Zeros in the copy that a kill left: its place is taken by the next segment, and no one's by what is written behind them."""
    at = killed.index(b"/v1/tail/1")
    first, second = killed.rindex(b"\n", 0, at) + 1, killed.index(b"\n", at) + 1
    forged = killed[first:second].replace(b"/v1/tail/1", b"/v1/tail/8")
    third = killed.index(b"\n", second) + 1
    for what, data, rc in (("", killed[:at] + bytes(10) + killed[at + 10:], 0), (" with a record put behind them", killed[:at] + bytes(second - at - 1) + b"\n" + forged[:third - second - 1] + b"\n" + killed[third:], 1)):
        with open(path, "r+b") as f:
            f.write(data)
        p = b.cli("audit", "verify", check=False)
        t.ok(p.returncode == rc and (not rc or "otherwise" in p.stderr), f"zeros in the copy that a kill left{what}: {'found' if rc else 'all is there'}", p.stderr)
        said = b.cli("audit", "export").stdout
        t.ok("/v1/tail/8" not in said and said.count("/v1/tail/1") == 1, f"zeros in the copy that a kill left{what}: export prints the record that is proven, once", re.findall(r".*/v1/tail/.*", said))


# ---- somebody else's hands in the directory, while it runs

def newest(b):
    return max((n for n in os.listdir(f"{b.state}/audit") if n.endswith(".jsonl")), default="")


def cut(path):
    with open(path, "r+b") as f:
        f.truncate(0)


def add(path):
    with open(path, "ab") as f:
        f.write(b"hello\n")


def taken(path):
    """Moved away, and the next one's name taken by a file of somebody's own."""
    with open(f"{os.path.dirname(path)}/{int(os.path.basename(path)[:8]) + 1:08d}.jsonl", "w", opener=lambda p, flags: os.open(p, flags, 0o600)) as f:
        f.write("somebody's own\n")
    os.rename(path, f"{path}.1")


HANDS = {"moved away, and the next one's name taken": taken, "moved away by a rotator": lambda path: os.rename(path, f"{path}.1"), "removed": os.unlink, "cut by a rotator that copies": cut, "added to": add}


class Handled(threading.Thread):
    """One broker whose newest segment somebody else lays hands on; it notices with the next checkpoint, so this runs beside the rest."""

    def __init__(self, name):
        super().__init__()
        self.what, self.results = name, [(False, f"{name}: it ran", "")]
        self.start()

    def ok(self, good, what, detail=""):
        self.results.append((bool(good), f"the newest segment {self.what}: {what}", detail))

    def run(self):
        with stage.Stage() as s:
            serving(s)
            self.one(s, s.b)
        self.results.pop(0)

    def one(self, s, b):
        keeper, was = b.pids()["keeper"][0], newest(b)
        s.w.ask("GET", "/p/anthropic/v1/before")
        HANDS[self.what](f"{b.state}/audit/{was}")
        self.ok(s.w.ask("GET", "/p/anthropic/v1/meanwhile").status == 200, "it goes on")
        self.ok(oracle.until(lambda: newest(b) > was and open(f"{b.state}/audit/{newest(b)}").read(1) == "{", 15), "with the next checkpoint it begins another one", os.listdir(f"{b.state}/audit"))
        with open(f"{b.state}/audit/{newest(b)}") as f:
            self.ok('"audit_moved"' in f.read(), "and says why")
        if self.what.endswith("name taken"):
            with open(f"{b.state}/audit/{newest(b)}.kept") as f:
                self.ok(f.read() == "somebody's own\n", "what stood in its place is kept")
        p = b.cli("audit", "verify", check=False)
        self.ok(p.returncode != 0, "verify does not call that good", p.stdout + p.stderr)
        self.ok(b.pids()["keeper"][0] == keeper, "the keeper is the same one")
        self.ok(s.w.ask("GET", "/p/anthropic/v1/after").status == 200, "and answers")
        b.stop()
        b.start()
        self.ok(serving(s), "and it starts again", b.log()[-500:])


# ---- a disk that is full

class Tmpfs:
    def __init__(self, path, size):
        os.makedirs(path, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "none", path], check=True)
        self.path, self.ballast = path, f"{path}/ballast"

    def fill(self):
        with open(self.ballast, "wb", buffering=0) as f:
            for block in (65536, 4096, 1):
                try:
                    while f.write(bytes(block)) == block:
                        pass
                except OSError:
                    pass

    def free(self):
        os.unlink(self.ballast)

    def close(self):
        subprocess.run(["umount", "-l", self.path], check=False)


def full(t):
    """ENOSPC on the log's own disk: nothing goes out, and when there is room again it goes on by itself."""
    if os.geteuid() != 0:
        t.lacks("a full disk", "mount(2)")
        return
    s = stage.Stage()
    disk = None
    try:
        s.b.stop()
        kept = f"{s.b.dir}/kept"
        shutil.copytree(f"{s.b.state}/audit", kept)
        disk = Tmpfs(f"{s.b.state}/audit", "8m")
        for n in os.listdir(kept):
            shutil.copy(f"{kept}/{n}", f"{s.b.state}/audit/{n}")
        s.b.give(f"{s.b.state}/audit")
        s.b.start()
        serving(s)
        rounds(t, s, disk)
    finally:
        s.__exit__()
        if disk:
            disk.close()


def rounds(t, s, disk):
    b, base = s.b, None
    keeper = b.pids()["keeper"][0]
    for n in range(3):
        log = oracle.Log(b)
        disk.fill()
        s.up.clear()
        allowed, refused_ = [], []
        for i in range(1500):  # the segment's reserve has room for some
            path = f"/v1/full{n}/{i}"
            r = s.w.ask("GET", f"/p/anthropic{path}")
            (allowed if r.status == 200 else refused_).append((path, r.status))
            if len(refused_) > 5:
                break
        seen = {q.target for q in s.up.requests}
        t.ok(len(refused_) > 5 and {x for _, x in refused_} == {503}, f"disk full, round {n + 1}: refused", (allowed[-1:], refused_))
        t.is_([p for p, _ in refused_ if p in seen], [], f"disk full, round {n + 1}: UP0 of what was refused")
        on_disk = {r.get("target") for r in log.new() if r.get("decision") == "allow"}
        t.is_([p for p, _ in allowed if p not in on_disk], [], f"disk full, round {n + 1}: what was let through is on the disk")
        fresh = None
        if n == 0:
            t.is_(b.ready_word(), "audit_failing", "status says so")
            c = s.w.anonymous()
            t.is_(c.ask("GET", "/readyz").status, 503, "and readyz")
            c.close()
            t.ok(b.cli("workload", "add", "late", check=False).returncode != 0 and b.cli("secret", "set", "late", stdin="a-late-value", check=False).returncode != 0, "nothing can be changed")
            r = s.w.ask("POST", "/v1/renew", ["Content-Type: application/json"], json.dumps({"csr": s.w.csr}), alpn="sidekey-control")
            t.is_(r.status, 503, "nor renewed")
        disk.free()
        t.ok(oracle.until(lambda: quiet(lambda: s.w.ask("GET", "/p/anthropic/v1/again").status) == 200, 6), f"room again, round {n + 1}: it goes on by itself")
        t.is_(b.pids()["keeper"][0], keeper, "with the same keeper")
        t.is_(oracle.aud(b, event="decide", target="/v1/again"), "", f"AUD, round {n + 1}")
        base = base or oracle.Baseline(b)
    t.is_(base.back(), "", "ALIVE: nothing grew from round to round")
    disk.fill()
    b.stop()
    b.start(ready=False)
    t.ok(oracle.until(lambda: b.ready_word() in ("yes", "audit_failing"), 20), "started on a full disk", b.log()[-600:])
    for _ in range(1500):  # until the reserve and the last block are full
        s.up.clear()
        code = quiet(lambda: s.w.ask("GET", "/p/anthropic/v1/full").json().get("sidekey", {}).get("code"))
        if code == "audit_unavailable":
            break
        time.sleep(0.001)
    t.is_((code, oracle.up0(s.up)), ("audit_unavailable", ""), "it refuses: UP0")
    t.is_(b.ready_word(), "audit_failing", "and says so")
    disk.free()
    t.ok(oracle.until(lambda: quiet(lambda: s.w.ask("GET", "/p/anthropic/v1/again").status) == 200, 10), "room again: it goes on by itself", b.log()[-600:])
    t.is_(oracle.aud(b, event="keeper_start"), "", "the chain verifies over all of it")
    t.is_(oracle.can(stage.KEY, b), "", "CAN")


def slow(t, s):
    """A disk that hangs, as seen from outside: the keeper stands still."""
    keeper = s.b.pids()["keeper"][0]
    s.up.clear()
    os.kill(keeper, signal.SIGSTOP)
    try:
        c = s.w.connect(timeout=20)
        threading.Timer(1.5, lambda: os.kill(keeper, signal.SIGCONT)).start()
        begin = time.monotonic()
        r = c.ask("GET", "/p/anthropic/v1/waits")
        t.ok(r.status == 200 and time.monotonic() - begin > 1.2, "a keeper that hangs for 1.5 s: the request waits", r.raw)
        os.kill(keeper, signal.SIGSTOP)
        s.up.clear()
        begin = time.monotonic()
        r = c.ask("GET", "/p/anthropic/v1/never")
        t.ok(r.status == 503 and r.json()["sidekey"]["code"] == "keeper_timeout" and 4 < time.monotonic() - begin < 8, "one that hangs for longer: refused after 5 s", (r.raw, time.monotonic() - begin))
        t.is_(oracle.up0(s.up), "", "UP0")
    finally:
        os.kill(keeper, signal.SIGCONT)
    log = oracle.Log(s.b)
    log.seen = 0
    t.is_(log.holds(event="decide", target="/v1/never", decision="allow"), "", "AUD: what it decided too late is in the log")
    seq = max(r["seq"] for r in log.new() if r.get("target") == "/v1/never")
    t.is_(log.holds(event="finish", of=seq), "", "AUD: with its end")
    t.is_(oracle.up0(s.up), "", "UP0: and was not done")
    t.is_(c.ask("GET", "/p/anthropic/v1/after").status, 200, "the next request is served")
    c.close()


# ---- what clients write

HOSTILE = {
    "quotes": b'"}\n{"chain":"01","seq":1,"event":"forged"}', "quotes, no line end": b'","event":"forged","x":"', "backslashes": b'\\"\\\\\\u0022\\', "a line end, escaped": b"\\n%0a%0d%0A", "an escape of a terminal": b"\x1b[2J\x1b]0;x\x07",
    "CR LF": b"\r\n\r\nx", "NUL": b"a\0b", "a tab": b"a\tb", "DEL and C1": b"\x7f\xc2\x9b2J", "invalid UTF-8": b"\xff\xfe\xc0\xaf\xed\xa0\x80", "half a character": b"\xe2\x82", "a line separator": "\u2028\u2029\u0085".encode(),
    "right to left": "\u202egnp.x\u2066".encode(), "zero width": "\u200bad\u200dmin\ufeff".encode(), "an emoji": "\U0001f511".encode(), "JSON": b'{"a":[1e400,"\\ud800"]}', "percent": b"%s%n%x%%", "HTML": b"<script>alert(1)</script>",
    "8 000 bytes": b"a" * 8000, "64 KiB": b"a" * 65536, "8 000 quotes": b'"' * 8000, "3 000 characters of three bytes": "\u20ac".encode() * 3000,
}


def fields(payload):
    """[(field, raw request)]"""
    host = b"Host: 127.0.0.1:7433\r\n"

    def get(target=b"/p/anthropic/v1/x", extra=b"", method=b"GET", host_=host):
        return method + b" " + target + b" HTTP/1.1\r\n" + host_ + extra + b"\r\n"
    return [
        ("method", get(method=payload)), ("target", get(b"/p/anthropic/v1/" + payload)), ("denied target", get(b"/p/anthropic/deny/" + payload)), ("query", get(b"/p/anthropic/v1/x?" + payload)), ("upstream", get(b"/p/" + payload + b"/x")),
        ("path", get(b"/v1/" + payload)), ("User-Agent", get(extra=b"User-Agent: " + payload + b"\r\n")), ("traceparent", get(extra=b"traceparent: " + payload + b"\r\n")),
        ("traceparent's id", get(extra=b"traceparent: 00-" + payload[:32].ljust(32, b"0") + b"-0000000000000001-01\r\n")), ("Host", get(host_=b"Host: " + payload + b"\r\n")), ("x-api-key", get(extra=b"x-api-key: " + payload + b"\r\n")),
        ("Basic", get(extra=b"Authorization: Basic " + base64.b64encode(payload) + b"\r\n")), ("Origin", get(extra=b"Origin: " + payload + b"\r\n")), ("Cookie", get(extra=b"Cookie: " + payload + b"\r\n")), ("a name", get(extra=payload + b": x\r\n")), ("Sec-Fetch-Site", get(extra=b"Sec-Fetch-Site: " + payload + b"\r\n")), ("Connection", get(extra=b"Connection: " + payload + b"\r\n")),
        ("Expect", get(extra=b"Expect: " + payload + b"\r\n")), ("Transfer-Encoding", get(extra=b"Transfer-Encoding: " + payload + b"\r\n")), ("Content-Length", get(extra=b"Content-Length: " + payload + b"\r\n")),
        ("version", get().replace(b" HTTP/1.1", b" HTTP/" + payload)), ("a ticket", get(b"/v1/self", extra=b"Sidekey-Ticket: " + payload + b"\r\n")),
    ]


def control_fields(payload):
    """The same, of who enrolls and who renews."""
    text = json.dumps({"csr": payload.decode("utf-8", "replace")}).encode()
    bodies = [("a request", text), ("a key of the body", json.dumps({payload.decode("utf-8", "replace"): ""}).encode()), ("the body", payload), ("an armour", json.dumps({"csr": "-----BEGIN CERTIFICATE REQUEST-----\n" + base64.b64encode(payload).decode() + "\n-----END CERTIFICATE REQUEST-----\n"}).encode())]

    def post(path, body, extra):
        return b"POST " + path + b" HTTP/1.1\r\nHost: sidekey\r\n" + extra + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    rows = [(f"{path.decode()}: {name}", post(path, body, b"Content-Type: application/json")) for path in (b"/v1/enroll", b"/v1/renew") for name, body in bodies]
    return rows + [("an enrollment's key", post(b"/v1/enroll", b"{}", b"Authorization: Bearer " + payload)), ("its scheme", post(b"/v1/enroll", b"{}", b"Authorization: " + payload + b" x")), ("Content-Type", post(b"/v1/renew", b"{}", b"Content-Type: " + payload))]


def written(t, s):
    b, log = s.b, oracle.Log(s.b)
    for what, payload in HOSTILE.items():
        log.mark()
        bad = []
        for field, raw, alpn in [(f, raw, "sidekey-forward") for f, raw in fields(payload)] + [(f, raw, "sidekey-control") for f, raw in control_fields(payload)]:
            c = s.w.connect(alpn, timeout=5)
            try:
                c.send(raw)
                r = c.read("GET")
                if r is not None and not 200 <= r.status < 600:
                    bad.append((field, r.raw))
            except (OSError, EOFError, ValueError):
                pass
            c.close()
        sni = rawtls.Client(s.w.conf["gateway"], s.w.cert, s.w.key, sni=payload.replace(b"\0", b"")[:255])
        sni.connect() and sni.ask()
        sni.close()
        alpn = rawtls.Client(s.w.conf["gateway"], s.w.cert, s.w.key, alpn=payload[:255])
        alpn.connect() and alpn.ask()
        alpn.close()
        s.w.ask("GET", "/p/anthropic/v1/mark")
        try:
            held = log.holds(event="decide", target="/v1/mark")
        except ValueError as e:
            held = str(e)
        new = log.new() if not held else []
        odd = [r for r in new if r["event"] not in ("decide", "finish", "refused", "control", "denied_folded", "checkpoint", "segment")]
        t.ok(held == "" and not bad and not odd, f"{what} in {len(fields(b'')) + len(control_fields(b'')) + 2} fields: each line is one record, of ours", (held, bad, odd))
    said = b.cli("audit", "tail", "--lines", "100000").stdout
    t.ok(not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]", said), "what a person reads has no control in it", re.findall(r"[^\n]*[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u202e\u2066-\u2069\ufeff][^\n]*", said)[:3])
    log.seen = 0
    t.ok(abs(len(said.splitlines()) - len(log.new())) <= 20, "and a line for each record", (len(said.splitlines()), len(log.new())))
    t.ok("forged" not in {r["event"] for r in log.new()}, "none is forged")
    t.ok(all(len(json.dumps(r)) < 16384 for r in log.new()), "none is longer than a line may be")


def lines_size(b):
    """Of all segments, in bytes, without the zeros that the next lines are written over."""
    total = 0
    for name in os.listdir(f"{b.state}/audit"):
        with open(f"{b.state}/audit/{name}", "rb") as f:
            total += len(f.read().rstrip(b"\0"))
    return total


def flood(t, s):
    b, log = s.b, oracle.Log(s.b)
    b.workload("other")
    other = workload.Workload(b.enroll("other"))
    time.sleep(2.5)  # until what was folded before is counted
    log.mark()
    base, size = oracle.Baseline(b), lines_size(b)
    c, n, begin = s.w.connect(), 3000, time.monotonic()
    for i in range(n):
        if c.ask("GET", f"/p/anthropic/deny/{i}").status != 403:
            t.ok(False, "denied")
        if i == n // 2:
            t.is_(other.ask("GET", "/p/anthropic/v1/x").status, 403, "another workload is denied in between")
    took = time.monotonic() - begin
    c.close()
    oracle.until(lambda: log.refusals() >= n + 1, 5)
    t.is_(log.refusals(), n + 1, f"{n} denials: each is counted")
    records = [r for r in log.new() if r.get("decision") == "deny" and r.get("workload") == "coder"]
    t.ok(len(records) < 60 + 12 * (took + 3), "in few records", (len(records), took))
    t.ok(any(r.get("workload") == "other" and r["event"] == "decide" for r in log.new()), "while the other workload's has one of its own")
    grown = lines_size(b) - size
    t.ok(grown < 200_000, "the log grew by less than 200 KB", grown)
    t.is_(base.back(), "", "ALIVE")


def retention(t):
    with stage.Stage(yaml="audit: {size: 1MiB}\n") as s:
        b = s.b
        several = [workload.Workload(b.enroll("coder" if i == 0 else f"w{i}")) for i in range(4) if i == 0 or b.workload(f"w{i}") is None]
        b.policy("several", ["w1", "w2", "w3"], stage.ALLOW_ALL)
        b.reload()
        cs = [w.connect() for w in several]  # one alone has a share of it
        for i in range(1400):
            cs[i % 4].ask("GET", f"/p/anthropic/v1/{i}/" + "x" * 300)
        for c in cs:
            c.close()
        oracle.until(lambda: len(os.listdir(f"{b.state}/audit")) > 2, 5)
        total = sum(os.path.getsize(f"{b.state}/audit/{n}") for n in os.listdir(f"{b.state}/audit"))
        t.ok(total < (1 << 20) + (1 << 18), "retention holds the size", total)
        t.is_(oracle.aud(b, event="audit_removed"), "", "AUD: the removal is on record, and the rest verifies")
        t.ok("00000001.jsonl" not in os.listdir(f"{b.state}/audit"), "the oldest went")
        b.stop()
        copy = Copy(b, "retained")
        rc, r = copy.verify()
        t.ok(rc == 0 and r["first_seq"] > 1, "what is left verifies, offline too: a proven record says what went", (rc, r))
        copy.put({n: lines for n, lines in copy.good.items() if n != next(iter(copy.good))})
        rc, r = copy.verify()
        t.ok(rc == 1 and r["segments_removed"], "one segment more gone, by another hand: found", (rc, r))
        b.start()
        t.ok(serving(s), "it starts on what is left")


def main(t):
    hands = [Handled(name) for name in HANDS]
    with stage.Stage(use='  anthropic:\n    allow: ["* /**"]\n    deny: ["* /deny/**"]\n') as s:
        make_log(s)
        offline(t, s)
        starts(t, s)
        slow(t, s)
        written(t, s)
        flood(t, s)
        t.is_(oracle.aud(s.b, event="denied_folded"), "", "the chain verifies")
        t.is_(oracle.can(stage.KEY, s.b), "", "CAN")
    full(t)
    retention(t)
    for th in hands:
        th.join()
        for result in th.results:
            t.ok(*result)


tap.Tap().run(main)
