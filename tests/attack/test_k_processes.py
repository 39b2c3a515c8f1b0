#!/usr/bin/python3
"""Class K of the attacks: a process of the broker that somebody has taken over. Each call is made inside of it, under its own filter, domain and uid, and must not get past its walls."""
import os
import re
import signal
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import broker, oracle, probe, shim, stage, tap  # noqa: E402

AT_FDCWD = -100
O_RDONLY, O_RDWR, O_CREAT, O_PATH = 0, 2, 0o100, 0o10000000
AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, AF_ALG, AF_VSOCK = 1, 2, 10, 16, 17, 38, 40
STREAM, DGRAM, RAW, SEQPACKET = 1, 2, 3, 5
REFUSALS = {"trap", "EPERM", "EACCES", "ENOSYS", "EBADF", "EISCONN", "EINVAL", "ENOTSOCK", "EAFNOSUPPORT", "ENOTCONN", "EPROTOTYPE", "ENOTTY"}


def sun(path):
    """A struct sockaddr_un, and its length."""
    raw = b"\1\0" + path.encode() + b"\0"
    return f"b:{raw.hex()} {len(raw)}"


def everywhere(b, others):
    """What no process of the broker has any business with: (name, call)."""
    rows = []
    for who, pid in others:
        rows += [(f"kill {who}", f"kill {pid} 9"), (f"ask whether {who} lives", f"kill {pid} 0"), (f"tkill {who}", f"tkill {pid} 9"), (f"tgkill {who}", f"tgkill {pid} {pid} 9"), (f"queue a signal to {who}", f"rt_sigqueueinfo {pid} 9 o:128"),
                 (f"attach to {who}", f"ptrace 16 {pid} 0 0"), (f"seize {who}", f"ptrace 0x4206 {pid} 0 0"), (f"read the memory of {who}", f"process_vm_readv {pid} o:16 1 o:16 1 0"), (f"write the memory of {who}", f"process_vm_writev {pid} o:16 1 o:16 1 0"),
                 (f"a pidfd of {who}", f"pidfd_open {pid} 0"), (f"the limits of {who}", f"prlimit64 {pid} 7 o:16 0"), (f"the affinity of {who}", f"sched_setaffinity {pid} 8 b:0100000000000000"), (f"the scheduler of {who}", f"sched_setscheduler {pid} 0 b:00000000"),
                 (f"the priority of {who}", f"setpriority 0 {pid} 19"), (f"the I/O priority of {who}", f"ioprio_set 1 {pid} 0"), (f"compare with {who}", f"kcmp {pid} {pid} 0 0 0"), (f"move the pages of {who}", f"migrate_pages {pid} 64 o:8 o:8"),
                 (f"the group of {who}", f"setpgid {pid} {pid}"), (f"its memory advice to {who}", f"process_madvise {pid} o:16 1 4 0"), (f"the robust list of {who}", f"get_robust_list {pid} o:8 o:8")]
        rows += [(f"open /proc/{name} of {who}", f"openat {AT_FDCWD} s:/proc/{pid}/{name} {O_RDONLY}") for name in ("mem", "environ", "maps", "root", "cwd")]
    rows += [("take a descriptor by pidfd", "pidfd_getfd 3 0 0"), ("a signal by pidfd", "pidfd_send_signal 3 9 0 0"), ("kill the group", "kill 0 9"), ("kill all", "kill -1 9")]
    rows += [(f"socket {name}", f"socket {family} {kind} 0") for name, family, kind in (("unix stream", AF_UNIX, STREAM), ("unix datagram", AF_UNIX, DGRAM), ("unix seqpacket", AF_UNIX, SEQPACKET), ("netlink", AF_NETLINK, RAW), ("packet", AF_PACKET, RAW),
                                                                                        ("vsock", AF_VSOCK, STREAM), ("alg", AF_ALG, SEQPACKET), ("raw", AF_INET, RAW), ("bluetooth", 31, RAW), ("xdp", 44, RAW), ("key", 15, RAW))]
    rows += [("execve", "execve s:/bin/true 0 0"), ("execveat", f"execveat {AT_FDCWD} s:/bin/true 0 0 0"), ("execute a memfd", "execveat 0 s: 0 0 0x1000"), ("fork", "fork"), ("vfork", "vfork"), ("clone", "clone 17 0 0 0 0"), ("clone3", "clone3 o:88 88"),
             ("open the store by handle", "open_by_handle_at 3 o:16 0"), ("a file's handle", f"name_to_handle_at {AT_FDCWD} s:{b.state}/store.db o:128 o:8 0"), ("io_uring", "io_uring_setup 8 o:120"), ("io_uring_enter", "io_uring_enter 3 1 1 0"), ("userfaultfd", "userfaultfd 1"),
             ("unshare a user namespace", "unshare 0x10000000"), ("unshare the mounts", "unshare 0x20000"), ("setns", "setns 3 0"), ("mount", f"mount s:none s:{b.dir} s:tmpfs 0 0"), ("umount", f"umount2 s:{b.dir} 2"), ("fsopen", "fsopen s:tmpfs 0"),
             ("open_tree", f"open_tree {AT_FDCWD} s:/ 1"), ("move_mount", f"move_mount 3 s: {AT_FDCWD} s:/ 4"), ("pivot_root", "pivot_root s:/ s:/"), ("chroot", "chroot s:/"), ("bpf", "bpf 0 o:64 64"), ("keyctl", "keyctl 0 -3 0"), ("add_key", "add_key s:user s:x s:y 1 -3"),
             ("request_key", "request_key s:user s:x 0 -3"), ("perf_event_open", "perf_event_open o:128 0 -1 -1 0"), ("a module", "init_module o:16 16 s:"), ("finit_module", "finit_module 3 s: 0"), ("kexec", "kexec_load 0 0 0 0"), ("reboot", "reboot 0xfee1dead 672274793 0"),
             ("the clock", "clock_settime 0 o:16"), ("settimeofday", "settimeofday o:16 0"), ("the host's name", "sethostname s:x 1"), ("swap", "swapon s:/x 0"), ("quota", "quotactl 0 s:/x 0 o:8"), ("accounting", "acct s:/x"), ("the kernel's log", "syslog 3 o:64 64"),
             ("be dumped", "prctl 4 1 0 0 0"), ("be traced", "prctl 0x59616d61 -1 0 0 0"), ("a filter of its own", "seccomp 1 0 o:16"), ("PR_SET_SECCOMP", "prctl 22 2 o:16"), ("a name of its own", "prctl 15 s:sidekey-shim"), ("its own limits, up", "prlimit64 0 4 b:" + "ff" * 16 + " 0"),
             ("setrlimit", "setrlimit 4 b:" + "ff" * 16), ("setuid", "setuid 0"), ("setresuid", "setresuid 0 0 0"), ("setgroups", "setgroups 0 0"), ("setfsuid", "setfsuid 0"), ("capabilities", "capset o:8 o:24"), ("ask for capabilities", "capget o:8 o:24"),
             ("code that can be written", "mmap 0 4096 7 34 -1 0"), ("more code", "mmap 0 4096 5 34 -1 0"), ("mprotect to code", "mprotect @0 4096 5"), ("mprotect with a key", "pkey_mprotect @0 4096 5 -1"), ("remap_file_pages", "remap_file_pages @0 4096 0 0 0"), ("execute what one reads", "personality 0x400000"),
             ("a segment of its own", "modify_ldt 0 o:64 64"), ("I/O ports", "iopl 3"), ("ports, some", "ioperm 0 16 1"), ("System V memory", "shmget 0x1234 4096 0x3b6"), ("a message queue", "mq_open s:/x 0x42 384 0"), ("watch files", "inotify_init1 0"), ("watch all files", "fanotify_init 0 0"),
             ("SIGIO to another", "fcntl 0 8 1"), ("a lease on a file", "fcntl 0 1024 1"), ("a terminal's input", "ioctl 2 0x5412 s:x"), ("the owner of a socket", "ioctl 3 0x8901 b:01000000"), ("splice", "splice 0 0 1 0 1 0"), ("vmsplice", "vmsplice 0 o:16 1 0"),
             ("bind", "bind 3 b:02000000000000000000000000000000 16"), ("listen", "listen 3 16"), ("link a file", f"linkat {AT_FDCWD} s:{b.key_file} {AT_FDCWD} s:{b.dir}/planted 0"), ("a symbolic link", f"symlinkat s:/etc/passwd {AT_FDCWD} s:{b.dir}/planted"),
             ("a device", f"mknodat {AT_FDCWD} s:{b.dir}/planted 0x61b6 0x103"), ("another owner", f"fchownat {AT_FDCWD} s:{b.key_file} 0 0 0"), ("an extended attribute", f"setxattr s:{b.key_file} s:user.x s:y 1 0"), ("secretmem that outlives nothing", "memfd_secret 0"), ("vhangup", "vhangup"),
             ("landlock anew", "landlock_create_ruleset 0 0 1"), ("sync everything", "sync"), ("lookup_dcookie", "lookup_dcookie 0 o:8 8"), ("a call that does not exist", "#9999"), ("the last call", "#511")]
    return rows


