#include "cli/enroll_make.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "cli/admin.h"
#include "cli/link.h"
#include "common/text.h"

static enum cli_exit
trust_domain(const struct cli *c, char *ret_domain, size_t size)
{
	AUTO(json_freep) json_t *reply = NULL;
	enum cli_exit x = admin_get(c, "status", &reply);

	if (x != CLI_OK)
		return x;
	(void)snprintf(ret_domain, size, "%s", admin_text(reply, "trust_domain"));
	return ret_domain[0] != '\0' ? CLI_OK
				     : cli_fail(CLI_FAILED, "the broker names no trust domain");
}

enum cli_exit
enroll_make(const struct cli *c, const struct enroll_new *n, const struct enroll_target *target)
{
	AUTO(link_close) struct link l = LINK_NONE;
	AUTO(buf_wipe) struct buf body = BUF_MAX(512);
	AUTO(link_reply_close) struct call_reply reply = LINK_REPLY;
	struct enroll_facts facts = { .workload = n->workload };
	struct wire_writer w;
	struct wire_reader r;
	char domain[TRUST_DOMAIN_LEN_MAX + 1];
	int64_t expires_s;
	uint32_t ended;
	enum cli_exit x = trust_domain(c, domain, sizeof(domain));

	if (x == CLI_OK)
		x = link_open(c, &l);
	if (x != CLI_OK)
		return x;
	w = link_begin(&l, &body);
	enroll_new_put(&w, n);
	x = link_ask(&l, CK_ENROLL_NEW, &w, &reply);
	if (x != CLI_OK)
		return x;
	r = wire_read(buf_span(&reply.body));
	facts.key = wire_fixed(&r, ENROLL_KEY_LEN);
	facts.ca_pem = wire_bytes(&r, ENROLL_FILE_MAX / 2);
	facts.gateway = wire_bytes(&r, 512);
	facts.trust_domain = domain;
	expires_s = wire_i64(&r);
	ended = wire_u32(&r);
	x = link_done(&r);
	if (x == CLI_OK)
		x = enroll_file_write(&facts, target);
	if (ended > 0)
		cli_say(c, "%s: %u earlier enrollment%s ended", n->workload, ended,
		    ended == 1 ? "" : "s");
	if (x != CLI_OK && ended > 0)
		cli_warn("the new enrollment is not in the file; run it again with --replace");
	if (x == CLI_OK) {
		char until[TEXT_TIME_SIZE];

		text_time(expires_s, until);
		cli_say(c, "%s: %s enrollment in %s, works until %s", n->workload,
		    n->reusable ? "reusable" : "single-use",
		    strcmp(target->path, "-") == 0 ? "standard output" : target->path, until);
	}
	return x;
}
