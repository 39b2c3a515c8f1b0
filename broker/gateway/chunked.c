#include "broker/gateway/chunked.h"

#include "broker/gateway/http1_class.h"

/* What the next byte may be. White space beside the size is refused: nobody sends it, and parsers
 * differ on it. */
enum state {
	AT_SIZE = 0, /* hex digit; behind one also ';' or CR */
	AT_EXT,
	AT_SIZE_LF,
	AT_DATA,
	AT_DATA_CR,
	AT_DATA_LF,
	AT_LINE, /* first byte of a trailer field, or the CR of the empty line */
	AT_NAME,
	AT_VALUE,
	AT_VALUE_LF,
	AT_END_LF,
	AT_END,
	BROKEN,
};

static int
hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static enum state
on_size(struct chunked *c, uint8_t b)
{
	int d = hex_digit(b);

	if (d >= 0) {
		if (++c->digits > 16)
			return BROKEN;
		c->left = c->left << 4 | (uint64_t)d;
		return AT_SIZE;
	}
	c->ext_len = 0;
	if (c->digits == 0)
		return BROKEN;
	return b == '\r' ? AT_SIZE_LF : b == ';' ? AT_EXT : BROKEN;
}

static enum state
on_size_lf(struct chunked *c, uint8_t b)
{
	c->digits = 0;
	if (b != '\n')
		return BROKEN;
	return c->left > 0 ? AT_DATA : AT_LINE;
}

/* A line of the trailer section, or an extension: counted, so that neither can run without end. */
static bool
counted(uint16_t *len, uint16_t max)
{
	return ++*len <= max;
}

static const char *const framing_names[] = { "content-length", "transfer-encoding" };

/* Goes on with each name as long as the trailer field's is the same. */
static void
note_name(struct chunked *c, uint8_t b)
{
	uint8_t lower = b >= 'A' && b <= 'Z' ? (uint8_t)(b | 0x20) : b;

	_Static_assert(COUNT(framing_names) == COUNT(c->same), "a count for each name");
	for (size_t i = 0; i < COUNT(framing_names); i++)
		if (c->same[i] < UINT8_MAX)
			c->same[i] = framing_names[i][c->same[i]] == (char)lower
					 ? (uint8_t)(c->same[i] + 1)
					 : UINT8_MAX;
}

/* A length that comes behind the body: Node refuses it, others let it through. */
static bool
names_framing(const struct chunked *c)
{
	for (size_t i = 0; i < COUNT(framing_names); i++)
		if (c->same[i] < UINT8_MAX && framing_names[i][c->same[i]] == '\0')
			return true;
	return false;
}

static enum state
on_line(struct chunked *c, uint8_t b)
{
	if (b == '\r')
		return AT_END_LF;
	if (!counted(&c->trailer_len, CHUNKED_TRAILER_MAX))
		return BROKEN;
	c->same[0] = c->same[1] = 0;
	note_name(c, b);
	return (http1_class[b] & HTTP1_CLASS_TOKEN) != 0 ? AT_NAME : BROKEN;
}

/* Without white space, on which parsers differ. */
static bool
may_extend(uint8_t b)
{
	return (http1_class[b] & HTTP1_CLASS_TOKEN) != 0 || b == '=' || b == ';' || b == '"';
}

static enum state
on_text(struct chunked *c, enum state now, uint8_t b)
{
	bool ext = now == AT_EXT;

	if (!counted(
		ext ? &c->ext_len : &c->trailer_len, ext ? CHUNKED_EXT_MAX : CHUNKED_TRAILER_MAX))
		return BROKEN;
	if (now == AT_NAME && b == ':')
		return names_framing(c) ? BROKEN : AT_VALUE;
	if (now == AT_NAME) {
		note_name(c, b);
		return (http1_class[b] & HTTP1_CLASS_TOKEN) != 0 ? AT_NAME : BROKEN;
	}
	if (b == '\r')
		return ext ? AT_SIZE_LF : AT_VALUE_LF;
	if (ext)
		return may_extend(b) ? AT_EXT : BROKEN;
	return (http1_class[b] & HTTP1_CLASS_VALUE) != 0 ? now : BROKEN; /* a bare LF ends here */
}

/* One byte that is not body. */
static enum state
step(struct chunked *c, uint8_t b)
{
	switch ((enum state)c->state) {
	case AT_SIZE:
		return on_size(c, b);
	case AT_SIZE_LF:
		return on_size_lf(c, b);
	case AT_DATA_CR:
		return b == '\r' ? AT_DATA_LF : BROKEN;
	case AT_DATA_LF:
		return b == '\n' ? AT_SIZE : BROKEN;
	case AT_LINE:
		return on_line(c, b);
	case AT_EXT:
	case AT_NAME:
	case AT_VALUE:
		return on_text(c, (enum state)c->state, b);
	case AT_VALUE_LF:
		return b == '\n' ? AT_LINE : BROKEN;
	case AT_END_LF:
		return b == '\n' ? AT_END : BROKEN;
	case AT_DATA:
	case AT_END:
	case BROKEN:
		break;
	}
	return BROKEN;
}

enum err
chunked_decode(struct chunked *c, struct span in, size_t *ret_used, struct span *ret_body)
{
	size_t i = 0, take;

	while (i < in.len && c->state != AT_DATA && c->state < AT_END)
		c->state = (uint8_t)step(c, in.p[i++]);
	if (c->state == BROKEN)
		return ERR_SYNTAX;
	c->done = c->state == AT_END;
	*ret_used = i;
	*ret_body = SPAN_NONE;
	if (c->state != AT_DATA || i == in.len)
		return ERR_OK;
	take = c->left < in.len - i ? (size_t)c->left : in.len - i;
	*ret_body = span_of(in.p + i, take);
	*ret_used = i + take;
	c->left -= take;
	if (c->left == 0)
		c->state = AT_DATA_CR;
	return ERR_OK;
}

size_t
chunked_head(uint64_t len, char dst[CHUNKED_HEAD_LEN])
{
	static const char digits[] = "0123456789abcdef";
	size_t n = 1, i;

	must(len > 0); /* a chunk of 0 would end the body */
	while (n < 16 && len >> (4 * n) != 0)
		n++;
	for (i = 0; i < n; i++)
		dst[i] = digits[len >> (4 * (n - 1 - i)) & 15];
	dst[n] = '\r';
	dst[n + 1] = '\n';
	return n + 2;
}