def files(b, mine):
    """Files that are not this role's: (name, call)."""
    paths = {"the root key": b.key_file, "the store": f"{b.state}/store.db", "its WAL": f"{b.state}/store.db-wal", "the audit log": f"{b.state}/audit/00000001.jsonl", "the configuration": f"{b.conf}/sidekey.yaml", "/etc/passwd": "/etc/passwd", "/etc/shadow": "/etc/shadow",
             "its own memory": "/proc/self/mem", "its own maps": "/proc/self/maps", "a terminal": "/dev/tty", "/dev/kmsg": "/dev/kmsg", "admin.sock as a path": f"{b.run}/admin.sock"}
    rows = []
    for name, path in paths.items():
        if name not in mine:
            rows += [(f"read {name}", f"openat {AT_FDCWD} s:{path} {O_RDONLY}"), (f"open() {name}", f"open s:{path} {O_RDONLY}"), (f"write {name}", f"openat {AT_FDCWD} s:{path} {O_RDWR}"), (f"openat2 {name}", f"openat2 {AT_FDCWD} s:{path} o:24 24")]
    rows += [("plant a file", f"openat {AT_FDCWD} s:{b.dir}/planted {O_CREAT | O_RDWR} 384"), ("plant a policy", f"openat {AT_FDCWD} s:{b.conf}/policies/planted.yaml {O_CREAT | O_RDWR} 420"), ("list /proc", f"openat {AT_FDCWD} s:/proc {O_RDONLY | 0o200000}")]
    return rows


