"""The scene most tests start from: a broker, an upstream that stands for api.anthropic.com, one enrolled workload."""
from . import broker, pki, upstream, workload

KEY = "sk-ant-api03-canary-0123456789abcdefghijklmnopqrstuvwxyz"
ALLOW_ALL = '  anthropic:\n    allow: ["* /**"]\n'


class Stage:
    def __init__(self, handler=upstream.messages_api, use=ALLOW_ALL, name="coder", extra="", **kw):
        self.b = broker.Broker(**kw)
        self.ca = pki.Ca(f"{self.b.conf}/pki")
        self.up = upstream.Upstream(*self.ca.leaf("up", "DNS:api.anthropic.com"), handler)
        self.b.upstream("anthropic", "anthropic", self.up, self.ca.cert, extra)
        self.b.policy(name, [name], use)
        self.b.start()
        self.b.secret("anthropic-api-key", KEY)
        self.b.workload(name)
        self.b.reload()
        self.w = workload.Workload(self.b.enroll(name, "--reusable"))

    def open_silent(self):
        """A stream of upstream.silent, under way."""
        c = self.w.connect()
        c.send(b"GET /p/anthropic/silent HTTP/1.1\r\nHost: 127.0.0.1:7433\r\n\r\n")
        if b" 200 " not in c.head():
            raise RuntimeError("no stream")
        return c

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.up.close()
        self.b.close()
