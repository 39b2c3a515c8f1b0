"""System calls made inside of a running process (tests/lib/tool_probe.c): what could be done by whoever had taken it over?"""
import os
import subprocess

from . import broker

TOOL = os.path.join(os.path.dirname(broker.BUILT), "tests/tool_probe")


def can_probe():
    return os.geteuid() == 0 and os.path.exists(TOOL)


def run(pid, lines):
    """What each line gave, in its order; a list that is shorter when the process ended."""
    p = subprocess.run([TOOL, str(pid)], input="\n".join(lines) + "\n", capture_output=True, text=True, timeout=60)
    if p.returncode != 0:
        raise RuntimeError(f"{p.stdout}{p.stderr}")
    return p.stdout.splitlines()
