/*
 * listeners - the sockets that the outside reaches, bound once at start and handed to the children.
 * Process: sidekeyd.   Owns: the descriptors, the locks on its folders, the socket files in them.
 * Secrets: none.   Limits: one socket of each kind.
 * Failure: nothing stays bound or locked; ret_why is a whole sentence for the operator.
 */
#ifndef SIDEKEYD_LISTENERS_H
#define SIDEKEYD_LISTENERS_H

#include "broker/ipc/msg.h"
#include "broker/sidekeyd/daemon_config.h"

#define LISTEN_KINDS (LISTEN_KEEPER + 1)
#define LISTEN_WHY_SIZE 1280

struct listen_dir {
	int fd; /* flock(2)ed: one sidekeyd a folder */
	char path[CONFIG_RUN_DIR_MAX + 1];
};

struct listeners {
	int fds[LISTEN_KINDS];		/* by enum listen_kind; -1: no such listener */
	struct listen_dir run, gateway; /* gateway.fd is -1 where gateway.sock is in run */
};

/* Makes run_dir and gateway_dir (0755) when they are missing, locks them, removes sockets of ours
 * that nobody answers on, binds. A folder that others can write to, and a file there that is no
 * socket of ours, are ERR_DENIED; a second sidekeyd is ERR_CONFLICT. */
enum err listeners_open(const struct daemon_config *c, struct listeners *ret_l,
    char ret_why[LISTEN_WHY_SIZE]) NODISCARD;
void listeners_close(struct listeners *l); /* removes the socket files too */
/* Which role answers on a kind. */
enum role listeners_role(enum listen_kind kind);

#endif