CONNECTS = {"admin.sock": "admin.sock", "keeper.sock": "keeper.sock", "gateway.sock": "gateway.sock", "a journal": "journal"}


def sockets(b, role):
    """The gateway may connect: but from no descriptor that it has or can make to a socket of this host's files. (It has none of an upstream
    yet: connect(2) on one that is connected already gives 0, and goes nowhere.)"""
    rows = [(f"connect descriptor {fd} to {name}", f"connect {fd} {sun(f'{b.run}/{file}')}") for name, file in CONNECTS.items() for fd in range(3, 24)]
    if role != "gateway":
        return rows + [("a TCP socket", f"socket {AF_INET} {STREAM} 0"), ("a UDP socket", f"socket {AF_INET} {DGRAM} 0"), ("a TCP socket, IPv6", f"socket {AF_INET6} {STREAM} 0"), ("a pair", f"socketpair {AF_UNIX} {STREAM} 0 o:8"), ("a datagram pair", f"socketpair {AF_UNIX} {DGRAM} 0 o:8")]
    return rows + [("a datagram pair", f"socketpair {AF_UNIX} {DGRAM} 0 o:8"), ("a seqpacket pair", f"socketpair {AF_UNIX} {SEQPACKET} 0 o:8"), ("MPTCP", f"socket {AF_INET} {STREAM} 262"), ("SMC", f"socket {AF_INET} {STREAM} 256"), ("ping", f"socket {AF_INET} {DGRAM} 1"), ("SCTP", f"socket {AF_INET} {STREAM} 132")]


