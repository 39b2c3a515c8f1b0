#!/usr/bin/python3
"""An editor that knows policies/schema says of a file what the compiler says of it."""
import copy
import json
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import broker, tap  # noqa: E402

POLICY = {"policy": "p", "workloads": ["w"], "use": {"brave": {"allow": ["GET /"]}}}
UPSTREAM = {"upstream": "u", "url": "https://a.example", "credential": {"secret": "s"}, "inject": {"header": "X-Key", "value": "{credential}"}}

# What is put where, with values that are good and values that are not.
TABLE = (
    ("policy", ("workloads", 0), ("w", "a/b/c/d", "sidekeyx", "x/sidekey", "...", ".a", "-"),
     ("sidekey", "sidekey/x", "..", ".", "a/./b", "a/..", "a//b", "/a", "a/", "a/b/c/d/e", "A", "ä", "a b", "", "x" * 129)),
    ("policy", ("use", "brave", "limit"), ({"requests": "1/1s"}, {"requests": "1000000/1d"}, {"requests": "60/86400s"}, {"requests": "60/1440m"}, {"requests": "60/24h"},
                                            {"concurrent": 1}, {"concurrent": 65535}),
     ({"requests": "1/2d"}, {"requests": "1/86401s"}, {"requests": "1/1441m"}, {"requests": "1/25h"}, {"requests": "0/1m"}, {"requests": "1000001/1m"}, {"requests": "1/0s"},
      {"requests": "01/1m"}, {"requests": "1/1w"}, {"requests": "1"}, {"requests": 60}, {}, {"concurrent": 0}, {"concurrent": 65536}, {"concurrent": "1"}, {"zzz": 1})),
    ("policy", ("use", "brave", "allow", 0),
     ("GET /", "* /**", "GET /v1/*/x", "GET /a/", "GET /a%20b", "GET /a%2fb", "GET /%2a", "GET /%25", "GET /..a", "GET /a;x", "M-SEARCH /", "GET /" + "x" * 1023),
     ("GET /v1/**x", "GET /*x", "GET /***", "GET /v1/%2f", "GET /%2e", "GET /a/../b", "GET /a/.", "GET /a/..;x", "GET //", "GET /a//b", "GET /;x", "GET /a%2f%2fb", "GET /%2541",
      "GET /%41", "GET /%zz", "GET /%", "GET /%5c", "GET /a\\b", "GET /%00", "GET /%7f", "GET /%c0%ae", "GET /%e0%80%ae", "GET /a?b", "GET /a#b", "GET /a b", "GET  /", "GET /ä",
      "GET a", "get /", "/", "GET", "", "GET /" + "x" * 1024)),
    ("policy", ("use", "brave", "deny"), (["* /**/secrets/**"],), ([], "GET /", ["x"])),
    ("policy", ("policy",), ("p",), ("..", "a/b", "-p", ".p", "", "P")),
    ("policy", ("on_misuse",), ("deny", "revoke"), ("yes", True)),
    ("policy", ("zzz",), (), (1,)),
    ("upstream", ("upstream",), ("u", "0.a_b-c"), ("..", "sidekey/x", "a/./b", "-u", ".u", "_u", "", "U", "x" * 129)),
    ("upstream", ("url",), ("https://a.example", "https://a.example:8443/base", "https://b.example/"),
     ("http://a.example", "https://u:p@a.example", "https://a.example/?q", "https://a.example/#f", "https://", "a.example")),
    ("upstream", ("credential",), ({"secret": "s"}, {"kind": "static", "secret": "s"}), ({}, {"kind": "frob", "secret": "s"}, {"secret": "../s"}, {"secret": "s", "zzz": 1})),
    ("upstream", ("inject",), ({"header": "X-Key", "value": "Bearer {credential}"}, {"basic": "me"}, {"query": "key"}),
     ({"header": "X-Key"}, {"header": "X Key", "value": "{credential}"}, {"header": "X", "value": "none"}, {"basic": "a:b"}, {"query": "a b"}, {"basic": "a", "query": "b"}, {})),
    ("upstream", ("placeholder",), ("sk-{random}",), ("sk-", "{random} ", "{x}{random}", "{random}{random}")),
    ("upstream", ("env",), ({"A_1": "{base_url}"}, {}), ({"1A": "x"}, {"SIDEKEY_X": "x"}, {"A-B": "x"}, {"A": 1})),
    ("upstream", ("allow_private",), (True, False), ("yes", 1)),
)


def changed(base, path, value):
    one = copy.deepcopy(base)
    at = one
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return one


def compiles(dir_, kind, one):
    """JSON is YAML's core, so the file is the object."""
    folder, name = ("policies", "p") if kind == "policy" else ("upstreams", "u")
    with open(f"{dir_}/{folder}/{name}.yaml", "w") as f:
        json.dump(one, f, ensure_ascii=False)
    p = subprocess.run([f"{broker.BIN}/sidekey", "policy", "check", dir_], capture_output=True, text=True)
    os.unlink(f"{dir_}/{folder}/{name}.yaml")
    return p.returncode == 0, p.stderr


def main(t):
    try:
        import jsonschema
    except ImportError:
        return t.lacks("schema and compiler agree", "python3-jsonschema")
    schemas = {}
    for kind in ("policy", "upstream"):
        with open(f"{broker.ROOT}/policies/schema/{kind}.schema.json") as f:
            schemas[kind] = jsonschema.Draft202012Validator(json.load(f))
    with tempfile.TemporaryDirectory(prefix="sidekey-schema-") as d:
        for part in ("upstreams", "policies"):
            os.mkdir(f"{d}/{part}")
        for kind, path, good, bad in TABLE:
            for value, want in [(v, True) for v in good] + [(v, False) for v in bad]:
                one = changed(POLICY if kind == "policy" else UPSTREAM, path, value)
                said, why = compiles(d, kind, one)
                t.is_((schemas[kind].is_valid(one), said), (want, want), f"{kind} {'.'.join(map(str, path))}: {str(value)[:40]!r} is {'good' if want else 'refused'}")
                if said != want:
                    print("#", why)


tap.Tap().run(main)
