#!/usr/bin/env python3
"""Writes the seeds of fuzz_yaml, fuzz_config, fuzz_policy and fuzz_rules: hand-made ones, and the policies that are shipped. Removes nothing."""
import glob
import os
import struct

HERE = os.path.dirname(os.path.abspath(__file__))
POLICIES = os.path.join(HERE, "..", "..", "policies")

YAML = {
    "empty": b"", "comment": b"# x\n", "map": b"a: 1\nb: {c: [x, 'y', \"z\\n\"], d: true}\ne:\n", "crlf": b"a: 1\r\nb: 2\r\n",
    "block": b"a: |\n  one\n  two\nb: >-\n  x\n  y\n", "explicit-key": b"? a\n: 1\n", "integers": b"[0, -1, 9223372036854775807, -9223372036854775808]\n",
    "words": b"[yes, no, on, off, True, ~, null, '']\n", "escapes": b'"\\u00e4\\x41\\U0001f600\\e": "\\u200b"\n', "end": b"---\na: 1\n...\n",
    "utf8": "ä: ö\n".encode(), "bad-float": b"a: 1e400\n", "bad-duplicate": b"a: 1\na: 2\n", "bad-anchor": b"a: &x [1]\nb: *x\n",
    "bad-bomb": b"a: &a [x]\nb: &b [*a,*a]\nc: [*b,*b]\n", "bad-merge": b"<<: {a: 1}\n", "bad-tag": b"a: !!str 1\n", "bad-tab": b"a:\n\tb: 1\n",
    "bad-bom": b"\xef\xbb\xbfa: 1\n", "bad-utf16": b"\xff\xfea\x00", "bad-nul": b"a: \x00\n", "bad-documents": b"a: 1\n---\nb: 2\n",
    "bad-directive": b"%YAML 1.1\n---\na: 1\n", "bad-deep": b"[" * 100 + b"]" * 100, "bad-unclosed": b"a: [1, {b: 'x\n", "bad-bidi": "a: \u202ex\n".encode(),
    "depth": b"[" * 16 + b"]" * 16,
}

CONFIG = {
    "all": b"state_dir: /s\nrun_dir: /r\ngateway_dir: /g\nlisten: {unix: true, tcp: '[::1]:8443'}\ngateway_address: tcp:broker.internal:8443\n"
    b"gateways: 64\nuser: none\nunseal: {key_file: /k}\naudit: {size: 1MiB, quota: 64KiB}\ncertificate_ttl: 5s\nmemlock: warn\nlog_level: debug\n",
    "empty": b"", "tcp-only": b"listen: {unix: false, tcp: 127.0.0.1:1}\nunseal: passphrase\nlog_level: error\n",
    "bytes": b"audit: {size: 1048576, quota: 65536}\nlog_level: warn\nmemlock: require\ncertificate_ttl: 24h\nuser: _a-0\n",
    "bad-every-address": b"listen: {unix: false, tcp: '0.0.0.0:8443'}\n", "bad-nothing": b"listen: {unix: false}\n", "bad-key": b"audits: {}\n",
    "bad-quota": b"audit: {quota: 1GiB, size: 1GiB}\n", "bad-path": b"state_dir: '/a\\nb'\n", "bad-relative": b"run_dir: a\n", "bad-long": b"run_dir: /" + b"r" * 91 + b"\n",
    "bad-user": b"user: 0day\n", "bad-gateways": b"gateways: 65\n", "bad-word": b"memlock: no\n", "bad-kinds": b"listen: [1]\naudit: 1\nunseal: {}\n",
    "bad-socket": b"gateway_address: unix:/" + b"a" * 107 + b"\n", "bad-shape": b"[]\n",
}

