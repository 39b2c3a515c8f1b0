"""TAP for the black-box tests: ok(), bail(), done(). One test program, one Tap."""
import os
import sys
import threading
import traceback

BUGS = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error: ", "forbidden system call", ": bug: ")
found = []


def look(who, text):
    """What a process reports as a bug of its own fails the test, whatever the test makes of how it ended."""
    at = min((text.find(bug) for bug in BUGS if bug in text), default=-1)
    if at >= 0:
        found.append(f"{who}: {text[max(0, at - 200):at + 3000]}")


class Tap:
    def __init__(self):
        self.count = 0
        self.failed = 0

    def ok(self, good, what, detail=""):
        self.count += 1
        print(f"{'ok' if good else 'not ok'} {self.count} - {what}", flush=True)
        if not good:
            self.failed += 1
            print(f"# {sys.argv[0]}: not ok {self.count} - {what}", file=sys.stderr, flush=True)
            for line in str(detail).splitlines()[:40]:
                print(f"#   {line}", file=sys.stderr, flush=True)  # prove shows it
        return bool(good)

    def is_(self, got, want, what):
        return self.ok(got == want, what, f"got  {got!r}\nwant {want!r}")

    def skip(self, what, why):
        """For a case that says nothing here, wherever it runs."""
        self.ok(True, f"{what} # SKIP {why}")

    def lacks(self, what, part):
        """For a case whose part this machine has not: skipped, but failed where all must run (CI sets SIDEKEY_TEST_ALL)."""
        if os.environ.get("SIDEKEY_TEST_ALL"):
            self.ok(False, what, f"this machine lacks: {part}")
        else:
            self.skip(what, f"needs {part}")

    def done(self):
        for one in found:
            self.ok(False, "no process reports a bug of its own", one)
        print(f"1..{self.count}", flush=True)
        sys.exit(1 if self.failed else 0)

    def run(self, fn):
        """Runs fn(self); an exception is a failed test, not a missing plan."""
        try:
            fn(self)
        except Exception:
            self.ok(False, "the test program ends by itself", traceback.format_exc())
        self.done()


class Later:
    """Runs fn(tap) beside the test, whose numbers stay in order: tell() waits for it and says what it found."""

    def __init__(self, fn):
        self.said = []
        self.thread = threading.Thread(target=self.run, args=(fn,))
        self.thread.start()

    def run(self, fn):
        try:
            fn(self)
        except Exception:
            self.ok(False, "what runs beside the test ends by itself", traceback.format_exc())

    def ok(self, good, what, detail=""):
        self.said.append((good, what, detail))
        return bool(good)

    def is_(self, got, want, what):
        return self.ok(got == want, what, f"got  {got!r}\nwant {want!r}")

    def tell(self, t):
        self.thread.join()
        for one in self.said:
            t.ok(*one)
