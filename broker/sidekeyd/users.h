/*
 * users - which uid each role runs as, with the handing over of the store to the keeper's.
 * Process: sidekeyd, at start, as root only.
 * Owns: nothing.
 * Secrets: none: the key file is given another owner, not read.
 * Limits: none.
 * Failure: ERR_NOT_FOUND, ERR_DENIED, ERR_SYS; ret_why is a whole sentence for the operator.
 */
#ifndef SIDEKEYD_USERS_H
#define SIDEKEYD_USERS_H

#include <sys/types.h>

#include "broker/ipc/msg.h"
#include "broker/sidekeyd/daemon_config.h"

#define USERS_WHY_SIZE 2048

struct users {
	bool change; /* false: all stay the uid of sidekeyd */
	uid_t uid[ROLE_COUNT];
	gid_t gid[ROLE_COUNT];
};

/* Only root with user other than none changes anything: <user>-gateway, <user>-keeper, <user>-api
 * (edge and admin) must then exist, with different uids that are not 0. */
enum err users_find(
    const struct daemon_config *c, struct users *ret_u, char ret_why[USERS_WHY_SIZE]) NODISCARD;

/* state_dir and the key file as root's sidekey init made them become the keeper's, once: what does
 * not belong to root is never touched, so that a keeper that was broken into cannot have a link of
 * its own given to it. ERR_DENIED when they belong to a third. */
enum err users_hand_over(
    const struct daemon_config *c, const struct users *u, char ret_why[USERS_WHY_SIZE]) NODISCARD;

#endif
