#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/proc/sandbox.h"
#include "broker/proc/sandbox_trap.h"

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif
#define SOCKET_TYPE_MASK                                                                           \
	0xf /* without SOCK_NONBLOCK and SOCK_CLOEXEC; as the kernel's SOCK_TYPE_MASK */

enum who { WHO_ANY = 0, WHO_OWN_PID, WHO_SELF };

struct rule {
	int nr; /* negative: not a call of this architecture */
	uint32_t action;
	enum who who;
	unsigned int arg_count;
	struct scmp_arg_cmp args[3];
};

#define ARG_EQ(n, value)                                                                           \
	{                                                                                          \
		(n), SCMP_CMP_EQ, (scmp_datum_t)(value), 0                                         \
	}
#define ARG_MASK(n, mask, value)                                                                   \
	{                                                                                          \
		(n), SCMP_CMP_MASKED_EQ, (scmp_datum_t)(mask), (scmp_datum_t)(value)               \
	}
#define ARGS_COUNT(...)                                                                            \
	(sizeof((struct scmp_arg_cmp[]){ __VA_ARGS__ }) / sizeof(struct scmp_arg_cmp))

#define SYS(name) { SCMP_SYS(name), SCMP_ACT_ALLOW, WHO_ANY, 0, { { 0 } } },
#define SYS_WHEN(name, ...)                                                                        \
	{ SCMP_SYS(name), SCMP_ACT_ALLOW, WHO_ANY, ARGS_COUNT(__VA_ARGS__), { __VA_ARGS__ } },
#define SYS_OWN(name) { SCMP_SYS(name), SCMP_ACT_ALLOW, WHO_OWN_PID, 0, { { 0 } } },
#define SYS_SELF(name) { SCMP_SYS(name), SCMP_ACT_ALLOW, WHO_SELF, 0, { { 0 } } },
#define SYS_REFUSE(name, error) { SCMP_SYS(name), SCMP_ACT_ERRNO(error), WHO_ANY, 0, { { 0 } } },

#ifdef SIDEKEY_SANITIZE
#define SANITIZE_LIST "broker/proc/seccomp/sanitize.list"
#else
#define SANITIZE_LIST "broker/proc/seccomp/none.list"
#endif

static const struct rule gateway_rules[] = {
#include "broker/proc/seccomp/children.list"
#include "broker/proc/seccomp/gateway.list"
#include SANITIZE_LIST
};

static const struct rule keeper_rules[] = {
#include "broker/proc/seccomp/children.list"
#include "broker/proc/seccomp/keeper.list"
#include SANITIZE_LIST
};

static const struct rule edge_rules[] = {
#include "broker/proc/seccomp/children.list"
#include "broker/proc/seccomp/edge.list"
#include SANITIZE_LIST
};

static const struct rule admin_rules[] = {
#include "broker/proc/seccomp/children.list"
#include "broker/proc/seccomp/admin.list"
#include SANITIZE_LIST
};

static const struct rule sidekeyd_rules[] = {
#include "broker/proc/seccomp/children.list"
#include "broker/proc/seccomp/gateway.list"
#include "broker/proc/seccomp/keeper.list"
#include "broker/proc/seccomp/edge.list"
#include "broker/proc/seccomp/admin.list"
#include "broker/proc/seccomp/sidekeyd.list"
#include SANITIZE_LIST
};

#define RULES(list)                                                                                \
	{                                                                                          \
		(list), sizeof(list) / sizeof((list)[0])                                           \
	}
static const struct {
	const struct rule *rules;
	size_t count;
} lists[ROLE_COUNT] = {
	[ROLE_SIDEKEYD] = RULES(sidekeyd_rules),
	[ROLE_GATEWAY] = RULES(gateway_rules),
	[ROLE_KEEPER] = RULES(keeper_rules),
	[ROLE_EDGE] = RULES(edge_rules),
	[ROLE_ADMIN] = RULES(admin_rules),
};

static void
filter_freep(scmp_filter_ctx *ctx)
{
	if (*ctx != NULL)
		seccomp_release(*ctx);
}

static int
add(scmp_filter_ctx ctx, const struct rule *r, unsigned int arg_count,
    const struct scmp_arg_cmp *args)
{
	int rc = seccomp_rule_add_array(ctx, r->action, r->nr, arg_count, args);

	/* -EEXIST: a wider line of the same name is there already; -EDOM: no such call on this
	 * architecture */
	return rc == -EEXIST || rc == -EDOM ? 0 : rc;
}

static int
add_pid(scmp_filter_ctx ctx, const struct rule *r, pid_t pid)
{
	struct scmp_arg_cmp arg = ARG_EQ(0, pid);

	return add(ctx, r, 1, &arg);
}

static int
add_rule(scmp_filter_ctx ctx, const struct rule *r)
{
	int rc;

	if (r->who == WHO_ANY)
		return add(ctx, r, r->arg_count, r->args);
	rc = add_pid(ctx, r, getpid());
	if (rc == 0 && r->who == WHO_SELF)
		rc = add_pid(ctx, r, 0);
	return rc;
}

enum err
sandbox_syscalls(enum role role)
{
	AUTO(filter_freep) scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_TRAP);

	must(role < ROLE_COUNT && lists[role].rules != NULL);
	if (ctx == NULL)
		return ERR_NOMEM;
	if (seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) != 0)
		return ERR_SYS;
	(void)seccomp_attr_set(
	    ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree instead of a line; only speed */
	for (size_t i = 0; i < lists[role].count; i++) {
		if (add_rule(ctx, &lists[role].rules[i]) != 0)
			return ERR_SYS;
	}
	sandbox_trap_install(role);
	return seccomp_load(ctx) == 0 ? ERR_OK : ERR_SYS;
}
