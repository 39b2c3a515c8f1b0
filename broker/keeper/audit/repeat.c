#include "broker/keeper/audit/repeat.h"

void
repeat_wipe(struct repeat *r)
{
	buf_wipe(&r->lines);
	hole_wipe(&r->hole);
}

void
repeat_clear(struct repeat *r)
{
	buf_clear(&r->lines);
	r->at = 0;
	hole_close(&r->hole);
}

/* True: it is as it was, or none is due. */
static bool
meets_line(struct repeat *r, const struct audit_line *l, struct span line, struct held *ret_h)
{
	struct span old;

	if (r->at >= r->lines.len)
		return true;
	*ret_h = held_at(&r->lines, r->at, &old);
	must(ret_h->seq == l->seq);
	r->at += sizeof(*ret_h) + ret_h->len;
	return span_eq(old, line);
}

void
repeat_meet(struct repeat *r, const struct audit_line *l, struct span line)
{
	struct held h;

	if ((!meets_line(r, l, line, &h) || !hole_meet(&r->hole, l, line, &h)) && !r->differs) {
		r->differs = true;
		r->other = h;
	}
}

const char *
repeat_differs(const struct repeat *r, struct held *ret_h)
{
	if (!r->differs)
		return NULL;
	*ret_h = r->other;
	return "the next segment repeats the record otherwise";
}

const char *
repeat_missing(const struct repeat *r, struct held *ret_h)
{
	struct span line;

	if (r->at < r->lines.len)
		*ret_h = held_at(&r->lines, r->at, &line);
	else if (hole_is_open(&r->hole))
		*ret_h = r->hole.at;
	else
		return NULL;
	return "the next segment does not repeat the record";
}
