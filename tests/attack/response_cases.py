"""Class C of the attacks, the side of the upstream: what a broken or hostile server may answer, as data.

CASES is a list of (name, raw bytes of the answer, close after it, expected):
  '502'   the client gets 502 from the gateway, with none of these bytes;
  'cut'   the head was fine and went to the client, then the body broke: the client sees an incomplete message
          (connection closed before Content-Length or the last chunk), never a complete one;
  'ok'    the client gets one complete response of status 200 (or the status in the name);
  'sane'  the answer was complete, but more came behind it: 502 if that was seen in time, else 'ok'.
Whatever is expected, but for rows whose name starts with "kept:", the upstream connection must not be used again:
the next request arrives at the upstream on a fresh one. The request was a GET, unless the name starts with "HEAD:".
"""

OK = b"HTTP/1.1 200 OK\r\n"
CRLF = b"\r\n"
SECOND = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nX-Smuggled: 1\r\n\r\nsecond"


def res(fields=b"", body=b"", line=OK):
    return line + fields + CRLF + body


def chunked(body):
    return res(b"Transfer-Encoding: chunked\r\n", body)


CASES = [
    # what is refused before a byte of it is passed on
    ("CL and TE", res(b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n" + SECOND), False, "502"),
    ("TE and CL", res(b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", b"0\r\n\r\n" + SECOND), False, "502"),
    ("two CL, different", res(b"Content-Length: 5\r\nContent-Length: 6\r\n", b"hello!"), False, "502"),
    ("two CL, equal", res(b"Content-Length: 5\r\nContent-Length: 5\r\n", b"hello"), False, "502"),
    ("CL list", res(b"Content-Length: 5, 5\r\n", b"hello"), False, "502"),
    ("CL negative", res(b"Content-Length: -1\r\n", b"hello"), False, "502"),
    ("CL with a plus", res(b"Content-Length: +5\r\n", b"hello"), False, "502"),
    ("CL in hex", res(b"Content-Length: 0x5\r\n", b"hello"), False, "502"),
    ("CL too large", res(b"Content-Length: 99999999999999999999\r\n", b"hello"), False, "502"),
    ("CL empty", res(b"Content-Length:\r\n", b"hello"), True, "502"),
    ("CL with an underscore name", res(b"Content_Length: 5\r\n", b"hello"), True, "502"),
    ("CL behind a NUL", res(b"Content-Length: \x005\r\n", b"hello"), True, "502"),
    ("CL with a space inside", res(b"Content-Length: 1 0\r\n", b"0123456789"), True, "502"),
    ("CL with a semicolon", res(b"Content-Length: 5;a=b\r\n", b"hello"), True, "502"),
    ("CL with a leading zero", res(b"Content-Length: 05\r\n", b"hello"), True, "502"),
    ("CL 2^64 + 5", res(b"Content-Length: 18446744073709551621\r\n", b"hello"), True, "502"),
    ("CL with a space before the colon", res(b"Content-Length : 5\r\n", b"hello"), True, "502"),
    ("CL in a folded line", res(b"Content-Length:\r\n 5\r\n", b"hello"), True, "502"),
    ("TE xchunked", res(b"Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n"), True, "502"),
    ("TE identity", res(b"Transfer-Encoding: identity\r\nContent-Length: 5\r\n", b"hello"), True, "502"),
    ("TE chunked, gzip", res(b"Transfer-Encoding: chunked, gzip\r\n", b"0\r\n\r\n"), True, "502"),
    ("TE chunked, chunked", res(b"Transfer-Encoding: chunked, chunked\r\n", b"0\r\n\r\n"), True, "502"),
    ("TE with a parameter", res(b"Transfer-Encoding: chunked;a=b\r\n", b"0\r\n\r\n"), True, "502"),
    ("TE quoted", res(b'Transfer-Encoding: "chunked"\r\n', b"0\r\n\r\n"), True, "502"),
    ("TE empty", res(b"Transfer-Encoding:\r\n", b"0\r\n\r\n"), True, "502"),
    ("TE behind a vertical tab", res(b"Transfer-Encoding: \vchunked\r\n", b"0\r\n\r\n"), True, "502"),
    ("TE behind a NUL", res(b"Transfer-Encoding: \0chunked\r\n", b"0\r\n\r\n"), True, "502"),
    ("TE with an underscore name", res(b"Transfer_Encoding: chunked\r\n", b"0\r\n\r\n"), True, "502"),
    ("TE behind a space", res(b" Transfer-Encoding: chunked\r\n", b"0\r\n\r\n"), True, "502"),
    ("TE in a folded line", res(b"Transfer-Encoding:\r\n chunked\r\n", b"0\r\n\r\n"), True, "502"),
    ("TE behind a bare LF", res(b"A: b\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"), True, "502"),
    ("a control in a name", res(b"A\x01: b\r\nContent-Length: 0\r\n"), True, "502"),
    ("a high byte in a name", res(b"A\xe9: b\r\nContent-Length: 0\r\n"), True, "502"),
    ("no name", res(b": b\r\nContent-Length: 0\r\n"), True, "502"),
    ("TE gzip", res(b"Transfer-Encoding: gzip\r\n", b"hello"), True, "502"),
    ("TE gzip, chunked", res(b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n"), False, "502"),
    ("TE twice", res(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"), False, "502"),
    ("TE in 1.0", res(b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n", b"HTTP/1.0 200 OK\r\n"), True, "502"),
    ("TE with a space before the colon", res(b"Transfer-Encoding : chunked\r\n", b"0\r\n\r\n"), False, "502"),
    ("obs-fold", res(b"A: b\r\n c\r\nContent-Length: 0\r\n"), False, "502"),
    ("bare LF", b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", False, "502"),
    ("bare CR in a value", res(b"A: b\rX-Smuggled: 1\r\nContent-Length: 0\r\n"), False, "502"),
    ("NUL in a value", res(b"A: b\0c\r\nContent-Length: 0\r\n"), False, "502"),
    ("no colon", res(b"Abc\r\nContent-Length: 0\r\n"), False, "502"),
    ("control in the reason", res(b"Content-Length: 0\r\n", b"", b"HTTP/1.1 200 O\x1bK\r\n"), False, "502"),
    ("status of two digits", res(b"", b"", b"HTTP/1.1 20 OK\r\n"), True, "502"),
    ("status of four digits", res(b"", b"", b"HTTP/1.1 2000 OK\r\n"), True, "502"),
    ("status 000", res(b"", b"", b"HTTP/1.1 000 OK\r\n"), True, "502"),
    ("status 999", res(b"", b"", b"HTTP/1.1 999 OK\r\n"), True, "502"),
    ("HTTP/2.0", res(b"Content-Length: 0\r\n", b"", b"HTTP/2.0 200 OK\r\n"), False, "502"),
    ("HTTP/0.9", b"<html>hello</html>", True, "502"),
    ("ICY", res(b"", b"", b"ICY 200 OK\r\n"), True, "502"),
    ("leading CR LF", CRLF + res(b"Content-Length: 5\r\n", b"hello"), False, "502"),
    ("bytes before any request is answered", b"\x00\x01\x02\x03", True, "502"),
    ("nothing at all", b"", True, "502"),
    ("half a status line", b"HTTP/1.1 2", True, "502"),
    ("half a head", OK + b"Content-Length: 5\r\nX-A", True, "502"),
    ("head of 16 KiB and more", res(b"X: " + b"y" * 16500 + CRLF + b"Content-Length: 0\r\n"), False, "502"),
    ("head without end", OK + b"X: y\r\n" * 100000, False, "502"),
    ("101 fields", res(b"X: y\r\n" * 101 + b"Content-Length: 0\r\n"), False, "502"),
    ("204 with a body by CL", res(b"Content-Length: 5\r\n", b"hello", b"HTTP/1.1 204 No Content\r\n"), False, "502"),
    ("204 with a body by TE", res(b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n", b"HTTP/1.1 204 No Content\r\n"), False, "502"),
    ("1xx with CL", res(b"Content-Length: 5\r\n", b"hello" + SECOND, b"HTTP/1.1 103 Early Hints\r\n"), False, "502"),
    ("1xx without end", b"HTTP/1.1 100 Continue\r\n\r\n" * 10000, False, "502"),
    ("1xx and then the end", b"HTTP/1.1 100 Continue\r\n\r\n", True, "502"),
    ("101 that nobody asked for", res(b"Upgrade: h2c\r\nConnection: Upgrade\r\n", b"", b"HTTP/1.1 101 Switching Protocols\r\n"), False, "502"),
    ("Content-Encoding: gzip", res(b"Content-Encoding: gzip\r\nContent-Length: 5\r\n", b"\x1f\x8b\x08\x00\x00"), False, "502"),
    ("Content-Encoding: br", res(b"Content-Encoding: br\r\nContent-Length: 5\r\n", b"hello"), False, "502"),
    ("Content-Encoding: identity, gzip", res(b"Content-Encoding: identity, gzip\r\nContent-Length: 5\r\n", b"hello"), False, "502"),
    # what breaks behind a good head
    ("CL longer than the body", res(b"Content-Length: 50\r\n", b"hello"), True, "cut"),
    ("chunk cut", chunked(b"50\r\nhello"), True, "cut"),
    ("chunks without an end", chunked(b"5\r\nhello\r\n"), True, "cut"),
    ("last chunk without the empty line", chunked(b"5\r\nhello\r\n0\r\n"), True, "cut"),
    ("chunk size with a plus", chunked(b"5\r\nhello\r\n+5\r\nhello\r\n0\r\n\r\n"), False, "cut"),
    ("chunk size with 0x", chunked(b"5\r\nhello\r\n0x5\r\nhello\r\n0\r\n\r\n"), False, "cut"),
    ("chunk size of 17 digits", chunked(b"5\r\nhello\r\n10000000000000005\r\nhello\r\n0\r\n\r\n"), False, "cut"),
    ("chunk without its CR LF", chunked(b"5\r\nhello5\r\nhello\r\n0\r\n\r\n"), False, "cut"),
    ("chunk size ends with LF", chunked(b"5\r\nhello\r\n5\nhello\r\n0\r\n\r\n"), False, "cut"),
    ("extension with a bare LF", chunked(b"5\r\nhello\r\n5;a\nb\r\nhello\r\n0\r\n\r\n"), False, "cut"),
    ("extension of 1 MiB", chunked(b"5\r\nhello\r\n5;" + b"a" * (1 << 20) + b"\r\nhello\r\n0\r\n\r\n"), False, "cut"),
    ("chunk size with a minus", chunked(b"5\r\nhello\r\n-5\r\nhello\r\n0\r\n\r\n"), False, "cut"),
    ("chunk size with a space in front", chunked(b"5\r\nhello\r\n 5\r\nhello\r\n0\r\n\r\n"), False, "cut"),
    ("chunk size with a space behind", chunked(b"5\r\nhello\r\n5 \r\nhello\r\n0\r\n\r\n"), False, "cut"),
    ("chunk size with a NUL", chunked(b"5\r\nhello\r\n5\0\r\nhello\r\n0\r\n\r\n"), False, "cut"),
    ("chunk size empty", chunked(b"5\r\nhello\r\n\r\n\r\n" + SECOND), False, "cut"),
    ("chunk longer than it says", chunked(b"5\r\nhello\r\n5\r\nhello!\r\n0\r\n\r\n"), False, "cut"),
    ("chunk with LF only", chunked(b"5\r\nhello\r\n5\r\nhello\n0\r\n\r\n"), False, "cut"),
    ("end by LF", chunked(b"5\r\nhello\r\n0\n\n"), True, "cut"),
    ("trailer that is a length", chunked(b"5\r\nhello\r\n0\r\nContent-Length: 3\r\n\r\n" + SECOND), False, "cut"),
    ("trailer that is a coding", chunked(b"5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n" + SECOND), False, "cut"),
    ("trailer with a bare LF", chunked(b"5\r\nhello\r\n0\r\nA: b\n\r\n" + SECOND), False, "cut"),
    ("trailer with a NUL", chunked(b"5\r\nhello\r\n0\r\nA: \0\r\n\r\n" + SECOND), False, "cut"),
    ("trailer folded", chunked(b"5\r\nhello\r\n0\r\nA: b\r\n c\r\n\r\n" + SECOND), False, "cut"),
    ("trailer that is no field", chunked(b"5\r\nhello\r\n0\r\nabc\r\n\r\n"), False, "cut"),
    ("trailers of 9 KiB", chunked(b"5\r\nhello\r\n0\r\n" + b"A: bbbbbbbbb\r\n" * 720 + CRLF), False, "cut"),
    # what is complete, but leaves a connection that nobody may trust
    ("bytes behind CL", res(b"Content-Length: 5\r\n", b"hello" + SECOND), False, "sane"),
    ("bytes behind the last chunk", chunked(b"5\r\nhello\r\n0\r\n\r\n" + SECOND), False, "sane"),
    ("bytes behind 204", b"HTTP/1.1 204 No Content\r\n\r\n" + SECOND, False, "sane"),
    ("bytes behind 304", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n" + SECOND, False, "sane"),
    ("HEAD: with a body all the same", res(b"Content-Length: 5\r\n", b"hello"), False, "sane"),
    ("until the end", res(b"", b"hello"), True, "ok"),
    ("1.0 without keep-alive", res(b"Content-Length: 5\r\n", b"hello", b"HTTP/1.0 200 OK\r\n"), False, "ok"),
    ("Connection: close", res(b"Connection: close\r\nContent-Length: 5\r\n", b"hello"), False, "ok"),
    # what is fine
    ("kept: plain", res(b"Content-Length: 5\r\n", b"hello"), False, "ok"),
    ("kept: chunked", chunked(b"5\r\nhello\r\n0\r\n\r\n"), False, "ok"),
    ("kept: chunked with trailers", chunked(b"5\r\nhello\r\n0\r\nX-Api-Key: k\r\n\r\n"), False, "ok"),
    ("kept: no reason", res(b"Content-Length: 5\r\n", b"hello", b"HTTP/1.1 200 \r\n"), False, "ok"),
    ("kept: no reason, no space", res(b"Content-Length: 5\r\n", b"hello", b"HTTP/1.1 200\r\n"), False, "ok"),
    ("kept: 103 first", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + res(b"Content-Length: 5\r\n", b"hello"), False, "ok"),
    ("kept: 100 that nobody waits for", b"HTTP/1.1 100 Continue\r\n\r\n" + res(b"Content-Length: 5\r\n", b"hello"), False, "ok"),
    ("kept: 204 with CL 0", b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", False, "ok"),
    ("kept: HTTP/1.0 with keep-alive", res(b"Connection: keep-alive\r\nContent-Length: 5\r\n", b"hello", b"HTTP/1.0 200 OK\r\n"), False, "ok"),
    ("kept: Content-Encoding: identity", res(b"Content-Encoding: identity\r\nContent-Length: 5\r\n", b"hello"), False, "ok"),
]

if __name__ == "__main__":
    assert len({c[0] for c in CASES}) == len(CASES), "two cases of one name"
    print(f"{len(CASES)} cases")
