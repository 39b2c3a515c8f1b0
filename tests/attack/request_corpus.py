"""Requests with one to three oddities of framing, head or target, made from a seed: what three parsers are asked to read (test_c_differential.py)."""
import random

HOST = b"127.0.0.1:7433"
PATH = b"/p/anthropic/v1/x"
METHODS = [b"GET", b"POST", b"PUT", b"DELETE", b"PATCH", b"OPTIONS"]
SPECIAL = [b"\0", b"\r", b"\n", b"\r\n", b"\t", b" ", b":", b",", b";", b"\x0b", b"\x0c", b"\x1f", b"\x7f", b"\x80", b"\xa0", b"\xff", b"0", b"%", b"#", b"?", b"\\", b"/", b"_", b"-", b"+", b'"']
LENGTHS = [b" 5", b"5", b" 05", b" +5", b" -5", b" 0x5", b" 5, 5", b" 5,6", b" 5 ", b" 5\t", b" 5 5", b"", b" ", b" 5;", b" 5.0", b" 5e0", b" 18446744073709551621", b" 4294967301", b" 0", b" 00", b" 6", b" 4", b' "5"', b" \x0b5", b" 5\0",
           b"\r\n 5", b" 999999"]
CODINGS = [b" chunked", b"chunked", b" Chunked", b" CHUNKED", b" chunked ", b" chunked\t", b" xchunked", b" identity", b" gzip, chunked", b" chunked, gzip", b" chunked, chunked", b" chunked,", b" ,chunked", b" chunked;q=1", b' "chunked"', b"",
           b" \x0bchunked", b" chunked\0", b"\r\n chunked", b" chu\xc2\xa0nked", b" chunked, identity", b" identity, chunked"]
SIZES = [b"5", b"05", b"00000005", b"5 ", b"5\t", b" 5", b"+5", b"-5", b"0x5", b"5;a", b"5;a=b", b'5;a="b"', b"5; a=b", b"5 ;a=b", b'5;a="b\r\nc"', b"5;a\rb", b"5;a\nb", b"5;\0", b"5,", b"5h", b"", b"10000000000000005", b"000000000000000000005", b"5\r", b"5;" + b"a" * 300]
ENDS = [b"0\r\n\r\n", b"0\r\n\r\n", b"00\r\n\r\n", b"0;a=b\r\n\r\n", b"0\n\n", b"0\r\n\n", b"0\r\n", b"0\r\nA: b\r\n\r\n", b"0\r\nContent-Length: 3\r\n\r\n", b"0\r\nHost: evil.example\r\n\r\n", b"0\r\nbad\r\n\r\n", b"0\r\nA : b\r\n\r\n",
        b"0\r\nA: b\nC: d\r\n\r\n", b"0\r\n A: b\r\n\r\n", b"0 \r\n\r\n", b"-0\r\n\r\n", b"0x0\r\n\r\n", b"0\r\n\r\n\r\n"]
LINE_ENDS = [b"\n", b"\r", b"\r\r\n", b"\n\r", b"\r\n\r\n", b"\r\n ", b"\r\n\t", b" \r\n", b"\0\r\n", b"\x0b\r\n"]
VERSIONS = [b" HTTP/1.0", b" HTTP/1.2", b" HTTP/1.9", b" HTTP/2.0", b" HTTP/0.9", b" HTTP/3", b" http/1.1", b" Http/1.1", b" HTTP/01.1", b" HTTP/1.01", b" HTTP/1.1 ", b"  HTTP/1.1", b"\tHTTP/1.1", b" HTTP/1,1", b" HTTP/11", b" HTTP/1.", b" HTTP", b"", b" HTTP/1.1\t",
            b" X HTTP/1.1", b" HTTPS/1.1", b" ICAP/1.0", b" HTTP/+1.1", b" RTSP/1.0"]
