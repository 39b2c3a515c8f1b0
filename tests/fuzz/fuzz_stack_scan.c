/* stack_scan() and the finders of URLs on any bytes: a line lies in the text, and what is found in
 * a text lies in it. */
#include <string.h>

#include "cli/recognise.h"
#include "cli/stack_scan.h"
#include "tests/fuzz/fuzz.h"

static void
check_inside(struct span text, struct span part)
{
	must(part.len > 0 && part.p >= text.p && part.p + part.len <= text.p + text.len);
}

static void
check_text(struct span text)
{
	struct span part;

	if (stack_url_password(text, &part))
		check_inside(text, part);
	if (stack_url_host(text, &part))
		check_inside(text, part);
	(void)recognise_random(text);
}

static enum err
each(const struct stack_scalar *v, void *arg)
{
	const size_t *size = arg;

	must(v->line >= 1 && v->line <= *size + 1 && v->depth <= STACK_SCAN_DEPTH_MAX);
	must(!v->is_key || v->key.len == 0);
	check_text(v->text);
	return ERR_OK;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t line = 0;

	check_text(span_of(data, size));
	if (stack_scan(span_of(data, size), each, &size, &line) != ERR_OK)
		must(line >= 1);
	return 0;
}
