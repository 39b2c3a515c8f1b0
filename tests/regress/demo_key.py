#!/usr/bin/python3
"""make demo KEY=@file: the real API's name, port and trust, and a server of ours at its address, in a network of the test's own. Needs root, mount(2), ip and strace."""
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import broker, pki, tap, upstream  # noqa: E402

KEY = "sk-ant-api03-canary-0123456789abcdefghijklmnopqrstuvwxyz"
HOST, ADDRESS = "api.anthropic.com", "160.79.104.10"  # a public one: a private one would be refused


def own_network(folder):
    """The name leads to our server, whose CA is the only one that the system trusts."""
    for args in (["link", "set", "lo", "up"], ["addr", "add", f"{ADDRESS}/32", "dev", "lo"]):
        subprocess.run(["ip", *args], check=True)
    ca = pki.Ca(f"{folder}/pki")
    with open(f"{folder}/hosts", "w") as f:
        f.write(f"127.0.0.1 localhost\n{ADDRESS} {HOST}\n")
    for file, place in ((f"{folder}/hosts", "/etc/hosts"), (ca.cert, "/etc/ssl/certs/ca-certificates.crt")):
        subprocess.run(["mount", "--bind", file, place], check=True)
    return upstream.Upstream(*ca.leaf("api", f"DNS:{HOST}"), port=443, host=ADDRESS)


def demo(folder, key, trace=()):
    with open(f"{folder}/key", "w") as f:
        f.write(key)
    return subprocess.run([*trace, f"{broker.ROOT}/tools/demo.sh", os.path.dirname(broker.BUILT), f"@{folder}/key"], capture_output=True, text=True, timeout=120, env={**os.environ, "NO_COLOR": "1"})


def inside(t):
    folder = sys.argv[2]
    up = own_network(folder)
    p = demo(folder, KEY + "\n", ["strace", "-f", "-v", "-qq", "-s", "100000", "-e", "trace=execve", "-o", f"{folder}/trace"])
    t.is_(p.returncode, 0, "it runs to its end") or print("#", p.stdout[-1500:], p.stderr[-1500:], file=sys.stderr)
    t.ok(up.requests and {r.get("x-api-key") for r in up.requests} == {KEY} and {r.get("host") for r in up.requests} == {HOST}, "the API got the key, under its own name", [r.raw_head for r in up.requests])
    t.ok("HTTP 403" in p.stdout and "workload_revoked" in p.stdout, "and the revoked agent's request did not get there", p.stdout[-1500:])
    t.ok(KEY[13:] not in p.stdout + p.stderr, "it prints no key")
    with open(f"{folder}/trace") as f:
        trace = f.read()
    t.ok("sidekey-shim" in trace and KEY[13:] not in trace, "no command line and no environment has it", [line for line in trace.splitlines() if KEY[13:] in line][:3])
    p = demo(folder, "\n")
    t.ok(p.returncode == 2 and "holds no key" in p.stderr, "a file without a key is said to be one", p.stderr)


def main():
    if len(sys.argv) > 2:
        tap.Tap().run(inside)
    if "/asan/" in broker.BUILT:
        return tap.Tap().run(lambda t: t.skip("make demo KEY=@file", "a sanitized build is not what people install"))
    parts = all(map(shutil.which, ("ip", "strace"))) and os.geteuid() == 0
    if not parts or subprocess.run(["unshare", "-mn", "true"], capture_output=True).returncode != 0:
        return tap.Tap().run(lambda t: t.lacks("make demo KEY=@file", "root, namespaces, ip and strace"))
    with tempfile.TemporaryDirectory(prefix="sidekey-demo-") as folder:
        sys.exit(subprocess.run(["unshare", "-mn", sys.executable, os.path.abspath(__file__), "inside", folder]).returncode)


main()