TARGETS = [b"/p/anthropic/v1/x?a=b", b"/p/anthropic/v1/x?", b"/p/anthropic/v1/x?a#b", b"/p/anthropic/v1/x#b", b"http://127.0.0.1:7433/p/anthropic/v1/x", b"http://evil.example/p/anthropic/v1/x", b"//evil.example/p/anthropic/v1/x", b"*", b"127.0.0.1:7433",
           b"p/anthropic/v1/x", b"/p/anthropic/v1/../x", b"/p/anthropic/v1/./x", b"/p/anthropic//v1/x", b"/p/anthropic/v1/%2e%2e/x", b"/p/anthropic/v1/%", b"/p/anthropic/v1/%zz", b"/p/anthropic/v1/%00", b"/p/anthropic/v1/a b", b"/p/anthropic/v1/a\tb",
           b"/p/anthropic/v1/\xc3\xa9", b"/p/anthropic/v1/\xff", b"/p/anthropic/v1/\x7f", b"/p/anthropic/v1/\0", b"/p/anthropic/v1/<>", b'/p/anthropic/v1/"', b"/p/anthropic/v1/{}", b"/p/anthropic/v1/|", b"/p/anthropic/v1/^`", b"/p/anthropic/v1/[]",
           b"/p/anthropic/v1/x\\y", b"/p/anthropic/v1/x?\\", b"/p/anthropic/v1/x?<\">", b"/p/anthropic/v1/x?\x80", b"/p/anthropic/v1/x;a=b", b"/p/anthropic/v1/%20", b"/p/anthropic/v1/x?%zz", b"/p/anthropic/v1/x??", b"/p/anthropic/v1/~a!$&'()*+,;=:@", b"?a",
           b"/p/anthropic/" + b"a" * 3000, b"/p/anthropic/v1/x?http://evil.example/"]
HOSTS = [b"Host:" + HOST, b"host: " + HOST, b"HOST: " + HOST, b"Host:  " + HOST, b"Host:\t" + HOST + b"\t", b"Host: " + HOST + b" ", b"Host : " + HOST, b" Host: " + HOST, b"Host: localhost", b"Host: localhost:7433", b"Host: [::1]:7433", b"Host:", b"Host: ",
         b"Host: evil.example", b"Host: 127.0.0.1, evil.example", b"Host: evil@127.0.0.1", b"Host: 127.0.0.1:7433/x", b"Host: 127.0.0.1:x", b"Host: 127.0.0.1:", b"Host: 127.0.0.1 7433", b"Host: 127.0.0.1\0", b"Host: 127.0.0.1:7433#", b"Host: 127.0.0.1:7433\\x",
         b"Host: http://127.0.0.1", b"Host: 127.0.0.1\xff", b"Host:\r\n " + HOST, b"Host: " + HOST + b"\r\nHost: " + HOST, b"Host: " + HOST + b"\r\nHost: evil.example", b"Host: " + HOST + b"\r\nhost: evil.example", b"X: y", b"H\xf6st: " + HOST, b"Ho_st: " + HOST, b"Host\0: " + HOST,
         b"Host: LOCALHOST", b"Host: sidekey", b"Host: 127.0.0.1:99999", b"Host: 127.0.0.1:0"]
FIELDS = [b"A: b", b"A:b", b"A:", b"A: ", b"A:\tb", b"A : b", b"A\t: b", b" A: b", b": b", b"A", b"A_B: c", b"A.B: c", b"A(B): c", b"A\xff: b", b"A\0: b", b"A: b\0c", b"A: b\rc", b"A: b\xffc", b"A: \xc3\xa9", b"A: b\x0bc", b"A: b\x7fc", b"A: b\tc", b"A: b\r\n c", b"A: b\r\n\tc", b"A: b\r\n",
          b"Content_Length: 5", b"Transfer_Encoding: chunked", b"Content-Length : 5", b"Transfer-Encoding : chunked", b"Content-Length\0: 5", b"X-Content-Length: 5", b"Content-Lengt\xe8: 5", b"Connection: close", b"Connection: keep-alive", b"Connection: Close", b"Connection: close, x",
          b"Connection: x", b"Connection:", b"Connection: keep-alive, close", b"Connection: upgrade", b"Upgrade: h2c", b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA", b"Upgrade: websocket\r\nConnection: Upgrade", b"Expect: 100-continue",
          b"Expect: 100-Continue", b"Expect: x", b"Expect: 100-continue, x", b"Expect:", b"TE: trailers", b"TE: chunked", b"Trailer: Content-Length", b"Keep-Alive: 5", b"Proxy-Connection: close", b"Content-Length: 0", b"Content-Length: 5", b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity",
          b"X-HTTP-Method-Override: DELETE", b"Content-Type: text/plain", b"A: " + b"b" * 5000, b"Cookie: a\r\nCookie: b", b"Accept: */*", b"\xef\xbb\xbfA: b"]
TEXTS = [b"hello", b"hell\n", b"\r\n\r\n\r", b"GET /", b"0\r\n\r\n", b"\0\0\0\0\0"]


