"""A disk that fails as real ones do: a file system of the test's own (FUSE, spoken over /dev/fuse), on which the broker's state lies.

Each change that the keeper makes (write, fsync, create, rename, unlink, truncate) is an Op that the test may let
pass, fail, cut short, make wait, or answer with SIGKILL. What was not synced is known: crash() leaves what a power
cut may leave. Names outlive it only when their folder was synced; of a file's unsynced sectors any may be there.
"""
import atexit
import collections
import ctypes
import errno
import os
import signal
import stat
import struct
import threading
import time

ROOT, SECTOR, MAX_WRITE = 1, 512, 1 << 17
IN, OUT = struct.Struct("<IIQQIIIHH"), struct.Struct("<IiQ")
ATTR = struct.Struct("<QQQQQQIIIIIIIIII")
LOOKUP, FORGET, GETATTR, SETATTR, MKDIR, UNLINK, RMDIR, RENAME = 1, 2, 3, 4, 9, 10, 11, 12
OPEN, READ, WRITE, STATFS, RELEASE, FSYNC, INIT, OPENDIR, READDIR, RELEASEDIR, FSYNCDIR = 14, 15, 16, 17, 18, 20, 26, 27, 28, 29, 30
CREATE, INTERRUPT, DESTROY, BATCH_FORGET, RENAME2 = 35, 36, 38, 42, 45
FATTR_MODE, FATTR_UID, FATTR_GID, FATTR_SIZE = 1, 2, 4, 8
MS_NOSUID, MS_NODEV, MNT_DETACH = 2, 4, 2

Op = collections.namedtuple("Op", "number kind name pid size")  # kind: write, sync, syncdir, create, rename, unlink, truncate

libc = ctypes.CDLL(None, use_errno=True)


def available():
    return os.geteuid() == 0 and os.path.exists("/dev/fuse")


class Kill:
    """SIGKILL to whoever asked, before the change or behind it; first() is done before that."""

    def __init__(self, after=False, first=lambda: None):
        self.after, self.first = after, first


class Fail:
    """With a generator, a sync that fails has written some of what it should, and the kernel takes the rest for clean."""

    def __init__(self, code=errno.EIO, rng=None):
        self.code, self.rng = code, rng


class Short:
    """A write that takes this part of its bytes; last: and is the last thing that whoever asked did."""

    def __init__(self, part=0.5, last=False):
        self.part, self.last = part, last


class Slow:
    """The answer comes when fn() does; all else goes on meanwhile."""

    def __init__(self, fn):
        self.fn = fn


class Node:
    def __init__(self, number, mode, uid, gid):
        self.number, self.mode, self.uid, self.gid = number, mode, uid, gid
        self.data, self.durable, self.dirty = bytearray(), bytearray(), []  # dirty: (offset, bytes) and (size, None) since the last sync
        self.names, self.durable_names = {}, {}  # of a folder: {name: number}

    def write(self, at, data):
        put(self.data, at, data)
        self.dirty.append((at, data))

    def truncate(self, size):
        cut(self.data, size)
        self.dirty.append((size, None))

    def sync(self):
        for at, data in self.dirty:
            cut(self.durable, at) if data is None else put(self.durable, at, data)
        self.dirty = []

    def lose_some(self, rng):
        """fsync(2) failed: what was not written counts as clean from then on, and is on the disk or not."""
        for at, data in self.dirty:
            if data is None:
                cut(self.durable, at)
            else:
                self.some_sectors(rng, at, data)
        self.dirty = []

    def some_sectors(self, rng, at, data):
        end = at + len(data)
        while at < end:
            n = min(SECTOR - at % SECTOR, end - at)
            if rng.random() < 0.5:
                put(self.durable, at, data[len(data) - (end - at):len(data) - (end - at) + n])
            at += n


def put(b, at, data):
    if at > len(b):
        b.extend(bytes(at - len(b)))
    b[at:at + len(data)] = data


def cut(b, size):
    del b[size:]
    b.extend(bytes(size - len(b)))


