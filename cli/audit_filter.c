#include "cli/audit_filter.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "cli/admin.h"
#include "common/text.h"

#define AGE_S_MAX UINT64_C(316224000) /* ten years */

enum cli_exit
audit_filter_read(const struct cli *c, int64_t now_s, struct audit_filter *ret_f)
{
	const char *since = cli_given(c, "since");
	uint64_t age_s;

	*ret_f = (struct audit_filter){ .workload = cli_given(c, "workload"),
		.upstream = cli_given(c, "upstream"),
		.secret = cli_given(c, "secret") };
	if (since == NULL || text_untime(span_str(since), &ret_f->since_s) == ERR_OK)
		return CLI_OK;
	if (text_duration_s(span_str(since), AGE_S_MAX, &age_s) != ERR_OK)
		return cli_fail(CLI_USAGE,
		    "--since takes 2026-11-24T00:00:00Z, or an age like 30m, 24h or 7d, "
		    "not \"%s\"",
		    since);
	ret_f->since_s = now_s - (int64_t)age_s;
	return CLI_OK;
}

static json_t *
parse(struct span line)
{
	return json_loadb((const char *)line.p, line.len, JSON_REJECT_DUPLICATES, NULL);
}

/* "2026-11-24T03:35:51.123Z": the part in front of the fraction counts. 0 if it is no time. */
static int64_t
time_of(const json_t *j)
{
	const char *text = admin_text(j, "time");
	char whole[TEXT_TIME_SIZE];
	int64_t wall_s = 0;

	if (strlen(text) < 20)
		return 0;
	(void)snprintf(whole, sizeof(whole), "%.19sZ", text);
	return text_untime(span_str(whole), &wall_s) == ERR_OK ? wall_s : 0;
}

static bool
same(const json_t *j, const char *key, const char *want)
{
	return want == NULL || strcmp(admin_text(j, key), want) == 0;
}

static bool
filters(const struct audit_filter *f)
{
	return f->workload != NULL || f->upstream != NULL || f->secret != NULL || f->since_s != 0;
}

bool
audit_filter_passes(const struct audit_filter *f, struct span line)
{
	AUTO(json_freep) json_t *j = NULL;

	if (!filters(f))
		return true;
	j = parse(line);
	return json_is_object(j) && same(j, "workload", f->workload) &&
	       same(j, "upstream", f->upstream) && same(j, "secret", f->secret) &&
	       time_of(j) >= f->since_s;
}

void
audit_print_raw(struct span line)
{
	(void)fwrite(line.p, 1, line.len, stdout);
	(void)fputc('\n', stdout);
}

/* A record's strings may hold escaped controls, which JSON decoding brings back: they must not
 * reach a terminal. */
static void
print_word(const char *label, const char *word)
{
	if (word[0] == '\0')
		return;
	(void)printf(" %s", label);
	for (struct span rest = span_str(word); rest.len > 0;) {
		uint32_t code = 0;
		size_t len = text_char(rest, &code), used = len == 0 ? 1 : len;

		if (len == 0 || text_is_treacherous(code))
			(void)putchar('?');
		else
			(void)fwrite(rest.p, 1, len, stdout);
		rest = span_of(rest.p + used, rest.len - used);
	}
}

static void
print_number(const json_t *j, const char *label, const char *key)
{
	if (admin_number(j, key) != 0)
		(void)printf(" %s%lld", label, (long long)admin_number(j, key));
}

void
audit_print_person(struct span line)
{
	AUTO(json_freep) json_t *j = parse(line);

	if (!json_is_object(j)) {
		audit_print_raw(line);
		return;
	}
	(void)printf("%s %s-%06lld", admin_text(j, "time"), admin_text(j, "chain"),
	    (long long)admin_number(j, "seq"));
	print_word("", admin_text(j, "event"));
	print_word("", admin_text(j, "decision"));
	print_word("", admin_text(j, "workload"));
	print_word("> ", admin_text(j, "upstream"));
	print_word("", admin_text(j, "method"));
	print_word("", admin_text(j, "target"));
	print_word("secret=", admin_text(j, "secret"));
	print_number(j, "version=", "version");
	print_number(j, "of=", "of");
	print_number(j, "status=", "status");
	print_word("code=", admin_text(j, "code"));
	print_word("rule=", admin_text(j, "rule"));
	print_word("detail=", admin_text(j, "detail"));
	print_number(j, "count=", "count");
	print_number(j, "uid=", "uid");
	(void)putchar('\n');
}
