#include "broker/api/admin/load.h"

#include <stdio.h>
#include <string.h>

#include "broker/ipc/body.h"
#include "common/log.h"
#include "common/sys.h"
#include "common/text.h"

#define DIGEST_LEN 32

void
load_init(struct load *l, const char *config_dir)
{
	*l = (struct load){ .config_dir = config_dir };
}

/* A memfd that nobody can change any more: the keeper maps it without a race. */
static enum err
sealed_memfd(struct span contents, int *ret_fd)
{
	AUTO(sys_closep) int fd = sys_memfd("rules");
	enum err e;

	if (fd < 0)
		return ERR_SYS;
	e = sys_write_all(fd, contents.p, contents.len);
	if (e != ERR_OK)
		return e;
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0)
		return ERR_SYS;
	*ret_fd = fd;
	fd = -1; /* given away */
	return ERR_OK;
}

/* ERR_OK: the keeper has put them in force. */
static enum err
hand_over(struct asker *a, struct span encoded, uint32_t uid, struct call_reply *ret_reply)
{
	AUTO(buf_wipe) struct buf body = BUF_MAX(MSG_LEN_MAX);
	AUTO(sys_closep) int fd = -1;
	struct wire_writer w = call_begin(&a->link, &body);
	enum err e = sealed_memfd(encoded, &fd);

	wire_put_u32(&w, uid);
	if (e == ERR_OK)
		e = asker_ask(a, AK_RULES_LOAD, &w, fd, ret_reply);
	if (e == ERR_OK && ret_reply->type != AK_OK)
		return ERR_DENIED;
	return e;
}

static enum err
take_answer(struct load *l, const struct call_reply *reply)
{
	struct wire_reader r = wire_read(buf_span(&reply->body));
	uint64_t generation = wire_u64(&r);
	struct span digest = wire_fixed(&r, DIGEST_LEN);

	if (wire_done(&r) != ERR_OK)
		return ERR_PROTO;
	l->generation = generation;
	text_hex(digest.p, digest.len, l->digest);
	return ERR_OK;
}

static void
say_place(const struct place_error *p, char *dst, size_t size)
{
	if (p->line == 0)
		(void)snprintf(dst, size, "%s: %s", p->file, p->text);
	else
		(void)snprintf(dst, size, "%s:%u:%u: %s", p->file, p->line, p->column, p->text);
}

/* Said once per error on our log, and in short to the keeper, whose status shows it. */
static void
tell_errors(struct asker *a, const struct policyc_errors *errors, struct call_reply *ret_reply)
{
	AUTO(buf_wipe) struct buf body = BUF_MAX(MSG_LEN_MAX);
	struct wire_writer w = call_begin(&a->link, &body);
	char place[sizeof(struct place_error) + 32];

	for (uint32_t i = 0; i < errors->count && i < POLICYC_ERRORS_MAX; i++) {
		say_place(&errors->list[i], place, sizeof(place));
		log_error("%s", place);
	}
	log_error("%u error%s in upstreams and policies: the last good rules stay in force",
	    errors->count, errors->count == 1 ? "" : "s");
	say_place(&errors->list[0], place, sizeof(place));
	place[HINT_LEN_MAX] = '\0'; /* the log has it whole */
	wire_put_str(&w, place);
	if (asker_ask(a, AK_RULES_BAD, &w, -1, ret_reply) != ERR_OK)
		log_warn("the keeper could not be told of the errors");
}

enum err
load_now(struct load *l, struct asker *a, uint32_t uid, struct policyc_errors *ret_errors,
    struct call_reply *ret_reply)
{
	AUTO(rules_freep) struct rules *rules = NULL;
	AUTO(buf_wipe) struct buf encoded = BUF_MAX(RULES_LEN_MAX);
	enum err e = policyc_compile(l->config_dir, &rules, ret_errors);

	if (e == ERR_SYNTAX)
		tell_errors(a, ret_errors, ret_reply);
	if (e == ERR_OK)
		e = rules_write(rules, &encoded);
	if (e == ERR_OK)
		e = hand_over(a, buf_span(&encoded), uid, ret_reply);
	if (e == ERR_OK)
		e = take_answer(l, ret_reply);
	if (e != ERR_OK)
		return e;
	l->upstreams = rules->upstream_count;
	l->policies = rules->policy_count;
	log_info("generation %llu in force: %u upstreams, %u policies",
	    (unsigned long long)l->generation, l->upstreams, l->policies);
	return ERR_OK;
}
