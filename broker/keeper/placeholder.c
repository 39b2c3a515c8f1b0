#include "broker/keeper/placeholder.h"

#include <stdlib.h>
#include <string.h>

void
placeholders_init(
    struct placeholders *p, const struct secret *make_key, const struct secret *hash_key)
{
	*p = (struct placeholders){
		.known = TABLE_MAX(PLACEHOLDERS_MAX), .make_key = make_key, .hash_key = hash_key
	};
}

void
placeholders_close(struct placeholders *p)
{
	size_t cursor = 0;
	struct placeholder *one;

	while ((one = table_next(&p->known, &cursor)) != NULL)
		free(one);
	table_close(&p->known);
}

/* Letters and digits: every provider's keys have them, and no escaping anywhere changes them. */
static enum err
append_random(const struct placeholders *p, const uint8_t instance[IDENTITY_ID_LEN],
    const char *upstream, struct buf *out)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	uint8_t hash[2 * HASH_LEN], half[2] = { 0, 1 };
	char text[PLACEHOLDER_RANDOM_LEN];

	for (size_t i = 0; i < 2; i++) {
		struct span parts[] = { span_of(&half[i], 1), span_of(instance, IDENTITY_ID_LEN),
			span_str(upstream) };

		crypto_digest(p->make_key, parts, COUNT(parts), hash + i * HASH_LEN);
	}
	for (size_t i = 0; i < sizeof text; i++)
		text[i] = digits[hash[i] % (sizeof digits - 1)];
	return buf_append(out, text, sizeof text);
}

enum err
placeholder_make(const struct placeholders *p, const char *template,
    const uint8_t instance[IDENTITY_ID_LEN], const char *upstream, struct buf *out)
{
	static const char mark[] = "{random}";
	const char *at = strstr(template, mark);
	enum err e;

	must(at != NULL); /* the reader of the rules checked it */
	e = buf_append(out, template, (size_t)(at - template));
	if (e == ERR_OK)
		e = append_random(p, instance, upstream, out);
	return e == ERR_OK ? buf_append_str(out, at + sizeof mark - 1) : e;
}

enum err
placeholders_learn(struct placeholders *p, struct instance *i, const struct interned *upstream,
    const char *template)
{
	AUTO(buf_wipe) struct buf text = BUF_MAX(PLACEHOLDER_LEN_MAX);
	struct placeholder *one;
	struct span part;
	enum err e = placeholder_make(p, template, i->id, upstream->name, &text);

	if (e != ERR_OK)
		return e;
	one = calloc(1, sizeof *one);
	if (one == NULL)
		return ERR_NOMEM;
	part = buf_span(&text);
	one->key = table_hash(p->hash_key, &part, 1);
	one->instance = i;
	one->upstream = upstream;
	e = table_put(&p->known, one->key, one);
	if (e != ERR_OK) {
		free(one);
		return e == ERR_EXISTS ? ERR_OK : e;
	}
	one->next = i->placeholders;
	i->placeholders = one;
	return ERR_OK;
}

const struct placeholder *
placeholders_find(const struct placeholders *p, struct span value)
{
	return table_get(&p->known, table_hash(p->hash_key, &value, 1));
}

void
placeholders_forget(struct placeholders *p, struct instance *i)
{
	struct placeholder *one = i->placeholders, *next;

	for (; one != NULL; one = next) {
		next = one->next;
		(void)table_remove(&p->known, one->key);
		free(one);
	}
	i->placeholders = NULL;
}
