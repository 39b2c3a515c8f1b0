#include "broker/gateway/http1.h"

#include <string.h>

#include "broker/gateway/http1_class.h"

enum { SEEN_HOST = 1, SEEN_LENGTH = 2, SEEN_CODING = 4, SEEN_EXPECT = 8 };

/* One pass over a head. */
struct scan {
	const uint8_t *at, *end;
	enum err starved; /* what running out of input means: ERR_AGAIN or ERR_LIMIT */
	const char *reason;
	struct http1_head *h;
	unsigned seen;
	unsigned options; /* of all Connection fields */
	bool request, close, persist;
	bool tab; /* beside the value of this field */
};

static enum err
refuse(struct scan *s, const char *reason)
{
	s->reason = reason;
	return ERR_SYNTAX;
}

static enum err
limit(struct scan *s, const char *reason)
{
	s->reason = reason;
	return ERR_LIMIT;
}

static enum err
starve(struct scan *s)
{
	return s->starved == ERR_AGAIN ? ERR_AGAIN : limit(s, "head_too_long");
}

/* Exactly CR LF at the cursor; anything else that ends a run of legal bytes is named for what it
 * is. */
static enum err
scan_line_end(struct scan *s)
{
	if (s->at == s->end)
		return starve(s);
	if (*s->at != '\r')
		return refuse(s, *s->at == '\n' ? "bare_lf" : "control_byte");
	if (s->end - s->at < 2)
		return starve(s);
	if (s->at[1] != '\n')
		return refuse(s, "bare_cr");
	s->at += 2;
	return ERR_OK;
}

static void
scan_class(struct scan *s, uint8_t class)
{
	while (s->at < s->end && (http1_class[*s->at] & class) != 0)
		s->at++;
}

/* scan_class(HTTP1_CLASS_VALUE), eight bytes at a time: values are most of a head. */
static void
scan_value(struct scan *s)
{
	const uint64_t ones = 0x0101010101010101u, highs = ones * 0x80;

	while (s->end - s->at >= 8) {
		uint64_t w, del;

		memcpy(&w, s->at, sizeof(w));
		del = w ^ ones * 0x7f;
		/* a byte below 0x20, or DEL: both tests may only err towards the slow loop */
		if ((((w - ones * 0x20) & ~w) | ((del - ones) & ~del)) & highs)
			break;
		s->at += 8;
	}
	scan_class(s, HTTP1_CLASS_VALUE);
}

/* One or more bytes of class, then exactly one space. */
static enum err
scan_word(struct scan *s, uint8_t class, struct span *ret_word)
{
	const uint8_t *start = s->at;

	scan_class(s, class);
	*ret_word = span_of(start, (size_t)(s->at - start));
	if (s->at == s->end)
		return starve(s);
	if (ret_word->len == 0 || *s->at != ' ')
		return refuse(s, "request_line");
	s->at++;
	return ERR_OK;
}

static enum err
scan_version(struct scan *s)
{
	static const char prefix[] = "HTTP/1.";
	size_t have = (size_t)(s->end - s->at), want = sizeof(prefix) - 1;

	if (!span_eq(span_of(s->at, have < want ? have : want),
		span_of(prefix, have < want ? have : want)))
		return refuse(s, "version");
	if (have <= want)
		return starve(s);
	if (s->at[want] != '0' && s->at[want] != '1')
		return refuse(s, "version");
	s->h->minor = (uint8_t)(s->at[want] - '0');
	s->at += want + 1;
	return ERR_OK;
}

static enum err
scan_request_line(struct scan *s)
{
	struct http1_head *h = s->h;
	enum err e;

	e = scan_word(s, HTTP1_CLASS_METHOD, &h->method);
	if (h->method.len > HTTP1_METHOD_LEN_MAX)
		return refuse(s, "method");
	if (e != ERR_OK)
		return e;
	e = scan_word(s, HTTP1_CLASS_TARGET, &h->target);
	if (e != ERR_OK)
		return e == ERR_SYNTAX ? refuse(s, "target") : e;
	if (span_eq_str(h->method, "CONNECT")) {
		if (!http1_host_valid(h->target, true))
			return refuse(s, "connect_target");
	} else if (h->target.p[0] != '/') {
		return refuse(s, "target");
	}
	e = scan_version(s);
	return e == ERR_OK ? scan_line_end(s) : e;
}

