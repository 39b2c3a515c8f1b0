#!/usr/bin/env python3
"""Writes the hand-made seeds of the targets whose corpus is not a table of tests/attack (see README.md)."""
import base64
import os
import struct

CORPUS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus")


def write(folder, seeds):
    os.makedirs(os.path.join(CORPUS, folder), exist_ok=True)
    for name, raw in seeds.items():
        with open(os.path.join(CORPUS, folder, name), "wb") as f:
            f.write(raw)


def targets():
    pairs = {
        "plain": ("/repos/acme/**", "/repos/acme/site/issues?page=2"),
        "deny-escaped": ("/**/secrets/**", "/repos/acme/%73ecrets/K"),
        "deny-case": ("/**/secrets/**", "/repos/acme/SECRETS;v=1/K/"),
        "stars": ("/**/a/*/b/**", "/a/a/x/b/c/a/y/b"),
        "slash": ("/x/*", "/x/a%2fb"),
        "slash-dots": ("/x/**", "/x/a%2f..%2fb"),
        "dots": ("/**", "/a/../b"),
        "dots-escaped": ("/**", "/a/%2e%2E/b"),
        "dots-params": ("/**", "/a/..;x/b"),
        "double": ("/**", "/%252e%252e/a"),
        "overlong": ("/**", "/%c0%ae/a"),
        "nul": ("/**", "/a%00b"),
        "backslash": ("/**", "/a%5c..%5cb"),
        "empty": ("/a//b", "//a"),
        "utf8": ("/caf%C3%A9", "/caf%C3%A9?q=%zz"),
        "root": ("/", "/"),
        "last-empty": ("/a/", "/a/"),
    }
    flags = {"": 0, "-slash": 1, "-respelt": 2 | 4 | 16 | 32, "-case": 1 | 4 | 8}
    return {name + suffix: bytes([flag]) + p.encode() + b"\n" + t.encode()
            for name, (p, t) in pairs.items() for suffix, flag in flags.items()}


def redactions():
    """Length of the secret - 8, the secret, step - 1, form, text: see fuzz_redact.c."""
    secrets = {"plain": b"sk-ant-api03-Ab_9xYz", "short": b"abcdefgh", "odd": b'p/w+d "q" \\s%25',
               "bits": b"\xff\xfe\xfb\xef\xbe\x00\x01>?", "periodic": b"abababab"}
    out = {}
    for name, s in secrets.items():
        texts = {"nothing": b"data: {}\n\n", "raw": b"x" + s + b"y", "hex": s.hex().upper().encode(),
                 "percent": "".join(f"%{c:02x}" for c in s).encode(), "u": "".join(f"\\u00{c:02X}" for c in s).encode(),
                 "basic": base64.b64encode(b"user:" + s), "url": base64.urlsafe_b64encode(b"a" + s), "half": s[:-1] * 3}
        for kind, t in texts.items():
            for i in (0, 2, 6):
                out[f"{name}-{kind}-{i}"] = bytes([len(s) - 8]) + s + bytes([i, i]) + b"\x03" + t
    return out


def text(s):
    s = s if isinstance(s, bytes) else s.encode()
    return struct.pack("<H", len(s)) + s


