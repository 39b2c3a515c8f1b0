#include "broker/proc/inbox.h"

#include <string.h>

#include "common/sys.h"

static enum err
take_setting(struct inbox *in, struct wire_reader *r)
{
	struct inbox_setting s;
	enum err e;

	wire_str(r, s.name, sizeof s.name);
	wire_str(r, s.value, sizeof s.value);
	e = wire_done(r);
	if (e != ERR_OK)
		return e;
	if (inbox_setting(in, s.name) != NULL)
		return ERR_PROTO;
	if (in->setting_count == CHILD_SETTINGS_MAX)
		return ERR_LIMIT;
	in->settings[in->setting_count++] = s;
	return ERR_OK;
}

static void
pass_fd(struct inbox *in, const struct inbox_fd *f)
{
	if (f->listener && in->ops->on_listen != NULL)
		in->ops->on_listen(f->kind, f->fd, in->arg);
	else if (!f->listener && in->ops->on_link != NULL)
		in->ops->on_link(f->peer, f->index, f->fd, in->arg);
	else
		sys_close(f->fd);
}

static enum err
keep_or_pass_fd(struct inbox *in, struct inbox_fd *f, struct msg *m)
{
	if (in->ops == NULL && in->fd_count == COUNT(in->fds))
		return ERR_LIMIT;
	f->fd = m->fd;
	m->fd = -1; /* taken */
	if (in->ops != NULL)
		pass_fd(in, f);
	else
		in->fds[in->fd_count++] = *f;
	return ERR_OK;
}

static enum err
take_link(struct inbox *in, struct wire_reader *r, struct msg *m)
{
	struct inbox_fd f = { .listener = false, .fd = -1 };
	uint8_t peer = wire_u8(r);
	enum err e;

	f.index = wire_u8(r);
	e = wire_done(r);
	if (e != ERR_OK)
		return e;
	if (peer < ROLE_GATEWAY || peer > ROLE_ADMIN)
		return ERR_PROTO;
	f.peer = (enum role)peer;
	return keep_or_pass_fd(in, &f, m);
}

static enum err
take_listen(struct inbox *in, struct wire_reader *r, struct msg *m)
{
	struct inbox_fd f = { .listener = true, .fd = -1 };
	uint8_t kind = wire_u8(r);
	enum err e = wire_done(r);

	if (e != ERR_OK)
		return e;
	if (kind < LISTEN_TLS_TCP || kind > LISTEN_KEEPER)
		return ERR_PROTO;
	f.kind = (enum listen_kind)kind;
	return keep_or_pass_fd(in, &f, m);
}

static enum err
take_reload(struct inbox *in, struct wire_reader *r)
{
	enum err e = wire_done(r);

	if (e != ERR_OK)
		return e;
	if (in->ops == NULL)
		in->reload = true;
	else if (in->ops->on_reload != NULL)
		in->ops->on_reload(in->arg);
	return ERR_OK;
}

static enum err
take_drain(struct inbox *in, struct wire_reader *r)
{
	uint32_t ms = wire_u32(r);
	enum err e = wire_done(r);

	if (e != ERR_OK)
		return e;
	if (in->ops == NULL) {
		in->drain = true;
		in->drain_ms = ms;
	} else if (in->ops->on_drain != NULL) {
		in->ops->on_drain(ms, in->arg);
	}
	return ERR_OK;
}

static enum err
take_exited(struct inbox *in, struct wire_reader *r)
{
	struct child_exit x;
	uint8_t role = wire_u8(r);
	enum err e;

	x.index = wire_u8(r);
	x.pid = wire_i64(r);
	wire_str(r, x.how, sizeof x.how);
	e = wire_done(r);
	if (e != ERR_OK)
		return e;
	if (role < ROLE_GATEWAY || role > ROLE_ADMIN)
		return ERR_PROTO;
	x.role = (enum role)role;
	if (in->ops == NULL) {
		if (in->exit_count == CHILD_EXITS_MAX)
			return ERR_LIMIT;
		in->exits[in->exit_count++] = x;
	} else if (in->ops->on_exited != NULL) {
		in->ops->on_exited(&x, in->arg);
	}
	return ERR_OK;
}

static enum err
take_go(struct inbox *in, struct wire_reader *r)
{
	enum err e = wire_done(r);

	if (e == ERR_OK)
		in->go = true;
	return e;
}

enum err
inbox_take(struct inbox *in, struct msg *m)
{
	struct wire_reader r = wire_read(m->body);

	switch (m->type) {
	case SUP_SETTING:
		return take_setting(in, &r);
	case SUP_LINK:
		return take_link(in, &r, m);
	case SUP_LISTEN:
		return take_listen(in, &r, m);
	case SUP_GO:
		return take_go(in, &r);
	case SUP_RELOAD:
		return take_reload(in, &r);
	case SUP_DRAIN:
		return take_drain(in, &r);
	case SUP_EXITED:
		return take_exited(in, &r);
	default:
		return ERR_PROTO;
	}
}

void
inbox_attach(struct inbox *in, const struct child_ops *ops, void *arg)
{
	must(in->ops == NULL && ops != NULL);
	in->ops = ops;
	in->arg = arg;
	for (size_t i = 0; i < in->fd_count; i++)
		pass_fd(in, &in->fds[i]);
	in->fd_count = 0;
	for (size_t i = 0; i < in->exit_count && ops->on_exited != NULL; i++)
		ops->on_exited(&in->exits[i], arg);
	in->exit_count = 0;
	if (in->reload && ops->on_reload != NULL)
		ops->on_reload(arg);
	if (in->drain && ops->on_drain != NULL)
		ops->on_drain(in->drain_ms, arg);
}

const char *
inbox_setting(const struct inbox *in, const char *name)
{
	for (size_t i = 0; i < in->setting_count; i++) {
		if (strcmp(in->settings[i].name, name) == 0)
			return in->settings[i].value;
	}
	return NULL;
}

void
inbox_close(struct inbox *in)
{
	for (size_t i = 0; i < in->fd_count; i++)
		sys_close(in->fds[i].fd);
	in->fd_count = 0;
}
