#include "broker/proc/sandbox_trap.h"

#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/proc/sandbox.h"

#define TRAP_CALLS_MAX 512
#define TRAP_NAMES_MAX 8192

/* Filled before the filter is loaded, because looking a name up allocates and a signal handler must
 * not. */
static struct {
	const char *role;
	uint16_t at[TRAP_CALLS_MAX]; /* offset + 1 into names; 0: no such call */
	char names[TRAP_NAMES_MAX];
} trap;

struct line {
	char text[160];
	size_t len;
};

static void
line_add(struct line *l, const char *s)
{
	while (*s != '\0' && l->len < sizeof l->text)
		l->text[l->len++] = *s++;
}

static void
line_add_number(struct line *l, unsigned int n)
{
	char digits[12];
	size_t at = sizeof digits;

	digits[--at] = '\0';
	do {
		digits[--at] = (char)('0' + n % 10);
		n /= 10;
	} while (n != 0);
	line_add(l, digits + at);
}

/* Async-signal-safe: write(2) and _exit(2) only, no allocation, no stdio. */
static void
trap_on_signal(int signo, siginfo_t *info, void *context)
{
	struct line l = { .len = 0 };
	unsigned int nr = (unsigned int)info->si_syscall;

	(void)signo;
	(void)context;
	line_add(&l, "sidekey-");
	line_add(&l, trap.role);
	line_add(&l, ": fatal: forbidden system call ");
	line_add_number(&l, nr);
	if (nr < TRAP_CALLS_MAX && trap.at[nr] != 0) {
		line_add(&l, " (");
		line_add(&l, trap.names + trap.at[nr] - 1);
		line_add(&l, ")");
	}
	line_add(&l, "\n");
	if (write(STDERR_FILENO, l.text, l.len) < 0)
		_exit(SANDBOX_TRAP_STATUS); /* nobody to tell */
	_exit(SANDBOX_TRAP_STATUS);
}

static void
trap_fill_names(void)
{
	size_t used = 0;

	for (int nr = 0; nr < TRAP_CALLS_MAX; nr++) {
		char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, nr);
		size_t len = name == NULL ? 0 : strlen(name) + 1;

		trap.at[nr] = 0;
		if (len > 0 && len <= sizeof trap.names - used) {
			memcpy(trap.names + used, name, len);
			trap.at[nr] = (uint16_t)(used + 1);
			used += len;
		}
		free(name);
	}
}

void
sandbox_trap_install(enum role role)
{
	struct sigaction sa = { .sa_sigaction = trap_on_signal, .sa_flags = SA_SIGINFO };

	trap.role = role_name(role);
	trap_fill_names();
	must(sigaction(SIGSYS, &sa, NULL) == 0);
}
