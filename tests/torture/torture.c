#include "tests/torture/torture.h"

#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/sys.h"
#include "common/text.h"
#include "tests/lib/tap.h"

#define HANG_S 60 /* a run that takes longer hangs */
#define FDS_MAX 64
#define WHY_SIZE 512
#define REPORTS_MAX 8 /* of one path; more are counted */

/* One run: this path with this failure. */
struct turn {
	enum torture_kind kind;
	enum torture_mode mode;
	unsigned long nth;
};

/* What a process that runs paths tells the one that waits for it. */
static struct board {
	struct turn at;
	bool counted, done;
	bool met; /* the last run met its failure */
	unsigned long counts[TORTURE_KINDS], runs, failed_runs, tolerated, ended;
	char why[WHY_SIZE];
} * board;

static const struct torture_path *path;
static bool alone; /* under a debugger */
static bool may_end, may_be_full;

void
torture_wrong(const char *fmt, ...)
{
	va_list ap;

	torture_disarm();
	va_start(ap, fmt);
	(void)vsnprintf(board->why, sizeof board->why, fmt, ap);
	va_end(ap);
	if (alone) {
		torture_show_failure();
		abort();
	}
	_exit(3);
}

void
torture_may_end(void)
{
	may_end = true;
}

void
torture_may_be_full(void)
{
	may_be_full = true;
}

void
torture_canary_freed(void)
{
	torture_watch_canary(NULL);
	torture_wrong("a block was freed that holds the secret");
}

static int
open_descriptors(void)
{
	int n = 0;

	for (int fd = 0; fd < FDS_MAX; fd++)
		n += fcntl(fd, F_GETFD) != -1;
	return n;
}

#ifdef SIDEKEY_SANITIZE
/* The runtime's own terabytes would be looked through. */
static void
look_for_rests(const char *canary)
{
	(void)canary;
}
#else
/* Writable memory but the stack, whose rests the next calls overwrite. */
static void
look_for_rests(const char *canary)
{
	char line[512];
	FILE *maps = fopen("/proc/self/maps", "re");
	size_t len = strlen(canary);

	must(maps != NULL);
	while (fgets(line, sizeof line, maps) != NULL) {
		unsigned long from, to;
		char *end;

		from = strtoul(line, &end, 16);
		to = strtoul(end + 1, &end, 16);
		if (strncmp(end, " rw", 3) != 0 || strstr(line, "[stack]") != NULL)
			continue;
		if (memmem((const void *)from, to - from, canary, len) != NULL) {
			(void)fclose(maps);
			torture_wrong("the secret is in memory afterwards: %.120s", line);
		}
	}
	(void)fclose(maps);
}
#endif

/* More calls than any number of retries makes. */
static unsigned long
spinning(void)
{
	return 20 * (board->counts[TORTURE_CALL] + 20);
}

static enum err
run_once(const struct turn *t)
{
	enum err e;

	path->set_up();
	torture_watch_canary(path->canary);
	torture_arm(t->kind, t->nth, t->mode);
	e = path->run();
	torture_disarm();
	if (e == ERR_OK && torture_failures(t->kind) > 0 && t->kind == TORTURE_NONE)
		torture_wrong("counted runs do not fail");
	if (t->kind != TORTURE_NONE && torture_counted(TORTURE_CALL) > spinning())
		torture_wrong("%lu calls: it spins", torture_counted(TORTURE_CALL));
	path->check(e);
	path->tear_down();
	torture_watch_canary(NULL);
	return e;
}

/* Twice: what a library makes once and keeps is no leak, what is made each time is one. */
static void
run_turn(const struct turn *t)
{
	long blocks = 0;
	int fds = open_descriptors();
	enum err e = ERR_OK;

	board->at = *t;
	(void)alarm(HANG_S);
	for (int i = 0; i < 3; i++) {
		blocks = torture_live_blocks();
		e = run_once(t);
		if (i > 0 && torture_live_blocks() <= blocks)
			break;
	}
	(void)alarm(0);
	if (torture_live_blocks() > blocks)
		torture_wrong("%ld blocks are lost each time", torture_live_blocks() - blocks);
	if (open_descriptors() != fds)
		torture_wrong("%d descriptors before, %d after", fds, open_descriptors());
	if (path->canary != NULL)
		look_for_rests(path->canary);
	if (t->kind == TORTURE_NONE && e != ERR_OK)
		torture_wrong("without any failure it says %s", err_name(e));
	board->runs++;
	board->met = torture_failures(t->kind) > 0;
	board->failed_runs += board->met;
	board->tolerated += board->met && e == ERR_OK;
}

static void
count_first(void)
{
	const struct turn none = { .kind = TORTURE_NONE };

	run_turn(&none);
	board->counts[TORTURE_ALLOCATION] = torture_counted(TORTURE_ALLOCATION);
	board->counts[TORTURE_CALL] = torture_counted(TORTURE_CALL);
	board->counted = true;
}

