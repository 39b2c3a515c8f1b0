#include "broker/sidekeyd/member.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>

#include "common/log.h"
#include "common/sys.h"

/* Who talks with whom; the keeper's answer to a role is worth nothing without this table. */
static const struct {
	enum role a, b;
} pairs[] = {
	{ ROLE_GATEWAY, ROLE_KEEPER },
	{ ROLE_GATEWAY, ROLE_EDGE },
	{ ROLE_EDGE, ROLE_KEEPER },
	{ ROLE_ADMIN, ROLE_KEEPER },
};

static bool
are_peers(enum role a, enum role b)
{
	for (size_t i = 0; i < COUNT(pairs); i++) {
		if ((pairs[i].a == a && pairs[i].b == b) || (pairs[i].a == b && pairs[i].b == a))
			return true;
	}
	return false;
}

void
member_kill(struct member *m, const char *why)
{
	if (m->pid == 0)
		return;
	if (why != NULL)
		log_error("%s (pid %d) is killed: %s", m->name, (int)m->pid, why);
	(void)kill(m->pid, SIGKILL); /* ours until it is reaped: the number cannot be another's */
}

static void
told(struct member *m, enum err e)
{
	if (e != ERR_OK)
		member_kill(m, e == ERR_LIMIT ? "it does not read what it is told" : err_name(e));
}

static enum err
tell_setting(struct member *m, const char *name, const char *value)
{
	struct wire_writer w = channel_begin(m->channel, SUP_SETTING);

	wire_put_str(&w, name);
	wire_put_str(&w, value);
	return channel_end(m->channel, &w);
}

static enum err
tell_number(struct member *m, const char *name, uint64_t value)
{
	char text[24];

	(void)snprintf(text, sizeof text, "%" PRIu64, value);
	return tell_setting(m, name, text);
}

/* Only the keeper may know where the key file is. */
static enum err
tell_keeper_settings(struct member *m)
{
	const struct daemon_config *c = m->crew->t.config;
	enum err e = tell_setting(m, "unseal", c->key_file[0] == '\0' ? "" : "key-file");

	if (e == ERR_OK)
		e = tell_setting(m, "key_file", c->key_file);
	/* asked for once, for this start: a keeper that starts again later must not take any clock
	 */
	if (e == ERR_OK && c->accept_clock && m->starts == 1)
		e = tell_setting(m, "accept_clock", "1");
	return e;
}

static enum err
tell_settings(struct member *m)
{
	const struct daemon_config *c = m->crew->t.config;
	const struct {
		const char *name, *value;
	} texts[] = {
		{ "state_dir", c->state_dir },
		{ "run_dir", c->run_dir },
		{ "config_dir", c->config_dir },
		{ "gateway_address", c->gateway_address },
		{ "memlock", c->memlock_require ? "require" : "warn" },
		{ "log_level", c->log_level },
	};
	const struct {
		const char *name;
		uint64_t value;
	} numbers[] = {
		{ "gateways", c->gateways },
		{ "audit_bytes_max", c->audit_bytes_max },
		{ "audit_quota", c->audit_quota },
		{ "cert_ttl_s", c->cert_ttl_s },
		{ "role_index", m->index },
	};
	enum err e = ERR_OK;

	for (size_t i = 0; e == ERR_OK && i < COUNT(texts); i++)
		e = tell_setting(m, texts[i].name, texts[i].value);
	for (size_t i = 0; e == ERR_OK && i < COUNT(numbers); i++)
		e = tell_number(m, numbers[i].name, numbers[i].value);
	return e == ERR_OK && m->role == ROLE_KEEPER ? tell_keeper_settings(m) : e;
}

static enum err
tell_link(struct member *m, const struct member *peer, int fd)
{
	struct wire_writer w = channel_begin(m->channel, SUP_LINK);

	wire_put_u8(&w, (uint8_t)peer->role);
	wire_put_u8(&w, peer->index);
	return channel_end_fd(m->channel, &w, fd);
}

/* A fresh pair between the two; what was between them before is dead with the one that ended. */
static enum err
link_to(struct member *m, struct member *peer)
{
	AUTO(sys_closep) int mine = -1;
	AUTO(sys_closep) int theirs = -1;
	int pair[2];
	enum err e;

	if (sys_socketpair(SOCK_SEQPACKET | SOCK_NONBLOCK, pair) != 0)
		return ERR_SYS;
	mine = pair[0];
	theirs = pair[1];
	e = tell_link(m, peer, mine);
	if (e == ERR_OK)
		told(peer, tell_link(peer, m, theirs));
	return e;
}

static enum err
link_all(struct member *m)
{
	struct crew *c = m->crew;
	enum err e = ERR_OK;

	for (size_t i = 0; e == ERR_OK && i < c->count; i++) {
		struct member *peer = &c->members[i];

		if (peer != m && peer->channel != NULL && are_peers(m->role, peer->role))
			e = link_to(m, peer);
	}
	return e;
}

static enum err
tell_listeners(struct member *m)
{
	const struct listeners *l = m->crew->t.listeners;
	enum err e = ERR_OK;

	for (enum listen_kind k = LISTEN_TLS_TCP; e == ERR_OK && k <= LISTEN_KEEPER; k++) {
		struct wire_writer w;

		if (l->fds[k] < 0 || listeners_role(k) != m->role)
			continue;
		w = channel_begin(m->channel, SUP_LISTEN);
		wire_put_u8(&w, (uint8_t)k);
		e = channel_end_fd(m->channel, &w, l->fds[k]);
	}
	return e;
}

static enum err
tell_go(struct member *m)
{
	struct wire_writer w = channel_begin(m->channel, SUP_GO);
	enum err e = channel_end(m->channel, &w);

	if (e == ERR_OK)
		channel_set_ready(m->channel);
	return e;
}

void
member_introduce(struct member *m)
{
	enum err e = tell_settings(m);

	if (e == ERR_OK)
		e = link_all(m);
	if (e == ERR_OK)
		e = tell_listeners(m);
	if (e == ERR_OK)
		e = tell_go(m);
	told(m, e);
}

void
member_tell_reload(struct member *m)
{
	struct wire_writer w;

	if (m->channel == NULL)
		return;
	w = channel_begin(m->channel, SUP_RELOAD);
	told(m, channel_end(m->channel, &w));
}

void
member_tell_drain(struct member *m, uint32_t ms)
{
	struct wire_writer w;

	if (m->channel == NULL)
		return;
	w = channel_begin(m->channel, SUP_DRAIN);
	wire_put_u32(&w, ms);
	told(m, channel_end(m->channel, &w));
}

void
member_tell_exited(struct member *keeper, const struct child_exit *x)
{
	struct wire_writer w = channel_begin(keeper->channel, SUP_EXITED);

	wire_put_u8(&w, (uint8_t)x->role);
	wire_put_u8(&w, x->index);
	wire_put_i64(&w, x->pid);
	wire_put_str(&w, x->how);
	told(keeper, channel_end(keeper->channel, &w));
}
