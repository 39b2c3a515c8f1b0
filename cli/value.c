#include "cli/value.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "common/sys.h"

#define ARENA_SIZE (256u << 10)

enum cli_exit
value_lock_memory(void)
{
	static bool done;
	enum err e;

	if (done)
		return CLI_OK;
	e = secret_arena_init(ARENA_SIZE);
	if (e != ERR_OK)
		return cli_fail(CLI_FAILED,
		    "cannot lock memory for secrets: %s; raise the limit (ulimit -l, at least %u "
		    "KiB)",
		    strerror(errno), ARENA_SIZE >> 10);
	done = true;
	return CLI_OK;
}

/* What a file may hold behind SECRET_LEN_MAX bytes: one newline, which is cut anyway. */
static bool
rest_is_newline(int fd)
{
	char rest[3];
	ssize_t n = sys_read(fd, rest, sizeof(rest));

	return n == 0 || (n == 1 && rest[0] == '\n') ||
	       (n == 2 && rest[0] == '\r' && rest[1] == '\n');
}

static enum cli_exit
cut_newline(const struct secret *raw, size_t len, const char *what, struct secret **ret_value)
{
	const uint8_t *p = secret_span(raw).p;
	enum err e;

	if (len > 0 && p[len - 1] == '\n')
		len--;
	if (len > 0 && p[len - 1] == '\r')
		len--;
	if (len == 0)
		return cli_fail(CLI_FAILED, "%s is empty", what);
	e = secret_from(p, len, ret_value);
	return e == ERR_OK ? CLI_OK : cli_fail_err(e, what);
}

static enum cli_exit
read_fd(int fd, const char *what, struct secret **ret_value)
{
	AUTO(secret_freep) struct secret *raw = NULL;
	enum err e = secret_new(SECRET_LEN_MAX, &raw);
	size_t len = 0;

	if (e != ERR_OK)
		return cli_fail_err(e, what);
	while (len < SECRET_LEN_MAX) {
		ssize_t n = sys_read(fd, secret_bytes(raw) + len, SECRET_LEN_MAX - len);

		if (n < 0)
			return cli_fail(CLI_FAILED, "cannot read %s: %s", what, strerror(errno));
		if (n == 0)
			break;
		len += (size_t)n;
	}
	if (len == SECRET_LEN_MAX && !rest_is_newline(fd))
		return cli_fail(CLI_FAILED, "%s is longer than %d bytes", what, SECRET_LEN_MAX);
	return cut_newline(raw, len, what, ret_value);
}

static enum cli_exit
read_file(const char *path, const char *what, struct secret **ret_value)
{
	char real[PATH_MAX]; /* links are followed: a mounted secret often is one */
	AUTO(sys_closep) int fd = -1;

	if (realpath(path, real) == NULL)
		return cli_fail(errno == ENOENT ? CLI_NOT_FOUND : CLI_FAILED, "cannot read %s: %s",
		    path, strerror(errno));
	fd = sys_open(real, O_RDONLY, 0);
	if (fd < 0)
		return cli_fail(errno == EACCES ? CLI_DENIED : CLI_FAILED, "cannot read %s: %s",
		    path, strerror(errno));
	return read_fd(fd, what, ret_value);
}

struct terminal {
	int fd;
	struct termios before;
};

static void
terminal_restore(struct terminal *t)
{
	if (t->fd < 0)
		return;
	(void)tcsetattr(t->fd, TCSAFLUSH, &t->before);
	(void)sys_write(t->fd, "\n", 1);
	sys_closep(&t->fd);
}

/* Echo off and bytes as they come: no line buffer in the kernel that cuts at 4095, and Ctrl-C is
 * seen here, so that echo comes back. */
static enum cli_exit
terminal_open(struct terminal *t)
{
	struct termios raw;
	AUTO(sys_closep) int fd = sys_open("/dev/tty", O_RDWR | O_NOCTTY, 0);

	if (fd < 0 || tcgetattr(fd, &t->before) != 0)
		return cli_fail(CLI_FAILED,
		    "there is no terminal to ask on; give the value on stdin or as @FILE");
	raw = t->before;
	raw.c_lflag &= (tcflag_t) ~(ECHO | ICANON | ISIG);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	if (tcsetattr(fd, TCSAFLUSH, &raw) != 0)
		return cli_fail(
		    CLI_FAILED, "cannot switch the terminal's echo off: %s", strerror(errno));
	t->fd = fd;
	fd = -1; /* given away */
	return CLI_OK;
}