class Maker:
    def __init__(self, seed):
        self.r = random.Random(seed)

    def plain(self):
        """The parts of a request that has one reading."""
        text = self.r.choice(TEXTS)
        p = {"before": b"", "method": self.r.choice(METHODS), "gap": b" ", "target": PATH, "version": b" HTTP/1.1", "fields": [b"Host: " + HOST], "body": b"", "text": text, "kind": self.r.choice(["none", "length", "chunked"])}
        if p["kind"] == "length":
            p["fields"].append(b"Content-Length: 5")
            p["body"] = text
        elif p["kind"] == "chunked":
            p["fields"].append(b"Transfer-Encoding: chunked")
            p["body"] = b"5\r\n" + text + b"\r\n0\r\n\r\n"
        return p

    def field(self, p, name, values):
        """The framing field with another value, in another spelling, or twice."""
        name = self.r.choice([name] * 6 + [name.lower(), name.upper(), name.replace(b"-", b"_"), name + b" ", b" " + name])
        line = name + b":" + self.r.choice(values)
        at = self.r.randrange(len(p["fields"]) + 1)
        if self.r.random() < 0.5 and len(p["fields"]) > 1:
            p["fields"][-1] = line
        else:
            p["fields"].insert(at, line)

    def odd(self, p):
        r, n = self.r, self.r.randrange(14)
        if n == 0:
            self.field(p, b"Content-Length", LENGTHS)
        elif n == 1:
            self.field(p, b"Transfer-Encoding", CODINGS)
        elif n in (2, 3):
            if p["kind"] == "chunked":
                size, end = (r.choice(SIZES), b"0\r\n\r\n") if r.random() < 0.5 else (b"5", r.choice(ENDS))
                p["body"] = size + r.choice([b"\r\n"] * 8 + [b"\n", b"\r"]) + p["text"] + r.choice([b"\r\n"] * 8 + [b"\n", b"", b"x\r\n"]) + end
            else:
                p["body"] += r.choice([b"", b"x", b"\r\n", b"\n", b"0\r\n\r\n", b"5\r\nhello\r\n0\r\n\r\n"])
        elif n == 4:
            p["fields"][0] = r.choice(HOSTS)
        elif n in (5, 6):
            p["fields"].insert(r.randrange(len(p["fields"]) + 1), r.choice(FIELDS))
        elif n in (7, 8):
            p["target"] = r.choice(TARGETS)
        elif n == 9:
            p["version"] = r.choice(VERSIONS)
        elif n == 10:
            p["line_end"] = (r.randrange(4), r.choice(LINE_ENDS))
        elif n == 11:
            p["before"] = r.choice([b"\r\n", b"\n", b"\r\n\r\n", b"\r", b" ", b"\t", b"\0", b"\xef\xbb\xbf", b"\r\n" * 5])
        elif n == 12:
            p["gap"] = r.choice([b"  ", b"\t", b" \t", b"\x0b", b"\xa0", b"", b" \r\n "])
        else:
            p["bytes"] = r.randrange(1, 3)

    def write(self, p):
        head = [p["method"] + p["gap"] + p["target"] + p["version"], *p["fields"], b""]
        at, end = p.get("line_end", (-1, b""))
        raw = p["before"] + b"".join(line + (end if i == at else b"\r\n") for i, line in enumerate(head)) + p["body"]
        for _ in range(p.get("bytes", 0)):
            i, way = self.r.randrange(len(raw)), self.r.randrange(3)
            raw = raw[:i] + (self.r.choice(SPECIAL) if way else b"") + raw[i + (way != 2):]
        return raw


def corpus(seed, count):
    """count different requests; every single oddity of the lists is among them, alone, in front."""
    m, out = Maker(seed), {}
    for key, values in (("target", TARGETS), ("version", VERSIONS)):
        for v in values:
            out[m.write({**m.plain(), key: v})] = None
    for v in HOSTS:
        p = m.plain()
        p["fields"][0] = v
        out[m.write(p)] = None
    for v in FIELDS:
        p = m.plain()
        out[m.write({**p, "fields": [*p["fields"], v]})] = None
    for name, values in ((b"Content-Length:", LENGTHS), (b"Transfer-Encoding:", CODINGS)):
        for v in values:
            out[m.write({**m.plain(), "fields": [b"Host: " + HOST, name + v], "body": b"hello" if name[:1] == b"C" else b"5\r\nhello\r\n0\r\n\r\n"})] = None
    while len(out) < count:
        p = m.plain()
        for _ in range(m.r.choice([1, 1, 2, 2, 3])):
            m.odd(p)
        out[m.write(p)] = None
    return list(out)
