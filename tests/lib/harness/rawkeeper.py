"""keeper.sock by hand: frames as broker/ipc/frame.h has them, also those that no command line of ours would send."""
import array
import re
import socket
import struct

from . import broker


def message_numbers():
    """{name: number} out of the one enum that has them."""
    with open(f"{broker.ROOT}/broker/ipc/msg.h") as f:
        body = re.search(r"enum msg_type \{(.*?)\n\};", f.read(), re.S).group(1)
    names = re.findall(r"^\s*(\w+)(?: = 0)?,", re.sub(r"/\*.*?\*/", "", body, flags=re.S), re.M)
    return {name: n for n, name in enumerate(names)}


TYPES = message_numbers()


def text(s):
    raw = s if isinstance(s, bytes) else s.encode()
    return struct.pack("<H", len(raw)) + raw


def blob(raw):
    return struct.pack("<I", len(raw)) + raw


def frame(kind, body=b"", zero=0, length=None):
    return struct.pack("<HHI", TYPES.get(kind, kind), zero, len(body) if length is None else length) + body


class Link:
    """One connection; ask() gives (name of the answer, body), None when the keeper hung up."""

    def __init__(self, b, timeout=5.0):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock.settimeout(timeout)
        self.sock.connect(f"{b.run}/keeper.sock")

    def send(self, data, fds=()):
        self.sock.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else [])

    def answer(self):
        try:
            data = self.sock.recv(1 << 18)
        except ConnectionError:
            return None
        if not data:
            return None
        kind, _, length = struct.unpack("<HHI", data[:8])
        return next(n for n, k in TYPES.items() if k == kind), data[8:8 + length]

    def ask(self, data, fds=()):
        try:
            self.send(data, fds)
        except (BrokenPipeError, ConnectionError):
            return None
        return self.answer()

    def close(self):
        self.sock.close()
