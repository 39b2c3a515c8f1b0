/* dotenv_parse() on any bytes: what it returns lies inside the input, and a value that was bare
 * reads the same when it is read again. */
#include <string.h>

#include "cli/dotenv.h"
#include "cli/recognise.h"
#include "tests/fuzz/fuzz.h"

static void
check_entry(struct span in, const struct dotenv *d, const struct dotenv_entry *e)
{
	struct span value = dotenv_value(d, e);

	must(e->name.len > 0 && e->name.len <= DOTENV_NAME_MAX);
	must(e->name.p >= in.p && e->name.p + e->name.len <= in.p + in.len);
	must(e->written.p >= in.p && e->written.p + e->written.len <= in.p + in.len);
	must(e->at + e->len <= d->text.len);
	must(value.len <= e->written.len);
	if (e->quote == DOTENV_BARE)
		must(span_eq(value, e->written));
	must(recognise_prefix(value) <= value.len);
	(void)recognise_name(e->name);
	(void)recognise_shape(value);
	(void)recognise_suspicious(e->name, value);
	(void)recognise_url_password(value);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_of(data, size);
	struct dotenv d;
	struct dotenv_error error = { 0 };

	if (dotenv_parse(in, &d, &error) != ERR_OK) {
		must(error.text[0] != '\0');
		return 0;
	}
	for (uint32_t i = 0; i < d.count; i++)
		check_entry(in, &d, &d.entries[i]);
	dotenv_wipe(&d);
	return 0;
}
