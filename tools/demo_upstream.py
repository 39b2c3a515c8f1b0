#!/usr/bin/python3
"""The demo's local TLS upstream: the tests' recording one, which writes down what arrived.

usage: demo_upstream.py DIR CONFIG-DIR: leaves CONFIG-DIR/ca.pem, DIR/upstream.port and DIR/upstream.seen.
"""
import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tests/lib"))
from harness import pki, upstream  # noqa: E402

work, conf = sys.argv[1:3]
ca = pki.Ca(f"{work}/pki")
cert, key = ca.leaf("anthropic", "DNS:api.anthropic.com")
os.rename(ca.cert, f"{conf}/ca.pem")


def handler(conn, req):
    with open(f"{work}/upstream.seen", "ab") as f:
        f.write(req.raw_head.replace(b"\r\n", b"\n"))
    return upstream.messages_api(conn, req)


server = upstream.Upstream(cert, key, handler)
with open(f"{work}/port.new", "w") as f:
    f.write(str(server.port))
os.rename(f"{work}/port.new", f"{work}/upstream.port")
threading.Event().wait()
