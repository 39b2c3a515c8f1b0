#!/usr/bin/python3
"""deny.py NAME[:ARG0]=ERRNO ... -- COMMAND: runs COMMAND in a kernel that lacks something, by a seccomp filter."""
import ctypes
import errno
import os
import sys

ALLOW, ERRNO, EQUAL = 0x7FFF0000, 0x00050000, 4


class Compare(ctypes.Structure):
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


def deny(rules):
    lib = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    lib.seccomp_init.restype = ctypes.c_void_p
    ctx = ctypes.c_void_p(lib.seccomp_init(ctypes.c_uint32(ALLOW)))
    for rule in rules:
        call, _, error = rule.partition("=")
        name, _, arg = call.partition(":")
        number = lib.seccomp_syscall_resolve_name(name.encode())
        compare = (Compare * 1)(Compare(0, EQUAL, int(arg or 0), 0))
        rc = lib.seccomp_rule_add_array(ctx, ctypes.c_uint32(ERRNO | getattr(errno, error)), number, 1 if arg else 0, compare)
        if number < 0 or rc != 0:
            sys.exit(f"deny.py: {rule}: {rc}")
    if lib.seccomp_load(ctx) != 0:
        sys.exit("deny.py: not loaded")


if __name__ == "__main__":
    end = sys.argv.index("--")
    deny(sys.argv[1:end])
    os.execv(sys.argv[end + 1], sys.argv[end + 1:])
