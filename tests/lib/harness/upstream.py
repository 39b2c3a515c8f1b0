"""A recording TLS upstream: keeps the raw bytes of every request, answers as the test says.

Without a handler it speaks enough of the Messages API (JSON and SSE) for real clients.
"""
import json
import socket
import ssl
import threading
import time


class Request:
    def __init__(self, conn, line, headers, raw_head, body):
        self.conn, self.line, self.headers, self.raw_head, self.body = conn, line, headers, raw_head, body
        self.time = time.time()

    @property
    def method(self):
        return self.line.split(" ")[0]

    @property
    def target(self):
        return self.line.split(" ")[1]

    def all(self, name):
        return [v for k, v in self.headers if k.lower() == name.lower()]

    def get(self, name):
        values = self.all(name)
        return values[0] if values else None


class Closed(Exception):
    pass


class Conn:
    """One accepted connection; a handler may write raw bytes with send()."""

    def __init__(self, sock, number):
        self.sock, self.number, self.buf = sock, number, b""

    def _more(self):
        data = self.sock.recv(65536)
        if not data:
            raise Closed
        self.buf += data

    def read_until(self, mark):
        while mark not in self.buf:
            self._more()
        head, _, self.buf = self.buf.partition(mark)
        return head + mark

    def read_exact(self, n):
        while len(self.buf) < n:
            self._more()
        data, self.buf = self.buf[:n], self.buf[n:]
        return data

    def send(self, data):
        self.sock.sendall(data)

    def read_body(self, headers):
        low = {k.lower(): v for k, v in headers}
        if low.get("transfer-encoding", "").lower() == "chunked":
            body = b""
            while True:
                size = int(self.read_until(b"\r\n").split(b";")[0], 16)
                if size == 0:
                    while self.read_until(b"\r\n") != b"\r\n":
                        pass
                    return body
                body += self.read_exact(size)
                self.read_exact(2)
        return self.read_exact(int(low.get("content-length", "0")))


def reply(conn, status, body, ctype="application/json", extra=()):
    if isinstance(body, (dict, list)):
        body = json.dumps(body).encode()
    head = [f"HTTP/1.1 {status} X", f"Content-Type: {ctype}", f"Content-Length: {len(body)}", *extra]
    conn.send("\r\n".join(head).encode() + b"\r\n\r\n" + body)


def message(model, text):
    return {"id": "msg_test", "type": "message", "role": "assistant", "model": model,
            "content": [{"type": "text", "text": text}], "stop_reason": "end_turn", "stop_sequence": None,
            "usage": {"input_tokens": 3, "output_tokens": 5}}


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def sse(conn, model, text, delay=0.05):
    start = message(model, "")
    start.update(content=[], stop_reason=None)
    events = [("message_start", {"message": start}),
              ("content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}})]
    events += [("content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": part}})
               for part in text.split(" ") for part in (part + " ",)]
    events += [("content_block_stop", {"index": 0}),
               ("message_delta", {"delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": 5}}),
               ("message_stop", {})]
    conn.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
    for name, data in events:
        conn.send(chunk(f"event: {name}\ndata: {json.dumps({'type': name, **data})}\n\n".encode()))
        time.sleep(delay)
    conn.send(b"0\r\n\r\n")


def messages_api(conn, req):
    """Messages API for real clients; any other path gets what was seen, without credentials."""
    path = req.target.split("?")[0]
    if path == "/v1/messages" and req.method == "POST":
        asked = json.loads(req.body or b"{}")
        text = "Hello from the local upstream."
        if asked.get("stream"):
            sse(conn, asked.get("model", "m"), text)
        else:
            reply(conn, 200, message(asked.get("model", "m"), text))
    elif path == "/v1/messages/count_tokens":
        reply(conn, 200, {"input_tokens": 3})
    elif path == "/v1/models":
        reply(conn, 200, {"data": [], "has_more": False})
    else:
        reply(conn, 200, {"method": req.method, "target": req.target, "length": len(req.body)})


def silent(conn, req):
    """At /silent a stream that says one thing, then nothing for a minute; the Messages API elsewhere."""
    if req.target != "/silent":
        return messages_api(conn, req)
    conn.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b"data: x\n\n"))
    time.sleep(60)
    return False


class Upstream:
    def __init__(self, cert, key, handler=messages_api, port=0, host="127.0.0.1"):
        self.requests, self.heads, self.handshakes, self.accepted = [], [], 0, 0  # heads: also those whose body never came
        self.handler = handler
        self.lock = threading.Lock()
        self.ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ctx.load_cert_chain(cert, key)
        self.ctx.set_alpn_protocols(["http/1.1"])
        self.dialled = []  # the address of ours that each connection was made to
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.sock = socket.create_server((host, port), backlog=512, family=family, dualstack_ipv6=family == socket.AF_INET6)
        self.port = self.sock.getsockname()[1]
        self.open = set()
        self.accepting = threading.Thread(target=self._accept, daemon=True)
        self.accepting.start()

    def _accept(self):
        while True:
            try:
                raw, _ = self.sock.accept()
            except OSError:
                return
            self.accepted += 1
            self.dialled.append(raw.getsockname()[0].removeprefix("::ffff:"))
            threading.Thread(target=self._serve, args=(raw, self.accepted), daemon=True).start()

    def _serve(self, raw, number):
        try:
            raw.settimeout(60)
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # each send() as a piece of its own, at once
            sock = self.ctx.wrap_socket(raw, server_side=True)
        except (OSError, ssl.SSLError):
            raw.close()
            return
        self.handshakes += 1
        self.open.add(sock)
        conn = Conn(sock, number)
        try:
            while self._one(conn):
                pass
            sock.settimeout(1)
            sock.unwrap()  # without close_notify a body that ends with the connection would count as cut
        except (Closed, OSError, ssl.SSLError, ValueError):
            pass
        finally:
            self.open.discard(sock)
            sock.close()

    def _one(self, conn):
        raw_head = conn.read_until(b"\r\n\r\n")
        self.heads.append(raw_head)
        lines = raw_head.decode("latin-1").split("\r\n")
        headers = [tuple(line.split(": ", 1)) for line in lines[1:] if line]
        if ("Expect", "100-continue") in headers and getattr(self.handler, "says_continue", True):
            conn.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        req = Request(conn.number, lines[0], headers, raw_head, b"")
        early = getattr(self.handler, "before_body", False)
        if not early:
            req.body = conn.read_body(headers)
        with self.lock:
            self.requests.append(req)
        return self.handler(conn, req) is not False

    def clear(self):
        with self.lock:
            self.requests.clear()
            self.heads.clear()
            self.dialled.clear()

    def close(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)  # close() alone leaves the thread in accept(), which then takes the connections of the descriptor's next owner
        except OSError:
            pass  # closed before
        self.accepting.join()
        self.sock.close()
        for sock in list(self.open):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
