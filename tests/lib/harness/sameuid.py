"""What a process of the same uid may do to another: runs a probe as that uid and says what it could do to each pid."""
import contextlib
import json
import subprocess
import sys

from . import oracle

PROBE = r"""
import ctypes, json, os, resource, sys, time
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
X86 = os.uname().machine == "x86_64"
NR = {name: x86 if X86 else arm for name, x86, arm in (("process_vm_readv", 310, 270), ("process_vm_writev", 311, 271), ("kcmp", 312, 272), ("pidfd_open", 434, 434), ("pidfd_getfd", 438, 438), 
      ("move_pages", 279, 239), ("get_robust_list", 274, 100))}
HERE = ctypes.create_string_buffer(4096)

def attempt(fn):
    try:
        return fn() is not None
    except OSError:
        return False

def call(name, *args, reached=()):
    rc = libc.syscall(NR[name], *[ctypes.c_long(a) for a in args])
    if rc < 0 and ctypes.get_errno() not in reached:
        raise OSError(ctypes.get_errno(), "")
    return rc

def vector(at):
    v = (ctypes.c_ulong * 2)(at, 16)
    HERE.keep = getattr(HERE, "keep", []) + [v]
    return ctypes.addressof(v)

def trace(request, pid):
    if libc.ptrace(request, pid, None, None) != 0:
        raise OSError(ctypes.get_errno(), "")
    return True

def put(path, text):
    with open(path, "wb", 0) as f:
        for _ in range(50):
            try:
                return text is None or f.write(text)
            except BlockingIOError: # autogroup: the kernel takes one write each 100 ms, whoever's it is
                time.sleep(0.11)

def core(pid):
    resource.prlimit(pid, resource.RLIMIT_CORE, (1 << 20, 1 << 20))
    return True

READ = "mem maps smaps smaps_rollup numa_maps environ auxv syscall pagemap io personality task/%d/mem task/%d/maps task/%d/environ".split()
LIST = "fd fdinfo map_files cwd root ns".split()
WRITE = {"mem": None, "clear_refs": b"1", "oom_score_adj": b"1000", "autogroup": b"19", "task/%d/mem": None}
EFAULT = 14  # the address was bad, the permission was there

found = {}
for pid in map(int, sys.argv[1:]):
    p = f"/proc/{pid}"
    at = lambda n: f"{p}/{n % pid if '%d' in n else n}"
    tries = {f"read {n.replace('%d', 'TID')}": (lambda n=n: open(at(n), "rb", 0) if n.endswith("mem") else open(at(n), "rb", 0).read(64)) for n in READ}
    tries.update({f"list {n}": (lambda n=n: os.listdir(f"{p}/{n}")) for n in LIST})
    tries.update({f"write {n.replace('%d', 'TID')}": (lambda n=n, v=v: put(at(n), v)) for n, v in WRITE.items()})
    tries.update({
        "exe": lambda: os.readlink(p + "/exe"), "cwd, followed": lambda: os.readlink(p + "/cwd"), "ns/net": lambda: os.readlink(p + "/ns/net"),
        "ptrace": lambda: trace(0x4206, pid),
        "process_vm_readv": lambda: call("process_vm_readv", pid, vector(ctypes.addressof(HERE)), 1, vector(0x400000), 1, 0, reached=(EFAULT,)),
        "process_vm_writev": lambda: call("process_vm_writev", pid, vector(ctypes.addressof(HERE)), 1, vector(0x10), 1, 0, reached=(EFAULT,)),
        "kcmp": lambda: call("kcmp", pid, pid, 0, 0, 0), "pidfd_getfd": lambda: call("pidfd_getfd", call("pidfd_open", pid, 0), 2, 0),
        "move_pages": lambda: call("move_pages", pid, 0, 0, 0, 0, 0), "get_robust_list": lambda: call("get_robust_list", pid, ctypes.addressof(HERE), ctypes.addressof(HERE)),
        "raise its core limit": lambda: core(pid),
    })
    found[pid] = [name for name, fn in tries.items() if attempt(fn)]
    found[f"{pid} of"] = list(tries)
print(os.getuid(), json.dumps(found))
"""


@contextlib.contextmanager
def ordinary(prefix):
    """The pid of a process of that uid that nothing protects. A session of its own gives it an autogroup: that of the kernel's first session takes no write."""
    p = subprocess.Popen([*prefix, "/bin/sleep", "60"], start_new_session=True)
    try:
        oracle.until(lambda: "sleep" in open(f"/proc/{p.pid}/cmdline").read(), 5)
        yield p.pid
    finally:
        p.kill()
        p.wait()


def probe(prefix, pids):
    """({pid: what could be done}, all that was tried)."""
    p = subprocess.run([*prefix, sys.executable, "-c", PROBE, *map(str, pids)], capture_output=True, text=True, timeout=60)
    if p.returncode != 0:
        raise RuntimeError(p.stderr)
    found = json.loads(p.stdout.split(" ", 1)[1])
    return {pid: found[str(pid)] for pid in pids}, found[f"{pids[0]} of"]
