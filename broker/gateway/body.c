#include "broker/gateway/body.h"

struct body
body_start(const struct http1_head *h)
{
	return (struct body){ .framing = h->framing,
		.left = h->content_length,
		.done = h->framing == HTTP1_NO_BODY ||
			(h->framing == HTTP1_LENGTH && h->content_length == 0) };
}

enum err
body_take(struct body *b, struct span in, size_t *ret_used, struct span *ret_data)
{
	enum err e = ERR_OK;

	*ret_used = 0;
	*ret_data = SPAN_NONE;
	if (b->done)
		return ERR_OK;
	switch (b->framing) {
	case HTTP1_NO_BODY:
		break;
	case HTTP1_LENGTH:
		*ret_used = in.len < b->left ? in.len : (size_t)b->left;
		*ret_data = span_of(in.p, *ret_used);
		b->left -= *ret_used;
		b->done = b->left == 0;
		break;
	case HTTP1_CHUNKED:
		e = chunked_decode(&b->chunked, in, ret_used, ret_data);
		b->done = b->chunked.done;
		break;
	case HTTP1_UNTIL_CLOSE:
		*ret_used = in.len;
		*ret_data = in;
		break;
	}
	return e;
}

enum err
body_end_of_input(struct body *b)
{
	if (b->framing == HTTP1_UNTIL_CLOSE)
		b->done = true;
	return b->done ? ERR_OK : ERR_EOF;
}

enum err
body_put(struct buf *out, enum http1_framing framing, struct span data)
{
	char head[CHUNKED_HEAD_LEN];
	enum err e;

	if (data.len == 0)
		return ERR_OK;
	if (framing != HTTP1_CHUNKED)
		return buf_append_span(out, data);
	e = buf_append(out, head, chunked_head(data.len, head));
	if (e == ERR_OK)
		e = buf_append_span(out, data);
	return e == ERR_OK ? buf_append_str(out, "\r\n") : e;
}

enum err
body_put_end(struct buf *out, enum http1_framing framing)
{
	return framing == HTTP1_CHUNKED ? buf_append_str(out, CHUNKED_END) : ERR_OK;
}
