/* The .env file without keys: every variable in its place, each taken value replaced. */
#include <ctype.h>
#include <sodium.h>
#include <string.h>

#include "cli/import.h"
#include "cli/recognise.h"
#include "common/secret.h"

#define OUT_HEAD                                                                                   \
	"# Written by `sidekey import env`: each key is replaced by a value that is worth "        \
	"nothing.\n"                                                                               \
	"# Comments of the original were left out, since they can hold old keys.\n"

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
static const char hex_letters[] = "0123456789abcdef";

static bool
is_hex(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!isdigit(s.p[i]) && !(s.p[i] >= 'a' && s.p[i] <= 'f') && s.p[i] != '-')
			return false;
	return true;
}

/* The dash of a UUID stays, so that the shape does. */
enum err
import_stand_in(struct buf *out, struct span value, const char *secret)
{
	uint8_t seed[randombytes_SEEDBYTES], stream[SECRET_LEN_MAX];
	size_t prefix = recognise_prefix(value);
	bool hex = is_hex(span_of(value.p + prefix, value.len - prefix));
	const char *set = hex ? hex_letters : letters;
	size_t set_len = hex ? sizeof(hex_letters) - 1 : sizeof(letters) - 1;
	enum err e = buf_append(out, value.p, prefix);

	must(value.len <= sizeof(stream));
	(void)crypto_generichash(
	    seed, sizeof(seed), (const uint8_t *)secret, strlen(secret), NULL, 0);
	randombytes_buf_deterministic(stream, sizeof(stream), seed);
	for (size_t i = prefix; i < value.len && e == ERR_OK; i++)
		e = buf_append_byte(
		    out, (uint8_t)(hex && value.p[i] == '-' ? '-' : set[stream[i] % set_len]));
	return e;
}

enum err
import_put_entry(struct buf *out, const struct dotenv_entry *entry, const struct buf *stand_in)
{
	const char *quote = entry->quote == DOTENV_SINGLE   ? "'"
			    : entry->quote == DOTENV_DOUBLE ? "\""
							    : "";
	enum err e = buf_printf(out, "%s%.*s=", entry->exported ? "export " : "",
	    (int)entry->name.len, (const char *)entry->name.p);

	if (e == ERR_OK && stand_in == NULL)
		e = buf_append_span(out, entry->written);
	if (e == ERR_OK && stand_in != NULL)
		e = buf_append_str(out, quote);
	if (e == ERR_OK && stand_in != NULL)
		e = buf_append_span(out, buf_span(stand_in));
	if (e == ERR_OK && stand_in != NULL)
		e = buf_append_str(out, quote);
	return e == ERR_OK ? buf_append_byte(out, '\n') : e;
}

static enum err
put_item(const struct import *im, const struct import_item *it, struct buf *out)
{
	AUTO(buf_wipe) struct buf stand_in = BUF_MAX(SECRET_LEN_MAX);
	enum err e = ERR_OK;

	if (it->fate != IMPORT_TAKEN)
		return import_put_entry(out, it->entry, NULL);
	e = import_stand_in(&stand_in, import_value(im, it), it->secret);
	return e == ERR_OK ? import_put_entry(out, it->entry, &stand_in) : e;
}

/* A key can stand in the file a second time, under another name, inside a URL or a JSON text: then
 * the new file would give it away. */
static enum cli_exit
check_gone(const struct import *im)
{
	for (uint32_t i = 0; i < im->env.count; i++) {
		struct span value = import_value(im, &im->items[i]);

		if (im->items[i].fate != IMPORT_TAKEN)
			continue;
		for (uint32_t k = 0; k < im->env.count; k++) {
			const struct import_item *o = &im->items[k];
			struct span text = import_value(im, o);

			if (o->fate == IMPORT_TAKEN || text.len < value.len || value.len < 8 ||
			    memmem(text.p, text.len, value.p, value.len) == NULL)
				continue;
			return cli_fail(CLI_FAILED,
			    "%s:%u: %.*s holds the key of line %u too; --take it, or "
			    "take it out by hand",
			    im->path, o->entry->line, (int)o->entry->name.len,
			    (const char *)o->entry->name.p, im->items[i].entry->line);
		}
	}
	return CLI_OK;
}

enum cli_exit
import_compose_out(struct import *im)
{
	enum cli_exit x = check_gone(im);
	enum err e;

	if (x != CLI_OK)
		return x;
	e = buf_append_str(&im->out, OUT_HEAD);
	for (uint32_t i = 0; i < im->env.count && e == ERR_OK; i++)
		e = put_item(im, &im->items[i], &im->out);
	return e == ERR_OK ? CLI_OK : cli_fail_err(e, im->out_path);
}