class Disk:
    def __init__(self):
        self.path = None
        self.nodes = {ROOT: Node(ROOT, stat.S_IFDIR | 0o755, 0, 0)}
        self.last = ROOT
        self.journal = []  # changes of names that no fsync of their folder has made durable: (folder, {name: number or None})
        self.lock = threading.RLock()
        self.room = None  # bytes for all files; None: as many as are wanted
        self.disarm()

    # ---- what a test does

    def mount(self, path, uid):
        os.makedirs(path, exist_ok=True)
        self.path, self.nodes[ROOT].uid, self.nodes[ROOT].gid = path, uid, uid
        self.fd = os.open("/dev/fuse", os.O_RDWR)
        options = f"fd={self.fd},rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions".encode()
        if libc.mount(b"sidekey-test", path.encode(), b"fuse", MS_NOSUID | MS_NODEV, options) != 0:
            raise OSError(ctypes.get_errno(), "mount of a fuse file system")
        atexit.register(self.close)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()
        return path

    def close(self):
        if self.path is not None:
            libc.umount2(self.path.encode(), MNT_DETACH)
            self.path = None

    def arm(self, plan):
        """plan(op) is asked before each change, whose numbers begin at 1: None lets it pass."""
        with self.lock:
            self.plan, self.ops, self.fired = plan, [], None

    def at(self, number, action):
        self.arm(lambda op: action if op.number == number else None)

    def disarm(self):
        """Returns the changes since arm()."""
        with self.lock:
            ops = getattr(self, "ops", [])
            self.plan, self.ops, self.fired = None, [], None
            return ops

    def used(self):
        with self.lock:
            return sum(len(n.data) for n in self.nodes.values())

    def save(self):
        """All of it, as a power cut after a sync would leave it; nobody may be writing."""
        with self.lock:
            return {n.number: (n.mode, n.uid, n.gid, bytes(n.data), dict(n.names)) for n in self.nodes.values()}

    def load(self, saved):
        with self.lock:
            self.journal = []
            for number, (mode, uid, gid, data, names) in saved.items():
                node = Node(number, mode, uid, gid)
                node.data, node.durable = bytearray(data), bytearray(data)
                node.names, node.durable_names = dict(names), dict(names)
                self.nodes[number] = node
            for number in set(self.nodes) - set(saved):
                del self.nodes[number]

    def crash(self, rng=None):
        """The power goes: of what was not synced some is there (rng), or nothing; nobody has a file open any more."""
        with self.lock:
            keep = rng.randint(0, len(self.journal)) if rng else 0
            for folder, change in self.journal[:keep]:
                rename_in(folder.durable_names, change)
            self.journal = []
            for node in self.nodes.values():
                if rng:
                    self.crash_file(node, rng)
                node.data, node.dirty = bytearray(node.durable), []
                node.names = dict(node.durable_names)

    @staticmethod
    def crash_file(node, rng):
        for at, data in node.dirty:
            if data is not None:
                node.some_sectors(rng, at, data)
            elif rng.random() < 0.5:
                cut(node.durable, at)
            else:
                return  # a file's own metadata comes in order

    # ---- the kernel's side

    def serve(self):
        while True:
            try:
                raw = os.read(self.fd, MAX_WRITE + 65536)
            except OSError as e:
                if e.errno in (errno.EINTR, errno.EAGAIN, errno.ENOENT):
                    continue
                os.close(self.fd)  # unmounted
                return
            length, opcode, unique, number, uid, gid, pid, _, _ = IN.unpack_from(raw)
            if opcode in (FORGET, BATCH_FORGET):
                continue
            handler = HANDLERS.get(opcode)
            try:
                with self.lock:
                    if handler is None:
                        raise OSError(errno.ENOSYS, "")
                    said = handler(self, self.node(number), Request(opcode, raw[IN.size:length], uid, gid, pid))
            except OSError as e:
                self.answer(unique, -e.errno, b"")
                continue
            if isinstance(said, Waits):
                threading.Thread(target=self.later, args=(unique, said), daemon=True).start()
            else:
                self.answer(unique, 0, said)

    def later(self, unique, waits):
        waits.slow.fn()
        with self.lock:
            said = waits.change()
        self.answer(unique, 0, said)

    def answer(self, unique, code, said):
        try:
            os.write(self.fd, OUT.pack(OUT.size + len(said), code, unique) + said)
        except OSError:
            pass  # whoever asked is gone, or the file system is

    def node(self, number):
        if number not in self.nodes and number != 0:
            raise OSError(errno.ESTALE, "")
        return self.nodes.get(number)

    def child(self, folder, name):
        if name not in folder.names:
            raise OSError(errno.ENOENT, "")
        return self.nodes[folder.names[name]]

    def change(self, kind, node, name, req, size, fn):
        """fn() makes the change of a node, unless the plan has something else in mind."""
        if self.plan is None:
            return fn()
        op = Op(len(self.ops) + 1, kind, name, req.pid, size)
        self.ops.append(op)
        action = self.plan(op)
        if action is None:
            return fn()
        self.fired = op
        if isinstance(action, Kill):
            said = fn() if action.after else None
            action.first()
            os.kill(req.pid, signal.SIGKILL)
            if said is None:
                raise OSError(errno.EIO, "")
            return said
        if isinstance(action, Slow):
            return Waits(action, fn)
        if isinstance(action, Short) and kind == "write":
            said = fn(max(1, int(size * action.part)))
            if action.last:
                os.kill(req.pid, signal.SIGKILL)
            return said
        if isinstance(action, Short):
            return fn()
        if action.rng and kind == "sync":
            node.lose_some(action.rng)
        raise OSError(action.code, "")

    def name_of(self, node):
        for folder in self.nodes.values():
            for name, number in folder.names.items():
                if number == node.number:
                    return name
        return "(unlinked)"

    def rename(self, folder, change):
        rename_in(folder.names, change)
        self.journal.append((folder, change))

    def make(self, folder, name, mode, req):
        self.last += 1
        node = Node(self.last, mode, req.uid, req.gid)
        self.nodes[self.last] = node
        self.rename(folder, {name: node.number})
        return node