def bodies():
    """The order is that of bodies[] in fuzz_ipc.c."""
    serial = bytes(range(16))
    spiffe = "spiffe://broker.example/ops/bot"
    return [
        ("decide", 15, struct.pack("<QQ", 7, 1) + serial + text("github") + text("GET") + text("/repos?x=1") + b"\x00"
         + struct.pack("<H", 2) + text("sk-a") + text("") + b"\x01" + serial),
        ("allow", 16, struct.pack("<QQQIIq", 7, 9, 1, 3, 2, 1790000000) + struct.pack("<I", 6) + b"secret"),
        ("deny", 17, struct.pack("<QQHI", 7, 9, 403, 0) + text("policy_denied") + text("r") + text("hint.") + text("01-000001")),
        ("control", 18, struct.pack("<Q", 7) + b"\x01" + serial + text("POST") + text("/v1/enroll") + text(bytes(32))),
        ("finish", 20, struct.pack("<QHQQI", 9, 200, 10, 20, 30) + text("ok")),
        ("report", 21, b"\x00" + text("bad_framing") + text(b"GET / \x00")),
        ("issued", 30, struct.pack("<I", 3) + b"PEM" + struct.pack("<I", 2) + b"CA" + text("ops/bot") + text(spiffe)
         + text("0" * 32) + struct.pack("<qq", 1, 3601)),
        ("self", 30, text("ops/bot") + text(spiffe) + text("0" * 32) + struct.pack("<q", 3601) + b"\x01\x00" + struct.pack("<H", 1)),
        ("self_upstream", 30, text("github") + text("ghp_x") + struct.pack("<H", 1) + text("GITHUB_TOKEN") + text("{placeholder}")),
        ("enroll_new", 45, text("ops/bot") + b"\x01" + struct.pack("<II", 3600, 2) + b"\x01"),
        ("workload_row", 30, text("ops/bot") + b"\x00" + struct.pack("<IIqq", 1, 0, 5, 6)),
        ("secret_row", 30, text("github") + struct.pack("<II", 2, 2) + b"\x01" + struct.pack("<qqq", 1, 2, 0)),
        ("version_row", 30, struct.pack("<I", 2) + b"\x02\x00" + struct.pack("<qq", 1, 2)),
        ("status", 30, b"\x03\x00\x01" + struct.pack("<QQQ", 1, 2, 3) + bytes(32) + text("") + text("0" * 32) + text("broker.example")
         + text("key-file") + struct.pack("<7I", 1, 2, 3, 4, 5, 6, 7) + struct.pack("<QQqqQ", 1, 2, 3, 4, 5)),
    ]


def ipc():
    out = {}
    for i, (name, kind, body) in enumerate(bodies()):
        frame = struct.pack("<HHI", kind, 0, len(body)) + body
        out[name] = bytes([i, 2, 3, 1]) + body
        out[name + "-frame"] = bytes([i, 2, 3, 1]) + frame
        out[name + "-frames"] = bytes([i, 3, 2, 0]) + frame * 3
        out[name + "-cut"] = bytes([i, 2, 3, 1]) + frame[:-1]
    return out


def spiffe():
    good = "spiffe://broker.example/"
    rows = {"one": good + "bot", "four": good + "a/b/c/d", "five": good + "a/b/c/d/e", "gateway": good + "sidekey/gateway",
            "reserved": good + "sidekey/x", "dots": good + "a/../b", "upper": good + "Bot", "escape": good + "%62ot",
            "query": good + "bot?x", "fragment": good + "bot#x", "port": "spiffe://broker.example:1/bot",
            "user": "spiffe://a@broker.example/bot", "other": "spiffe://broker.example.evil/bot", "scheme": "SPIFFE://broker.example/bot",
            "empty": good, "none": "spiffe://broker.example", "double": good + "a//b", "slash": good + "bot/", "long": good + "a" * 129,
            "nul": good + "bot\0x", "name": "ops/bot", "domain": "broker.example", "object": "github-2"}
    return {k: v.encode() for k, v in rows.items()}


def texts():
    rows = ["0", "1", "18446744073709551615", "18446744073709551616", "007", "+1", "90s", "5m", "1h", "30d", "0s", "1w", "512",
            "64KiB", "1MiB", "2GiB", "1KB", "00ff", "00FF", "0", "", "Zg==", "Zm8=", "Zm9v", "Zg", "Zm8", "Zh==", "Z===", "-_-_",
            "+/+/", "Zm9v\n", "2026-11-24T03:35:51Z", "2026-02-30T00:00:00Z", "2026-11-24T24:00:00Z", "1969-12-31T23:59:59Z",
            "9999-12-31T23:59:59Z", "2026-11-24t03:35:51Z"]
    return {f"{i:02d}": s.encode() for i, s in enumerate(rows)}


for folder, seeds in (("target", targets()), ("redact", redactions()), ("ipc", ipc()), ("spiffe", spiffe()), ("text", texts())):
    write(folder, seeds)
    print(f"{len(seeds)} in {folder}")
