#include "broker/proc/filter.h"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define NATIVE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE AUDIT_ARCH_AARCH64
#else
#define NATIVE 0
#endif
_Static_assert(NATIVE != 0, "the number of this architecture is missing");

#define X32_BIT 0x40000000u /* of the numbers of x86_64's other way in, syscall(2) */

/* Of each argument the lower half comes first. */
#define LOW(arg) ((uint32_t)(offsetof(struct seccomp_data, args) + 8 * (arg)))
#define HIGH(arg) (LOW(arg) + 4)

/* The lines of this architecture, by number; each with its own conditions, none of who. */
struct list {
	struct filter_rule rules[FILTER_RULES_MAX];
	size_t count;
};

struct program {
	struct sock_filter at[BPF_MAXINSNS];
	size_t count;
};

static void
list_add(struct list *l, const struct filter_rule *r)
{
	size_t i = l->count++;

	must(l->count <= FILTER_RULES_MAX);
	for (; i > 0 && l->rules[i - 1].nr > r->nr; i--)
		l->rules[i] = l->rules[i - 1];
	l->rules[i] = *r;
}

static void
list_add_pid(struct list *l, const struct filter_rule *r, pid_t pid)
{
	struct filter_rule one = *r;

	one.arg_count = 1;
	one.args[0] = (struct scmp_arg_cmp)ARG_EQ(0, pid);
	list_add(l, &one);
}

static void
list_fill(struct list *l, const struct filter_rule *rules, size_t count)
{
	l->count = 0;
	for (size_t i = 0; i < count; i++) {
		if (rules[i].nr < 0)
			continue;
		if (rules[i].who == FILTER_ANY)
			list_add(l, &rules[i]);
		else
			list_add_pid(l, &rules[i], getpid());
		if (rules[i].who == FILTER_SELF)
			list_add_pid(l, &rules[i], 0);
	}
}

/* Its place, for what is known later. */
static size_t
emit(struct program *p, unsigned int code, uint32_t k)
{
	must(p->count < BPF_MAXINSNS);
	p->at[p->count] = (struct sock_filter){ .code = (uint16_t)code, .k = k };
	return p->count++;
}

static void
emit_return(struct program *p, uint32_t action)
{
	(void)emit(p, BPF_RET | BPF_K, action);
}

/* Goes on where half an argument, under mask, is value; the place of the jump that leaves. */
static size_t
emit_half(struct program *p, uint32_t at, uint32_t mask, uint32_t value)
{
	(void)emit(p, BPF_LD | BPF_W | BPF_ABS, at);
	if (mask != UINT32_MAX)
		(void)emit(p, BPF_ALU | BPF_AND | BPF_K, mask);
	return emit(p, BPF_JMP | BPF_JEQ | BPF_K, value);
}

static void
emit_rule(struct program *p, const struct filter_rule *r)
{
	size_t leaves[2 * FILTER_ARGS_MAX], count = 0;

	for (unsigned int i = 0; i < r->arg_count; i++) {
		const struct scmp_arg_cmp *c = &r->args[i];
		bool whole = c->op == SCMP_CMP_EQ;
		uint64_t mask = whole ? UINT64_MAX : c->datum_a;
		uint64_t value = whole ? c->datum_a : c->datum_b;

		must(whole || c->op == SCMP_CMP_MASKED_EQ);
		leaves[count++] = emit_half(p, LOW(c->arg), (uint32_t)mask, (uint32_t)value);
		leaves[count++] =
		    emit_half(p, HIGH(c->arg), (uint32_t)(mask >> 32), (uint32_t)(value >> 32));
	}
	emit_return(p, r->action);
	for (size_t i = 0; i < count; i++)
		p->at[leaves[i]].jf = (uint8_t)(p->count - leaves[i] - 1);
}

/* All lines of one number; the number is loaded. */
static void
emit_call(struct program *p, const struct filter_rule *rules, size_t count)
{
	size_t is_it = emit(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)rules[0].nr);

	p->at[is_it].jt = 1;
	emit_return(p, SCMP_ACT_TRAP);
	for (size_t i = 0; i < count; i++) {
		if (rules[i].arg_count == 0) {
			emit_return(p, rules[i].action);
			return;
		}
	}
	for (size_t i = 0; i < count; i++)
		emit_rule(p, &rules[i]);
	emit_return(p, SCMP_ACT_TRAP);
}

/* Where another number begins, as near to the middle as there is one; 0: all are one number. */
static size_t
border(const struct filter_rule *rules, size_t count)
{
	for (size_t d = 0; d <= count / 2; d++) {
		size_t up = count / 2 + d, down = count / 2 - d;

		if (up > 0 && up < count && rules[up].nr != rules[up - 1].nr)
			return up;
		if (down > 0 && rules[down].nr != rules[down - 1].nr)
			return down;
	}
	return 0;
}

/* A tree over the numbers: what is called is found in a few steps. */
static void
emit_tree(struct program *p, const struct filter_rule *rules, size_t count)
{
	size_t half = border(rules, count), go;

	if (half == 0) {
		emit_call(p, rules, count);
		return;
	}
	go = emit(p, BPF_JMP | BPF_JGE | BPF_K, (uint32_t)rules[half].nr);
	p->at[go].jf = 1;
	go = emit(p, BPF_JMP | BPF_JA, 0);
	emit_tree(p, rules, half);
	p->at[go].k = (uint32_t)(p->count - go - 1);
	emit_tree(p, rules + half, count - half);
}

enum err
filter_build(const struct filter_rule *rules, size_t count, struct buf *ret_program)
{
	struct program p = { .count = 0 };
	struct list l;
	size_t native, x32;

	list_fill(&l, rules, count);
	must(l.count > 0);
	(void)emit(&p, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
	native = emit(&p, BPF_JMP | BPF_JEQ | BPF_K, NATIVE);
	p.at[native].jt = 1;
	emit_return(&p, SCMP_ACT_KILL_PROCESS);
	(void)emit(&p, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	x32 = emit(&p, BPF_JMP | BPF_JGE | BPF_K, X32_BIT);
	p.at[x32].jf = 1;
	emit_return(&p, SCMP_ACT_KILL_PROCESS);
	emit_tree(&p, l.rules, l.count);
	return buf_append(ret_program, p.at, p.count * sizeof p.at[0]);
}

enum err
filter_enter(const struct buf *program)
{
	struct sock_fprog p = {
		.len = (unsigned short)(program->len / sizeof(struct sock_filter)),
		.filter = (struct sock_filter *)(void *)program->data,
	};

	if (p.len == 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return ERR_SYS;
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &p) == 0 ? ERR_OK : ERR_SYS;
}