/* What was counted first is not the last word: a store that has grown asks for more. */
static bool
has_more(const struct turn *t, unsigned long step)
{
	unsigned long count = board->counts[t->kind];

	return t->nth + step <= count || (board->met && t->nth < 2 * count);
}

static enum torture_mode
last_mode(enum torture_kind kind)
{
	return kind == TORTURE_ALLOCATION && may_be_full ? TORTURE_FULL : TORTURE_ONWARDS;
}

/* The turns behind what the board says is done: a process that died is followed by another. */
static bool
next_turn(struct turn *t, unsigned long step)
{
	if (t->kind != TORTURE_NONE && has_more(t, step)) {
		t->nth += step;
		return true;
	}
	do {
		if (t->kind == TORTURE_NONE || t->mode == last_mode(t->kind)) {
			t->kind++;
			t->mode = TORTURE_ONCE;
		} else {
			t->mode++;
		}
	} while (t->kind < TORTURE_KINDS && board->counts[t->kind] == 0);
	t->nth = 1;
	return t->kind < TORTURE_KINDS;
}

static unsigned long
step_of(enum torture_kind kind, unsigned long runs_max)
{
	unsigned long n = kind < TORTURE_KINDS ? board->counts[kind] : 0;

	return runs_max == 0 || n <= runs_max ? 1 : (n + runs_max - 1) / runs_max;
}

static void
worker(void (*first)(void), unsigned long runs_max)
{
	struct turn t = board->at;
	int fd = sys_open("/dev/null", O_WRONLY, 0);

	must(
	    fd >= 0 && dup2(fd, STDERR_FILENO) == STDERR_FILENO); /* thousands of true complaints */
	if (first != NULL)
		first();
	if (!board->counted)
		count_first();
	while (next_turn(&t, step_of(t.kind, runs_max)))
		run_turn(&t);
	board->done = true;
}

static const char *
mode_name(const struct turn *t)
{
	static const char *const names[] = { "", "allocation", "call" };

	return names[t->kind];
}

static void
report(int status)
{
	static const char *const more[] = { "", " and all behind it", " for memory is full" };
	const struct turn *t = &board->at;

	ok(false, "%s: %s %lu%s fails: %s", path->name, mode_name(t), t->nth, more[t->mode],
	    board->why[0] != '\0'				 ? board->why
	    : WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM ? "hangs"
	    : WIFSIGNALED(status)				 ? strsignal(WTERMSIG(status))
								 : "the process ended");
	board->why[0] = '\0';
}

static int
fork_worker(void (*first)(void), unsigned long runs_max)
{
	int status;
	pid_t pid;

	(void)fflush(stdout);
	pid = fork();
	must(pid >= 0);
	if (pid == 0) {
		worker(first, runs_max);
		_exit(0);
	}
	must(waitpid(pid, &status, 0) == pid);
	return status;
}

static void
torture(const struct torture_path *p, void (*first)(void), unsigned long runs_max)
{
	int bad = 0;

	path = p;
	memset(board, 0, sizeof *board);
	while (!board->done && bad < REPORTS_MAX) {
		int status = fork_worker(first, runs_max);

		if (may_end && board->counted && WIFEXITED(status) && WEXITSTATUS(status) == 1) {
			board->ended++;
		} else if (status != 0 || !board->done) {
			report(status);
			bad++;
		}
		if (!board->counted)
			return; /* not even without a failure */
	}
	ok(bad == 0,
	    "%s: %lu allocations, %lu calls; %lu runs, %lu failures met, %lu tolerated, %lu ended",
	    p->name, board->counts[TORTURE_ALLOCATION], board->counts[TORTURE_CALL], board->runs,
	    board->failed_runs, board->tolerated, board->ended);
}

/* PROGRAM PATH allocation|call N[+|=] */
static int
one_alone(const struct torture_path *paths, size_t count, void (*first)(void), char **argv)
{
	const struct turn none = { .kind = TORTURE_NONE };
	char *mark;
	struct turn t = { .kind = argv[2][0] == 'a' ? TORTURE_ALLOCATION : TORTURE_CALL,
		.nth = strtoul(argv[3], &mark, 10) };

	t.mode = *mark == '+' ? TORTURE_ONWARDS : *mark == '=' ? TORTURE_FULL : TORTURE_ONCE;
	alone = true;
	for (size_t i = 0; i < count; i++)
		if (strcmp(paths[i].name, argv[1]) == 0)
			path = &paths[i];
	must(path != NULL);
	if (first != NULL)
		first();
	run_turn(&none);
	run_turn(&t);
	torture_show_failure();
	return 0;
}

int
torture_main(
    const struct torture_path *paths, size_t count, void (*first)(void), int argc, char **argv)
{
	unsigned long runs_max = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;

	board =
	    mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(board != MAP_FAILED);
	if (argc == 4)
		return one_alone(paths, count, first, argv);
	for (size_t i = 0; i < count; i++)
		torture(&paths[i], first, runs_max);
	return done();
}
