#!/usr/bin/python3
"""Takes a security check out of the code, builds, and runs the test that must fail then: mutate.py BUILD [JOBS [SAMPLE [SEED [ROW...]]]]

The rows are in tests/mutants/rows.py. A row whose text is not in its file exactly once, which does not compile, or whose test passes, is a failure.
With SAMPLE only that many are tried, chosen by SEED (CI gives the commit): over some commits all are."""
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(HERE / 'tests' / 'mutants'))
from rows import ROWS  # noqa: E402

TEST_S = 120
LONG_TORTURE = {'torture/torture_keeper': ['40']}  # runs a path: what has fewer allocations has each of them tried


class Tree:
    """A copy of the tree with its objects: what a mutant changes is rebuilt, and put back behind it."""

    def __init__(self, parent, name, build):
        self.root = Path(parent) / name
        shutil.copytree(HERE, self.root, symlinks=True,
                        ignore=lambda folder, names: [n for n in names if n in ('.git', 'build', 'node_modules') and Path(folder) == HERE
                                                      or n == 'node_modules'])
        shutil.copytree(build, self.root / 'build', symlinks=True,
                        ignore=shutil.ignore_patterns('asan', 'fuzzing', 'fuzz', 'found', 'cover', 'bin'))

    def run(self, command, seconds):
        return subprocess.run(command, cwd=self.root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds, check=False,
                              env={**os.environ, 'SIDEKEY_TEST_BUILD': str(self.root / 'build')})

    def build(self, test):
        goal = [f'build/{test}'] if test.startswith(('unit/', 'torture/')) else ['all']
        return self.run(['make', '-s', 'WARN=-w', *goal], 600)

    def test(self, test):
        """True when it passes."""
        command = [f'build/{test}'] if test.startswith(('unit/', 'torture/')) else ['/usr/bin/python3', f'tests/{test}.py']
        command += LONG_TORTURE.get(test, [])
        try:
            done = self.run(command, TEST_S)
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0 and not any(line.startswith(b'not ok') for line in done.stdout.splitlines())

    def forget_archive(self):
        (self.root / 'build' / 'parts.a').unlink(missing_ok=True)

    def try_row(self, row):
        """NULL, or what is wrong with it."""
        what, name, old, new, test = row
        source = self.root / name
        text = source.read_text()
        if text.count(old) != 1:
            return f'{name}: its text is there {text.count(old)} times: the row is out of date'
        times = source.stat()
        made = self.root / 'build' / 'obj' / Path(name).with_suffix('.o')
        kept = made.read_bytes() if made.exists() and source.suffix == '.c' else None
        kept_times = made.stat() if kept is not None else None
        try:
            source.write_text(text.replace(old, new))
            self.forget_archive()
            built = self.build(test)
            if built.returncode != 0:
                return f'{name}: it does not compile: {built.stdout.decode(errors="replace")[-400:]}'
            return f'{name}: {test} passes without this check' if self.test(test) else None
        finally:
            source.write_text(text)
            if kept is not None:
                os.utime(source, ns=(times.st_atime_ns, times.st_mtime_ns))
                made.write_bytes(kept)
                os.utime(made, ns=(kept_times.st_atime_ns, kept_times.st_mtime_ns))
            self.forget_archive()


class Work:
    """What the threads share."""

    def __init__(self, rows):
        self.rows = list(rows)
        self.lock = threading.Lock()
        self.count = 0
        self.bad = 0

    def take(self):
        with self.lock:
            return self.rows.pop(0) if self.rows else None

    def tell(self, row, why):
        with self.lock:
            self.count += 1
            self.bad += why is not None
            print(f'{"not ok" if why else "ok"} {self.count} - {row[0]}' + (f'\n# {why}' if why else ''), flush=True)


def check_tests(tree, rows):
    """What fails without a mutant proves nothing."""
    bad = []
    for test in sorted({row[4] for row in rows}):
        built = tree.build(test)
        if built.returncode != 0 or not tree.test(test):
            bad.append(test)
    return bad


def sample(rows, most, seed):
    return sorted(rows, key=lambda row: hashlib.sha256((seed + row[0]).encode()).digest())[:most]


def worker(tree, work):
    while (row := work.take()) is not None:
        work.tell(row, tree.try_row(row))


def main():
    build = Path(sys.argv[1]).resolve()
    jobs = int(sys.argv[2]) if len(sys.argv) > 2 else os.cpu_count()
    rows = [row for row in ROWS if row[0] in sys.argv[5:]] if len(sys.argv) > 5 else ROWS
    if len(sys.argv) > 3 and int(sys.argv[3]) > 0:
        rows = sample(rows, int(sys.argv[3]), sys.argv[4] if len(sys.argv) > 4 else '')
    if len({row[0] for row in ROWS}) != len(ROWS):
        sys.exit('two rows have one name')
    with tempfile.TemporaryDirectory(prefix='sidekey-mutate-') as folder:
        trees = [Tree(folder, f'tree{n}', build) for n in range(jobs)]
        bad = check_tests(trees[0], rows)
        if bad:
            sys.exit('these fail with no mutant at all: ' + ' '.join(bad))
        work = Work(sorted(rows, key=lambda row: row[4]))
        threads = [threading.Thread(target=worker, args=(tree, work)) for tree in trees]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    print(f'1..{work.count}')
    print(f'# {work.count} mutants of {len(ROWS)}, {work.bad} survived or out of date')
    sys.exit(1 if work.bad else 0)


if __name__ == '__main__':
    main()
