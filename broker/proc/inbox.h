/*
 * inbox - what the supervisor says to a child: kept until the child can hear it, then passed on.
 * Process: gateway, keeper, edge, admin.
 * Owns: descriptors that were not passed on yet.
 * Secrets: none.
 * Limits: those of child.h.
 * Failure: ERR_PROTO, ERR_LIMIT, ERR_SYNTAX: the supervisor is of another build, or is broken.
 */
#ifndef PROC_INBOX_H
#define PROC_INBOX_H

#include "broker/ipc/channel.h"
#include "broker/proc/child.h"

struct inbox_setting {
	char name[CHILD_SETTING_NAME_MAX + 1];
	char value[CHILD_SETTING_VALUE_MAX + 1];
};

/* A link or a listener, in the order of their coming. */
struct inbox_fd {
	bool listener;
	enum role peer;
	uint8_t index;
	enum listen_kind kind;
	int fd;
};

struct inbox {
	struct inbox_setting settings[CHILD_SETTINGS_MAX];
	size_t setting_count;
	struct inbox_fd fds[CHILD_LINKS_MAX + CHILD_LISTENERS_MAX];
	size_t fd_count;
	struct child_exit exits[CHILD_EXITS_MAX];
	size_t exit_count;
	bool go, reload, drain;
	uint32_t drain_ms;
	const struct child_ops *ops; /* NULL until child_attach() */
	void *arg;
};

/* One message that the table admits. Takes m->fd when it keeps or passes it on. */
enum err inbox_take(struct inbox *in, struct msg *m) NODISCARD;
/* Passes on what is kept; from then on inbox_take() passes on at once. */
void inbox_attach(struct inbox *in, const struct child_ops *ops, void *arg);
const char *inbox_setting(const struct inbox *in, const char *name); /* NULL: was not sent */
void inbox_close(struct inbox *in);

#endif
