/* filter: each list's program, run as the kernel would, against the list itself and against what
 * libseccomp makes of it. */
#include "broker/proc/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/sys.h"
#include "tests/lib/tap.h"

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif
#define CALLS_MAX 1024 /* above all numbers that there are */
#define X32_BIT 0x40000000
#define NOISE 0x5a5a5a5a5a5a5a5aull /* an argument that nobody asks for */
#define BROKEN 0xffffffffu	    /* no action */

static const struct filter_rule gateway_rules[] = {
#include "broker/proc/seccomp/children.list"
#include "broker/proc/seccomp/gateway.list"
};
static const struct filter_rule keeper_rules[] = {
#include "broker/proc/seccomp/children.list"
#include "broker/proc/seccomp/keeper.list"
};
static const struct filter_rule api_rules[] = {
#include "broker/proc/seccomp/children.list"
#include "broker/proc/seccomp/edge.list"
#include "broker/proc/seccomp/admin.list"
};
static const struct filter_rule sidekeyd_rules[] = {
#include "broker/proc/seccomp/children.list"
#include "broker/proc/seccomp/gateway.list"
#include "broker/proc/seccomp/keeper.list"
#include "broker/proc/seccomp/edge.list"
#include "broker/proc/seccomp/admin.list"
#include "broker/proc/seccomp/sidekeyd.list"
};
static const struct filter_rule shim_rules[] = {
#include "shim/seccomp.list"
};
/* What no list has: the one number that has all kinds, and neighbours around it. */
static const struct filter_rule odd_rules[] = { SYS_REFUSE(read, EPERM) /* the first number */
	SYS_WHEN(ioctl, ARG_EQ(1, FIONREAD)) /* and a line that decides alone behind it */
	SYS_WHEN(socket, ARG_EQ(0, (1ull << 40) + 2), ARG_MASK(1, 0xf0000000full, 0x300000001ull))
	    SYS_WHEN(socket, ARG_EQ(2, UINT64_MAX)) SYS_REFUSE(ioctl, ENOTTY) SYS_SELF(kill) };
static const struct filter_rule one_rule[] = { SYS(exit_group) };

struct list {
	const char *name;
	const struct filter_rule *rules;
	size_t count;
};

#define LIST(name)                                                                                 \
	{                                                                                          \
#name, name, COUNT(name)                                                           \
	}
static const struct list lists[] = { LIST(gateway_rules), LIST(keeper_rules), LIST(api_rules),
	LIST(sidekeyd_rules), LIST(shim_rules), LIST(odd_rules), LIST(one_rule) };

/* ---- as the kernel would ---- */

static bool
jumps(const struct sock_filter *i, uint32_t a)
{
	switch (BPF_OP(i->code)) {
	case BPF_JEQ:
		return a == i->k;
	case BPF_JGT:
		return a > i->k;
	case BPF_JGE:
		return a >= i->k;
	default:
		return (a & i->k) != 0;
	}
}

static uint32_t
run(const struct buf *program, const struct seccomp_data *d)
{
	const struct sock_filter *p = (const struct sock_filter *)(const void *)program->data;
	size_t count = program->len / sizeof *p;
	uint32_t a = 0;

	for (size_t at = 0; at < count; at++) {
		const struct sock_filter *i = &p[at];

		if (i->code == (BPF_RET | BPF_K))
			return i->k;
		if (i->code == (BPF_LD | BPF_W | BPF_ABS) && i->k <= sizeof *d - sizeof a)
			memcpy(&a, (const char *)d + i->k, sizeof a);
		else if (i->code == (BPF_ALU | BPF_AND | BPF_K))
			a &= i->k;
		else if (i->code == (BPF_JMP | BPF_JA))
			at += i->k;
		else if (BPF_CLASS(i->code) == BPF_JMP && BPF_SRC(i->code) == BPF_K)
			at += jumps(i, a) ? i->jt : i->jf;
		else
			return BROKEN;
	}
	return BROKEN;
}

/* ---- the list ---- */

static bool
arg_holds(const struct scmp_arg_cmp *c, uint64_t value)
{
	return c->op == SCMP_CMP_EQ ? value == c->datum_a : (value & c->datum_a) == c->datum_b;
}

static bool
holds(const struct filter_rule *r, const struct seccomp_data *d)
{
	if (r->who == FILTER_OWN_PID)
		return d->args[0] == (uint64_t)getpid();
	if (r->who == FILTER_SELF)
		return d->args[0] == (uint64_t)getpid() || d->args[0] == 0;
	for (unsigned int i = 0; i < r->arg_count; i++)
		if (!arg_holds(&r->args[i], d->args[r->args[i].arg]))
			return false;
	return true;
}

static uint32_t
wanted(const struct list *l, const struct seccomp_data *d)
{
	uint32_t action = SCMP_ACT_TRAP;

	for (size_t i = 0; i < l->count; i++) {
		if (l->rules[i].nr != d->nr || !holds(&l->rules[i], d))
			continue;
		action = l->rules[i].action;
		if (l->rules[i].arg_count == 0 && l->rules[i].who == FILTER_ANY)
			return action;
	}
	return action;
}