enum key { KEY_BYTE = 0, KEY_END, KEY_ABORT, KEY_BACK, KEY_CLEAR };

static enum key
key_of(char byte)
{
	switch (byte) {
	case '\r':
	case '\n':
	case 4: /* Ctrl-D */
		return KEY_END;
	case 3:	 /* Ctrl-C */
	case 28: /* Ctrl-\ */
		return KEY_ABORT;
	case 8:
	case 127:
		return KEY_BACK;
	case 21: /* Ctrl-U */
		return KEY_CLEAR;
	default:
		return KEY_BYTE;
	}
}

static enum cli_exit
read_keys(int fd, struct secret *raw, const char *what, size_t *ret_len)
{
	size_t len = 0;
	char byte = 0;

	while (sys_read(fd, &byte, 1) == 1) {
		enum key k = key_of(byte);

		if (k == KEY_END)
			break;
		if (k == KEY_ABORT)
			return cli_fail(CLI_FAILED, "given up; nothing was changed");
		if (k == KEY_BYTE && len == SECRET_LEN_MAX)
			return cli_fail(
			    CLI_FAILED, "%s is longer than %d bytes", what, SECRET_LEN_MAX);
		if (k == KEY_BYTE)
			secret_bytes(raw)[len++] = (uint8_t)byte;
		else
			len = k == KEY_BACK && len > 0 ? len - 1 : 0;
	}
	secret_wipe(&byte, 1);
	*ret_len = len;
	return CLI_OK;
}

static enum cli_exit
ask(const char *question, const char *what, struct secret **ret_value)
{
	AUTO(terminal_restore) struct terminal t = { .fd = -1 };
	AUTO(secret_freep) struct secret *raw = NULL;
	enum err e = secret_new(SECRET_LEN_MAX, &raw);
	enum cli_exit x;
	size_t len = 0;

	if (e != ERR_OK)
		return cli_fail_err(e, what);
	x = terminal_open(&t);
	if (x != CLI_OK)
		return x;
	(void)sys_write(t.fd, question, strlen(question));
	x = read_keys(t.fd, raw, what, &len);
	return x == CLI_OK ? cut_newline(raw, len, what, ret_value) : x;
}

static enum cli_exit
prompt(const char *what, bool twice, struct secret **ret_value)
{
	AUTO(secret_freep) struct secret *first = NULL;
	AUTO(secret_freep) struct secret *second = NULL;
	char question[256];
	enum cli_exit x;

	(void)snprintf(question, sizeof(question), "%s (not shown): ", what);
	x = ask(question, what, &first);
	if (x == CLI_OK && twice)
		x = ask("once more: ", what, &second);
	if (x != CLI_OK)
		return x;
	if (twice && !secret_equal(secret_span(first).p, secret_len(first), secret_span(second).p,
			 secret_len(second)))
		return cli_fail(CLI_FAILED, "the two are not the same; nothing was changed");
	*ret_value = first;
	first = NULL; /* given away */
	return CLI_OK;
}

enum cli_exit
value_check_source(const char *source)
{
	if (source == NULL || strcmp(source, "-") == 0 || (source[0] == '@' && source[1] != '\0'))
		return CLI_OK;
	return cli_fail(CLI_USAGE, "a value is not taken from the command line: every user can "
				   "read it there (ps), and the "
				   "shell keeps it in its history; give it on stdin, as @FILE, or "
				   "at the prompt, and treat "
				   "this one as exposed");
}

enum cli_exit
value_read(const char *source, const char *what, bool twice, struct secret **ret_value)
{
	enum cli_exit x = value_check_source(source);

	if (x == CLI_OK)
		x = value_lock_memory();
	if (x != CLI_OK)
		return x;
	if (source != NULL && source[0] == '@')
		return read_file(source + 1, what, ret_value);
	if (source == NULL && isatty(STDIN_FILENO))
		return prompt(what, twice, ret_value);
	return read_fd(STDIN_FILENO, what, ret_value);
}
