/*
 * filter - a list of system calls as a program for seccomp(2).
 * Process: all daemons and the shim.   Owns: nothing.   Secrets: none.
 * Limits: FILTER_RULES_MAX lines, FILTER_LEN_MAX bytes of program (what the kernel takes).
 * Failure: the process must not go on.
 * Written here and not by libseccomp, which without memory leaves lines out and says nothing of it,
 * frees twice, or never ends (2.5.4); its names and types are used. Nothing here needs memory but
 * the program's one block. tests/unit/test_filter.c runs it against the lists and against
 * libseccomp's.
 */
#ifndef PROC_FILTER_H
#define PROC_FILTER_H

#include <linux/filter.h>
#include <seccomp.h>

#include "common/buf.h"

#define FILTER_RULES_MAX 400
#define FILTER_ARGS_MAX 3
#define FILTER_LEN_MAX (BPF_MAXINSNS * sizeof(struct sock_filter))
#define SOCKET_TYPE_MASK                                                                           \
	0xf /* without SOCK_NONBLOCK and SOCK_CLOEXEC; as the kernel's SOCK_TYPE_MASK */

enum filter_who { FILTER_ANY = 0, FILTER_OWN_PID, FILTER_SELF };

struct filter_rule {
	int nr; /* negative: not a call of this architecture */
	uint32_t action;
	enum filter_who who;
	unsigned int arg_count;
	struct scmp_arg_cmp args[FILTER_ARGS_MAX]; /* SCMP_CMP_EQ and SCMP_CMP_MASKED_EQ */
};

/* The lines of a .list. */
#define ARG_EQ(n, value)                                                                           \
	{                                                                                          \
		(n), SCMP_CMP_EQ, (scmp_datum_t)(value), 0                                         \
	}
#define ARG_MASK(n, mask, value)                                                                   \
	{                                                                                          \
		(n), SCMP_CMP_MASKED_EQ, (scmp_datum_t)(mask), (scmp_datum_t)(value)               \
	}
#define FILTER_ARGS(...)                                                                           \
	(sizeof((struct scmp_arg_cmp[]){ __VA_ARGS__ }) / sizeof(struct scmp_arg_cmp))
#define SYS(name) { SCMP_SYS(name), SCMP_ACT_ALLOW, FILTER_ANY, 0, { { 0 } } },
#define SYS_WHEN(name, ...)                                                                        \
	{ SCMP_SYS(name), SCMP_ACT_ALLOW, FILTER_ANY, FILTER_ARGS(__VA_ARGS__), { __VA_ARGS__ } },
#define SYS_OWN(name) { SCMP_SYS(name), SCMP_ACT_ALLOW, FILTER_OWN_PID, 0, { { 0 } } },
#define SYS_SELF(name) { SCMP_SYS(name), SCMP_ACT_ALLOW, FILTER_SELF, 0, { { 0 } } },
#define SYS_REFUSE(name, error) { SCMP_SYS(name), SCMP_ACT_ERRNO(error), FILTER_ANY, 0, { { 0 } } },

#ifdef SIDEKEY_SANITIZE
#define SANITIZE_LIST "broker/proc/seccomp/sanitize.list"
#else
#define SANITIZE_LIST "broker/proc/seccomp/none.list"
#endif

/* The program for this process. A line without conditions decides for its call alone; of lines with
 * conditions one that holds is enough; what no line lets through gets SIGSYS; another architecture,
 * or a number of x32, ends the process. ERR_NOMEM. */
enum err filter_build(
    const struct filter_rule *rules, size_t count, struct buf *ret_program) NODISCARD;
/* From here on, and no_new_privs. ERR_SYS, also of a program of no length. */
enum err filter_enter(const struct buf *program) NODISCARD;

#endif