/* The space behind the status may be missing with an empty reason: servers do that, and nothing
 * hangs on it. */
static enum err
scan_status_line(struct scan *s)
{
	struct http1_head *h = s->h;
	const uint8_t *p;
	enum err e;

	e = scan_version(s);
	if (e != ERR_OK)
		return e;
	if (s->end - s->at < 5)
		return starve(s);
	p = s->at;
	if (p[0] != ' ' || p[2] < '0' || p[2] > '9' || p[3] < '0' || p[3] > '9')
		return refuse(s, "status_line");
	if (p[1] < '1' || p[1] > '5')
		return refuse(s, p[1] >= '0' && p[1] <= '9' ? "status" : "status_line");
	h->status = (uint16_t)((p[1] - '0') * 100 + (p[2] - '0') * 10 + (p[3] - '0'));
	s->at += 4;
	if (*s->at != ' ')
		return *s->at == '\r' ? scan_line_end(s) : refuse(s, "status_line");
	p = ++s->at;
	scan_value(s);
	h->reason = span_of(p, (size_t)(s->at - p));
	return scan_line_end(s);
}

/* Plain digits without a leading zero: "+5", "0x5", "5, 5" and "05" have been read in more than one
 * way. */
static enum err
note_length(struct scan *s, struct span v)
{
	uint64_t n = 0;

	if (s->tab || (s->seen & SEEN_LENGTH) != 0 || v.len == 0 || v.len > 18 ||
	    (v.p[0] == '0' && v.len > 1))
		return refuse(s, "content_length");
	for (size_t i = 0; i < v.len; i++) {
		if (v.p[i] < '0' || v.p[i] > '9')
			return refuse(s, "content_length");
		n = n * 10 + (uint64_t)(v.p[i] - '0');
	}
	s->seen |= SEEN_LENGTH;
	s->h->content_length = n;
	return ERR_OK;
}

static enum err
note_coding(struct scan *s, struct span v)
{
	if (s->tab || (s->seen & SEEN_CODING) != 0 || !span_eq_nocase(v, "chunked"))
		return refuse(s, "transfer_encoding");
	s->seen |= SEEN_CODING;
	return ERR_OK;
}

static enum err
note_host(struct scan *s, struct span v)
{
	if (!s->request)
		return ERR_OK;
	if ((s->seen & SEEN_HOST) != 0)
		return refuse(s, "two_hosts");
	if (s->tab || !http1_host_valid(v, false))
		return refuse(s, "host");
	s->seen |= SEEN_HOST;
	s->h->host = v;
	return ERR_OK;
}

static enum err
note_expect(struct scan *s, struct span v)
{
	if (!s->request)
		return ERR_OK;
	if ((s->seen & SEEN_EXPECT) != 0 || !span_eq_nocase(v, "100-continue"))
		return refuse(s, "expectation");
	s->seen |= SEEN_EXPECT;
	return ERR_OK;
}

/* The next element of a comma-separated list of tokens: false at its end, or with an empty token
 * where a byte does not belong. */
static bool
next_option(struct span *list, struct span *ret_token)
{
	size_t i = 0, start;

	while (i < list->len && (list->p[i] == ',' || list->p[i] == ' ' || list->p[i] == '\t'))
		i++;
	start = i;
	while (i < list->len && (http1_class[list->p[i]] & HTTP1_CLASS_TOKEN) != 0)
		i++;
	*ret_token = span_of(list->p + start, i - start);
	while (i < list->len && (list->p[i] == ' ' || list->p[i] == '\t'))
		i++;
	if (i < list->len && list->p[i] != ',')
		ret_token->len = 0;
	if (start == list->len)
		return false;
	list->p += i;
	list->len -= i;
	return true;
}

