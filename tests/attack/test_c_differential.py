#!/usr/bin/python3
"""Class C of the attacks, by comparison: what nginx, Node and we do not read alike, we refuse. What we take, all three read the same."""
import concurrent.futures
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import request_corpus  # noqa: E402
from harness import accept, oracle, shim, stage, tap, upstream  # noqa: E402
from harness.broker import wait_for  # noqa: E402

COUNT, SEED = 3000, os.environ.get("SIDEKEY_TEST_SEED", "sidekey")
END = b"GET /p/anthropic/v1/end HTTP/1.1\r\nHost: 127.0.0.1:7433\r\nConnection: close\r\n\r\n"
OWN_HOST = re.compile(rb"(127\.0\.0\.1|localhost|\[::1\])(:\d+)?|sidekey", re.I)
NGINX = """daemon off; master_process off; pid {dir}/pid; error_log {dir}/error.log crit;
events {{ worker_connections 512; }}
http {{ access_log off; client_body_temp_path {dir}/a; proxy_temp_path {dir}/b; fastcgi_temp_path {dir}/c; uwsgi_temp_path {dir}/d; scgi_temp_path {dir}/e;
server {{ listen 127.0.0.1:{port}; large_client_header_buffers 4 16k; proxy_ignore_client_abort on; location / {{
proxy_pass http://127.0.0.1:{behind}; proxy_pass_request_headers off; proxy_set_header Host $http_host; }} }} }}
"""


def hexed(text):
    return text.encode("latin-1").hex()


def echo(conn, req):
    """Our upstream: what went out, as if it were what came in. Host is ours; whose it was is judged by what the others read."""
    upstream.reply(conn, 200, {"method": req.method, "target": hexed("/p/anthropic" + req.target), "host": "", "body": req.body.hex()})


class Behind:
    """Behind nginx: reads only what nginx writes, and says so."""

    def __init__(self):
        self.sock = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.sock.getsockname()[1]
        accept.each(self.sock, self.answer)

    @staticmethod
    def answer(c):
        data = b""
        while b"\r\n\r\n" not in data:
            data += c.recv(65536)
        head, _, body = data.partition(b"\r\n\r\n")
        line, *fields = head.split(b"\r\n")
        named = {k.lower(): v for k, v in (f.split(b": ", 1) for f in fields)}
        while len(body) < int(named.get(b"content-length", b"0")):
            body += c.recv(65536)
        method, _, target = line.rpartition(b" ")[0].partition(b" ")
        text = json.dumps({"method": method.decode("latin-1"), "target": target.hex(), "host": named.get(b"host", b"").hex(), "body": body.hex()}).encode()
        c.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % len(text) + text)
        c.close()


def responses(data):
    """[a reading, or the status of a refusal] of each whole response in data."""
    out = []
    while b"\r\n\r\n" in data:
        head, _, data = data.partition(b"\r\n\r\n")
        status = int(head.split(b" ")[1])
        if status < 200:
            continue
        length = next((int(f[15:]) for f in head.lower().split(b"\r\n") if f.startswith(b"content-length:")), 0)
        if b"transfer-encoding: chunked" in head.lower():  # Node's word at the end of a connection
            return [*out, status]
        body, data = data[:length], data[length:]
        out.append(tuple(json.loads(body)[k] for k in ("method", "target", "host", "body")) if status == 200 else status)
    return out


def read(port, raw):
    """How the parser at port reads raw and a request behind it."""
    data = b""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as c:
        try:
            c.sendall(raw + END)
            c.shutdown(socket.SHUT_WR)
            while more := c.recv(65536):
                data += more
        except OSError:
            pass  # refused before it was all sent
    return responses(data)


def judge(ours, others):
    """"" when whatever we took was read so by everyone."""
    for i, mine in enumerate(ours):
        if isinstance(mine, int):
            continue
        for name, theirs in others.items():
            got = theirs[i] if i < len(theirs) else "nothing"
            refused = next((j for j, one in enumerate(theirs) if isinstance(one, int)), len(theirs))
            if got == "nothing" and refused < i and isinstance(ours[refused], int):
                continue  # both refused one before, and it closed behind that
            if name == "node" and not isinstance(got, tuple) and mine[0].encode() not in request_corpus.METHODS:
                continue  # Node has a list of methods; for us policy has
            if not isinstance(got, tuple) or (got[0], got[1], got[3]) != (mine[0], mine[1], mine[3]):
                return f"request {i}: we read {mine}, {name} {got}"
            if not OWN_HOST.fullmatch(bytes.fromhex(got[2])):
                return f"request {i}: {name} read the Host {got[2]}"
    return ""


def start(t):
    """The other two parsers: (processes, {name: port})."""
    dir_ = tempfile.mkdtemp(prefix="sidekey-nginx-")
    behind = Behind()
    with socket.create_server(("127.0.0.1", 0)) as s:
        port = s.getsockname()[1]
    with open(f"{dir_}/conf", "w") as f:
        f.write(NGINX.format(dir=dir_, port=port, behind=behind.port))
    nginx = subprocess.Popen(["nginx", "-p", dir_, "-c", f"{dir_}/conf", "-e", f"{dir_}/error.log"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    node = subprocess.Popen(["node", os.path.join(os.path.dirname(os.path.abspath(__file__)), "differential_node.js")], stdout=subprocess.PIPE, text=True)
    node_port = int(node.stdout.readline())

    def up():
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return True
        except OSError:
            return False
    wait_for(up, "nginx")
    return dir_, (nginx, node), {"nginx": port, "node": node_port}


def compare(t, s, sh, ports):
    cases = request_corpus.corpus(SEED, COUNT)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        runs = {name: [pool.submit(read, port, raw) for raw in cases] for name, port in {"ours": sh.port, **ports}.items()}
        got = {name: [f.result() for f in list_] for name, list_ in runs.items()}
    bad, taken, refused, apart = [], 0, 0, 0
    for i, raw in enumerate(cases):
        ours, others = got["ours"][i], {name: got[name][i] for name in ports}
        why = judge(ours, others)
        if why:
            bad.append((raw, why))
        taken += bool(ours) and isinstance(ours[0], tuple)
        refused += not ours or isinstance(ours[0], int)
        apart += len({tuple(r[:2] + r[3:] for r in o if isinstance(r, tuple)) for o in others.values()}) > 1
    for raw, why in bad[:20]:
        t.ok(False, "one reading", f"{raw!r}\n{why}")
    t.is_(len(bad), 0, f"{len(cases)} requests (seed {SEED}): we took {taken}, which nginx and Node read the same, and refused {refused}; those two differ in {apart}")
    t.ok(taken > COUNT // 8 and refused > COUNT // 4 and apart > COUNT // 20, "and there was something to find", (taken, refused, apart))


def main(t):
    if not shutil.which("nginx") or not shutil.which("node"):
        t.lacks("the comparison", "nginx and node")
        return
    dir_, procs, ports = start(t)
    try:
        with stage.Stage(handler=echo) as s, shim.Shim(s.b.enroll("coder", "--reusable"), prefix=s.b.prefix) as sh:
            compare(t, s, sh, ports)
            t.is_(oracle.alive(s.b, s.w.conf["gateway"], s.w.ca), "", "ALIVE")
            t.is_(oracle.can(stage.KEY, s.b), "", "CAN")
    finally:
        for p in procs:
            p.terminate()
            p.wait(10)
        shutil.rmtree(dir_, ignore_errors=True)


if __name__ == "__main__":
    tap.Tap().run(main)
