/*
 * http1 - strict HTTP/1.1 heads, requests and responses: what is ambiguous does not parse (RFC 9110, RFC 9112).
 * Process: gateway, shim (its own control requests), tests.   Owns: nothing; a parsed head points into the caller's bytes.
 * Secrets: header values may be credentials; nothing is copied.
 * Limits: HTTP1_HEAD_MAX bytes, HTTP1_HEADERS_MAX fields; beyond them ERR_LIMIT.
 * Failure: ERR_SYNTAX with a word in *ret_reason; the connection is not usable any more.
 */
#ifndef GATEWAY_HTTP1_H
#define GATEWAY_HTTP1_H

#include "common/buf.h"

#define HTTP1_HEAD_MAX 16384
#define HTTP1_HEADERS_MAX 100

struct http1_header {
	struct span name, value; /* value without the white space around it */
};

enum http1_framing {
	HTTP1_NO_BODY = 0,
	HTTP1_LENGTH,	 /* content_length bytes */
	HTTP1_CHUNKED,
	HTTP1_UNTIL_CLOSE, /* responses only */
};

struct http1_head {
	struct span method, target; /* requests */
	uint16_t status;	    /* responses */
	struct span reason;	    /* responses */
	uint8_t minor;		    /* HTTP/1.minor: 0 or 1 */
	struct http1_header headers[HTTP1_HEADERS_MAX];
	uint16_t header_count;
	size_t head_len; /* bytes up to and with the empty line */

	enum http1_framing framing;
	uint64_t content_length;
	bool keep_alive;      /* what this head says of the connection */
	bool expect_continue; /* requests: Expect: 100-continue; any other Expect is ERR_SYNTAX "expectation" */
	bool upgrade;	      /* an Upgrade header was there; we drop it */
	struct span host;     /* requests: exactly one, valid uri-host[:port] */
};

/* ERR_AGAIN until the empty line is there (and ERR_LIMIT as soon as it cannot come within the limits). One leading CRLF is not skipped.
 * Refused: bare CR or LF, obs-fold, white space before the colon, control bytes and NUL, names outside tchar, "_" in framing look-alikes
 * (any header whose name with '_' for '-' is Content-Length, Transfer-Encoding, Host or Connection), two Hosts or none (1.1), CL with TE, CL twice
 * (even equal), CL not plain digits, TE other than exactly "chunked" once, TE in HTTP/1.0, versions but 1.0 and 1.1, absolute-form and asterisk-form
 * (CONNECT and TRACE parse: the route refuses them; CONNECT's target is authority-form), a target with bytes outside 0x21-0x7e or with '#'. */
enum err http1_parse_request(struct span in, struct http1_head *ret_h, const char **ret_reason) NODISCARD;
/* request_method decides the framing (RFC 9112 section 6.3: HEAD, 1xx, 204, 304 have no body). CL with TE, several CL: ERR_SYNTAX. */
enum err http1_parse_response(struct span in, struct span request_method, struct http1_head *ret_h, const char **ret_reason) NODISCARD;

/* The n-th (from 0) header of that name, ASCII case-insensitive; NULL if there is none. */
const struct http1_header *http1_find(const struct http1_head *h, const char *name, uint16_t n);
/* Connection, Keep-Alive, Proxy-*, TE, Trailer, Transfer-Encoding, Upgrade, and whatever Connection names (RFC 9110 section 7.6.1).
 * Never true for a header that our side set: that is the caller's to keep apart. */
bool http1_is_hop_by_hop(const struct http1_head *h, struct span name);
/* Equal but for case, and with '_' read as '-': for credential headers in all spellings. */
bool http1_name_like(struct span name, const char *lower_name);

#endif
