#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "broker/proc/filter.h"
#include "broker/proc/sandbox.h"
#include "broker/proc/sandbox_trap.h"

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif

static const struct filter_rule gateway_rules[] = {
#include "broker/proc/seccomp/children.list"
#include "broker/proc/seccomp/gateway.list"
#include SANITIZE_LIST
};

static const struct filter_rule keeper_rules[] = {
#include "broker/proc/seccomp/children.list"
#include "broker/proc/seccomp/keeper.list"
#include SANITIZE_LIST
};

static const struct filter_rule edge_rules[] = {
#include "broker/proc/seccomp/children.list"
#include "broker/proc/seccomp/edge.list"
#include SANITIZE_LIST
};

static const struct filter_rule admin_rules[] = {
#include "broker/proc/seccomp/children.list"
#include "broker/proc/seccomp/admin.list"
#include SANITIZE_LIST
};

static const struct filter_rule sidekeyd_rules[] = {
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
	const struct filter_rule *rules;
	size_t count;
} lists[ROLE_COUNT] = {
	[ROLE_SIDEKEYD] = RULES(sidekeyd_rules),
	[ROLE_GATEWAY] = RULES(gateway_rules),
	[ROLE_KEEPER] = RULES(keeper_rules),
	[ROLE_EDGE] = RULES(edge_rules),
	[ROLE_ADMIN] = RULES(admin_rules),
};

enum err
sandbox_filter(enum role role, struct buf *ret_program)
{
	must(role < ROLE_COUNT && lists[role].rules != NULL);
	return filter_build(lists[role].rules, lists[role].count, ret_program);
}

enum err
sandbox_syscalls(enum role role)
{
	AUTO(buf_wipe) struct buf program = BUF_MAX(FILTER_LEN_MAX);
	enum err e = sandbox_filter(role, &program);

	if (e != ERR_OK)
		return e;
	sandbox_trap_install(role);
	return filter_enter(&program);
}
