/* Questions about the fields of a head that parsed. */
#include <string.h>

#include "broker/gateway/http1.h"

const struct http1_header *
http1_find(const struct http1_head *h, const char *name, uint16_t n)
{
	for (uint16_t i = 0; i < h->header_count; i++) {
		if (span_eq_nocase(h->headers[i].name, name) && n-- == 0)
			return &h->headers[i];
	}
	return NULL;
}

static uint8_t
lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

bool
http1_name_like(struct span name, const char *lower_name)
{
	size_t i;

	for (i = 0; i < name.len && lower_name[i] != '\0'; i++) {
		uint8_t c = name.p[i] == '_' ? '-' : lower(name.p[i]);

		if (c != (uint8_t)lower_name[i])
			return false;
	}
	return i == name.len && lower_name[i] == '\0';
}

/* list: tokens with commas and white space between them; the parser has seen to that. */
static bool
list_names(struct span list, struct span name)
{
	size_t i = 0;

	while (i < list.len) {
		size_t start = i;

		while (i < list.len && strchr(", \t", list.p[i]) == NULL)
			i++;
		if (i > start && span_same_nocase(span_of(list.p + start, i - start), name))
			return true;
		i++;
	}
	return false;
}

bool
http1_is_hop_by_hop(const struct http1_head *h, struct span name)
{
	static const char *const always[] = { "connection", "keep-alive", "te", "trailer",
		"transfer-encoding", "upgrade" };

	for (size_t i = 0; i < COUNT(always); i++)
		if (http1_name_like(name, always[i]))
			return true;
	if (name.len >= 6 && http1_name_like(span_of(name.p, 6), "proxy-"))
		return true;
	for (uint16_t i = 0; i < h->header_count; i++) {
		if (span_eq_nocase(h->headers[i].name, "connection") &&
		    list_names(h->headers[i].value, name))
			return true;
	}
	return false;
}