static enum err
note_connection(struct scan *s, struct span v)
{
	struct span t;

	while (v.len > 0 && next_option(&v, &t)) {
		if (t.len == 0 || ++s->options > HTTP1_CONNECTION_OPTIONS_MAX)
			return refuse(s, "connection");
		if (span_eq_nocase(t, "close"))
			s->close = true;
		else if (span_eq_nocase(t, "keep-alive"))
			s->persist = true;
		else if (s->request &&
			 (span_eq_nocase(t, "host") || http1_name_like(t, "content-length") ||
			     http1_name_like(t, "transfer-encoding")))
			return refuse(
			    s, "connection"); /* asks us to drop what frames the message */
	}
	return ERR_OK;
}

/* What the fields that decide framing and routing say; chosen by length first, as most fields are
 * none of them. */
static enum err
note_field(struct scan *s, struct span name, struct span value)
{
	switch (name.len) {
	case 4:
		return span_eq_nocase(name, "host") ? note_host(s, value) : ERR_OK;
	case 6:
		return span_eq_nocase(name, "expect") ? note_expect(s, value) : ERR_OK;
	case 7:
		s->h->upgrade = s->h->upgrade || span_eq_nocase(name, "upgrade");
		return ERR_OK;
	case 10:
		return span_eq_nocase(name, "connection") ? note_connection(s, value) : ERR_OK;
	case 14:
		if (!http1_name_like(name, "content-length"))
			return ERR_OK;
		return name.p[7] == '-' ? note_length(s, value) : refuse(s, "underscore_name");
	case 17:
		if (!http1_name_like(name, "transfer-encoding"))
			return ERR_OK;
		return name.p[8] == '-' ? note_coding(s, value) : refuse(s, "underscore_name");
	default:
		return ERR_OK;
	}
}

/* White space at both ends goes. A tab is remembered: nginx does not take it for white space, so
 * that framing must not hang on it. */
static void
trim(struct scan *s, struct http1_header *f)
{
	struct span v = f->value;

	s->tab = false;
	while (v.len > 0 && (v.p[0] == ' ' || v.p[0] == '\t')) {
		s->tab = s->tab || v.p[0] == '\t';
		v = span_of(v.p + 1, v.len - 1);
	}
	while (v.len > 0 && (v.p[v.len - 1] == ' ' || v.p[v.len - 1] == '\t'))
		s->tab = v.p[--v.len] == '\t' || s->tab;
	f->value = v;
}

static enum err
scan_field(struct scan *s)
{
	struct http1_header *f = &s->h->headers[s->h->header_count];
	const uint8_t *p = s->at;
	enum err e;

	scan_class(s, HTTP1_CLASS_TOKEN);
	f->name = span_of(p, (size_t)(s->at - p));
	if (s->at == s->end)
		return starve(s);
	if (*s->at != ':' || f->name.len == 0)
		return refuse(
		    s, *s->at == ' ' || *s->at == '\t' ? "space_before_colon" : "header_name");
	s->at++;
	p = s->at;
	scan_value(s);
	f->value = span_of(p, (size_t)(s->at - p));
	e = scan_line_end(s);
	if (e != ERR_OK)
		return e;
	trim(s, f);
	s->h->header_count++;
	return note_field(s, f->name, f->value);
}

static enum err
scan_fields(struct scan *s)
{
	for (;;) {
		enum err e;

		if (s->at == s->end)
			return starve(s);
		if (*s->at == '\r' || *s->at == '\n')
			return scan_line_end(s);
		if (*s->at == ' ' || *s->at == '\t')
			return refuse(s, "obs_fold");
		if (s->h->header_count == HTTP1_HEADERS_MAX)
			return limit(s, "too_many_headers");
		e = scan_field(s);
		if (e != ERR_OK)
			return e;
	}
}

