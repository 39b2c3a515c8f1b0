"""TAP for the black-box tests: ok(), bail(), done(). One test program, one Tap."""
import sys
import traceback


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

    def done(self):
        print(f"1..{self.count}", flush=True)
        sys.exit(1 if self.failed else 0)

    def run(self, fn):
        """Runs fn(self); an exception is a failed test, not a missing plan."""
        try:
            fn(self)
        except Exception:
            self.ok(False, "the test program ends by itself", traceback.format_exc())
        self.done()