class Waits:
    def __init__(self, slow, change):
        self.slow, self.change = slow, change


Request = collections.namedtuple("Request", "opcode body uid gid pid")


def rename_in(names, change):
    for name, number in change.items():
        if number is None:
            names.pop(name, None)
        else:
            names[name] = number


def attributes(node):
    now, folder = int(time.time()), stat.S_ISDIR(node.mode)
    size = 0 if folder else len(node.data)
    return ATTR.pack(node.number, size, (size + 511) // 512, now, now, now, 0, 0, 0, node.mode, 2 if folder else 1, node.uid, node.gid, 0, 4096, 0)


def entry(node):
    return struct.pack("<QQQQII", node.number, 0, 0, 0, 0, 0) + attributes(node)


def attr_out(node):
    return struct.pack("<QII", 0, 0, 0) + attributes(node)


def name_in(body, at=0):
    return body[at:].split(b"\0")[0].decode()


OPENED = struct.pack("<QIi", 0, 0, 0)


def on_init(disk, _, req):
    return struct.pack("<IIIIHHIIHHIIH22x", 7, 31, 0, 1 << 5, 12, 9, MAX_WRITE, 1, 0, 0, 0, 0, 0)


def on_setattr(disk, node, req):
    valid, _, _, size = struct.unpack_from("<IIQQ", req.body)
    mode, _, uid, gid = struct.unpack_from("<IIII", req.body, 68)
    if valid & FATTR_MODE:
        node.mode = stat.S_IFMT(node.mode) | stat.S_IMODE(mode)
    node.uid = uid if valid & FATTR_UID else node.uid
    node.gid = gid if valid & FATTR_GID else node.gid
    if valid & FATTR_SIZE:
        disk.change("truncate", node, disk.name_of(node), req, size, lambda: node.truncate(size) or b"")
    return attr_out(node)


def on_create(disk, folder, req):
    flags, mode, umask, _ = struct.unpack_from("<IIII", req.body)
    name = name_in(req.body, 16)

    def create():
        node = disk.make(folder, name, stat.S_IFREG | (stat.S_IMODE(mode) & ~umask), req)
        return entry(node) + OPENED
    return disk.change("create", folder, name, req, 0, create)


def on_mkdir(disk, folder, req):
    mode, umask = struct.unpack_from("<II", req.body)
    name = name_in(req.body, 8)
    return disk.change("create", folder, name, req, 0, lambda: entry(disk.make(folder, name, stat.S_IFDIR | (stat.S_IMODE(mode) & ~umask), req)))


def on_unlink(disk, folder, req):
    name = name_in(req.body)
    node = disk.child(folder, name)
    if req.opcode == RMDIR and node.names:
        raise OSError(errno.ENOTEMPTY, "")
    return disk.change("unlink", folder, name, req, 0, lambda: disk.rename(folder, {name: None}) or b"")


def on_rename(disk, folder, req):
    start = 16 if req.opcode == RENAME2 else 8
    if struct.unpack_from("<Q", req.body)[0] != folder.number or (start == 16 and struct.unpack_from("<I", req.body, 8)[0] != 0):
        raise OSError(errno.EXDEV, "")
    old, new = (part.decode() for part in req.body[start:].split(b"\0")[:2])
    node = disk.child(folder, old)
    return disk.change("rename", folder, f"{old} to {new}", req, 0, lambda: disk.rename(folder, {old: None, new: node.number}) or b"")


def on_read(disk, node, req):
    _, at, size = struct.unpack_from("<QQI", req.body)
    return bytes(node.data[at:at + size])


def on_write(disk, node, req):
    _, at, size = struct.unpack_from("<QQI", req.body)
    data = req.body[40:40 + size]
    left = size if disk.room is None else max(0, disk.room - disk.used() + max(0, len(node.data) - at))

    def write(count=size):
        count = min(count, left)
        if count == 0 and size > 0:
            raise OSError(errno.ENOSPC, "")
        node.write(at, data[:count])
        return struct.pack("<II", count, 0)
    return disk.change("write", node, disk.name_of(node), req, size, write)


def on_fsync(disk, node, req):
    return disk.change("sync", node, disk.name_of(node), req, 0, lambda: node.sync() or b"")


def on_fsyncdir(disk, folder, req):
    def sync():
        for of, change in disk.journal:
            if of is folder:
                rename_in(folder.durable_names, change)
        disk.journal = [(of, change) for of, change in disk.journal if of is not folder]
        return b""
    return disk.change("syncdir", folder, disk.name_of(folder), req, 0, sync)


def on_readdir(disk, folder, req):
    _, at, size = struct.unpack_from("<QQI", req.body)
    out = b""
    for i, (name, number) in enumerate([(".", folder.number), ("..", ROOT), *folder.names.items()]):
        raw = name.encode()
        one = struct.pack("<QQII", number, i + 1, len(raw), self_type(disk.nodes[number])) + raw + bytes(-len(raw) % 8)
        if i < at:
            continue
        if len(out) + len(one) > size:
            break
        out += one
    return out


def self_type(node):
    return node.mode >> 12


def on_statfs(disk, _, req):
    blocks = 1 << 20 if disk.room is None else disk.room // 4096
    free = max(0, blocks - disk.used() // 4096)
    return struct.pack("<QQQQQIIII24x", blocks, free, free, 1000, 900, 4096, 255, 4096, 0)


HANDLERS = {
    INIT: on_init, LOOKUP: lambda disk, folder, req: entry(disk.child(folder, name_in(req.body))), GETATTR: lambda disk, node, req: attr_out(node), SETATTR: on_setattr,
    CREATE: on_create, MKDIR: on_mkdir, UNLINK: on_unlink, RMDIR: on_unlink, RENAME: on_rename, RENAME2: on_rename, OPEN: lambda *_: OPENED, OPENDIR: lambda *_: OPENED,
    READ: on_read, WRITE: on_write, FSYNC: on_fsync, FSYNCDIR: on_fsyncdir, READDIR: on_readdir, STATFS: on_statfs, RELEASE: lambda *_: b"", RELEASEDIR: lambda *_: b"", DESTROY: lambda *_: b"",
}
