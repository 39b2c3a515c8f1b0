"""A gateway in Python, as good or bad as a test wants it: what the shim meets before, beside and instead of the real one."""
import atexit
import base64
import json
import os
import select
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time

from . import pki

TRUST_DOMAIN = "test.example"
GATEWAY_URI = f"URI:spiffe://{TRUST_DOMAIN}/sidekey/gateway"
LEAF = "extendedKeyUsage=serverAuth,clientAuth\nbasicConstraints=CA:FALSE\n"


class Request:
    def __init__(self, conn, method, target, headers, body):
        self.conn, self.method, self.target, self.headers, self.body = conn, method, target, headers, body
        self.alpn, self.has_cert = conn.selected_alpn_protocol(), conn.getpeercert(True) is not None


class FakeGateway:
    """Threads; self.seen are the requests. Set the attributes to change what it does; each connection reads them anew."""

    def __init__(self, tcp=None, ca=None, uri=GATEWAY_URI, ext=LEAF, subject="/", listen=True):
        self.dir = tempfile.mkdtemp(prefix="sidekey-fakegw-")
        atexit.register(shutil.rmtree, self.dir, ignore_errors=True)
        os.chmod(self.dir, 0o755)
        self.ca = ca or pki.Ca(self.dir)
        self.cert, self.key = self.ca.leaf("gateway", uri, ext=ext, subject=subject)
        self.workload = "coder"
        self.enroll_key = base64.urlsafe_b64encode(os.urandom(32)).rstrip(b"=").decode()
        self.ttl = 3600            # of the certificates it says it issues
        self.refuse = {}           # path -> (status, problem)
        self.env = {"ANTHROPIC_BASE_URL": "{sidekey_url}/p/anthropic", "ANTHROPIC_API_KEY": "sk-ant-api03-placeholder"}
        self.self_extra = {}
        self.reusable, self.readable_ok = True, False
        self.sign_as = None        # a URI other than the workload's
        self.alpn = ["sidekey-control", "sidekey-forward"]
        self.tls_max = ssl.TLSVersion.TLSv1_3
        self.on_connect = None     # for each forwarded connection, when it is made ...
        self.on_forward = self.echo  # ... and when its first byte is there
        self.forward_pause = None  # an Event: handshakes wait for it
        self.seen, self.connections, self.issued = [], 0, 0
        self.signing_s = 0.0
        self.lock = threading.Lock()
        self.live = set()
        self.listener = None
        self.tcp = tcp
        self.address = f"tcp:{tcp}" if tcp else f"unix:{self.dir}/gateway.sock"
        if listen:
            self.listen()

    # ---- life

    def listen(self):
        if self.tcp:
            host, port = self.tcp.rsplit(":", 1)
            s = socket.socket(socket.AF_INET)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind((host.replace("localhost", "127.0.0.1"), int(port)))
        else:
            path = self.address[5:]
            if os.path.exists(path):
                os.unlink(path)
            s = socket.socket(socket.AF_UNIX)
            s.bind(path)
            os.chmod(path, 0o666)
        s.listen(256)
        self.listener = s
        threading.Thread(target=self.accept, args=(s,), daemon=True).start()

    def accept(self, listener):
        while True:
            try:
                raw, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(raw, listener), daemon=True).start()

    def stop(self):
        """Gone, with all its connections; listen() brings it back."""
        with self.lock:
            listener, self.listener = self.listener, None
            live = list(self.live)
        if listener:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for s in live:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def context(self):
        ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ctx.load_cert_chain(self.cert, self.key)
        ctx.load_verify_locations(self.ca.cert)
        ctx.verify_mode = ssl.CERT_OPTIONAL
        ctx.maximum_version = self.tls_max
        ctx.num_tickets = 0
        if self.alpn:
            ctx.set_alpn_protocols(self.alpn)
        return ctx

    def serve(self, raw, listener):
        conn = raw
        with self.lock:
            self.connections += 1
            self.live.add(raw)
        try:
            if self.forward_pause:
                self.forward_pause.wait(20)
            conn = self.context().wrap_socket(raw, server_side=True)
            with self.lock:
                self.live.add(conn)
                self.live.discard(raw)
                if self.listener is not listener:  # stopped during the handshake
                    return
            if conn.selected_alpn_protocol() == "sidekey-forward":
                if self.on_connect:
                    self.on_connect(conn)
                select.select([conn], [], [])  # a spare: what it is for is known when something comes
                self.on_forward(conn)
            else:
                self.control(conn)
        except (OSError, ssl.SSLError, EOFError):
            pass
        finally:
            with self.lock:
                self.live -= {raw, conn}
            conn.close()

    # ---- HTTP

    def read_request(self, conn):
        data = b""
        while b"\r\n\r\n" not in data:
            more = conn.recv(65536)
            if not more:
                if data:
                    raise EOFError
                return None
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        method, target, _ = lines[0].split(" ")
        headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines[1:])}
        want = int(headers.get("content-length", "0"))
        while len(body) < want:
            more = conn.recv(65536)
            if not more:
                raise EOFError
            body += more
        r = Request(conn, method, target, headers, body)
        with self.lock:
            self.seen.append(r)
        return r

    @staticmethod
    def reply(conn, status, body=b"", kind="application/json", extra=""):
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        conn.sendall(f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{extra}\r\n".encode() + body)

    def problem(self, conn, status, problem):
        self.reply(conn, status, problem, "application/problem+json")

    @staticmethod
    def end(conn):
        """An orderly end (close_notify), without waiting long for the other's."""
        try:
            conn.settimeout(0.5)
            conn.unwrap()
        except (OSError, ssl.SSLError):
            pass

    def echo(self, conn):
        """Answers each request with what it saw."""
        while True:
            r = self.read_request(conn)
            if r is None:
                return
            self.reply(conn, 200, {"method": r.method, "target": r.target, "headers": r.headers, "body_len": len(r.body),
                                   "alpn": r.alpn, "cert": r.has_cert})
            if r.headers.get("connection") == "close":
                self.end(conn)
                return

    # ---- the control plane

    def sign(self, csr):
        start = time.monotonic()
        with tempfile.TemporaryDirectory() as d:
            open(f"{d}/csr", "w").write(csr)
            open(f"{d}/ext", "w").write(f"subjectAltName=URI:{self.sign_as or f'spiffe://{TRUST_DOMAIN}/{self.workload}'}\n{LEAF}")
            subprocess.run(["openssl", "x509", "-req", "-in", f"{d}/csr", "-CA", self.ca.cert, "-CAkey", self.ca.key, "-set_serial",
                            str(int.from_bytes(os.urandom(15), "big") | 1 << 118), "-days", "1", "-extfile", f"{d}/ext", "-out", f"{d}/crt"],
                           check=True, capture_output=True)
            pem = open(f"{d}/crt").read()
        with self.lock:
            self.issued += 1
            self.signing_s += time.monotonic() - start
        return pem

    def issue(self, r):
        now = int(time.time())
        return {"certificate": self.sign(json.loads(r.body)["csr"]), "ca": open(self.ca.cert).read(), "workload": self.workload,
                "spiffe_id": f"spiffe://{TRUST_DOMAIN}/{self.workload}", "instance": "00" * 16, "not_before": now, "not_after": now + self.ttl}

    def self_body(self):
        return {"workload": self.workload, "spiffe_id": f"spiffe://{TRUST_DOMAIN}/{self.workload}", "instance": "00" * 16,
                "not_after": int(time.time()) + self.ttl, "enrollment": {"reusable": self.reusable, "readable_ok": self.readable_ok},
                "upstreams": [{"name": "anthropic", "path": "/p/anthropic", "placeholder": "sk-ant-api03-placeholder", "env": self.env}],
                **self.self_extra}

    def control(self, conn):
        r = self.read_request(conn)
        if r is None:
            return
        route = f"{r.method} {r.target}"
        if route in self.refuse:
            answer = self.refuse[route]
            if callable(answer):
                answer = answer(r)
            if isinstance(answer, bytes):
                conn.sendall(answer)
                return
            if answer:
                self.problem(conn, *answer)
                return
        if route == "POST /v1/enroll":
            if r.headers.get("authorization") != f"Bearer {self.enroll_key}":
                self.problem(conn, 401, {"code": "enroll_key_unknown", "detail": "this enrollment is not known"})
                return
            self.reply(conn, 200, {**self.issue(r), "self": self.self_body()})
        elif route == "POST /v1/renew" and r.has_cert:
            self.reply(conn, 200, self.issue(r))
        elif route == "GET /v1/self" and r.has_cert:
            self.reply(conn, 200, self.self_body())
        elif route == "DELETE /v1/self" and r.has_cert:
            conn.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
        else:
            self.problem(conn, 404, {"code": "no_such_route", "detail": route})

    # ---- what tests ask

    def paths(self):
        with self.lock:
            return [f"{r.method} {r.target}" for r in self.seen]

    def enrollment(self, path=None, mode=0o400, **change):
        path = path or f"{self.dir}/secrets/enroll.json"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        text = {"gateway": self.address, "ca": open(self.ca.cert).read(), "workload": self.workload, "trust_domain": TRUST_DOMAIN,
                "key": self.enroll_key, **change}
        if os.path.exists(path):
            os.unlink(path)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, mode), "w") as f:
            json.dump({k: v for k, v in text.items() if v is not None}, f)
        return path
