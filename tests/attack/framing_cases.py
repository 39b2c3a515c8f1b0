"""Class C of the attacks, the side of the client: HTTP framing, as data.

CASES is a list of (name, raw bytes of one connection, expected). The name starts with who must notice:
  head:   the bytes are no HTTP/1.1 head that has one reading only. 400, 417 or 431 and the connection closes; UP0.
  body:   the head is fine, the body is not. The connection closes; the upstream never sees the end of a request,
          and nothing that stands behind the fault is taken for a request.
  route:  it parses, but is nothing that may be asked here. 4xx; UP0.
  ok:     an odd but unambiguous request. 200 and UP1.
expected is 'refuse' or 'ok' for the first request. PIPELINED has a list of outcomes, one for each response that must
come back; after the last the connection may close.

cases(path, host) makes the table for another path or Host. Paths with "deny" in them are for a route that policy denies.
"""

HOST = b"127.0.0.1:7433"
PATH = b"/p/anthropic/v1/x"
CRLF = b"\r\n"
SMUGGLED = b"GET /p/anthropic/smuggled HTTP/1.1\r\nHost: " + HOST + b"\r\n\r\n"


def cases(path=PATH, host=HOST):
    host_line = b"Host: " + host + CRLF

    def req(fields=b"", body=b"", method=b"POST", target=path, version=b"HTTP/1.1", with_host=True):
        line = method + b" " + target + b" " + version + CRLF
        return line + (host_line if with_host else b"") + fields + CRLF + body

    def cl(value, body=b"hello"):
        return req(b"Content-Length:" + value + CRLF, body)

    def te(value, body=b"5\r\nhello\r\n0\r\n\r\n"):
        return req(b"Transfer-Encoding:" + value + CRLF, body)

    def chunked(body):
        return te(b" chunked", body)

    out = []

    def add(who, expected, rows):
        out.extend((f"{who}: {name}", raw, expected) for name, raw in rows)

    both = b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"
    swapped = b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"
    add("head", "refuse", [
        # two lengths
        ("CL then TE", req(both, b"0\r\n\r\n" + SMUGGLED)),
        ("TE then CL", req(swapped, b"0\r\n\r\n" + SMUGGLED)),
        ("CL then TE, 1.0", req(both, b"0\r\n\r\n" + SMUGGLED, version=b"HTTP/1.0")),
        ("CL 0 and TE", req(b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n")),
        ("CL and TE with a field between", req(b"Content-Length: 5\r\nA: b\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n")),
        ("TE in 1.0", req(b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n", version=b"HTTP/1.0")),
        ("TE on GET with CL", req(both, b"0\r\n\r\n", method=b"GET")),
        ("CL twice, different", req(b"Content-Length: 5\r\nContent-Length: 6\r\n", b"hello!")),
        ("CL twice, equal", req(b"Content-Length: 5\r\nContent-Length: 5\r\n", b"hello")),
        ("CL twice, odd case", req(b"Content-Length: 5\r\ncONTENT-lENGTH: 0\r\n", b"hello")),
        ("CL list, equal", cl(b" 5, 5")),
        ("CL list, different", cl(b" 5, 6")),
        ("CL with a plus", cl(b" +5")),
        ("CL with a minus", cl(b" -5")),
        ("CL minus zero", cl(b" -0")),
        ("CL in hex", cl(b" 0x5")),
        ("CL in hex without prefix", cl(b" a", b"0123456789")),
        ("CL with a leading zero", cl(b" 05")),
        ("CL in octal look", cl(b" 010", b"01234567")),
        ("CL with a point", cl(b" 5.0")),
        ("CL with an exponent", cl(b" 5e0")),
        ("CL with a space inside", cl(b" 1 0")),
        ("CL with a tab inside", cl(b" 1\t0")),
        ("CL with an underscore", cl(b" 1_0")),
        ("CL with a semicolon", cl(b" 5;a=b")),
        ("CL quoted", cl(b' "5"')),
        ("CL empty", cl(b"")),
        ("CL of white space", cl(b" \t ")),
        ("CL behind a tab", cl(b"\t5")),
        ("CL before a tab", cl(b" 5\t")),
        ("TE behind a tab", te(b"\tchunked")),
        ("TE before a tab", te(b" chunked \t")),
        ("a method in lower case", req(method=b"get")),
        ("a method with an underscore", req(method=b"GET_")),
        ("a method with a hash", req(method=b"GET#")),
        ("CL of 19 digits", cl(b" 9999999999999999999")),
        ("CL 2^64 + 5", cl(b" 18446744073709551621")),
        ("CL 2^32 + 5 and a leading zero", cl(b" 04294967301")),
        ("CL in fullwidth digits", cl(" ５".encode())),
        ("CL behind a vertical tab", cl(b"\v5")),
        ("CL behind a NUL", cl(b" \x005")),
        ("CL behind NEL", cl(b"\xc2\x855")),
        ("CL with an underscore name", req(b"Content_Length: 5\r\n", b"hello")),
        ("CL in a folded line", req(b"Content-Length:\r\n 5\r\n", b"hello")),
        # disguises of Transfer-Encoding
        ("TE with an underscore name", req(b"Transfer_Encoding: chunked\r\n", b"0\r\n\r\n")),
        ("TE with a space before the colon", req(b"Transfer-Encoding : chunked\r\n", b"0\r\n\r\n")),
        ("TE with a tab before the colon", req(b"Transfer-Encoding\t: chunked\r\n", b"0\r\n\r\n")),
        ("TE with a NUL before the colon", req(b"Transfer-Encoding\0: chunked\r\n", b"0\r\n\r\n")),
        ("TE behind a space", req(b" Transfer-Encoding: chunked\r\n", b"0\r\n\r\n")),
        ("TE behind a bare LF", req(b"A: b\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n")),
        ("TE behind a bare CR", req(b"A: b\rTransfer-Encoding: chunked\r\n", b"0\r\n\r\n")),
        ("TE in a folded line", req(b"Transfer-Encoding:\r\n chunked\r\n", b"0\r\n\r\n")),
        ("TE xchunked", te(b" xchunked")),
        ("TE chunkedx", te(b" chunkedx")),
        ("TE identity", te(b" identity")),
        ("TE gzip", te(b" gzip")),
        ("TE gzip, chunked", te(b" gzip, chunked")),
        ("TE chunked, gzip", te(b" chunked, gzip")),
        ("TE chunked, chunked", te(b" chunked, chunked")),
        ("TE chunked, identity", te(b" chunked, identity")),
        ("TE chunked and a comma", te(b" chunked,")),
        ("TE a comma and chunked", te(b" ,chunked")),
        ("TE with a parameter", te(b" chunked;a=b")),
        ("TE quoted", te(b' "chunked"')),
        ("TE empty", te(b"")),
        ("TE behind a vertical tab", te(b"\vchunked")),
        ("TE behind a form feed", te(b"\fchunked")),
        ("TE with a NUL", te(b" chunked\0")),
        ("TE with a zero width space", te(" ​chunked".encode())),
        ("TE twice", req(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n")),
        ("TE twice, the second other", req(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", b"0\r\n\r\n")),
        ("TE twice, the first other", req(b"Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n")),
        # line ends and bytes
        ("bare LF behind the request line", b"GET " + path + b" HTTP/1.1\n" + host_line + CRLF),
        ("bare LF everywhere", b"GET " + path + b" HTTP/1.1\nHost: " + host + b"\n\n"),
        ("bare LF as the empty line", b"GET " + path + b" HTTP/1.1\r\n" + host_line + b"\n"),
        ("bare CR as line end", b"GET " + path + b" HTTP/1.1\rHost: " + host + b"\r\r"),
        ("bare CR in the request line", b"GET " + path + b" HTTP/1.1\rX: y\r\n" + host_line + CRLF),
        ("CR CR LF", req(b"A: b\r\r\n")),
        ("LF CR", b"GET " + path + b" HTTP/1.1\n\rHost: " + host + b"\n\r\n\r"),
        ("obs-fold by a space", req(b"A: b\r\n c\r\n")),
        ("obs-fold by a tab", req(b"A: b\r\n\tc\r\n")),
        ("obs-fold that hides a field", req(b"A: b\r\n X-Api-Key: sk-stolen\r\n")),
        ("obs-fold in front of the first field", b"GET " + path + b" HTTP/1.1\r\n A: b\r\n" + host_line + CRLF),
        ("NUL in a value", req(b"A: b\0c\r\n")),
        ("NUL in a name", req(b"A\0b: c\r\n")),
        ("NUL in the target", req(target=path + b"\0")),
        ("NUL in the method", req(method=b"GE\0T")),
        ("control in a value", req(b"A: b\x01c\r\n")),
        ("backspace in a value", req(b"A: b\x08c\r\n")),
        ("escape in a value", req(b"A: \x1b[2J\r\n")),
        ("DEL in a value", req(b"A: b\x7fc\r\n")),
        ("DEL in a name", req(b"A\x7f: c\r\n")),
        ("high byte in a name", req(b"A\xe9: c\r\n")),
        ("high byte in the target", req(target=path + b"\xc3\xa9")),
        ("tab in the target", req(target=path + b"\tx")),
        ("space in the target", req(target=path + b" x")),
        ("fragment in the target", req(target=path + b"#x")),
        ("no name", req(b": c\r\n")),
        ("no colon", req(b"Authorization\r\n")),
        ("a space in a name", req(b"X Api Key: c\r\n")),
        ("a bracket in a name", req(b"X(Api): c\r\n")),
        ("a slash in a name", req(b"X/Api: c\r\n")),
        ("a quote in a name", req(b'"Host": evil\r\n')),
        ("space before the colon of a credential", req(b"X-Api-Key : sk-stolen\r\n")),
        # request line
        ("no version", b"GET " + path + CRLF + host_line + CRLF),
        ("no target", b"GET HTTP/1.1\r\n" + host_line + CRLF),
        ("no method", b" " + path + b" HTTP/1.1\r\n" + host_line + CRLF),
        ("leading CR LF", CRLF + req(method=b"GET")),
        ("leading space", b" " + req(method=b"GET")),
        ("two spaces", b"GET  " + path + b" HTTP/1.1\r\n" + host_line + CRLF),
        ("two spaces before the version", b"GET " + path + b"  HTTP/1.1\r\n" + host_line + CRLF),
        ("tab as separator", b"GET\t" + path + b"\tHTTP/1.1\r\n" + host_line + CRLF),
        ("space behind the version", b"GET " + path + b" HTTP/1.1 \r\n" + host_line + CRLF),
        ("HTTP/0.9", b"GET " + path + CRLF),
        ("HTTP/0.9 with a version", req(version=b"HTTP/0.9")),
        ("HTTP/1.2", req(version=b"HTTP/1.2")),
        ("HTTP/1.9", req(version=b"HTTP/1.9")),
        ("HTTP/1.10", req(version=b"HTTP/1.10")),
        ("HTTP/1.01", req(version=b"HTTP/1.01")),
        ("HTTP/1", req(version=b"HTTP/1")),
        ("HTTP/01.1", req(version=b"HTTP/01.1")),
        ("HTTP/2.0", req(version=b"HTTP/2.0")),
        ("HTTP/3.0", req(version=b"HTTP/3.0")),
        ("http/1.1", req(version=b"http/1.1")),
        ("HTTPS/1.1", req(version=b"HTTPS/1.1")),
        ("HTTP 1.1", req(version=b"HTTP 1.1")),
        ("HTTP/1,1", req(version=b"HTTP/1,1")),
        ("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        ("TLS inside TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
        ("method with a bracket", req(method=b"G[T")),
        ("method with a colon", req(method=b"GET:")),
        ("method of 17 bytes", req(method=b"A" * 17)),
        ("absolute form, our own authority", req(target=b"http://" + host + path)),
        ("absolute form, another authority", req(target=b"http://evil.example" + path)),
        ("absolute form, https", req(target=b"https://api.anthropic.com/v1/x")),
        ("absolute form with userinfo", req(target=b"http://u:p@" + host + path)),
        ("asterisk form", req(method=b"OPTIONS", target=b"*")),
        ("authority form with GET", req(method=b"GET", target=b"api.anthropic.com:443")),
        ("relative target", req(target=b"p/anthropic/v1/x")),
        ("backslash in front", req(target=b"\\p\\anthropic")),
        ("CONNECT without a port", req(method=b"CONNECT", target=b"api.anthropic.com")),
        ("CONNECT to a path", req(method=b"CONNECT", target=path)),
        ("CONNECT with userinfo", req(method=b"CONNECT", target=b"a@api.anthropic.com:443")),
        ("CONNECT to port 0", req(method=b"CONNECT", target=b"api.anthropic.com:0")),
        ("CONNECT to port 65536", req(method=b"CONNECT", target=b"api.anthropic.com:65536")),
        ("CONNECT to two ports", req(method=b"CONNECT", target=b"api.anthropic.com:443:80")),
        # Host
        ("no Host", req(with_host=False)),
        ("two Hosts, equal", req(host_line)),
        ("two Hosts, different", req(b"Host: evil.example\r\n")),
        ("two Hosts in odd case", req(b"hOsT: evil.example\r\n")),
        ("Host empty", req(b"Host:\r\n", with_host=False)),
        ("Host with userinfo", req(b"Host: a@" + host + CRLF, with_host=False)),
        ("Host with a path", req(b"Host: " + host + b"/x\r\n", with_host=False)),
        ("Host with a list", req(b"Host: " + host + b", evil.example\r\n", with_host=False)),
        ("Host with a space", req(b"Host: " + host + b" evil.example\r\n", with_host=False)),
        ("Host with an empty port", req(b"Host: 127.0.0.1:\r\n", with_host=False)),
        ("Host with a port of letters", req(b"Host: 127.0.0.1:http\r\n", with_host=False)),
        ("Host with a port too large", req(b"Host: 127.0.0.1:70000\r\n", with_host=False)),
        ("Host with an escape", req(b"Host: 127.0.0%2e1:7433\r\n", with_host=False)),
        ("Host with a NUL", req(b"Host: " + host + b"\0.evil\r\n", with_host=False)),
        ("Host as a URL", req(b"Host: http://" + host + CRLF, with_host=False)),
        ("Host with an open bracket", req(b"Host: [::1\r\n", with_host=False)),
        ("Host of 300 bytes", req(b"Host: " + b"a" * 300 + CRLF, with_host=False)),
        # Expect, Connection
        ("Expect something else", req(b"Expect: 200-ok\r\nContent-Length: 5\r\n", b"hello")),
        ("Expect empty", req(b"Expect:\r\nContent-Length: 5\r\n", b"hello")),
        ("Expect list", req(b"Expect: 100-continue, x\r\nContent-Length: 5\r\n", b"hello")),
        ("Expect twice", req(b"Expect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 5\r\n", b"hello")),
        ("Expect with a parameter", req(b"Expect: 100-continue;x\r\nContent-Length: 5\r\n", b"hello")),
        ("Connection names Host", req(b"Connection: host\r\n")),
        ("Connection names Content-Length", req(b"Connection: content-length\r\nContent-Length: 5\r\n", b"hello")),
        ("Connection names Transfer-Encoding", req(b"Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n")),
        ("Connection with a control", req(b"Connection: close\x00\r\n")),
        ("Connection with a quote", req(b'Connection: "close"\r\n')),
        ("Connection with 17 options", req(b"Connection: " + b",".join([b"x"] * 17) + CRLF)),
        # sizes
        ("101 fields", req(b"".join(b"X-%d: y\r\n" % i for i in range(100)))),
        ("500 fields", req(b"X: y\r\n" * 500)),
        ("head of 16 KiB and one byte", req(b"X: " + b"y" * (16385 - len(req(b"X: \r\n"))) + CRLF)),
        ("one value of 64 KiB", req(b"X: " + b"y" * 65536 + CRLF)),
        ("one name of 64 KiB", req(b"X" * 65536 + b": y\r\n")),
        ("target of 64 KiB", req(target=path + b"a" * 65536)),
        ("method of 64 KiB", req(method=b"A" * 65536)),
        ("64 KiB of spaces before a value", req(b"X:" + b" " * 65536 + b"y\r\n")),
    ])
    add("body", "refuse", [
        ("chunk size with a plus", chunked(b"+5\r\nhello\r\n0\r\n\r\n")),
        ("chunk size with a minus", chunked(b"-5\r\nhello\r\n0\r\n\r\n")),
        ("chunk size with 0x", chunked(b"0x5\r\nhello\r\n0\r\n\r\n")),
        ("chunk size with a space in front", chunked(b" 5\r\nhello\r\n0\r\n\r\n")),
        ("chunk size with a space behind", chunked(b"5 \r\nhello\r\n0\r\n\r\n")),
        ("chunk size with a tab behind", chunked(b"5\t\r\nhello\r\n0\r\n\r\n")),
        ("chunk size with an underscore", chunked(b"0_5\r\nhello\r\n0\r\n\r\n")),
        ("chunk size empty", chunked(b"\r\nhello\r\n0\r\n\r\n")),
        ("second chunk size empty", chunked(b"5\r\nhello\r\n\r\n\r\n" + SMUGGLED)),
        ("chunk size not hex", chunked(b"g\r\nhello\r\n0\r\n\r\n")),
        ("chunk size of 17 digits", chunked(b"00000000000000005\r\nhello\r\n0\r\n\r\n")),
        ("chunk size 2^64 + 5", chunked(b"10000000000000005\r\nhello\r\n0\r\n\r\n")),
        ("chunk size with a NUL", chunked(b"5\0\r\nhello\r\n0\r\n\r\n")),
        ("chunk size ends with LF", chunked(b"5\nhello\r\n0\r\n\r\n")),
        ("chunk size ends with CR", chunked(b"5\rhello\r\n0\r\n\r\n")),
        ("extension ends with LF", chunked(b"5;a\nhello\r\n0\r\n\r\n")),
        ("extension with a bare CR", chunked(b"5;a\rb\r\nhello\r\n0\r\n\r\n")),
        ("extension that smuggles by LF", chunked(b"1;\nx\r\n0\r\n\r\n" + SMUGGLED)),
        ("extension of 257 bytes", chunked(b"5;" + b"a" * 257 + b"\r\nhello\r\n0\r\n\r\n")),
        ("extension of 1 MiB", chunked(b"5;" + b"a" * (1 << 20) + b"\r\nhello\r\n0\r\n\r\n")),
        ("extension with a control", chunked(b"5;a=\x01\r\nhello\r\n0\r\n\r\n")),
        ("chunk without its CR LF", chunked(b"5\r\nhello0\r\n\r\n")),
        ("chunk with LF only", chunked(b"5\r\nhello\n0\r\n\r\n")),
        ("chunk with CR only", chunked(b"5\r\nhello\r0\r\n\r\n")),
        ("chunk longer than it says", chunked(b"5\r\nhello!\r\n0\r\n\r\n")),
        ("chunk with two CR LF", chunked(b"5\r\nhello\r\n\r\n0\r\n\r\n")),
        ("end by LF", chunked(b"5\r\nhello\r\n0\n\n")),
        ("end by CR", chunked(b"5\r\nhello\r\n0\r\n\rX")),
        ("extension with a space", chunked(b"5; a=b\r\nhello\r\n0\r\n\r\n")),
        ("trailer that is a length", chunked(b"5\r\nhello\r\n0\r\nContent-Length: 3\r\n\r\n")),
        ("trailer that is a coding", chunked(b"5\r\nhello\r\n0\r\ntransfer-encoding: chunked\r\n\r\n")),
        ("trailer without a colon", chunked(b"0\r\nabc\r\n\r\n" + SMUGGLED)),
        ("trailer with a space before the colon", chunked(b"0\r\nA : b\r\n\r\n" + SMUGGLED)),
        ("trailer folded", chunked(b"0\r\nA: b\r\n c\r\n\r\n" + SMUGGLED)),
        ("trailer with a bare LF", chunked(b"0\r\nA: b\n\r\n" + SMUGGLED)),
        ("trailer with a NUL", chunked(b"0\r\nA: \0\r\n\r\n" + SMUGGLED)),
        ("trailers of 9 KiB", chunked(b"0\r\n" + b"A: bbbbbbbbb\r\n" * 720 + CRLF)),
        ("CL longer than what comes, then the end", cl(b" 50", b"hello")),
        ("chunk that never ends, then the end", chunked(b"50\r\nhello")),
    ])
    add("route", "refuse", [
        ("TRACE", req(method=b"TRACE")),
        ("TRACE with a body", req(b"Content-Length: 5\r\n", b"hello", method=b"TRACE")),
        ("CONNECT to an upstream's host", req(method=b"CONNECT", target=b"api.anthropic.com:443")),
        ("CONNECT to a private address", req(method=b"CONNECT", target=b"169.254.169.254:80")),
        ("CONNECT to a literal", req(method=b"CONNECT", target=b"[::1]:443")),
        ("Host of somebody else", req(b"Host: evil.example\r\n", with_host=False)),
        ("Host of the upstream", req(b"Host: api.anthropic.com\r\n", with_host=False)),
        ("no Host in 1.0", req(version=b"HTTP/1.0", with_host=False)),
        ("a denied path whose body looks like a request",
         req(b"Content-Length: %d\r\n" % len(SMUGGLED), SMUGGLED, target=b"/p/anthropic/deny")),
        ("a denied path whose chunks look like a request",
         req(b"Transfer-Encoding: chunked\r\n", b"%x\r\n" % len(SMUGGLED) + SMUGGLED + b"\r\n0\r\n\r\n",
             target=b"/p/anthropic/deny")),
    ])
    add("ok", "ok", [
        ("plain", req(method=b"GET")),
        ("CL 0", cl(b" 0", b"")),
        ("CL without a space", cl(b"5")),
        ("CL with much white space", cl(b"   5   ")),
        ("CL of a GET", req(b"Content-Length: 5\r\n", b"hello", method=b"GET")),
        ("chunked", chunked(b"5\r\nhello\r\n0\r\n\r\n")),
        ("chunked in capitals", te(b"CHUNKED")),
        ("chunked, empty", chunked(b"0\r\n\r\n")),
        ("chunked, zeros in front", chunked(b"0005\r\nhello\r\n000\r\n\r\n")),
        ("chunked, upper case hex", chunked(b"A\r\n0123456789\r\n0\r\n\r\n")),
        ("chunked, an extension", chunked(b'5;a=b;c="d"\r\nhello\r\n0;x\r\n\r\n')),
        ("chunked, trailers that name credentials",
         chunked(b"5\r\nhello\r\n0\r\nAuthorization: Bearer stolen\r\nHost: evil.example\r\nX-Api-Key: stolen\r\n\r\n")),
        ("chunked, CR LF inside", chunked(b"4\r\n\r\n\r\n\r\n0\r\n\r\n")),
        ("a body that looks like a request", req(b"Content-Length: %d\r\n" % len(SMUGGLED), SMUGGLED)),
        ("chunks that look like a request", chunked(b"%x\r\n" % len(SMUGGLED) + SMUGGLED + b"\r\n0\r\n\r\n")),
        ("HTTP/1.0", req(version=b"HTTP/1.0", method=b"GET")),
        ("Expect: 100-continue", req(b"Expect: 100-continue\r\nContent-Length: 5\r\n", b"hello")),
        ("names in odd case", b"GET " + path + b" HTTP/1.1\r\nhOST: " + host + b"\r\ncOnNeCtIoN: kEeP-aLiVe\r\n\r\n"),
        ("Connection: close", req(b"Connection: close\r\n", method=b"GET")),
        ("Connection with empty elements", req(b"Connection: , ,keep-alive ,\r\n", method=b"GET")),
        ("Connection names Authorization", req(b"Connection: Authorization, X-Api-Key\r\n", method=b"GET")),
        ("Upgrade is dropped", req(b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n", method=b"GET")),
        ("an empty value", req(b"X-Empty:\r\nX-Spaces: \t \r\n", method=b"GET")),
        ("a value with tab and high bytes", req(b"X-A: a\tb\xc3\xa9\xff\r\n", method=b"GET")),
        ("every tchar in a name", req(b"!#$%&'*+-.^_`|~09az: y\r\n", method=b"GET")),
        ("99 more fields", req(b"".join(b"X-%d: y\r\n" % i for i in range(99)), method=b"GET")),
        ("head of 16 KiB", req(b"X: " + b"y" * (16384 - len(req(b"X: \r\n"))) + CRLF)),
    ])
    return out


def pipelined(path=PATH, host=HOST, denied=b"/p/anthropic/deny"):
    def get(target, fields=b""):
        return b"GET " + target + b" HTTP/1.1\r\nHost: " + host + CRLF + fields + CRLF

    def post(target, body):
        return (b"POST " + target + b" HTTP/1.1\r\nHost: " + host + b"\r\nContent-Length: %d\r\n\r\n" % len(body)) + body

    return [
        ("two requests", get(path) + get(path), ["ok", "ok"]),
        ("the second is denied", get(path) + get(denied), ["ok", "refuse"]),
        ("the first is denied", get(denied) + get(path), ["refuse", "ok"]),
        ("the second is garbage", get(path) + b"\x00\x01\x02 / x\r\n\r\n", ["ok", "refuse"]),
        ("the second has two lengths",
         get(path) + b"POST " + path + b" HTTP/1.1\r\nHost: " + host
         + b"\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", ["ok", "refuse"]),
        ("a body, then a denied request", post(path, b"hello") + get(denied), ["ok", "refuse"]),
        ("a body that is a denied request, then a request", post(path, get(denied)) + get(path), ["ok", "ok"]),
        ("behind Connection: close nothing counts", get(path, b"Connection: close\r\n") + get(path), ["ok"]),
        ("CR LF between two requests", get(path) + CRLF + get(path), ["ok", "refuse"]),
        ("eight in a row", get(path) * 8, ["ok"] * 8),
    ]


CASES = cases()
PIPELINED = pipelined()

if __name__ == "__main__":
    assert len({name for name, _, _ in CASES}) == len(CASES), "two cases of one name"
    print(f"{len(CASES)} cases, {len(PIPELINED)} pipelined")
