/* The response head that the client gets: nothing of the hop, nothing that claims to be ours, no
 * secret, our framing. */
#include <string.h>

#include "broker/gateway/resphead.h"
#include "tests/lib/tap.h"

#define KEY "sk-ant-api03-0123456789abcdef"

static struct redact *redact;

static const struct {
	const char *what, *method, *in;
	bool scan, close;
	uint8_t minor;
	const char *out; /* NULL: ERR_DENIED */
	enum http1_framing framing;
} cases[] = {
	{ "a length", "GET", "HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 5\r\n\r\n", true, false,
	    1, "HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 5\r\n\r\n", HTTP1_LENGTH },
	{ "chunked", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", true, false, 1,
	    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP1_CHUNKED },
	{ "until close becomes chunked", "GET", "HTTP/1.0 200 OK\r\n\r\n", true, false, 1,
	    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP1_CHUNKED },
	{ "an HTTP/1.0 client gets no chunks", "GET",
	    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", true, true, 0,
	    "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", HTTP1_UNTIL_CLOSE },
	{ "HEAD keeps the length", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n", true,
	    false, 1, "HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n", HTTP1_NO_BODY },
	{ "304 keeps the length", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n",
	    true, false, 1, "HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n",
	    HTTP1_NO_BODY },
	{ "204", "GET", "HTTP/1.1 204 No Content\r\n\r\n", true, false, 1,
	    "HTTP/1.1 204 No Content\r\n\r\n", HTTP1_NO_BODY },
	{ "no reason", "GET", "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", true, false, 1,
	    "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", HTTP1_LENGTH },
	{ "hop-by-hop fields", "GET",
	    "HTTP/1.1 200 OK\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n"
	    "Proxy-Authenticate: Basic\r\nUpgrade: h2c\r\nTrailer: X\r\nContent-Length: 0\r\n\r\n",
	    true, false, 1, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", HTTP1_LENGTH },
	{ "fields that claim to be ours", "GET",
	    "HTTP/1.1 403 No\r\nSidekey-Decision: deny\r\nSIDEKEY_X: y\r\nContent-Length: "
	    "0\r\n\r\n",
	    true, false, 1, "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", HTTP1_LENGTH },
	{ "a redirect", "GET",
	    "HTTP/1.1 302 Found\r\nLocation: https://evil.example/?k=" KEY
	    "\r\nContent-Length: 0\r\n\r\n",
	    true, false, 1,
	    "HTTP/1.1 302 Found\r\nLocation: https://evil.example/?k=*****************************"
	    "\r\nContent-Length: 0\r\n\r\n",
	    HTTP1_LENGTH },
	{ "the key in a reason and in a name", "GET",
	    "HTTP/1.1 200 " KEY "\r\n" KEY ": x\r\nContent-Length: 0\r\n\r\n", true, false, 1,
	    "HTTP/1.1 200 *****************************\r\n*****************************: x"
	    "\r\nContent-Length: 0\r\n\r\n",
	    HTTP1_LENGTH },
	{ "gzip", "GET", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n\r\n",
	    true, false, 1, NULL, HTTP1_NO_BODY },
	{ "identity, then br", "GET",
	    "HTTP/1.1 200 OK\r\nContent-Encoding: identity\r\nContent-Encoding: br\r\n"
	    "Content-Length: 9\r\n\r\n",
	    true, false, 1, NULL, HTTP1_NO_BODY },
	{ "identity", "GET",
	    "HTTP/1.1 200 OK\r\nContent-Encoding: Identity\r\nContent-Length: 9\r\n\r\n", true,
	    false, 1, "HTTP/1.1 200 OK\r\nContent-Encoding: Identity\r\nContent-Length: 9\r\n\r\n",
	    HTTP1_LENGTH },
	{ "gzip where no credential was put in", "GET",
	    "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n\r\n", false, false,
	    1, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n\r\n",
	    HTTP1_LENGTH },
};

int
main(void)
{
	must(secret_arena_init(1 << 20) == ERR_OK);
	must(redact_new(span_str(KEY), &redact) == ERR_OK);
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO(buf_wipe) struct buf out = BUF_MAX(65536);
		enum http1_framing framing = HTTP1_NO_BODY;
		bool echoed = false;
		const char *reason;
		struct http1_head h;
		struct resphead r = { .head = &h,
			.redact = cases[i].scan ? redact : NULL,
			.echoed = &echoed,
			.client_minor = cases[i].minor,
			.close = cases[i].close,
			.to_head = strcmp(cases[i].method, "HEAD") == 0 };
		enum err e;

		must(http1_parse_response(
			 span_str(cases[i].in), span_str(cases[i].method), &h, &reason) == ERR_OK);
		e = resphead_write(&r, &out, &framing);
		if (cases[i].out == NULL)
			is_err(e, ERR_DENIED, cases[i].what);
		else if (!ok(e == ERR_OK && framing == cases[i].framing &&
				 span_eq_str(buf_span(&out), cases[i].out) &&
				 echoed == (strstr(cases[i].out, "***") != NULL),
			     "%s", cases[i].what))
			printf("# got %.*s\n", (int)out.len, (const char *)out.data);
	}
	redact_free(redact);
	return done();
}
