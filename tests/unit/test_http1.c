#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "broker/gateway/http1.h"
#include "tests/lib/tap.h"

#define HOST "Host: h\r\n"
#define REQ(fields) "GET / HTTP/1.1\r\n" HOST fields "\r\n"
#define RES(status, fields) "HTTP/1.1 " status "\r\n" fields "\r\n"
#define BYTES(s) s, sizeof(s) - 1

struct row {
	const char *what;
	const char *in;
	size_t len;
	enum err want;
	const char *reason;
};

/* A prefix says AGAIN or already refuses; once it refuses, it never accepts. Nothing behind the
 * bytes is read: each prefix stands at the end of its own block, for ASan and valgrind. */
static bool
every_split_agrees(const struct row *r, bool response)
{
	enum err last = ERR_AGAIN;

	for (size_t n = 0; n <= r->len; n++) {
		AUTO(buf_wipe) struct buf b = BUF_MAX(1 << 20);
		struct http1_head h;
		const char *reason = NULL;
		enum err e;

		if (buf_append(&b, r->in, n) != ERR_OK)
			return false;
		e = response ? http1_parse_response(buf_span(&b), span_str("GET"), &h, &reason)
			     : http1_parse_request(buf_span(&b), &h, &reason);
		if (last != ERR_AGAIN && e != last)
			return false;
		if ((reason != NULL) != (e == ERR_SYNTAX || e == ERR_LIMIT))
			return false;
		last = e;
	}
	return last == r->want;
}

static void
run_row(const struct row *r, bool response)
{
	struct http1_head h;
	const char *reason = "untouched";
	struct span in = span_of(r->in, r->len);
	enum err e;

	e = response ? http1_parse_response(in, span_str("GET"), &h, &reason)
		     : http1_parse_request(in, &h, &reason);
	is_err(e, r->want, r->what);
	if (r->reason != NULL)
		ok(reason != NULL && strcmp(reason, r->reason) == 0, "%s: says %s (%s)", r->what,
		    r->reason, reason != NULL ? reason : "nothing");
	ok(every_split_agrees(r, response), "%s: the same at every split", r->what);
}

