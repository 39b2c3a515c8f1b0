/*
 * tool_probe - makes system calls in a running process, as whoever had taken it over would: under
 * its filter, its Landlock domain, its uid. Needs root (ptrace). usage: tool_probe PID <CALLS
 * A line a call: NAME or #NUMBER, then its arguments: a number, s:TEXT (a string), b:HEX (bytes),
 * o:LEN (a buffer of zeros), @N (what call N gave), @N.A (the int in the buffer of its argument A).
 * `deliver` before a call: its SIGSYS is not kept from the process. `int80` as NAME: the 32-bit
 * way. Answers a line a call: "trap", "killed by N", "exited N", "hangs", or what the call
 * returned.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#if !defined(__x86_64__)
#error "registers are those of x86-64"
#endif

#define SCRATCH_LEN 65536
#define CALLS_MAX 512
#define ARGS_MAX 6
#define HANG_S 3
#define RESTART_FIRST (-516) /* ERESTART_RESTARTBLOCK to ERESTARTSYS: not for user space */
#define RESTART_LAST (-512)

struct call {
	long nr, result;
	long arg[ARGS_MAX];
	bool int80, deliver;
};

static struct {
	pid_t pid;
	int mem;
	struct user_regs_struct saved;
	unsigned long syscall_at, int80_at, scratch, used;
	struct call calls[CALLS_MAX];
	size_t call_count;
} probe;

