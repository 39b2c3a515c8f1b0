"""A workload that speaks to the gateway by itself: enrolls, keeps its certificate, sends raw bytes over mTLS."""
import atexit
import json
import os
import shutil
import socket
import ssl
import subprocess
import tempfile


class Reply:
    def __init__(self, status, headers, body, raw):
        self.status, self.headers, self.body, self.raw = status, headers, body, raw

    def get(self, name):
        for k, v in self.headers:
            if k.lower() == name.lower():
                return v
        return None

    def json(self):
        return json.loads(self.body)


class Client:
    """One TLS connection to the gateway."""

    def __init__(self, address, ca, cert=None, key=None, alpn="sidekey-forward", timeout=10.0, check=True):
        if address.startswith("unix:"):
            raw = socket.socket(socket.AF_UNIX)
            raw.settimeout(timeout)
            raw.connect(address[5:])
        else:
            host, port = address[4:].rsplit(":", 1)
            raw = socket.create_connection((host, int(port)), timeout=timeout)
        ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        ctx.check_hostname = False
        ctx.minimum_version = ssl.TLSVersion.TLSv1_3
        if check:
            ctx.load_verify_locations(ca)
        else:
            ctx.verify_mode = ssl.CERT_NONE
        if cert:
            ctx.load_cert_chain(cert, key)
        if alpn:
            ctx.set_alpn_protocols([alpn])
        self.sock = ctx.wrap_socket(raw)
        self.buf = b""

    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else data.encode())

    def more(self):
        data = self.sock.recv(65536)
        self.buf += data
        return data

    def head(self):
        while b"\r\n\r\n" not in self.buf:
            if not self.more():
                return None
        head, _, self.buf = self.buf.partition(b"\r\n\r\n")
        return head

    def chunks(self):
        while True:
            while b"\r\n" not in self.buf:
                if not self.more():
                    raise EOFError("in a chunk")
            line, _, self.buf = self.buf.partition(b"\r\n")
            size = int(line, 16)
            while len(self.buf) < size + 2:
                if not self.more():
                    raise EOFError("in a chunk")
            data, self.buf = self.buf[:size], self.buf[size + 2:]
            if size == 0:
                return
            yield data

    def read(self, method="GET"):
        """The next reply, None when the connection is closed before one."""
        head = self.head()
        while head is not None and head.split(b" ")[1].startswith(b"1"):
            head = self.head()
        if head is None:
            return None
        lines = head.decode("latin-1").split("\r\n")
        status = int(lines[0].split(" ")[1])
        headers = [tuple(line.split(": ", 1)) for line in lines[1:]]
        low = {k.lower(): v for k, v in headers}
        body = b""
        if method == "HEAD" or status in (204, 304):
            pass
        elif low.get("transfer-encoding") == "chunked":
            body = b"".join(self.chunks())
        elif "content-length" in low:
            while len(self.buf) < int(low["content-length"]):
                if not self.more():
                    raise EOFError("in a body")
            n = int(low["content-length"])
            body, self.buf = self.buf[:n], self.buf[n:]
        else:
            while self.more():
                pass
            body, self.buf = self.buf, b""
        return Reply(status, headers, body, head + b"\r\n\r\n" + body)

    def ask(self, method, target, headers=(), body=b"", host="127.0.0.1:7433"):
        lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *headers]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body if isinstance(body, bytes) else body.encode()))
        return self.read(method)

    def closed(self, timeout=3.0):
        """True when the peer ends the connection within timeout seconds."""
        before = self.sock.gettimeout()
        self.sock.settimeout(timeout)
        try:
            while self.sock.recv(65536):
                pass
            return True
        except (TimeoutError, socket.timeout):
            return False
        except (OSError, ssl.SSLError):
            return True
        finally:
            self.sock.settimeout(before)

    def close(self):
        self.sock.close()


def make_csr(dir_, subject="/", extra=()):
    key, csr = f"{dir_}/key.pem", f"{dir_}/csr.pem"
    if not os.path.exists(key):
        subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key],
                       check=True, capture_output=True)
    subprocess.run(["openssl", "req", "-new", "-key", key, "-subj", subject, "-out", csr, *extra], check=True, capture_output=True)
    with open(csr) as f:
        return key, f.read()


class Workload:
    """Enrolled from an enroll.json; connect() gives connections with its certificate."""

    def __init__(self, enroll_path, enroll=True):
        self.dir = tempfile.mkdtemp(prefix="sidekey-workload-")
        atexit.register(shutil.rmtree, self.dir, ignore_errors=True)
        with open(enroll_path) as f:
            self.conf = json.load(f)
        self.ca = f"{self.dir}/ca.pem"
        with open(self.ca, "w") as f:
            f.write(self.conf["ca"])
        self.key, self.csr = make_csr(self.dir)
        self.cert = f"{self.dir}/cert.pem"
        if enroll:
            reply = self.enroll()
            assert reply.status == 200, (reply.status, reply.body)
            self.take(reply)

    def anonymous(self, alpn="sidekey-control"):
        return Client(self.conf["gateway"], self.ca, alpn=alpn)

    def enroll(self, key=None, csr=None, alpn="sidekey-control"):
        c = self.anonymous(alpn)
        try:
            return c.ask("POST", "/v1/enroll", [f"Authorization: Bearer {key or self.conf['key']}", "Content-Type: application/json"],
                         json.dumps({"csr": csr or self.csr}))
        finally:
            c.close()

    def take(self, reply):
        self.issued = reply.json()
        with open(self.cert, "w") as f:
            f.write(self.issued["certificate"])

    def connect(self, alpn="sidekey-forward", **kw):
        return Client(self.conf["gateway"], self.ca, self.cert, self.key, alpn=alpn, **kw)

    def ask(self, method, target, headers=(), body=b"", alpn="sidekey-forward", **kw):
        c = self.connect(alpn)
        try:
            return c.ask(method, target, headers, body, **kw)
        finally:
            c.close()

    def self_(self):
        return self.ask("GET", "/v1/self").json()
