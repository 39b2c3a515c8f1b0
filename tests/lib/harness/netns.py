"""A network of the test's own: a namespace whose loopback takes every address there is, so that whatever a process dials is seen, and no packet leaves."""
import os
import subprocess
import sys
import tempfile

MARK = "SIDEKEY_TEST_NETNS"
MOUNTED = {"/etc/resolv.conf": "nameserver 127.0.0.53\nsearch evil.example\n", "/etc/hosts": "127.0.0.1 localhost\n::1 localhost\n169.254.169.254 metadata.example\n"}


def possible():
    """As root, and where the kernel gives namespaces to it."""
    return os.geteuid() == 0 and subprocess.run(["unshare", "-n", "-m", "ip", "link", "set", "lo", "up"], capture_output=True).returncode == 0


def enter():
    """Runs this program again, inside. The machine's own files and network stay as they are."""
    if os.environ.get(MARK):
        return settle()
    os.environ[MARK] = "1"
    os.execvp("unshare", ["unshare", "-n", "-m", "--propagation", "slave", sys.executable, *sys.argv])


def ip(*args):
    return subprocess.run(["ip", *args], capture_output=True).returncode == 0


def settle():
    """Inside: every address is this host's; names come from 127.0.0.53 and from MOUNTED. Whether IPv6 is there."""
    ip("link", "set", "lo", "up")
    if not ip("route", "add", "local", "0.0.0.0/0", "dev", "lo"):
        raise RuntimeError("the namespace does not take every address")
    for path, text in MOUNTED.items():
        fd, own = tempfile.mkstemp()
        os.write(fd, text.encode())
        os.close(fd)
        os.chmod(own, 0o644)
        subprocess.run(["mount", "--bind", own, path], check=True)
        os.unlink(own)
    return ip("-6", "route", "add", "local", "::/0", "dev", "lo")


def unreachable(address):
    """Nobody answers there any more."""
    ip("route", "add", "unreachable", address, "table", "local")
