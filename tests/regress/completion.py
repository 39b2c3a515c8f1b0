#!/usr/bin/python3
"""Completion in the shells themselves: each is started on a terminal, takes what `sidekey completion` prints, and gets a TAB."""
import os
import pty
import re
import select
import shutil
import signal
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import broker, tap  # noqa: E402

SHELLS = {
    "bash": (["bash", "--norc", "-i"], "bind 'set enable-bracketed-paste off'; bind 'set show-all-if-ambiguous on'; eval \"$(sidekey completion bash)\""),
    "zsh": (["zsh", "-f", "-i"], "autoload -Uz compinit; compinit -u -D; eval \"$(sidekey completion zsh)\""),
    "fish": (["fish", "--no-config", "-i"], "sidekey completion fish | source"),
}
# What is typed, and what must stand on the line, or below it, after a TAB.
CASES = [
    ("sidekey sec", "sidekey secret "),
    ("sidekey workload rev", "sidekey workload revoke "),
    ("sidekey --json audit ver", "sidekey --json audit verify "),
    ("sidekey workload enroll coder --reus", "sidekey workload enroll coder --reusable "),
    ("sidekey completion z", "sidekey completion zsh "),
]


class Terminal:
    def __init__(self, argv, home):
        env = {"PATH": f"{broker.BIN}:/usr/bin:/bin", "HOME": home, "TERM": "dumb", "PS1": "$ ", "LC_ALL": "C.UTF-8"}
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(argv[0], argv, env)
        self.seen = ""

    def send(self, text):
        self.seen = ""
        os.write(self.fd, text.encode())

    def until(self, text, timeout=15):
        """Whether text comes; without what a terminal would not show."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if text in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[=>(][B0]?|[\r\x07]", "", self.seen):
                return True
            if select.select([self.fd], [], [], 0.2)[0]:
                try:
                    self.seen += os.read(self.fd, 65536).decode(errors="replace")
                except OSError:
                    return False
        return False

    def close(self):
        os.kill(self.pid, signal.SIGKILL)
        os.close(self.fd)
        os.waitpid(self.pid, 0)


def test(t):
    for shell, (argv, load) in SHELLS.items():
        if shutil.which(shell) is None:
            t.lacks(f"{shell}: completion", shell)
            continue
        home = tempfile.mkdtemp(prefix="sidekey-shell-")
        term = Terminal(argv, home)
        try:
            term.send(f"{load}\necho rea''dy\n")
            t.ok(term.until("ready"), f"{shell}: takes the completion", term.seen)
            for typed, want in CASES:
                term.send(f"{typed}\t")
                t.ok(term.until(want), f"{shell}: {typed}<TAB> gives {want}", repr(term.seen))
                term.send("\x15")  # the line is empty again
        finally:
            term.close()
            shutil.rmtree(home, ignore_errors=True)


tap.Tap().run(test)
