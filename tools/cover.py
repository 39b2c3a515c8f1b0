#!/usr/bin/python3
"""What the tests run of the code: cover.py BUILD. `make cover` builds with counters and runs unit tables, corpora, regress and attack first.

The counters are a file that each process maps at its start and that grows while it runs (clang's continuous mode), so that daemons count too: they may open
nothing once they are confined, and end by _exit() or a signal."""
import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

LOW = 80  # percent of lines: a file below it is listed

# What each fuzz target is about; what it needs beside is another target's.
PARSERS = {
    'audit_verify': ['broker/keeper/audit/verify.c', 'broker/keeper/audit/line.c', 'broker/keeper/audit/held.c',
                     'broker/keeper/audit/hole.c', 'broker/keeper/audit/repeat.c', 'broker/keeper/audit/reader.c'],
    'chunked': ['broker/gateway/chunked.c'],
    'csr': ['broker/keeper/crypto/ca.c'],
    'config': ['broker/sidekeyd/daemon_config.c', 'broker/sidekeyd/config_keys.c', 'broker/sidekeyd/address.c'],
    'dotenv': ['cli/dotenv.c'],
    'enroll': ['shim/enrollfile.c', 'shim/gateway.c'],
    'gateway_hosts': ['broker/gateway/hosts.c'],
    'hosts': ['shim/hosts.c'],
    'http1_request': ['broker/gateway/http1.c', 'broker/gateway/http1_host.c', 'broker/gateway/http1_names.c'],
    'http1_response': ['broker/gateway/http1.c'],
    'inject': ['broker/gateway/inject.c', 'broker/gateway/fields.c'],
    'ipc': ['broker/ipc/body.c', 'broker/ipc/wire.c', 'broker/ipc/frame.c', 'broker/ipc/msg.c'],
    'keeper_rows': ['broker/keeper/identity_rows.c', 'broker/keeper/secrets.c'],
    'leaf': ['broker/gateway/identity.c'],
    'policy': ['broker/api/policyc/policyc.c', 'broker/api/policyc/policy.c', 'broker/api/policyc/upstream.c', 'broker/api/policyc/url.c',
               'broker/api/policyc/fields.c', 'broker/api/policyc/env.c'],
    'redact': ['broker/gateway/redact.c'],
    'rules': ['broker/rules/read.c', 'broker/rules/shape.c'],
    'sealed': ['broker/keeper/crypto/keyring.c', 'broker/keeper/crypto/crypto.c'],
    'shim_self': ['shim/self.c'],
    'stack_scan': ['cli/stack_scan.c'],
    'spiffe': ['common/name.c'],
    'target': ['broker/rules/target.c', 'broker/rules/target_match.c', 'broker/rules/path.c'],
    'text': ['common/text.c'],
    'yaml': ['broker/yaml/yaml.c', 'broker/yaml/tree.c', 'broker/yaml/scalar.c', 'broker/yaml/bytes.c'],
}


def summary(build, raw, objects):
    """{file: (lines, of them run, branches, of them taken)}"""
    merged = build / 'merged.profdata'
    subprocess.run(['llvm-profdata', 'merge', '-sparse', '-failure-mode=all', '-o', merged, *raw], check=True, stderr=subprocess.DEVNULL)
    command = ['llvm-cov', 'export', '-summary-only', f'-instr-profile={merged}', str(objects[0])]
    for one in objects[1:]:
        command += ['-object', str(one)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    found = {}
    for one in json.loads(done.stdout)['data'][0]['files']:
        name = os.path.relpath(one['filename'], os.getcwd())
        if name.endswith('.c') and not name.startswith(('tests/', '..')):
            s = one['summary']
            found[name] = (s['lines']['count'], s['lines']['covered'], s['branches']['count'], s['branches']['covered'])
    return found


def percent(part, whole):
    return 100.0 * part / whole if whole else 100.0


def add_up(rows):
    total = [0, 0, 0, 0]
    for row in rows:
        total = [a + b for a, b in zip(total, row)]
    return total


def tell_folders(found):
    folders = defaultdict(list)
    for name, row in found.items():
        folders[os.path.dirname(name)].append(row)
    print('lines   branches  folder')
    for folder in sorted(folders):
        lines, run, branches, taken = add_up(folders[folder])
        print(f'{percent(run, lines):5.1f} % {percent(taken, branches):5.1f} %   {folder} ({lines} lines)')
    lines, run, branches, taken = add_up(found.values())
    print(f'{percent(run, lines):5.1f} % {percent(taken, branches):5.1f} %   all ({lines} lines)')
    low = sorted((percent(row[1], row[0]), name) for name, row in found.items() if percent(row[1], row[0]) < LOW)
    print(f'files below {LOW} % of lines: {len(low)}')
    for share, name in low:
        print(f'{share:5.1f} %  {name}')


def tell_targets(build):
    print('lines   branches  fuzz target, of its own files, by its corpus')
    for target, files in sorted(PARSERS.items()):
        raw = list((build / 'raw-fuzz').glob(f'{target}-*.profraw'))
        if not raw:
            sys.exit(f'no counters of the target {target}')
        found = summary(build, raw, [build / 'fuzz' / f'replay_{target}'])
        missing = [name for name in files if name not in found]
        if missing:
            sys.exit(f'{target}: not a file of it: {missing}')
        lines, run, branches, taken = add_up(found[name] for name in files)
        print(f'{percent(run, lines):5.1f} % {percent(taken, branches):5.1f} %   {target}')
    for one in Path('tests/fuzz').glob('fuzz_*.c'):
        if one.stem[5:] not in PARSERS:
            sys.exit(f'{one}: which files is it about? Say it in tools/cover.py')


def main():
    build = Path(sys.argv[1])
    objects = sorted((build / 'bin').iterdir()) + sorted(p for p in (build / 'unit').iterdir() if p.is_file())
    tell_folders(summary(build, list((build / 'raw').glob('*.profraw')), objects))
    print()
    tell_targets(build)


if __name__ == '__main__':
    main()
