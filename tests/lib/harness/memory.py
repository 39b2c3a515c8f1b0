"""What of a secret is left in a process: its writable memory, read as root, searched for pieces of every spelling."""
import os
import re

from . import oracle

PIECE = 8  # bytes; what is left and twice as long, or three times in another spelling, holds one of the pieces whole
PAGE = 4096
EMPTY = bytes(PAGE)
REGION_MAX = 1 << 30  # a sanitizer's shadow is larger, and no memory of the program


def can_look():
    return os.geteuid() == 0


def pieces(secret, fixed=0):
    """{piece: spelling}. The first `fixed` characters are no secret (sk-ant-api03-)."""
    found = {}
    for name, form in oracle.spellings(secret[fixed:]).items():
        for i in range(0, len(form) - PIECE + 1, PIECE if name == "raw" else 2 * PIECE):
            found.setdefault(form[i:i + PIECE], name)
    return found


def raw_pieces(data):
    return {data[i:i + PIECE]: "bytes" for i in range(0, len(data) - PIECE + 1, PIECE)}


def writable(pid):
    """(where, bytes) of what the process may write to; pages that are empty are left out."""
    with open(f"/proc/{pid}/maps") as f:
        lines = f.read().splitlines()
    with open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in lines:
            m = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw\S+ \S+ \S+ \S+ *(.*)", line)
            lo, hi = (int(m.group(1), 16), int(m.group(2), 16)) if m else (0, 0)
            if not 0 < hi - lo < REGION_MAX:
                continue
            mem.seek(lo)
            data = mem.read(hi - lo)
            pages = [data[i:i + PAGE] for i in range(0, len(data), PAGE)]
            yield m.group(3) or "anonymous", b"".join(p if p != EMPTY else b"\0" for p in pages)


def scan(pid, secrets):
    """[(where, name of the secret, its spelling, how many pieces)]. secrets: {name: pieces()}."""
    found = []
    for where, data in writable(pid):
        for name, wanted in secrets.items():
            hits = [spelling for piece, spelling in wanted.items() if piece in data]
            found += [(where, name, spelling, hits.count(spelling)) for spelling in sorted(set(hits))]
    return found
