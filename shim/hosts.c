#include "shim/hosts.h"

#include <arpa/inet.h>
#include <string.h>

enum err
shim_hosts_numeric(const char *host, uint16_t port, union shim_sockaddr *ret_sa)
{
	union shim_sockaddr sa = { 0 };

	if (inet_pton(AF_INET, host, &sa.in.sin_addr) == 1) {
		sa.in.sin_family = AF_INET;
		sa.in.sin_port = htons(port);
		*ret_sa = sa;
		return ERR_OK;
	}
	if (inet_pton(AF_INET6, host, &sa.in6.sin6_addr) == 1) {
		sa.in6.sin6_family = AF_INET6;
		sa.in6.sin6_port = htons(port);
		*ret_sa = sa;
		return ERR_OK;
	}
	return ERR_NOT_FOUND;
}

static bool
is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* The next word of *line, which then starts behind it; empty at the end. */
static struct span
next_word(struct span *line)
{
	struct span word;

	while (line->len > 0 && is_blank(line->p[0]))
		*line = span_of(line->p + 1, line->len - 1);
	word = span_of(line->p, 0);
	while (line->len > 0 && !is_blank(line->p[0])) {
		word.len++;
		*line = span_of(line->p + 1, line->len - 1);
	}
	return word;
}

/* The next line of *text without its end and comment. */
static struct span
next_line(struct span *text)
{
	const uint8_t *end = memchr(text->p, '\n', text->len);
	struct span line = span_of(text->p, end == NULL ? text->len : (size_t)(end - text->p));
	size_t used = end == NULL ? text->len : line.len + 1;
	const uint8_t *comment = line.len == 0 ? NULL : memchr(line.p, '#', line.len);

	*text = span_of(text->p + used, text->len - used);
	if (comment != NULL)
		line.len = (size_t)(comment - line.p);
	return line;
}

static bool
line_names(struct span line, const char *name)
{
	for (struct span word = next_word(&line); word.len > 0; word = next_word(&line))
		if (span_eq_nocase(word, name))
			return true;
	return false;
}

size_t
shim_hosts_find(
    struct span text, const char *name, uint16_t port, union shim_sockaddr *ret_sas, size_t max)
{
	size_t count = 0;

	while (text.len > 0 && count < max) {
		struct span line = next_line(&text);
		struct span address = next_word(&line);
		char host[INET6_ADDRSTRLEN];

		if (address.len == 0 || !line_names(line, name) ||
		    !span_copy_str(address, host, sizeof host))
			continue;
		count += shim_hosts_numeric(host, port, &ret_sas[count]) == ERR_OK;
	}
	return count;
}