U = b"uupstream: u\nurl: https://a.example\n"
P = b"ppolicy: p\nworkloads: [w, a/b]\n"
POLICY = {
    "u-plain": U, "u-like": b"uupstream: u\nlike: anthropic\n", "u-basic": U + b"credential: {secret: s}\ninject: {basic: me}\n",
    "u-query": U + b"credential: {secret: s}\ninject: {query: key}\nplaceholder: '{random}'\n", "u-ip": b"uupstream: u\nurl: 'https://[::1]:9/x/'\nconnect: 127.0.0.1:9\n",
    "u-all": U + b"credential: {kind: static, secret: s}\ninject: {header: X, value: 'a {credential}'}\nplaceholder: 'p{random}'\n"
    b"env: {A: '{base_url}', B: '{placeholder}'}\nerrors: github\nstrip: [X-Y]\n"
    b"connect: a.example:1\nallow_private: true\nencoded_slash: true\n",
    "u-bad-url": b"uupstream: u\nurl: https://u:p@a.example:0/?#\n", "u-bad-host": b"uupstream: u\nurl: https://0x7f.1\n",
    "u-bad-header": U + b"credential: {secret: s}\ninject: {header: Host, value: \"{credential}\\r\\n\"}\n", "u-like-no-url": b"uupstream: u\nlike: query\n",
    "p-use": P + b"use: {brave: {allow: [GET /a/*, '* /b/**'], deny: ['* /**/secrets/**'], limit: {requests: 60/1m, concurrent: 8}, browser: true}}\n",
    "p-two": P + b"use: {anthropic: {allow: [POST /v1/messages]}, openai: {allow: [GET /]}}\non_misuse: revoke\nenroll_readable: accept\n",
    "p-bad-pattern": P + b"use: {brave: {allow: ['GET /a/../b', 'get /', 'GET /x**']}}\n", "p-bad-limit": P + b"use: {brave: {allow: [GET /], limit: {requests: 0/1m}}}\n",
    "p-unknown": P + b"use: {nosuch: {allow: [GET /]}}\nfoo: 1\n", "p-no-url": P + b"use: {azure-openai: {allow: [GET /]}}\n",
}


def text(s):
    raw = s.encode()
    return struct.pack("<H", len(raw)) + raw


def texts(count, items):
    return struct.pack("<H", count) + b"".join(text(i) for i in items)


def upstream(name, full):
    out = text(name) + text("a.example") + struct.pack("<H", 443) + text("/v1" if full else "") + text("s" if full else "")
    out += (b"\1" + text("X-Key") + text("t {credential}") + text("p{random}")) if full else (b"\0" + text("") * 3)
    out += b"\1" + (texts(2, ["A", "{base_url}", "B", "x"]) + texts(1, ["x-old"]) if full else b"\0\0\0\0")
    out += struct.pack("<I", 4) + b"PEM\n" if full else b"\0\0\0\0"
    return out + ((text("::1") + b"\1\0\1\1") if full else (text("") + b"\0\0\0\0"))


def policy():
    rules = struct.pack("<H", 2) + text("GET") + text("/a/*") + text("*") + text("/b/**")
    deny = struct.pack("<H", 1) + text("*") + text("/**/secrets/**")
    use = struct.pack("<H", 1) + rules + deny + struct.pack("<IIIB", 60, 60, 8, 1)
    return text("p") + texts(2, ["w", "a/b"]) + struct.pack("<H", 1) + use + b"\1\1"


def rules():
    two = struct.pack("<I", 2) + upstream("plain", False) + upstream("full", True)
    whole = b"SKRULES2" + two + struct.pack("<I", 1) + policy()
    return {
        "whole": whole, "part": b"SKUPSTR2" + two, "nothing": b"SKRULES2" + b"\0" * 8, "no-upstreams": b"SKUPSTR2" + b"\0" * 4, "empty": b"",
        "magic": b"SKRULES2", "cut": whole[:-3], "longer": whole + b"\0", "counts": b"SKRULES2" + b"\xff" * 40,
        "twice": b"SKUPSTR2" + struct.pack("<I", 2) + upstream("a", False) * 2, "index": whole.replace(struct.pack("<H", 1) + struct.pack("<H", 2) + text("GET"), struct.pack("<H", 9) + struct.pack("<H", 2) + text("GET")),
    }


def write(folder, seeds):
    path = os.path.join(HERE, "corpus", folder)
    os.makedirs(path, exist_ok=True)
    for name, raw in seeds.items():
        with open(os.path.join(path, name), "wb") as f:
            f.write(raw)


def main():
    for kind, pattern in (("p", "*.yaml"), ("u", "upstreams/*.yaml")):
        for path in glob.glob(os.path.join(POLICIES, pattern)):
            with open(path, "rb") as f:
                raw = f.read()
            name = kind + "-shipped-" + os.path.basename(path)[:-5]
            POLICY[name] = kind.encode() + raw
            YAML[name] = raw
    write("yaml", YAML)
    write("config", CONFIG)
    write("policy", POLICY)
    write("rules", rules())


if __name__ == "__main__":
    main()