/* ---- libseccomp's ---- */

static void
library_add(scmp_filter_ctx ctx, const struct filter_rule *r, unsigned int arg_count,
    const struct scmp_arg_cmp *args)
{
	int rc = seccomp_rule_add_array(ctx, r->action, r->nr, arg_count, args);

	must(rc == 0 || rc == -EEXIST || rc == -EDOM);
}

static void
library_build(const struct list *l, struct buf *ret_program)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_TRAP);
	AUTO(sys_closep) int fd = sys_memfd("filter");
	struct scmp_arg_cmp own = ARG_EQ(0, getpid()), zero = ARG_EQ(0, 0);

	must(ctx != NULL && fd >= 0);
	for (size_t i = 0; i < l->count; i++) {
		const struct filter_rule *r = &l->rules[i];

		if (r->who == FILTER_ANY)
			library_add(ctx, r, r->arg_count, r->args);
		else
			library_add(ctx, r, 1, &own);
		if (r->who == FILTER_SELF)
			library_add(ctx, r, 1, &zero);
	}
	must(seccomp_export_bpf(ctx, fd) == 0 && sys_read_whole(fd, ret_program) == ERR_OK);
	seccomp_release(ctx);
}

/* ---- all against all ---- */

static struct {
	const struct list *list;
	struct buf ours, library;
	size_t asked, wrong;
} trial;

static struct seccomp_data
call(int nr)
{
	struct seccomp_data d = { .nr = nr, .arch = seccomp_arch_native() };

	for (size_t i = 0; i < COUNT(d.args); i++)
		d.args[i] = NOISE;
	return d;
}

static void
ask(struct seccomp_data d)
{
	uint32_t got = run(&trial.ours, &d), want = wanted(trial.list, &d);
	uint32_t theirs = run(&trial.library, &d);

	trial.asked++;
	if (got == want && got == theirs)
		return;
	trial.wrong++;
	printf("# call %d (%llx, %llx, %llx): %x, the list says %x, libseccomp %x\n", d.nr,
	    d.args[0], d.args[1], d.args[2], got, want, theirs);
}

/* Each bit of one argument the other way. */
static void
ask_beside(const struct seccomp_data *fits, unsigned int arg)
{
	for (unsigned int bit = 0; bit < 64; bit++) {
		struct seccomp_data d = *fits;

		d.args[arg] ^= 1ull << bit;
		ask(d);
	}
}

static void
ask_rule(const struct filter_rule *r)
{
	struct seccomp_data d = call(r->nr);

	if (r->who != FILTER_ANY) {
		d.args[0] = (unsigned int)getpid();
		ask(d);
		ask_beside(&d, 0);
		d.args[0] = 0;
		ask(d);
	}
	for (unsigned int i = 0; i < r->arg_count; i++) {
		const struct scmp_arg_cmp *c = &r->args[i];

		d.args[c->arg] = c->datum_a;
		if (c->op == SCMP_CMP_MASKED_EQ)
			d.args[c->arg] = (NOISE & ~c->datum_a) | c->datum_b;
	}
	ask(d);
	for (unsigned int i = 0; i < r->arg_count; i++)
		ask_beside(&d, r->args[i].arg);
}

static void
test_list(const struct list *l)
{
	struct seccomp_data other = call(SCMP_SYS(read));
	size_t other_ways = 0;

	trial.list = l;
	trial.asked = trial.wrong = 0;
	trial.ours = trial.library = (struct buf)BUF_MAX(FILTER_LEN_MAX);
	is_err(filter_build(l->rules, l->count, &trial.ours), ERR_OK, l->name);
	library_build(l, &trial.library);
	for (int nr = 0; nr < CALLS_MAX; nr++) {
		struct seccomp_data x32 = call(nr | X32_BIT);

		ask(call(nr));
		other_ways += run(&trial.ours, &x32) != SCMP_ACT_KILL_PROCESS;
	}
	for (size_t i = 0; i < l->count; i++)
		if (l->rules[i].nr >= 0)
			ask_rule(&l->rules[i]);
	ok(trial.wrong == 0, "%s: %zu calls end as the list and libseccomp say", l->name,
	    trial.asked);
	ok(other_ways == 0, "  a number of x32 ends the process");
	other.arch ^= 1;
	ok(run(&trial.ours, &other) == SCMP_ACT_KILL_PROCESS, "  so does another architecture");
	buf_wipe(&trial.ours);
	buf_wipe(&trial.library);
}

int
main(void)
{
	struct buf none = BUF_MAX(1);

	for (size_t i = 0; i < COUNT(lists); i++)
		test_list(&lists[i]);
	is_err(filter_enter(&none), ERR_SYS, "no program is not entered");
	return done();
}
