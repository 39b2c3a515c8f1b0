/*
 * Input: a byte that chooses a body, the sender's and the receiver's role, the link's state; then
 * one frame. Whatever a reader accepts to the last byte, its writer writes back, byte for byte: so
 * no two messages mean the same, and nothing is read that was not written.
 */
#include <string.h>

#include "broker/ipc/body.h"
#include "broker/ipc/frame.h"
#include "broker/ipc/msg.h"
#include "tests/fuzz/fuzz.h"

#define AGAIN(name)                                                                                \
	static void name##_again(struct wire_reader *r, struct wire_writer *w)                     \
	{                                                                                          \
		static struct name v;                                                              \
                                                                                                   \
		memset(&v, 0xa5, sizeof(v)); /* what a reader leaves out would show */             \
		name##_get(r, &v);                                                                 \
		if (wire_done(r) == ERR_OK)                                                        \
			name##_put(w, &v);                                                         \
	}

AGAIN(decide)
AGAIN(allow)
AGAIN(deny)
AGAIN(control)
AGAIN(finish)
AGAIN(report)
AGAIN(issued)
AGAIN(self)
AGAIN(self_upstream)
AGAIN(enroll_new)
AGAIN(workload_row)
AGAIN(secret_row)
AGAIN(version_row)
AGAIN(status)

typedef void again_fn(struct wire_reader *, struct wire_writer *);

static again_fn *const bodies[] = { decide_again, allow_again, deny_again, control_again,
	finish_again, report_again, issued_again, self_again, self_upstream_again, enroll_new_again,
	workload_row_again, secret_row_again, version_row_again, status_again };

static void
check_body(again_fn *again, struct span body)
{
	AUTO(buf_wipe) struct buf b = BUF_MAX(MSG_LEN_MAX + 1);
	struct wire_reader r = wire_read(body);
	struct wire_writer w = wire_write(&b);

	again(&r, &w);
	if (wire_done(&r) != ERR_OK)
		return;
	must(w.e == ERR_OK && span_eq(buf_span(&b), body));
}

static void
check_frame(const struct msg_ctx *c, struct span frame, again_fn *again)
{
	struct span rest = frame, body = SPAN_NONE;
	size_t left = frame.len;
	uint16_t type;

	while (frame_next(&rest, &type, &body) == ERR_OK) {
		must(rest.len + body.len + FRAME_HEADER_LEN == left);
		left = rest.len;
		if (msg_check(c, type, body.len, false) != ERR_OK &&
		    msg_check(c, type, body.len, true) != ERR_OK)
			continue;
		must(msg_row(type) != NULL && body.len <= MSG_LEN_MAX);
		check_body(again, body);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct msg_ctx c;
	again_fn *again;

	if (size < 4)
		return 0;
	again = bodies[data[0] % COUNT(bodies)];
	c = (struct msg_ctx){ .from = (enum role)(data[1] % ROLE_COUNT),
		.to = (enum role)(data[2] % ROLE_COUNT),
		.state = data[3] % 2 == 0 ? LINK_NEW : LINK_READY };
	check_body(again, span_of(data + 4, size - 4));
	check_frame(&c, span_of(data + 4, size - 4), again);
	return 0;
}
