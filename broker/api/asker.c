#include "broker/api/asker.h"

#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/sys.h"

void
asker_init(struct asker *a, enum role me)
{
	*a = (struct asker){
		.link = { .fd = -1, .me = me, .peer = ROLE_KEEPER, .timeout_ms = ASKER_TIMEOUT_MS }
	};
}

void
asker_close(struct asker *a)
{
	sys_close(a->link.fd);
	a->link.fd = -1;
	a->linked = false;
}

void
asker_link(struct asker *a, int fd)
{
	asker_close(a);
	a->link.fd = fd;
	a->linked = true;
	a->lost_ms = 0;
}

void
asker_reply_close(struct call_reply *r)
{
	buf_wipe(&r->body);
	sys_closep(&r->fd);
}

enum err
asker_ask(struct asker *a, enum msg_type type, const struct wire_writer *w, int fd,
    struct call_reply *ret)
{
	enum err e = w->e;

	if (e != ERR_OK)
		return e;
	if (!a->linked && a->lost_ms != 0 && clock_mono_ms() - a->lost_ms > ASKER_LOST_MS)
		log_fatal("the keeper ended the link and no other one came");
	if (!a->linked)
		return ERR_UNREACHABLE;
	e = call_ask(&a->link, type, buf_span(w->out), fd, ret);
	if (e == ERR_OK || e == ERR_TIMEOUT || e == ERR_NOMEM)
		return e;
	log_warn("keeper link: %s", err_name(e));
	asker_close(a); /* sidekeyd sends another when the keeper runs again, or we do */
	a->lost_ms = clock_mono_ms();
	return ERR_UNREACHABLE;
}

void
asker_failure_get(const struct call_reply *r, struct asker_failure *ret_f)
{
	struct wire_reader in = wire_read(buf_span(&r->body));

	memset(ret_f, 0, sizeof(*ret_f));
	ret_f->e = (enum err)wire_u16(&in);
	wire_str(&in, ret_f->code, sizeof(ret_f->code));
	wire_str(&in, ret_f->message, sizeof(ret_f->message));
	wire_str(&in, ret_f->hint, sizeof(ret_f->hint));
	if (wire_done(&in) == ERR_OK && ret_f->e != ERR_OK && ret_f->e < ERR_COUNT &&
	    ret_f->code[0] != '\0')
		return;
	memset(ret_f, 0, sizeof(*ret_f));
	ret_f->e = ERR_PROTO;
	(void)snprintf(ret_f->code, sizeof(ret_f->code), "internal");
	(void)snprintf(
	    ret_f->message, sizeof(ret_f->message), "the keeper's answer does not parse");
}

static unsigned
status_of(enum err e)
{
	switch (e) {
	case ERR_SYNTAX:
	case ERR_RANGE:
		return 400;
	case ERR_AUTH:
		return 401;
	case ERR_DENIED:
	case ERR_EXPIRED:
		return 403;
	case ERR_NOT_FOUND:
		return 404;
	case ERR_EXISTS:
	case ERR_CONFLICT:
		return 409;
	case ERR_LIMIT:
		return 429;
	case ERR_SEALED:
	case ERR_AGAIN:
	case ERR_NOMEM:
	case ERR_IO:
	case ERR_TIMEOUT:
	case ERR_UNREACHABLE:
		return 503;
	default:
		return 500;
	}
}

bool
asker_good(struct request *q, enum err e, const struct call_reply *r)
{
	struct asker_failure f = { .e = e,
		.code = "keeper_unavailable",
		.message = "the keeper does not answer",
		.hint = "it may be starting again; try in a few seconds, or see sidekey status" };
	static const struct asker_failure no_memory = { .e = ERR_NOMEM,
		.code = "no_memory",
		.message = "there is no memory to ask the keeper, so nothing was done",
		.hint = "try again; if it stays, give the broker more memory" };
	struct problem p = { .code = f.code, .detail = f.message, .hint = f.hint };

	if (e == ERR_OK && r->type == AK_OK)
		return true;
	if (e == ERR_OK)
		asker_failure_get(r, &f);
	else if (e == ERR_NOMEM)
		f = no_memory;
	p.status = status_of(f.e);
	request_refuse(q, &p);
	return false;
}
