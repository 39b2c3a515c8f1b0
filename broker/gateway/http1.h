/*
 * http1 - strict HTTP/1.1 heads: what is ambiguous does not parse (RFC 9110, RFC 9112).
 * Process: gateway, shim (its own control requests), tests.
 * Owns: nothing; a parsed head points into the caller's bytes.
 * Secrets: header values may be credentials; nothing is copied.
 * Limits: HTTP1_HEAD_MAX bytes, HTTP1_HEADERS_MAX fields; beyond them ERR_LIMIT.
 * Failure: ERR_SYNTAX or ERR_LIMIT with a word in *ret_reason (else NULL); *ret_h is undefined;
 *          the connection is not usable any more. Words: request_line method target
 *          connect_target version status_line status header_name space_before_colon
 *          underscore_name obs_fold bare_cr bare_lf control_byte content_length
 *          transfer_encoding length_and_chunked chunked_in_1_0 body_forbidden host no_host
 *          two_hosts expectation connection; with ERR_LIMIT head_too_long too_many_headers.
 */
#ifndef GATEWAY_HTTP1_H
#define GATEWAY_HTTP1_H

#include "common/buf.h"

#define HTTP1_HEAD_MAX 16384
#define HTTP1_HEADERS_MAX 100
#define HTTP1_METHOD_LEN_MAX 16 /* longer: "method" */
#define HTTP1_HOST_LEN_MAX 261	/* 255, ':' and a port; longer: "host" */
/* More: "connection". It keeps http1_is_hop_by_hop() cheap. */
#define HTTP1_CONNECTION_OPTIONS_MAX 16

struct http1_header {
	struct span name, value; /* value without the white space around it */
};

enum http1_framing {
	HTTP1_NO_BODY = 0,
	HTTP1_LENGTH, /* content_length bytes, maybe 0 */
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
	bool keep_alive; /* what this head says of the connection; false for HTTP1_UNTIL_CLOSE */
	bool expect_continue; /* requests: 100-continue; any other Expect: "expectation" */
	bool upgrade;	      /* an Upgrade header was there; we drop it */
	struct span host; /* requests: exactly one, valid uri-host[:port]; empty only in HTTP/1.0 */
};

/* ERR_AGAIN until the empty line is there (and ERR_LIMIT as soon as it cannot come within the
 * limits). One leading CRLF is not skipped. Refused: bare CR or LF, obs-fold, white space before
 * the colon, control bytes and NUL, names outside tchar, "_" in framing look-alikes (any header
 * whose name with '_' for '-' is Content-Length, Transfer-Encoding, Host or Connection), two Hosts
 * or none (1.1), CL with TE, CL twice (even equal), CL not plain digits, TE other than exactly
 * "chunked" once, TE in HTTP/1.0, versions but 1.0 and 1.1, absolute-form and asterisk-form
 * (CONNECT and TRACE parse: the route refuses them; CONNECT's target is authority-form), a target
 * with bytes outside 0x21-0x7e or with '#', Connection that names Host, Content-Length or
 * Transfer-Encoding. Never looks at a byte behind the head. */
enum err http1_parse_request(
    struct span in, struct http1_head *ret_h, const char **ret_reason) NODISCARD;
/* request_method decides the framing (RFC 9112 section 6.3: HEAD, 1xx, 204, 304 have no body). CL
 * with TE, several CL: ERR_SYNTAX; so is a 1xx or 204 that announces a body. 101 parses: it is the
 * caller's to refuse, who never asks to upgrade. */
enum err http1_parse_response(struct span in, struct span request_method, struct http1_head *ret_h,
    const char **ret_reason) NODISCARD;

/* uri-host[:port] without userinfo, escapes or an empty port (RFC 9110 section 7.2, strictly). What
 * an address literal means is for whoever dials it. */
bool http1_host_valid(struct span host, bool need_port);

/* The n-th (from 0) header of that name, ASCII case-insensitive; NULL if there is none. */
const struct http1_header *http1_find(const struct http1_head *h, const char *name, uint16_t n);
/* Connection, Keep-Alive, Proxy-*, TE, Trailer, Transfer-Encoding, Upgrade, and whatever Connection
 * names (RFC 9110 section 7.6.1). Never true for a header that our side set: that is the caller's
 * to keep apart. */
bool http1_is_hop_by_hop(const struct http1_head *h, struct span name);
/* Equal but for case, and with '_' read as '-': for credential headers in all spellings. */
bool http1_name_like(struct span name, const char *lower_name);

#endif