static void
fail(const char *what)
{
	(void)fprintf(stderr, "tool_probe: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void
on_alarm(int signo)
{
	(void)signo; /* waitpid() ends */
}

/* The two bytes in the code of the mapping, 0: not there. */
static unsigned long
find_code(unsigned long from, unsigned long to, const char code[2])
{
	char *text = malloc(to - from), *at;
	ssize_t n = text == NULL ? -1 : pread(probe.mem, text, to - from, (off_t)from);
	unsigned long found = 0;

	at = n > 0 ? memmem(text, (size_t)n, code, 2) : NULL;
	if (at != NULL)
		found = from + (unsigned long)(at - text);
	free(text);
	return found;
}

static void
find_instructions(void)
{
	char path[64], line[512], flags[8];
	unsigned long from, to;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/maps", probe.pid);
	f = fopen(path, "r");
	if (f == NULL)
		fail(path);
	while (fgets(line, sizeof(line), f) != NULL) {
		if (sscanf(line, "%lx-%lx %7s", &from, &to, flags) != 3 || flags[2] != 'x' ||
		    strstr(line, "[vsyscall]") != NULL)
			continue;
		if (probe.syscall_at == 0)
			probe.syscall_at = find_code(from, to, "\x0f\x05");
		if (probe.int80_at == 0)
			probe.int80_at = find_code(from, to, "\xcd\x80");
	}
	(void)fclose(f);
	if (probe.syscall_at == 0)
		fail("no syscall instruction");
}

static int
wait_stop(void)
{
	int status = 0;

	(void)alarm(HANG_S);
	while (waitpid(probe.pid, &status, __WALL) < 0) {
		if (errno != EINTR)
			fail("waitpid");
		if (ptrace(PTRACE_INTERRUPT, probe.pid, NULL, NULL) != 0)
			fail("a call that hangs");
		(void)alarm(HANG_S);
		status = -1;
		while (waitpid(probe.pid, &status, __WALL) < 0)
			if (errno != EINTR)
				fail("waitpid");
		(void)alarm(0);
		return -1;
	}
	(void)alarm(0);
	return status;
}

static void
set_registers(const struct call *c)
{
	struct user_regs_struct r = probe.saved;

	r.orig_rax = (unsigned long)-1; /* nothing that was interrupted is begun again */
	r.rax = (unsigned long)c->nr;
	r.rip = c->int80 ? probe.int80_at : probe.syscall_at;
	r.rdi = (unsigned long)c->arg[0];
	r.rsi = (unsigned long)c->arg[1];
	r.rdx = (unsigned long)c->arg[2];
	r.r10 = (unsigned long)c->arg[3];
	r.r8 = (unsigned long)c->arg[4];
	r.r9 = (unsigned long)c->arg[5];
	if (ptrace(PTRACE_SETREGS, probe.pid, NULL, &r) != 0)
		fail("PTRACE_SETREGS");
}

static int
go_on(enum __ptrace_request how, int signo)
{
	if (ptrace(how, probe.pid, NULL, (void *)(long)signo) != 0)
		fail("going on");
	return wait_stop();
}

/* Behind the SIGSYS stands the SIGTRAP of the step. The process may take the first, whose handler
 * then says which call it was and ends it. */
static int
after_trap(bool deliver)
{
	int status = deliver ? go_on(PTRACE_CONT, SIGSYS) : go_on(PTRACE_SINGLESTEP, 0);

	while (deliver && status != -1 && WIFSTOPPED(status))
		status = go_on(PTRACE_CONT, 0);
	return status;
}

static void
say_end(int status)
{
	if (WIFEXITED(status))
		(void)printf("exited %d\n", WEXITSTATUS(status));
	else
		(void)printf("killed by %d\n", WTERMSIG(status));
	exit(0);
}

static void
say(struct call *c, bool quiet)
{
	struct user_regs_struct r;
	bool trapped;
	int status;

	set_registers(c);
	status = go_on(PTRACE_SINGLESTEP, 0);
	trapped = status != -1 && WIFSTOPPED(status) && WSTOPSIG(status) == SIGSYS;
	if (trapped)
		status = after_trap(c->deliver);
	if (status != -1 && !WIFSTOPPED(status))
		say_end(status);
	if (ptrace(PTRACE_GETREGS, probe.pid, NULL, &r) != 0)
		fail("PTRACE_GETREGS");
	c->result = (long)r.rax;
	if (quiet)
		return;
	if (status == -1)
		(void)puts("hangs");
	else if (trapped)
		(void)puts("trap");
	else if (c->result < 0 && c->result > -4096)
		(void)printf("%s\n", strerrorname_np((int)-c->result) != NULL
					 ? strerrorname_np((int)-c->result)
					 : "restart");
	else
		(void)printf("%ld\n", c->result);
}

/* Bytes into the process; gives their address there. */
static long
place(const void *p, size_t len)
{
	unsigned long at = probe.scratch + probe.used;

	if (probe.used + len + 16 > SCRATCH_LEN)
		fail("too many arguments");
	if (len > 0 && pwrite(probe.mem, p, len, (off_t)at) != (ssize_t)len)
		fail("write into the process");
	probe.used += (len + 15) & ~15ul;
	return (long)at;
}

static long
place_hex(const char *hex)
{
	static char bytes[4096];
	size_t n = 0;
	unsigned int byte;

	for (; sscanf(hex + 2 * n, "%2x", &byte) == 1 && n < sizeof(bytes); n++)
		bytes[n] = (char)byte;
	return place(bytes, n);
}

/* "@3" or "@3.2" */
static long
earlier(const char *word)
{
	char *end;
	size_t n = strtoul(word + 1, &end, 10);
	int value = 0;

	if (n >= probe.call_count)
		fail("a reference to a later call");
	if (*end != '.')
		return probe.calls[n].result;
	if (pread(probe.mem, &value, sizeof(value),
		probe.calls[n].arg[strtoul(end + 1, NULL, 10) % ARGS_MAX]) != sizeof(value))
		fail("read from the process");
	return value;
}

static long
argument(const char *word)
{
	static const char zeros[4096];

	if (strncmp(word, "s:", 2) == 0)
		return place(word + 2, strlen(word + 2) + 1);
	if (strncmp(word, "b:", 2) == 0)
		return place_hex(word + 2);
	if (strncmp(word, "o:", 2) == 0)
		return place(zeros, strtoul(word + 2, NULL, 10) % (sizeof(zeros) + 1));
	return word[0] == '@' ? earlier(word) : (long)strtoll(word, NULL, 0);
}

static void
run_line(char *line)
{
	struct call *c = &probe.calls[probe.call_count];
	char *word = strtok(line, " \n");

	if (word == NULL || probe.call_count == CALLS_MAX)
		return;
	*c = (struct call){ .deliver = strcmp(word, "deliver") == 0 };
	if (c->deliver)
		word = strtok(NULL, " \n");
	c->int80 = word != NULL && strcmp(word, "int80") == 0;
	if (c->int80)
		word = strtok(NULL, " \n");
	if (word == NULL || (c->int80 && probe.int80_at == 0)) {
		(void)puts("no such instruction");
		return;
	}
	c->nr = word[0] == '#' ? strtol(word + 1, NULL, 0) : seccomp_syscall_resolve_name(word);
	if (c->nr < 0)
		fail(word);
	for (int i = 0; i < ARGS_MAX && (word = strtok(NULL, " \n")) != NULL; i++)
		c->arg[i] = argument(word);
	say(c, false);
	probe.call_count++;
}

static void
attach(void)
{
	char path[64];
	struct call map = { .nr = SYS_mmap,
		.arg = {
		    0, SCRATCH_LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1 } };

	(void)snprintf(path, sizeof(path), "/proc/%d/mem", probe.pid);
	if (ptrace(PTRACE_SEIZE, probe.pid, NULL, NULL) != 0 ||
	    ptrace(PTRACE_INTERRUPT, probe.pid, NULL, NULL) != 0)
		fail("PTRACE_SEIZE");
	(void)wait_stop();
	probe.mem = open(path, O_RDWR | O_CLOEXEC);
	if (probe.mem < 0 || ptrace(PTRACE_GETREGS, probe.pid, NULL, &probe.saved) != 0)
		fail(path);
	find_instructions();
	say(&map, true);
	probe.scratch = (unsigned long)map.result;
	if (map.result < 0 && map.result > -4096)
		fail("no memory in the process");
}

static void
detach(void)
{
	struct call unmap = { .nr = SYS_munmap, .arg = { (long)probe.scratch, SCRATCH_LEN } };
	long was = (long)probe.saved.rax;

	say(&unmap, true);
	probe.saved.orig_rax = (unsigned long)-1;
	if (was >= RESTART_FIRST && was <= RESTART_LAST)
		probe.saved.rax = (unsigned long)-EINTR;
	if (ptrace(PTRACE_SETREGS, probe.pid, NULL, &probe.saved) != 0 ||
	    ptrace(PTRACE_DETACH, probe.pid, NULL, NULL) != 0)
		fail("PTRACE_DETACH");
}

int
main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = on_alarm };
	static char line[16384];

	if (argc != 2 || sigaction(SIGALRM, &sa, NULL) != 0)
		return 2;
	probe.pid = (pid_t)strtol(argv[1], NULL, 10);
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	attach();
	while (fgets(line, sizeof(line), stdin) != NULL)
		run_line(line);
	detach();
	return 0;
}
