"""A real browser, headless, with a profile of its own, and the server of a hostile page."""
import contextlib
import http.server
import json
import os
import queue
import shutil
import socket
import subprocess
import tempfile
import threading

from . import accept

BINARY = shutil.which("chromium")
FLAGS = ("--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync --disable-dev-shm-usage"
         " --disable-extensions --disable-default-apps --mute-audio").split()


class Chromium:
    """Opens one address; every host name leads where rules say (MAP name address, ...)."""

    def __init__(self, url, rules=""):
        self.dir = tempfile.mkdtemp(prefix="sidekey-chromium-")
        os.chmod(self.dir, 0o700)
        self.log = open(f"{self.dir}/log", "wb")
        self.proc = subprocess.Popen([BINARY, *FLAGS, f"--user-data-dir={self.dir}/profile", f"--host-resolver-rules={rules}", "--remote-debugging-port=0", url],
                                     stdout=self.log, stderr=self.log, start_new_session=True, env={"PATH": "/usr/bin:/bin", "HOME": self.dir})

    def close(self):
        os.killpg(self.proc.pid, 9)  # its own session: all that it started
        self.proc.wait()
        self.log.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


class PageServer:
    """Gives page for any path; what is posted to /done is a report."""

    def __init__(self, page):
        self.reports = reports = queue.Queue()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.give(200 if self.path.startswith("/page") else 404, page)

            def do_POST(self):
                reports.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.give(200, b"")

            def give(self, status, body):
                self.send_response(status)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Connection", "close")
                self.end_headers()
                with contextlib.suppress(BrokenPipeError, ConnectionResetError): # the browser went to the next page
                    self.wfile.write(body)

            def log_message(self, *args):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Rebound:
    """A name that led to the page's server and then to victim's port: the page comes from the one, everything else goes, byte for byte, to the other."""

    def __init__(self, address, victim, page):
        self.victim, self.page = victim, page
        self.sock = socket.create_server((address, victim))
        accept.each(self.sock, self.carry)

    def carry(self, c):
        first = c.recv(65536)
        mine = first.startswith(b"GET /page")
        up = socket.create_connection(("127.0.0.1", self.page if mine else self.victim))
        up.sendall(first)
        back = threading.Thread(target=self.pump, args=(up, c), daemon=True)
        back.start()
        self.pump(c, up)

    @staticmethod
    def pump(a, b):
        try:
            while data := a.recv(65536):
                b.sendall(data)
            b.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self):
        self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()
