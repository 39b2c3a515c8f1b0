#!/usr/bin/python3
"""Promise 1: an agent never receives a stored secret: not echoed plain, encoded, split, in a header, a trailer, an error."""
import base64
import binascii
import json
import os
import sys
import time
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import oracle, stage, tap, upstream  # noqa: E402

KEY = stage.KEY.encode()
ECHOES = {
    "plain": KEY,
    "json": json.dumps({"key": stage.KEY}).encode(),
    "base64": b"<" + base64.b64encode(KEY) + b">",
    "base64 behind 1 byte": b"<" + base64.b64encode(b":" + KEY) + b">",
    "base64 behind 2 bytes": b"<" + base64.b64encode(b"::" + KEY) + b">",
    "base64url": b"<" + base64.urlsafe_b64encode(KEY) + b">",
    "basic": b"Basic " + base64.b64encode(b"user:" + KEY),
    "hex": binascii.hexlify(KEY),
    "HEX": binascii.hexlify(KEY).upper(),
    "percent": "".join(f"%{b:02x}" for b in KEY).encode(),
    "quoted": urllib.parse.quote(stage.KEY, safe="").encode(),
    "twice": KEY + b" and " + KEY,
}


def handler(conn, req):
    path, _, arg = req.target[1:].partition("/")
    arg = urllib.parse.unquote(arg)
    if path == "echo":
        return upstream.reply(conn, 200, b"before " + ECHOES[arg] + b" after", "text/plain")
    if path == "error":
        return upstream.reply(conn, 401, b'{"error":"invalid key ' + KEY + b'"}')
    if path == "header":
        return conn.send(b"HTTP/1.1 200 OK\r\nX-Seen: a " + KEY + b" z\r\nContent-Length: 2\r\n\r\nok")
    if path == "reason":
        return conn.send(b"HTTP/1.1 200 " + KEY + b"\r\nContent-Length: 2\r\n\r\nok")
    if path == "trailer":
        return conn.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n" + upstream.chunk(b"ok") + b"0\r\nX-T: " + KEY + b"\r\n\r\n")
    if path == "split":
        at = int(arg)
        body = b"data: " + KEY + b"\n\n"
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n" + upstream.chunk(body[:at]))
        time.sleep(0.004)
        return conn.send(upstream.chunk(body[at:]) + b"0\r\n\r\n")
    if path == "gzip":
        return conn.send(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd")
    return upstream.messages_api(conn, req)


def main(t):
    with stage.Stage(handler) as s:
        replies = []
        for name in ECHOES:
            r = s.w.ask("GET", "/p/anthropic/echo/" + urllib.parse.quote(name))
            replies.append(r)
            t.is_(oracle.can_bytes(stage.KEY, r.raw, name), "", f"echoed as {name}: blanked")
            t.ok(r.status == 200 and r.body.startswith(b"before ") and r.body.endswith(b" after") and len(r.body) == len(ECHOES[name]) + 13,
                 f"echoed as {name}: nothing else is touched", r.raw)
        for path in ("error", "header", "reason", "trailer"):
            r = s.w.ask("GET", f"/p/anthropic/{path}")
            replies.append(r)
            t.is_(oracle.can_bytes(stage.KEY, r.raw, path), "", f"in {path}: blanked")
        c = s.w.connect()
        bad = []
        for at in range(1, len(KEY) + 7):
            r = c.ask("GET", f"/p/anthropic/split/{at}")
            if oracle.can_bytes(stage.KEY, r.raw, "x") or len(r.body) != len(KEY) + 8 or KEY[:12] in r.body:
                bad.append((at, r.body))
        t.is_(bad, [], "split between two events at every offset: blanked")
        c.close()
        r = s.w.ask("GET", "/p/anthropic/gzip")
        t.is_((r.status, r.json()["sidekey"]["code"]), (502, "unscannable_response"), "a coding that cannot be scanned is refused")
        me = s.w.ask("GET", "/v1/self")
        replies.append(me)
        refused = s.w.ask("GET", "/p/nowhere/x")
        t.is_(refused.status, 403, "a refusal")
        replies.append(refused)
        t.is_(s.up.requests[-1].get("accept-encoding"), "identity", "the upstream is asked for identity")
        t.is_(oracle.can(stage.KEY, s.b, replies), "", "CAN: replies, log, store, audit, processes")


tap.Tap().run(main)