static const struct row requests[] = {
	{ "plain", BYTES(REQ("")), ERR_OK, NULL },
	{ "not yet", BYTES("GET / HTTP/1.1\r\n" HOST), ERR_AGAIN, NULL },
	{ "empty", BYTES(""), ERR_AGAIN, NULL },
	{ "bytes behind the head are not looked at", BYTES(REQ("") "\0\n\r"), ERR_OK, NULL },
	{ "a method with '-'", BYTES("M-SEARCH / HTTP/1.1\r\n" HOST "\r\n"), ERR_OK, NULL },
	{ "a method in lower case", BYTES("get / HTTP/1.1\r\n" HOST "\r\n"), ERR_SYNTAX,
	    "request_line" },
	{ "a method with '_'", BYTES("PUT_ / HTTP/1.1\r\n" HOST "\r\n"), ERR_SYNTAX,
	    "request_line" },
	{ "a method with '#'", BYTES("OPTIONS# / HTTP/1.1\r\n" HOST "\r\n"), ERR_SYNTAX,
	    "request_line" },
	{ "a tab before a length", BYTES(REQ("Content-Length:\t5\r\n")), ERR_SYNTAX,
	    "content_length" },
	{ "a tab behind a length", BYTES(REQ("Content-Length: 5 \t\r\n")), ERR_SYNTAX,
	    "content_length" },
	{ "a tab behind chunked", BYTES(REQ("Transfer-Encoding: chunked\t\r\n")), ERR_SYNTAX,
	    "transfer_encoding" },
	{ "a tab before a Host", BYTES("GET / HTTP/1.1\r\nHost:\ta\r\n\r\n"), ERR_SYNTAX, "host" },
	{ "tabs elsewhere", BYTES(REQ("A:\tb\t\r\n")), ERR_OK, NULL },
	{ "method of 16", BYTES("ABCDEFGHIJKLMNOP / HTTP/1.1\r\n" HOST "\r\n"), ERR_OK, NULL },
	{ "method of 17", BYTES("ABCDEFGHIJKLMNOPQ / HTTP/1.1\r\n" HOST "\r\n"), ERR_SYNTAX,
	    "method" },
	{ "no method", BYTES(" / HTTP/1.1\r\n" HOST "\r\n"), ERR_SYNTAX, "request_line" },
	{ "leading CRLF", BYTES("\r\nGET / HTTP/1.1\r\n" HOST "\r\n"), ERR_SYNTAX, "request_line" },
	{ "method with a bracket", BYTES("G(T / HTTP/1.1\r\n" HOST "\r\n"), ERR_SYNTAX,
	    "request_line" },
	{ "two spaces before the target", BYTES("GET  / HTTP/1.1\r\n" HOST "\r\n"), ERR_SYNTAX,
	    "target" },
	{ "two spaces behind it", BYTES("GET /  HTTP/1.1\r\n" HOST "\r\n"), ERR_SYNTAX, "version" },
	{ "tab as separator", BYTES("GET\t/ HTTP/1.1\r\n" HOST "\r\n"), ERR_SYNTAX,
	    "request_line" },
	{ "space at the end of the line", BYTES("GET / HTTP/1.1 \r\n" HOST "\r\n"), ERR_SYNTAX,
	    "control_byte" },
	{ "HTTP/0.9", BYTES("GET /\r\n"), ERR_SYNTAX, "target" },
	{ "HTTP/0.9 with a version", BYTES("GET / HTTP/0.9\r\n\r\n"), ERR_SYNTAX, "version" },
	{ "HTTP/1.0", BYTES("GET / HTTP/1.0\r\n\r\n"), ERR_OK, NULL },
	{ "HTTP/1.2", BYTES("GET / HTTP/1.2\r\n" HOST "\r\n"), ERR_SYNTAX, "version" },
	{ "HTTP/1.9", BYTES("GET / HTTP/1.9\r\n" HOST "\r\n"), ERR_SYNTAX, "version" },
	{ "HTTP/1.10", BYTES("GET / HTTP/1.10\r\n" HOST "\r\n"), ERR_SYNTAX, "control_byte" },
	{ "HTTP/2.0", BYTES("GET / HTTP/2.0\r\n" HOST "\r\n"), ERR_SYNTAX, "version" },
	{ "h2 preface", BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), ERR_SYNTAX, "target" },
	{ "http in lower case", BYTES("GET / http/1.1\r\n" HOST "\r\n"), ERR_SYNTAX, "version" },
	{ "absolute form", BYTES("GET http://h/ HTTP/1.1\r\n" HOST "\r\n"), ERR_SYNTAX, "target" },
	{ "asterisk form", BYTES("OPTIONS * HTTP/1.1\r\n" HOST "\r\n"), ERR_SYNTAX, "target" },
	{ "fragment", BYTES("GET /#x HTTP/1.1\r\n" HOST "\r\n"), ERR_SYNTAX, "target" },
	{ "NUL in the target", BYTES("GET /\0 HTTP/1.1\r\n" HOST "\r\n"), ERR_SYNTAX, "target" },
	{ "high byte in the target", BYTES("GET /\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n"), ERR_SYNTAX,
	    "target" },
	{ "DEL in the target", BYTES("GET /\x7f HTTP/1.1\r\n" HOST "\r\n"), ERR_SYNTAX, "target" },
	{ "CONNECT", BYTES("CONNECT h:443 HTTP/1.1\r\n" HOST "\r\n"), ERR_OK, NULL },
	{ "CONNECT to a literal", BYTES("CONNECT [::1]:443 HTTP/1.1\r\n" HOST "\r\n"), ERR_OK,
	    NULL },
	{ "CONNECT without a port", BYTES("CONNECT h HTTP/1.1\r\n" HOST "\r\n"), ERR_SYNTAX,
	    "connect_target" },
	{ "CONNECT to a path", BYTES("CONNECT / HTTP/1.1\r\n" HOST "\r\n"), ERR_SYNTAX,
	    "connect_target" },
	{ "CONNECT with userinfo", BYTES("CONNECT u@h:1 HTTP/1.1\r\n" HOST "\r\n"), ERR_SYNTAX,
	    "connect_target" },
	{ "CONNECT to port 0", BYTES("CONNECT h:0 HTTP/1.1\r\n" HOST "\r\n"), ERR_SYNTAX,
	    "connect_target" },
	{ "CONNECT to port 65536", BYTES("CONNECT h:65536 HTTP/1.1\r\n" HOST "\r\n"), ERR_SYNTAX,
	    "connect_target" },
	{ "authority form with another method", BYTES("GET h:443 HTTP/1.1\r\n" HOST "\r\n"),
	    ERR_SYNTAX, "target" },
	{ "bare LF behind the request line", BYTES("GET / HTTP/1.1\n" HOST "\r\n"), ERR_SYNTAX,
	    "bare_lf" },
	{ "bare LF behind a field", BYTES(REQ("A: b\n")), ERR_SYNTAX, "bare_lf" },
	{ "bare LF as the empty line", BYTES("GET / HTTP/1.1\r\n" HOST "\n"), ERR_SYNTAX,
	    "bare_lf" },
	{ "bare CR in a value", BYTES(REQ("A: b\rc\r\n")), ERR_SYNTAX, "bare_cr" },
	{ "CR CR LF", BYTES(REQ("A: b\r\r\n")), ERR_SYNTAX, "bare_cr" },
	{ "CR as the empty line", BYTES("GET / HTTP/1.1\r\n" HOST "\rX"), ERR_SYNTAX, "bare_cr" },
	{ "NUL in a value", BYTES(REQ("A: b\0c\r\n")), ERR_SYNTAX, "control_byte" },
	{ "control in a long value",
	    BYTES(REQ("A: 0123456789\x1f"
		      "0123456789\r\n")),
	    ERR_SYNTAX, "control_byte" },
	{ "DEL in a value", BYTES(REQ("A: 01234567\x7f\r\n")), ERR_SYNTAX, "control_byte" },
	{ "tab and high bytes in a value", BYTES(REQ("A: b\tc \x80\xff\r\n")), ERR_OK, NULL },
	{ "NUL in a name", BYTES(REQ("A\0: b\r\n")), ERR_SYNTAX, "header_name" },
	{ "empty name", BYTES(REQ(": b\r\n")), ERR_SYNTAX, "header_name" },
	{ "no colon", BYTES(REQ("Abc\r\n")), ERR_SYNTAX, "header_name" },
	{ "space before the colon", BYTES(REQ("A : b\r\n")), ERR_SYNTAX, "space_before_colon" },
	{ "tab before the colon", BYTES(REQ("A\t: b\r\n")), ERR_SYNTAX, "space_before_colon" },
	{ "space inside a name", BYTES(REQ("A B: c\r\n")), ERR_SYNTAX, "space_before_colon" },
	{ "obs-fold with a space", BYTES(REQ("A: b\r\n c\r\n")), ERR_SYNTAX, "obs_fold" },
	{ "obs-fold with a tab", BYTES(REQ("A: b\r\n\tc\r\n")), ERR_SYNTAX, "obs_fold" },
	{ "white space in front of the first field", BYTES("GET / HTTP/1.1\r\n Host: h\r\n\r\n"),
	    ERR_SYNTAX, "obs_fold" },
	{ "no Host", BYTES("GET / HTTP/1.1\r\n\r\n"), ERR_SYNTAX, "no_host" },
	{ "two Hosts", BYTES(REQ("hOST: h\r\n")), ERR_SYNTAX, "two_hosts" },
	{ "empty Host", BYTES("GET / HTTP/1.1\r\nHost:\r\n\r\n"), ERR_SYNTAX, "host" },
	{ "Host with userinfo", BYTES("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n"), ERR_SYNTAX, "host" },
	{ "Host with a list", BYTES("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"), ERR_SYNTAX, "host" },
	{ "Host with an empty port", BYTES("GET / HTTP/1.1\r\nHost: a:\r\n\r\n"), ERR_SYNTAX,
	    "host" },
	{ "Host with a path", BYTES("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"), ERR_SYNTAX, "host" },
	{ "Host with port and trailing space",
	    BYTES("GET / HTTP/1.1\r\nHost: 127.0.0.1:7433  \r\n\r\n"), ERR_OK, NULL },
	{ "Host with an IPv6 literal", BYTES("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n"), ERR_OK,
	    NULL },
	{ "Host with an open literal", BYTES("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"), ERR_SYNTAX,
	    "host" },
	{ "CL", BYTES(REQ("Content-Length: 5\r\n")), ERR_OK, NULL },
	{ "CL and TE", BYTES(REQ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n")),
	    ERR_SYNTAX, "length_and_chunked" },
	{ "TE and CL", BYTES(REQ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n")),
	    ERR_SYNTAX, "length_and_chunked" },
	{ "CL twice", BYTES(REQ("Content-Length: 5\r\nContent-Length: 5\r\n")), ERR_SYNTAX,
	    "content_length" },
	{ "CL list", BYTES(REQ("Content-Length: 5, 5\r\n")), ERR_SYNTAX, "content_length" },
	{ "CL +5", BYTES(REQ("Content-Length: +5\r\n")), ERR_SYNTAX, "content_length" },
	{ "CL -5", BYTES(REQ("Content-Length: -5\r\n")), ERR_SYNTAX, "content_length" },
	{ "CL 05", BYTES(REQ("Content-Length: 05\r\n")), ERR_SYNTAX, "content_length" },
	{ "CL 0x5", BYTES(REQ("Content-Length: 0x5\r\n")), ERR_SYNTAX, "content_length" },
	{ "CL 5 5", BYTES(REQ("Content-Length: 5 5\r\n")), ERR_SYNTAX, "content_length" },
	{ "CL empty", BYTES(REQ("Content-Length:\r\n")), ERR_SYNTAX, "content_length" },
	{ "CL of 18 digits", BYTES(REQ("Content-Length: 999999999999999999\r\n")), ERR_OK, NULL },
	{ "CL of 19 digits", BYTES(REQ("Content-Length: 1000000000000000000\r\n")), ERR_SYNTAX,
	    "content_length" },
	{ "CL 2^64+5", BYTES(REQ("Content-Length: 18446744073709551621\r\n")), ERR_SYNTAX,
	    "content_length" },
	{ "Content_Length", BYTES(REQ("Content_Length: 5\r\n")), ERR_SYNTAX, "underscore_name" },
	{ "Transfer_Encoding", BYTES(REQ("TRANSFER_ENCODING: chunked\r\n")), ERR_SYNTAX,
	    "underscore_name" },
	{ "TE chunked in capitals", BYTES(REQ("Transfer-Encoding: ChUnKeD\r\n")), ERR_OK, NULL },
	{ "TE twice", BYTES(REQ("Transfer-Encoding: chunked\r\ntransfer-encoding: chunked\r\n")),
	    ERR_SYNTAX, "transfer_encoding" },
	{ "TE gzip, chunked", BYTES(REQ("Transfer-Encoding: gzip, chunked\r\n")), ERR_SYNTAX,
	    "transfer_encoding" },
	{ "TE identity", BYTES(REQ("Transfer-Encoding: identity\r\n")), ERR_SYNTAX,
	    "transfer_encoding" },
	{ "TE xchunked", BYTES(REQ("Transfer-Encoding: xchunked\r\n")), ERR_SYNTAX,
	    "transfer_encoding" },
	{ "TE with a parameter", BYTES(REQ("Transfer-Encoding: chunked;q=1\r\n")), ERR_SYNTAX,
	    "transfer_encoding" },
	{ "TE empty", BYTES(REQ("Transfer-Encoding:\r\n")), ERR_SYNTAX, "transfer_encoding" },
	{ "TE with a vertical tab", BYTES(REQ("Transfer-Encoding:\vchunked\r\n")), ERR_SYNTAX,
	    "control_byte" },
	{ "TE in 1.0", BYTES("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), ERR_SYNTAX,
	    "chunked_in_1_0" },
	{ "Expect", BYTES(REQ("Expect: 100-Continue\r\n")), ERR_OK, NULL },
	{ "Expect twice", BYTES(REQ("Expect: 100-continue\r\nExpect: 100-continue\r\n")),
	    ERR_SYNTAX, "expectation" },
	{ "Expect something", BYTES(REQ("Expect: 200-ok\r\n")), ERR_SYNTAX, "expectation" },
	{ "Expect list", BYTES(REQ("Expect: 100-continue, x\r\n")), ERR_SYNTAX, "expectation" },
	{ "Connection list", BYTES(REQ("Connection: , close ,,x\r\n")), ERR_OK, NULL },
	{ "Connection with a quote", BYTES(REQ("Connection: \"close\"\r\n")), ERR_SYNTAX,
	    "connection" },
	{ "Connection with a space", BYTES(REQ("Connection: close x\r\n")), ERR_SYNTAX,
	    "connection" },
	{ "Connection names Host", BYTES(REQ("Connection: close, HOST\r\n")), ERR_SYNTAX,
	    "connection" },
	{ "Connection names CL", BYTES(REQ("Connection: content-length\r\n")), ERR_SYNTAX,
	    "connection" },
	{ "Connection names TE", BYTES(REQ("Connection: transfer_encoding\r\n")), ERR_SYNTAX,
	    "connection" },
	{ "16 options",
	    BYTES(REQ("Connection: a,b,c,d,e,f,g,h\r\nConnection: a,b,c,d,e,f,g,h\r\n")), ERR_OK,
	    NULL },
	{ "17 options",
	    BYTES(REQ("Connection: a,b,c,d,e,f,g,h\r\nConnection: a,b,c,d,e,f,g,h,i\r\n")),
	    ERR_SYNTAX, "connection" },
};

static const struct row responses[] = {
	{ "plain", BYTES(RES("200 OK", "")), ERR_OK, NULL },
	{ "no reason", BYTES(RES("200 ", "")), ERR_OK, NULL },
	{ "no reason, no space", BYTES(RES("200", "")), ERR_OK, NULL },
	{ "reason with high bytes", BYTES(RES("200 D\xe9j\xe0 vu, again", "")), ERR_OK, NULL },
	{ "reason with a control", BYTES(RES("200 O\x01K", "")), ERR_SYNTAX, "control_byte" },
	{ "status 099", BYTES(RES("099 x", "")), ERR_SYNTAX, "status" },
	{ "status 600", BYTES(RES("600 x", "")), ERR_SYNTAX, "status" },
	{ "status 999", BYTES(RES("999 x", "")), ERR_SYNTAX, "status" },
	{ "status x00", BYTES(RES("x00 x", "")), ERR_SYNTAX, "status_line" },
	{ "status 2/0", BYTES(RES("2/0 x", "")), ERR_SYNTAX, "status_line" },
	{ "status 2:0", BYTES(RES("2:0 x", "")), ERR_SYNTAX, "status_line" },
	{ "status 20/", BYTES(RES("20/ x", "")), ERR_SYNTAX, "status_line" },
	{ "status 20:", BYTES(RES("20: x", "")), ERR_SYNTAX, "status_line" },
	{ "no space before the status", BYTES("HTTP/1.1x200 OK\r\n\r\n"), ERR_SYNTAX,
	    "status_line" },
	{ "204 with CL 1", BYTES(RES("204 x", "Content-Length: 1\r\n")), ERR_SYNTAX,
	    "body_forbidden" },
	{ "status of two digits", BYTES(RES("20 OK", "")), ERR_SYNTAX, "status_line" },
	{ "status of four digits", BYTES(RES("2000 OK", "")), ERR_SYNTAX, "status_line" },
	{ "two spaces", BYTES("HTTP/1.1  200 OK\r\n\r\n"), ERR_SYNTAX, "status_line" },
	{ "HTTP/2", BYTES("HTTP/2 200 OK\r\n\r\n"), ERR_SYNTAX, "version" },
	{ "ICY", BYTES("ICY 200 OK\r\n\r\n"), ERR_SYNTAX, "version" },
	{ "leading CRLF", BYTES("\r\nHTTP/1.1 200 OK\r\n\r\n"), ERR_SYNTAX, "version" },
	{ "bare LF", BYTES("HTTP/1.1 200 OK\n\n"), ERR_SYNTAX, "bare_lf" },
	{ "bare LF without a reason", BYTES("HTTP/1.1 200\n\n"), ERR_SYNTAX, "status_line" },
	{ "obs-fold", BYTES(RES("200 OK", "A: b\r\n c\r\n")), ERR_SYNTAX, "obs_fold" },
	{ "CL and TE", BYTES(RES("200 OK", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n")),
	    ERR_SYNTAX, "length_and_chunked" },
	{ "CL twice", BYTES(RES("200 OK", "Content-Length: 5\r\nContent-Length: 5\r\n")),
	    ERR_SYNTAX, "content_length" },
	{ "TE gzip", BYTES(RES("200 OK", "Transfer-Encoding: gzip\r\n")), ERR_SYNTAX,
	    "transfer_encoding" },
	{ "TE in 1.0", BYTES("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), ERR_SYNTAX,
	    "chunked_in_1_0" },
	{ "204 with TE", BYTES(RES("204 x", "Transfer-Encoding: chunked\r\n")), ERR_SYNTAX,
	    "body_forbidden" },
	{ "204 with CL 5", BYTES(RES("204 x", "Content-Length: 5\r\n")), ERR_SYNTAX,
	    "body_forbidden" },
	{ "204 with CL 0", BYTES(RES("204 x", "Content-Length: 0\r\n")), ERR_OK, NULL },
	{ "100 with CL 5", BYTES(RES("100 x", "Content-Length: 5\r\n")), ERR_SYNTAX,
	    "body_forbidden" },
	{ "304 with CL 5", BYTES(RES("304 x", "Content-Length: 5\r\n")), ERR_OK, NULL },
	{ "Expect means nothing here", BYTES(RES("200 OK", "Expect: x\r\n")), ERR_OK, NULL },
	{ "Host means nothing here", BYTES(RES("200 OK", "Host: a b\r\nHost: c\r\n")), ERR_OK,
	    NULL },
	{ "Connection may name TE", BYTES(RES("200 OK", "Connection: Transfer-Encoding\r\n")),
	    ERR_OK, NULL },
};

struct meaning {
	const char *what, *method, *in; /* method NULL: a request */
	enum http1_framing framing;
	uint64_t length;
	bool keep_alive, expect, upgrade;
};

static const struct meaning meanings[] = {
	{ "GET", NULL, REQ(""), HTTP1_NO_BODY, 0, true, false, false },
	{ "GET in 1.0", NULL, "GET / HTTP/1.0\r\n\r\n", HTTP1_NO_BODY, 0, false, false, false },
	{ "keep-alive in 1.0", NULL, "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
	    HTTP1_NO_BODY, 0, true, false, false },
	{ "close beats keep-alive", NULL, REQ("Connection: keep-alive\r\nconnection: Close\r\n"),
	    HTTP1_NO_BODY, 0, false, false, false },
	{ "closed is not close", NULL, REQ("Connection: closed\r\n"), HTTP1_NO_BODY, 0, true, false,
	    false },
	{ "CL 0 is a length", NULL, REQ("Content-Length: 0\r\n"), HTTP1_LENGTH, 0, true, false,
	    false },
	{ "CL 42", NULL, REQ("content-length:  42 \r\n"), HTTP1_LENGTH, 42, true, false, false },
	{ "chunked", NULL, REQ("Transfer-Encoding: chunked\r\n"), HTTP1_CHUNKED, 0, true, false,
	    false },
	{ "100-continue", NULL, REQ("Content-Length: 1\r\nExpect: 100-continue\r\n"), HTTP1_LENGTH,
	    1, true, true, false },
	{ "100-continue in 1.0", NULL,
	    "PUT / HTTP/1.0\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n", HTTP1_LENGTH, 1,
	    false, false, false },
	{ "upgrade", NULL, REQ("Upgrade: h2c\r\nConnection: upgrade\r\n"), HTTP1_NO_BODY, 0, true,
	    false, true },
	{ "until close", "GET", RES("200 OK", ""), HTTP1_UNTIL_CLOSE, 0, false, false, false },
	{ "until close, whatever it says", "GET", RES("200 OK", "Connection: keep-alive\r\n"),
	    HTTP1_UNTIL_CLOSE, 0, false, false, false },
	{ "response CL", "GET", RES("200 OK", "Content-Length: 7\r\n"), HTTP1_LENGTH, 7, true,
	    false, false },
	{ "response chunked", "POST", RES("500 x", "Transfer-Encoding: chunked\r\n"), HTTP1_CHUNKED,
	    0, true, false, false },
	{ "HEAD", "HEAD", RES("200 OK", "Content-Length: 7\r\n"), HTTP1_NO_BODY, 7, true, false,
	    false },
	{ "HEAD, chunked", "HEAD", RES("200 OK", "Transfer-Encoding: chunked\r\n"), HTTP1_NO_BODY,
	    0, true, false, false },
	{ "head is not HEAD", "head", RES("200 OK", "Content-Length: 7\r\n"), HTTP1_LENGTH, 7, true,
	    false, false },
	{ "100", "POST", RES("100 Continue", ""), HTTP1_NO_BODY, 0, true, false, false },
	{ "204", "GET", RES("204 x", ""), HTTP1_NO_BODY, 0, true, false, false },
	{ "304", "GET", RES("304 x", "Content-Length: 7\r\n"), HTTP1_NO_BODY, 7, true, false,
	    false },
	{ "1.0 response", "GET", "HTTP/1.0 200 OK\r\nContent-Length: 7\r\n\r\n", HTTP1_LENGTH, 7,
	    false, false, false },
};

static void
run_meaning(const struct meaning *m)
{
	struct http1_head h;
	const char *reason;
	struct span in = span_str(m->in);
	enum err e;

	memset(&h, 0xa5, sizeof(h)); /* nothing may survive from the last head */
	e = m->method != NULL ? http1_parse_response(in, span_str(m->method), &h, &reason)
			      : http1_parse_request(in, &h, &reason);
	is_err(e, ERR_OK, m->what);
	if (e != ERR_OK)
		return;
	ok(h.framing == m->framing && h.content_length == m->length, "%s: framing", m->what);
	ok(h.keep_alive == m->keep_alive, "%s: keep-alive", m->what);
	ok(h.expect_continue == m->expect && h.upgrade == m->upgrade, "%s: flags", m->what);
	ok(h.head_len == in.len, "%s: the head is all of it", m->what);
}

/* A head of exactly len bytes, with a body behind it. */
static enum err
parse_padded(size_t len, size_t body, const char **ret_reason)
{
	AUTO(buf_wipe) struct buf b = BUF_MAX(1 << 20);
	struct http1_head h;
	size_t fixed = strlen(REQ("A: \r\n"));

	if (buf_append_str(&b, "GET / HTTP/1.1\r\n" HOST "A: ") != ERR_OK)
		return ERR_NOMEM;
	for (size_t i = fixed; i < len; i++)
		if (buf_append_byte(&b, 'x') != ERR_OK)
			return ERR_NOMEM;
	if (buf_append_str(&b, "\r\n\r\n") != ERR_OK)
		return ERR_NOMEM;
	for (size_t i = 0; i < body; i++)
		if (buf_append_byte(&b, 'b') != ERR_OK)
			return ERR_NOMEM;
	return http1_parse_request(buf_span(&b), &h, ret_reason);
}

static enum err
cut_at_the_maximum(void)
{
	static char in[HTTP1_HEAD_MAX];
	struct http1_head h;
	const char *reason;

	memset(in, 'x', sizeof(in));
	memcpy(in, "GET / HTTP/1.1\r\nA: ", 19);
	return http1_parse_request(span_of(in, sizeof(in)), &h, &reason);
}

static enum err
parse_many(size_t count, const char **ret_reason)
{
	AUTO(buf_wipe) struct buf b = BUF_MAX(1 << 20);
	struct http1_head h;

	if (buf_append_str(&b, "GET / HTTP/1.1\r\n" HOST) != ERR_OK)
		return ERR_NOMEM;
	for (size_t i = 1; i < count; i++)
		if (buf_append_str(&b, "a:\r\n") != ERR_OK)
			return ERR_NOMEM;
	if (buf_append_str(&b, "\r\n") != ERR_OK)
		return ERR_NOMEM;
	return http1_parse_request(buf_span(&b), &h, ret_reason);
}

static void
limits_hold(void)
{
	const char *reason;

	is_err(parse_padded(HTTP1_HEAD_MAX, 0, &reason), ERR_OK, "head of the maximum");
	is_err(parse_padded(HTTP1_HEAD_MAX, 5000, &reason), ERR_OK, "and a body behind it");
	is_err(parse_padded(HTTP1_HEAD_MAX + 1, 0, &reason), ERR_LIMIT, "one byte more");
	ok(strcmp(reason, "head_too_long") == 0, "head_too_long");
	ok(cut_at_the_maximum() == ERR_LIMIT, "no longer head can come, so it is refused at once");
	is_err(parse_many(HTTP1_HEADERS_MAX, &reason), ERR_OK, "100 fields");
	is_err(parse_many(HTTP1_HEADERS_MAX + 1, &reason), ERR_LIMIT, "101 fields");
	ok(strcmp(reason, "too_many_headers") == 0, "too_many_headers");
}

/* Every byte at every place of a small head either parses to that byte or is refused. */
static void
every_byte(void)
{
	static const char base[] = "GET /a HTTP/1.1\r\nHost: h\r\nX-Y: abcdefghijklmnop\r\n\r\n";
	size_t accepted = 0, control = 0;

	for (size_t at = 0; at < sizeof(base) - 1; at++) {
		for (int c = 0; c < 256; c++) {
			char in[sizeof(base)];
			struct http1_head h;
			const char *reason;

			memcpy(in, base, sizeof(base));
			in[at] = (char)c;
			if (http1_parse_request(span_of(in, sizeof(base) - 1), &h, &reason) !=
			    ERR_OK)
				continue;
			accepted++;
			control += (c < 0x20 && c != '\t' && c != base[at]) || c == 0x7f;
		}
	}
	ok(accepted > 1000 && control == 0, "no control byte is accepted at any of %zu places",
	    sizeof(base) - 1);
}

static void
is_fast(void)
{
	static const char in[] =
	    "POST /v1/messages HTTP/1.1\r\nHost: api.anthropic.com\r\nAccept: application/json\r\n"
	    "Content-Type: application/json\r\nUser-Agent: Anthropic/JS 0.50.0\r\n"
	    "X-Api-Key: sk-ant-api03-0123456789abcdef0123456789abcdef0123456789\r\n"
	    "Anthropic-Version: 2023-06-01\r\nX-Stainless-Lang: js\r\nContent-Length: 100\r\n"
	    "Accept-Encoding: gzip, deflate\r\nConnection: keep-alive\r\n\r\n";
	struct http1_head h;
	const char *reason;
	struct timespec a, b;
	int rounds = 200000, good = 0;
	double ns;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
	for (int i = 0; i < rounds; i++)
		good += http1_parse_request(span_of(in, sizeof(in) - 1), &h, &reason) == ERR_OK;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
	ns = ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) / rounds;
	ok(good == rounds, "a head of 10 fields parses");
	printf("# %.0f ns a head of %zu bytes\n", ns, sizeof(in) - 1);
}

int
main(void)
{
	for (size_t i = 0; i < COUNT(requests); i++)
		run_row(&requests[i], false);
	for (size_t i = 0; i < COUNT(responses); i++)
		run_row(&responses[i], true);
	for (size_t i = 0; i < COUNT(meanings); i++)
		run_meaning(&meanings[i]);
	limits_hold();
	every_byte();
	is_fast();
	return done();
}
