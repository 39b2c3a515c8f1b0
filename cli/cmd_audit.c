/* audit tail and export: what the keeper wrote down. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/audit_filter.h"
#include "cli/audit_log.h"
#include "cli/commands.h"
#include "common/clock.h"
#include "common/text.h"

#define TAIL_DEFAULT 10
#define TAIL_MAX 1000000
#define FOLLOW_MS 200	    /* how often a followed log is looked at */
#define FOLLOW_ASK_EVERY 10 /* looks between two questions for a newer segment */

struct tail {
	bool raw; /* as it stands in the log, not for people */
	struct audit_log log;
	struct audit_filter filter;
	uint64_t skip; /* records that pass the filter but are older than what was asked for */
};

static void
tail_close(struct tail *t)
{
	audit_log_close(&t->log);
}

static void
print(struct tail *t, struct span line)
{
	if (!audit_filter_passes(&t->filter, line))
		return;
	if (t->skip > 0)
		t->skip--;
	else if (t->raw)
		audit_print_raw(line);
	else
		audit_print_person(line);
}

static enum cli_exit
print_rest(struct tail *t)
{
	struct span line;
	enum err e;

	while ((e = audit_log_next(&t->log, &line)) == ERR_OK)
		print(t, line);
	return e == ERR_EOF ? CLI_OK : cli_fail_err(e, "reading the audit log");
}

/* Back over as many segments as it takes. Each line is looked at: copies do not count. */
static enum cli_exit
go_back(struct tail *t, uint64_t count)
{
	struct audit_log *l = &t->log;

	for (;;) {
		uint64_t found = 0;
		struct span line;
		enum cli_exit x;
		enum err e;
		bool enough;

		while ((e = audit_log_next(l, &line)) == ERR_OK)
			found += audit_filter_passes(&t->filter, line);
		if (e != ERR_EOF)
			return cli_fail_err(e, "reading the audit log");
		enough = found >= count || l->segment <= l->oldest;
		x = audit_log_turn(l, enough ? l->segment : l->segment - 1);
		if (x != CLI_OK)
			return x;
		if (enough) {
			t->skip = found > count ? found - count : 0;
			return CLI_OK;
		}
		count -= found;
	}
}

/* From the segment that is open to the newest. */
static enum cli_exit
print_forward(struct tail *t)
{
	for (;;) {
		enum cli_exit x = print_rest(t);

		audit_log_warn_missing(&t->log);
		if (x != CLI_OK || t->log.newest)
			return x;
		x = audit_log_turn(&t->log, t->log.segment + 1);
		if (x != CLI_OK)
			return x;
	}
}

/* A segment that another has followed by now is read to its end, then left. */
static enum cli_exit
follow_turn(struct tail *t)
{
	struct audit_log *l = &t->log, probe = *l;
	uint32_t segment = l->segment;
	enum cli_exit x;
	bool newer;

	probe.fd = -1;
	probe.text = (struct buf)BUF_MAX(AUDIT_LOG_TEXT_MAX);
	x = audit_log_turn(&probe, 0);
	newer = x == CLI_OK && probe.segment > segment;
	if (newer)
		x = audit_log_turn(&probe, segment); /* how much of it counts by now */
	l->until = probe.until;
	l->link.call.next_id =
	    probe.link.call.next_id; /* one connection, one sequence of questions */
	probe.link = (struct link)LINK_NONE;
	if (x == CLI_OK && newer) {
		x = print_rest(t);
		if (x == CLI_OK)
			x = audit_log_turn(l, segment + 1);
		if (x == CLI_OK)
			audit_log_warn_missing(l);
	}
	audit_log_close(&probe);
	return x;
}

static enum cli_exit
follow(struct tail *t)
{
	const struct timespec pause = { .tv_nsec = FOLLOW_MS * 1000000L };
	enum cli_exit x = CLI_OK;

	for (unsigned n = 1; x == CLI_OK; n++) {
		x = print_rest(t);
		if (x == CLI_OK && (fflush(stdout) != 0 || ferror(stdout)))
			return CLI_OK; /* the reader left: the usual end of it */
		(void)nanosleep(&pause, NULL);
		if (x == CLI_OK && n % FOLLOW_ASK_EVERY == 0)
			x = follow_turn(t);
	}
	return x;
}

enum cli_exit
cmd_audit_tail(struct cli *c)
{
	AUTO(tail_close) struct tail t = { .raw = c->json, .log = AUDIT_LOG_NONE };
	const char *lines = cli_given(c, "lines");
	uint64_t count = TAIL_DEFAULT;
	enum cli_exit x;

	if (lines != NULL && text_u64(span_str(lines), TAIL_MAX, &count) != ERR_OK)
		return cli_fail(
		    CLI_USAGE, "--lines takes a number up to %d, not \"%s\"", TAIL_MAX, lines);
	x = audit_filter_read(c, clock_wall_s(), &t.filter);
	if (x == CLI_OK)
		x = audit_log_open(c, &t.log, 0);
	if (x == CLI_OK)
		x = go_back(&t, count);
	if (x == CLI_OK)
		x = print_forward(&t);
	if (x == CLI_OK && cli_given(c, "follow") != NULL)
		x = follow(&t);
	return x;
}

enum cli_exit
cmd_audit_export(struct cli *c)
{
	AUTO(tail_close) struct tail t = { .raw = true, .log = AUDIT_LOG_NONE };
	enum cli_exit x = audit_filter_read(c, clock_wall_s(), &t.filter);

	if (x == CLI_OK)
		x = audit_log_open(c, &t.log, 0);
	if (x == CLI_OK && t.log.segment != t.log.oldest)
		x = audit_log_turn(&t.log, t.log.oldest);
	return x == CLI_OK ? print_forward(&t) : x;
}
