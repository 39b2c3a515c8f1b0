#include "broker/keeper/ask.h"

#include <stdarg.h>
#include <stdio.h>

#include "broker/keeper/keeper.h"
#include "common/log.h"
#include "common/sys.h"

static const struct ask_row *
row_find(const struct ask_row *rows, size_t count, enum msg_type type)
{
	for (size_t i = 0; i < count; i++)
		if (rows[i].type == type)
			return &rows[i];
	return NULL;
}

enum err
ask_refuse(struct ask *a, enum err e, const char *code, const char *hint, const char *fmt, ...)
{
	va_list ap;

	(void)snprintf(a->code, sizeof a->code, "%s", code);
	(void)snprintf(a->hint, sizeof a->hint, "%s", hint);
	va_start(ap, fmt);
	(void)vsnprintf(a->message, sizeof a->message, fmt, ap);
	va_end(ap);
	return e;
}

enum err
ask_commit_error(struct ask *a, enum err e)
{
	if (e == ERR_OK)
		return ERR_OK;
	if (e == ERR_IO)
		return ask_refuse(a, e, "audit_unavailable",
		    "free some space or repair the disk; the broker goes on by itself",
		    "the audit log cannot be written, so nothing was changed");
	if (e == ERR_LIMIT)
		return ask_refuse(a, e, "store_full",
		    "free some space on the disk, or remove what is not used any more",
		    "the store or its disk is full, so nothing was changed");
	return ask_refuse(
	    a, e, err_name(e), "look at the broker's log", "nothing was changed: %s", err_name(e));
}

static void
reply_fail(struct ask *a, enum err e)
{
	struct wire_writer w = channel_begin(a->peer->channel, AK_FAIL);

	wire_put_u64(&w, a->id);
	wire_put_u16(&w, (uint16_t)e);
	wire_put_str(&w, a->code[0] != '\0' ? a->code : err_name(e));
	wire_put_str(&w, a->message[0] != '\0' ? a->message : err_name(e));
	wire_put_str(&w, a->hint);
	peer_send(a->peer, &w);
}

static void
reply_ok(struct ask *a)
{
	struct wire_writer w = channel_begin(a->peer->channel, AK_OK);
	enum err e;

	wire_put_u64(&w, a->id);
	wire_put_fixed(&w, a->out.out->data, a->out.out->len);
	if (a->reply_fd < 0) {
		peer_send(a->peer, &w);
		return;
	}
	e = channel_end_fd(a->peer->channel, &w, a->reply_fd);
	sys_close(a->reply_fd);
	if (e != ERR_OK)
		reply_fail(a, e);
}

static enum err
run_row(struct ask *a, const struct ask_row *row)
{
	enum err e;

	if (row->uid) {
		uint32_t quoted = wire_u32(&a->in);

		a->uid =
		    a->peer->has_uid ? a->peer->uid : quoted; /* the kernel's word counts more */
		a->has_uid = true;
	}
	if (a->keeper->sealed && !row->while_sealed)
		return ask_refuse(
		    a, ERR_SEALED, "sealed", "run `sidekey unseal`", "the store is sealed");
	e = row->run(a);
	if (a->in.e != ERR_OK)
		return ERR_PROTO;
	return e == ERR_OK ? a->out.e : e;
}

void
ask_run(struct peer *p, struct msg *m, const struct ask_row *rows, size_t count)
{
	const struct ask_row *row = row_find(rows, count, m->type);
	AUTO(buf_wipe) struct buf reply = BUF_MAX(MSG_LEN_MAX - 8);
	struct ask a = { .keeper = p->keeper,
		.peer = p,
		.uid = p->uid,
		.has_uid = p->has_uid,
		.in = wire_read(m->body),
		.out = wire_write(&reply),
		.msg = m,
		.scratch = BUF_MAX(ASK_SCRATCH_MAX),
		.reply_fd = -1 };
	enum err e;

	a.id = wire_u64(&a.in);
	/* all of it now: what was done may not be called failed because the reply found no memory
	 */
	e = buf_reserve(&reply, reply.max);
	if (e == ERR_OK)
		e = row == NULL ? ERR_PROTO : run_row(&a, row);
	buf_wipe(&a.scratch);
	if (e == ERR_PROTO) {
		log_error(
		    "%s broke the protocol with message %u", role_name(p->role), (unsigned)m->type);
		peer_close(p);
		return;
	}
	if (a.later)
		return;
	if (e == ERR_OK)
		reply_ok(&a);
	else
		reply_fail(&a, e);
}

void
ask_reply_number(struct keeper *k, uint64_t peer_number, uint64_t id, uint32_t n)
{
	struct peer *p = peer_find(&k->peers, peer_number);
	struct wire_writer w;

	if (p == NULL)
		return;
	w = channel_begin(p->channel, AK_OK);
	wire_put_u64(&w, id);
	wire_put_u32(&w, n);
	peer_send(p, &w);
}
