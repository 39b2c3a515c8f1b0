#include "common/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/sys.h"
#include "common/text.h"

static const char *log_program = "sidekey";
static enum log_level log_level_max = LOG_LEVEL_INFO;
static const char *const words[] = {
	[LOG_LEVEL_ERROR] = "error: ",
	[LOG_LEVEL_WARN] = "warning: ",
	[LOG_LEVEL_INFO] = "",
	[LOG_LEVEL_DEBUG] = "debug: ",
};

void
log_init(const char *program, enum log_level level)
{
	log_program = program;
	log_level_max = level;
}

/* A control would let a client write lines of its own, or drive the reader's terminal. */
static bool
is_plain(const char *in, size_t left, size_t *ret_len)
{
	uint32_t code = 0;

	*ret_len = text_char(span_of(in, left), &code);
	if (*ret_len > 0)
		return code != '\\' && !text_is_treacherous(code);
	*ret_len = 1;
	return false;
}

static size_t
escape(const char *in, size_t len, char *out, size_t size)
{
	static const char digit[] = "0123456789abcdef";
	size_t n = 0, used;

	for (size_t i = 0; i < len && n + 16 < size; i += used) {
		bool plain = is_plain(in + i, len - i, &used);

		for (size_t k = i; k < i + used; k++) {
			unsigned char c = (unsigned char)in[k];

			if (plain) {
				out[n++] = (char)c;
				continue;
			}
			out[n++] = '\\';
			out[n++] = 'x';
			out[n++] = digit[c >> 4];
			out[n++] = digit[c & 15];
		}
	}
	return n;
}

static void PRINTF(3, 0)
    write_line(enum log_level level, const char *word, const char *fmt, va_list ap)
{
	char text[LOG_LINE_MAX], line[LOG_LINE_MAX + 128];
	size_t n, len;
	int wanted;

	if (level > log_level_max)
		return;
	wanted = vsnprintf(text, sizeof text, fmt, ap);
	if (wanted < 0)
		return;
	len = strnlen(text, sizeof text);
	n = (size_t)snprintf(line, 96, "%s: %s", log_program, word);
	n += escape(text, len, line + n, sizeof line - n - 8);
	if ((size_t)wanted > len || n > LOG_LINE_MAX) {
		memcpy(line + n, "...", 3);
		n += 3;
	}
	line[n++] = '\n';
	(void)sys_write(
	    STDERR_FILENO, line, n); /* a log that cannot be written is lost, nothing else */
}

void
log_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	write_line(LOG_LEVEL_ERROR, words[LOG_LEVEL_ERROR], fmt, ap);
	va_end(ap);
}

void
log_warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	write_line(LOG_LEVEL_WARN, words[LOG_LEVEL_WARN], fmt, ap);
	va_end(ap);
}

void
log_info(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	write_line(LOG_LEVEL_INFO, words[LOG_LEVEL_INFO], fmt, ap);
	va_end(ap);
}

void
log_debug(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	write_line(LOG_LEVEL_DEBUG, words[LOG_LEVEL_DEBUG], fmt, ap);
	va_end(ap);
}

void
log_fatal(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	write_line(LOG_LEVEL_ERROR, "fatal: ", fmt, ap);
	va_end(ap);
	_exit(1);
}