def pairs(b):
    """What the gateway may make, and where it leads: lines whose numbers refer to one another, and which of them must be refused."""
    lines, refused = [f"socketpair {AF_UNIX} {STREAM} 0 o:8", f"socket {AF_INET} {STREAM} 0"], {}
    for name, file in CONNECTS.items():
        to = sun(f"{b.run}/{file}")
        for what, line in ((f"connect one end of a pair to {name}", f"connect @0.3 {to}"), (f"connect a TCP socket to {name}", f"connect @1 {to}"), (f"send from a pair to {name}", f"sendto @0.3 s:x 1 0 {to}")):
            refused[len(lines)] = what
            lines.append(line)
    return [*lines, "close @0.3", "close @1"], refused


def grouped(rows):
    """The same thing done to each of the others is one case."""
    groups = {}
    for name, call in rows:
        short = re.sub(r" (sidekeyd|gateway|keeper|edge|admin)( lives)?$", r" another process\2", re.sub(r"descriptor \d+", "any descriptor", re.sub(r"/proc/(\w+) of .*", r"/proc/\1 of another process", name)))
        groups.setdefault(short, []).append(call)
    return groups


def table(t, role, pid, rows, allowed=()):
    """Each case must be refused; allowed: what this role may do, which is said where it is."""
    for what, calls in grouped(rows).items():
        if what in allowed:
            continue
        got = probe.run(pid, ["getpid", "mmap 0 4096 3 34 -1 0", *[c.replace("@0", "@1") for c in calls]])[2:]
        t.ok(len(got) == len(calls) and set(got) <= REFUSALS, f"{role}, taken over: {what}", list(zip(calls, got)))


# What a role is for. Whatever stands here is no hole: the reason stands beside it.
ALLOWED = {
    "sidekeyd": {"kill another process", "ask whether another process lives", "tgkill another process", "kill the group", "kill all",  # it ends its children; as one uid it may signal whatever has that uid
                 "the limits of another process", "its own limits, up", "setrlimit", "setuid", "setgroups", "setresuid", "capabilities", "ask for capabilities",  # what it drops, and what its children drop
                 "execve", "fork", "vfork", "clone", "clone3", "socket unix stream", "socket unix datagram", "socket unix seqpacket", "socket netlink", "socket raw", "a filter of its own", "PR_SET_SECCOMP", "a name of its own", "landlock anew", "be dumped", "code that can be written",
                 "more code", "mprotect to code"},  # what a program does until it confines itself passes through its parent's filter
}
MINE = {"keeper": {"the root key", "the store", "its WAL", "the audit log"}, "admin": {"the configuration"}}


def one_role(t, s, role, others):
    b, pid = s.b, s.b.pids()[role][0]
    rows = everywhere(b, others) + files(b, MINE.get(role, ())) + sockets(b, role)
    table(t, role, pid, rows)
    if role == "gateway":
        lines, refused = pairs(b)
        got = probe.run(pid, lines)
        for at, what in refused.items():
            t.ok(got[at] in REFUSALS, f"gateway, taken over: {what}", got[at])
    if role == "admin":
        got = probe.run(pid, [f"openat {AT_FDCWD} s:{b.conf}/sidekey.yaml {O_RDWR}", f"openat {AT_FDCWD} s:{b.conf}/sidekey.yaml 1", f"unlinkat {AT_FDCWD} s:{b.conf}/sidekey.yaml 0", f"renameat {AT_FDCWD} s:{b.conf}/sidekey.yaml {AT_FDCWD} s:{b.conf}/x"])
        t.ok(set(got) <= REFUSALS, "admin, taken over: change the configuration that it reads", got)
    if role == "keeper":
        got = probe.run(pid, [f"unlinkat {AT_FDCWD} s:{b.conf}/sidekey.yaml 0", f"renameat {AT_FDCWD} s:{b.state}/store.db {AT_FDCWD} s:{b.dir}/planted", f"openat {AT_FDCWD} s:{b.run}/keeper.lock {O_CREAT | O_RDWR} 384"])
        t.ok(set(got) <= REFUSALS | {"EXDEV"}, "keeper, taken over: a file outside of the state directory", got)


