#include "broker/gateway/hosts.h"

#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/log.h"
#include "common/sys.h"

#define HOST_NAME_MAX_LEN 253

struct entry {
	char name[HOST_NAME_MAX_LEN + 1];
	struct addr addr;
};

struct hosts {
	struct entry *entries;
	size_t count;
};

void
hosts_free(struct hosts *h)
{
	if (h == NULL)
		return;
	free(h->entries);
	free(h);
}

/* The next word of a line; empty at its end. */
static struct span
next_word(struct span *line)
{
	size_t from = 0, to;

	while (from < line->len && (line->p[from] == ' ' || line->p[from] == '\t'))
		from++;
	for (to = from; to < line->len && line->p[to] != ' ' && line->p[to] != '\t'; to++)
		continue;
	struct span word = span_of(line->p + from, to - from);

	*line = span_of(line->p + to, line->len - to);
	return word;
}

static void
read_line(struct hosts *h, struct span line)
{
	const uint8_t *comment = memchr(line.p, '#', line.len);
	struct addr addr;
	char text[64];
	struct span word;

	if (comment != NULL)
		line.len = (size_t)(comment - line.p);
	word = next_word(&line);
	if (word.len == 0 || !span_copy_str(word, text, sizeof text) ||
	    addr_parse(text, 0, &addr) != ERR_OK)
		return;
	while ((word = next_word(&line)).len > 0 && h->count < HOSTS_MAX) {
		struct entry *n = &h->entries[h->count];

		if (!span_copy_str(word, n->name, sizeof n->name))
			continue;
		n->addr = addr;
		h->count++;
	}
}

/* How many names there can be: one a run of white space, so that the table is as large as the file
 * needs. */
static size_t
count_words(struct span text)
{
	size_t count = 1;

	for (size_t i = 0; i < text.len; i++)
		count += text.p[i] == ' ' || text.p[i] == '\t' || text.p[i] == '\n';
	return count < HOSTS_MAX ? count : HOSTS_MAX;
}

enum err
hosts_parse(struct span text, struct hosts **ret_h)
{
	struct hosts *h = calloc(1, sizeof *h);

	if (h == NULL)
		return ERR_NOMEM;
	h->entries = calloc(count_words(text), sizeof *h->entries);
	if (h->entries == NULL) {
		hosts_free(h);
		return ERR_NOMEM;
	}
	while (text.len > 0) {
		const uint8_t *end = memchr(text.p, '\n', text.len);
		size_t len = end == NULL ? text.len : (size_t)(end - text.p);
		struct span line = span_of(text.p, len);

		if (line.len > 0 && line.p[line.len - 1] == '\r')
			line.len--;
		read_line(h, line);
		len += end != NULL;
		text = span_of(text.p + len, text.len - len);
	}
	*ret_h = h;
	return ERR_OK;
}

enum err
hosts_read(const char *path, struct hosts **ret_h)
{
	AUTO(buf_wipe) struct buf text = BUF_MAX(HOSTS_FILE_MAX);
	enum err e = sys_read_file(path, &text);

	if (e != ERR_OK && e != ERR_NOT_FOUND)
		log_warn("%s: %s; its names are not known here", path, err_name(e));
	if (e != ERR_OK)
		buf_clear(&text);
	return hosts_parse(buf_span(&text), ret_h);
}

size_t
hosts_find(
    const struct hosts *h, const char *name, uint16_t port, struct addr *ret_addrs, size_t max)
{
	size_t found = 0;

	for (size_t i = 0; i < h->count && found < max; i++) {
		const struct entry *n = &h->entries[i];

		if (!span_eq_nocase(span_str(n->name), name))
			continue;
		ret_addrs[found] = n->addr;
		if (n->addr.sa.sa_family == AF_INET)
			ret_addrs[found].in.sin_port = htons(port);
		else
			ret_addrs[found].in6.sin6_port = htons(port);
		found++;
	}
	return found;
}