/* What both directions have in common, once the empty line was seen. */
static enum err
judge(struct scan *s)
{
	struct http1_head *h = s->h;

	if ((s->seen & SEEN_CODING) != 0 && (s->seen & SEEN_LENGTH) != 0)
		return refuse(s, "length_and_chunked");
	if ((s->seen & SEEN_CODING) != 0 && h->minor == 0)
		return refuse(s, "chunked_in_1_0");
	if ((s->seen & SEEN_CODING) != 0)
		h->framing = HTTP1_CHUNKED;
	else if ((s->seen & SEEN_LENGTH) != 0)
		h->framing = HTTP1_LENGTH;
	h->keep_alive = !s->close && (h->minor == 1 || s->persist);
	return ERR_OK;
}

static enum err
judge_response(struct scan *s, struct span request_method)
{
	struct http1_head *h = s->h;
	bool never = h->status < 200 || h->status == 204;

	if (never && (h->framing == HTTP1_CHUNKED || h->content_length > 0))
		return refuse(
		    s, "body_forbidden"); /* whoever honours it reads the next response as a body */
	if (never || h->status == 304 || span_eq_str(request_method, "HEAD"))
		h->framing = HTTP1_NO_BODY;
	else if (h->framing == HTTP1_NO_BODY)
		h->framing = HTTP1_UNTIL_CLOSE;
	h->keep_alive = h->keep_alive && h->framing != HTTP1_UNTIL_CLOSE;
	return ERR_OK;
}

static enum err
scan_start(struct scan *s, struct span in, struct http1_head *h)
{
	bool all = in.len < HTTP1_HEAD_MAX;

	/* not the headers: clearing 3 KiB would cost more than parsing them */
	h->method = h->target = h->reason = h->host = SPAN_NONE;
	h->status = h->header_count = 0;
	h->minor = 0;
	h->head_len = 0;
	h->framing = HTTP1_NO_BODY;
	h->content_length = 0;
	h->keep_alive = h->expect_continue = h->upgrade = false;
	s->h = h;
	if (in.len == 0)
		return ERR_AGAIN;
	s->at = in.p;
	s->end = in.p + (all ? in.len : HTTP1_HEAD_MAX);
	s->starved = all ? ERR_AGAIN : ERR_LIMIT;
	return ERR_OK;
}

static enum err
parse_request(struct scan *s, struct span in, struct http1_head *h)
{
	enum err e = scan_start(s, in, h);

	s->request = true;
	if (e == ERR_OK)
		e = scan_request_line(s);
	if (e == ERR_OK)
		e = scan_fields(s);
	if (e == ERR_OK)
		e = judge(s);
	if (e != ERR_OK)
		return e;
	if (h->minor == 1 && (s->seen & SEEN_HOST) == 0)
		return refuse(s, "no_host");
	/* RFC 9110 section 10.1.1: a 1.0 client does not wait for it */
	h->expect_continue = (s->seen & SEEN_EXPECT) != 0 && h->minor == 1;
	h->head_len = (size_t)(s->at - in.p);
	return ERR_OK;
}

enum err
http1_parse_request(struct span in, struct http1_head *ret_h, const char **ret_reason)
{
	struct scan s = { 0 };
	enum err e = parse_request(&s, in, ret_h);

	*ret_reason = s.reason;
	return e;
}

enum err
http1_parse_response(
    struct span in, struct span request_method, struct http1_head *ret_h, const char **ret_reason)
{
	struct scan s = { 0 };
	enum err e = scan_start(&s, in, ret_h);

	if (e == ERR_OK)
		e = scan_status_line(&s);
	if (e == ERR_OK)
		e = scan_fields(&s);
	if (e == ERR_OK)
		e = judge(&s);
	if (e == ERR_OK)
		e = judge_response(&s, request_method);
	if (e == ERR_OK)
		ret_h->head_len = (size_t)(s.at - in.p);
	*ret_reason = s.reason;
	return e;
}
