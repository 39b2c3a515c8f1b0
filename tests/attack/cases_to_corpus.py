#!/usr/bin/env python3
"""Writes the framing tables as seeds of the fuzz targets: one file a case, under tests/fuzz/corpus/.

A request is named after who must notice ("head-refuse-...", "ok-...": see framing_cases.py), so that
tests/unit/test_framing.c can hold http1.c and chunked.c to the table. Cases over 20 KiB are left out: they are
the same few bytes many times, and the unit tests make them by themselves.
"""
import os
import re
import sys

sys.dont_write_bytecode = True
import framing_cases  # noqa: E402
import response_cases  # noqa: E402

SIZE_MAX = 20 << 10
CORPUS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fuzz", "corpus")


def slug(text):
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def write(folder, name, raw):
    if len(raw) > SIZE_MAX:
        return 0
    os.makedirs(os.path.join(CORPUS, folder), exist_ok=True)
    with open(os.path.join(CORPUS, folder, name), "wb") as f:
        f.write(raw)
    return 1


def split(raw):
    head, _, body = raw.partition(b"\r\n\r\n")
    return head, body


def main():
    count = {"http1_request": 0, "http1_response": 0, "chunked": 0}
    names = set()
    for name, raw, expected in framing_cases.CASES:
        who = name.split(":")[0]
        file = slug(f"{who}-{expected}-{name.split(':', 1)[1]}")
        while file in names:
            file += "-other"
        names.add(file)
        count["http1_request"] += write("http1_request", file, raw)
        head, body = split(raw)
        if who in ("body", "ok") and b"transfer-encoding" in head.lower():
            count["chunked"] += write("chunked", file, b"\x00\x03" + body)
    for name, raw, _ in framing_cases.PIPELINED:
        count["http1_request"] += write("http1_request", slug(f"pipelined-{name}"), raw)
    for name, raw, _, expected in response_cases.CASES:
        method = b"\x01" if name.startswith("HEAD:") else b"\x00"
        count["http1_response"] += write("http1_response", slug(f"{expected}-{name}"), method + raw)
    print(", ".join(f"{n} in {folder}" for folder, n in count.items()))


main()