def ended(t, s, role):
    """Without a tracer the first forbidden call is the process' end, and the log says which it was."""
    b = s.b
    for call, ends, said in (("deliver execve s:/bin/sh 0 0", "exited 70", "forbidden system call 59 (execve)"), ("deliver #9999", "exited 70", "forbidden system call 9999"), ("#0x40000027", "killed by 31", ""), ("int80 #20", "killed by 31", "")):
        pid, before = b.pids()[role][0], len(b.log())
        got = probe.run(pid, [call])
        if got == ["no such instruction"]:
            continue
        t.is_(got, [ends], f"{role}: {call.split()[-1] if '#' in call else 'execve'} ends it")
        broker.wait_for(lambda: b.pids().get(role, [pid])[0] != pid and b.ready() and oracle.alive(b, s.w.conf["gateway"], s.w.ca) == "", f"a new {role}", 30)
        new = b.log()[before:]
        t.ok(not said or f"sidekey-{role}: fatal: {said}" in new, f"{role}: the log says which call it was", new)
        if said:
            b.provoked.append(said)


def unharmed(t, s, what, pids):
    b = s.b
    t.is_(b.pids(), pids, f"{what}: all processes are the same ones")
    t.is_(oracle.alive(b, s.w.conf["gateway"], s.w.ca), "", f"{what}: ALIVE")
    t.is_(s.w.ask("GET", "/p/anthropic/v1/x").status, 200, f"{what}: requests are served")
    t.ok(not os.path.lexists(f"{b.dir}/planted") and not os.path.lexists(f"{b.conf}/policies/planted.yaml"), f"{what}: nothing was planted")


def the_shim(t, s):
    b = s.b
    with shim.Shim(b.enroll("coder", "--reusable"), prefix=b.prefix) as sh:
        may = {"kill another process", "ask whether another process lives", "tgkill another process", "kill the group", "kill all", "queue a signal to another process",  # PID 1 passes signals on, and ends what is left
               "socket unix stream", "bind", "listen"}  # its way to the gateway; its own loopback port
        rows = everywhere(b, [("gateway", b.pids()["gateway"][0])]) + files(b, ())
        table(t, "the shim", sh.proc.pid, rows, may)
        t.ok(sh.proc.poll() is None, "the shim goes on")


def main(t):
    if not probe.can_probe():
        t.lacks("calls inside of the broker's processes", "root, x86-64 and tool_probe")
        return
    if oracle.SANITIZED:
        t.skip("calls inside of the broker's processes", "sanitized: those builds admit what the runtime needs")
        return
    with stage.Stage() as s:
        b = s.b
        journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        journal.bind(f"{b.run}/journal")
        os.chmod(f"{b.run}/journal", 0o777)
        victims = [("sidekeyd", b.proc.pid)] + [(role, p[0]) for role, p in sorted(b.pids().items())]
        pids = b.pids()
        for role in ("gateway", "keeper", "edge", "admin"):
            one_role(t, s, role, [v for v in victims if v[0] != role])
            unharmed(t, s, role, pids)
        table(t, "sidekeyd", b.proc.pid, everywhere(b, [v for v in victims if v[0] != "sidekeyd"]), ALLOWED["sidekeyd"])
        unharmed(t, s, "sidekeyd", pids)
        journal.setblocking(False)
        try:
            t.ok(False, "nothing came to the journal's socket", journal.recv(100))
        except BlockingIOError:
            t.ok(True, "nothing came to the journal's socket")
        the_shim(t, s)
        for role in ("gateway", "keeper", "edge", "admin"):
            ended(t, s, role)
        t.is_(oracle.aud(b, event="process_exit"), "", "the chain verifies, and has the ends")
        t.is_(oracle.can(stage.KEY, b), "", "CAN")


tap.Tap().run(main)
