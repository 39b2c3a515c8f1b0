/* The broker as a whole: status, the upstreams in force, reload. */
#include <stdio.h>
#include <string.h>

#include "broker/api/admin/admin.h"
#include "broker/ipc/body.h"
#include "common/sys.h"
#include "common/text.h"

static const char *
ready_word(uint8_t ready)
{
	static const char *const words[] = { "not", "sealed", "no_rules", "yes", "audit_failing",
		"clock" }; /* enum ready_state */

	return ready < COUNT(words) ? words[ready] : "unknown";
}

static json_t *
status_json(const struct status *v)
{
	char digest[sizeof(v->rules_digest) * 2 + 1];
	json_t *o, *counts;

	text_hex(v->rules_digest, sizeof(v->rules_digest), digest);
	o = json_pack("{s:s, s:s, s:b, s:b, s:I, s:I, s:I, s:s, s:s, s:s, s:s, s:s}", "version",
	    SIDEKEY_VERSION, "ready", ready_word(v->ready), "sealed", (int)v->sealed, "landlock",
	    (int)v->landlock, "generation", (json_int_t)v->generation, "store_revision",
	    (json_int_t)v->store_revision, "audit_seq", (json_int_t)v->audit_seq, "rules_digest",
	    digest, "rules_error", v->rules_error, "store_id", v->store_id, "trust_domain",
	    v->trust_domain, "unseal_method", v->unseal_method);
	counts = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
	    "gateways", (json_int_t)v->gateways, "workloads", (json_int_t)v->workloads, "instances",
	    (json_int_t)v->instances, "secrets", (json_int_t)v->secrets, "exposed_secrets",
	    (json_int_t)v->exposed_secrets, "restarts", (json_int_t)v->restarts, "audit_bytes",
	    (json_int_t)v->audit_bytes, "audit_bytes_max", (json_int_t)v->audit_bytes_max,
	    "started_s", (json_int_t)v->started_s, "ca_not_after_s", (json_int_t)v->ca_not_after_s,
	    "data_key", (json_int_t)v->data_key, "rekey_left", (json_int_t)v->rekey_left,
	    "over_quota", (json_int_t)v->over_quota);
	if (o != NULL && counts != NULL)
		(void)json_object_update(o, counts);
	json_decref(counts);
	return o;
}

void
admin_status(struct admin_call *k, unsigned change)
{
	AUTO(buf_wipe) struct buf body = BUF_MAX(MSG_LEN_MAX);
	AUTO(asker_reply_close) struct call_reply reply = ASKER_REPLY;
	struct wire_writer w = call_begin(&k->admin->asker.link, &body);
	struct wire_reader r;
	struct status v;

	(void)change;
	if (!admin_ask(k, AK_STATUS, &w, &reply))
		return;
	r = wire_read(buf_span(&reply.body));
	status_get(&r, &v);
	if (wire_done(&r) != ERR_OK)
		admin_broken(k);
	else
		request_answer(k->request, 200, status_json(&v));
}

static json_t *
env_json(const struct upstream *u)
{
	json_t *o = json_object();

	for (uint16_t i = 0; i < u->env_count; i++)
		(void)json_object_set_new(o, u->env[i].name, json_string(u->env[i].value));
	return o;
}

static json_t *
upstream_json(const struct upstream *u)
{
	static const char *const injects[] = { "none", "header", "basic",
		"query" }; /* enum inject_kind */
	static const char *const shapes[] = { "problem", "anthropic", "openai",
		"github" }; /* enum error_shape */
	json_t *o = json_pack(
	    "{s:s, s:s, s:I, s:s, s:s, s:s, s:s?, s:s?, s:s?, s:s, s:o, s:b, s:b, s:b}", "name",
	    u->name, "host", u->host, "port", (json_int_t)u->port, "base_path", u->base_path,
	    "secret", u->secret, "inject", injects[u->inject], "inject_name", u->inject_name,
	    "inject_value", u->inject_value, "placeholder", u->placeholder, "errors",
	    shapes[u->shape], "env", env_json(u), "allow_private", (int)u->allow_private,
	    "encoded_slash", (int)u->encoded_slash, "own_ca", (int)(u->ca_pem != NULL));

	if (o != NULL && u->connect_port != 0) {
		(void)json_object_set_new(o, "connect_host", json_string(u->connect_host));
		(void)json_object_set_new(o, "connect_port", json_integer(u->connect_port));
	}
	return o;
}

static enum err
read_upstreams(int fd, struct rules **ret_rules)
{
	AUTO(buf_wipe) struct buf bytes = BUF_MAX(RULES_LEN_MAX);
	enum err e = sys_read_whole(fd, &bytes);

	return e == ERR_OK ? rules_read_upstreams(buf_span(&bytes), ret_rules) : e;
}

/* Of the keeper, which may have others in force than the files say. */
void
admin_upstream_list(struct admin_call *k, unsigned change)
{
	AUTO(buf_wipe) struct buf body = BUF_MAX(MSG_LEN_MAX);
	AUTO(asker_reply_close) struct call_reply reply = ASKER_REPLY;
	AUTO(rules_freep) struct rules *rules = NULL;
	struct wire_writer w = call_begin(&k->admin->asker.link, &body);
	json_t *list = json_array();
	struct wire_reader r;
	uint64_t generation;

	(void)change;
	if (!admin_ask(k, AK_UPSTREAMS, &w, &reply)) {
		json_decref(list);
		return;
	}
	r = wire_read(buf_span(&reply.body));
	generation = wire_u64(&r);
	if (wire_done(&r) != ERR_OK ||
	    (generation != 0 && read_upstreams(reply.fd, &rules) != ERR_OK)) {
		json_decref(list);
		admin_broken(k);
		return;
	}
	for (uint32_t i = 0; rules != NULL && i < rules->upstream_count; i++)
		(void)json_array_append_new(list, upstream_json(&rules->upstreams[i]));
	request_answer(k->request, 200,
	    json_pack("{s:I, s:o}", "generation", (json_int_t)generation, "upstreams", list));
}

static json_t *
errors_json(const struct policyc_errors *errors)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < errors->count && i < POLICYC_ERRORS_MAX; i++) {
		const struct place_error *p = &errors->list[i];

		(void)json_array_append_new(list,
		    json_pack("{s:s, s:I, s:I, s:s}", "file", p->file, "line", (json_int_t)p->line,
			"column", (json_int_t)p->column, "text", p->text));
	}
	return json_pack("{s:o}", "errors", list);
}

void
admin_reload(struct admin_call *k, unsigned change)
{
	AUTO(asker_reply_close) struct call_reply reply = ASKER_REPLY;
	struct policyc_errors errors;
	struct load *l = &k->admin->load;
	char detail[64];
	struct problem p = { .status = 422,
		.code = "bad_rules",
		.detail = detail,
		.hint = "the rules before stay in force" };
	enum err e = load_now(l, &k->admin->asker, k->uid, &errors, &reply);

	(void)change;
	if (e == ERR_SYNTAX) {
		(void)snprintf(detail, sizeof(detail), "%u error%s in upstreams and policies",
		    errors.count, errors.count == 1 ? "" : "s");
		p.extra = errors_json(&errors);
		request_refuse(k->request, &p);
		return;
	}
	if (e == ERR_DENIED) /* the answer is AK_FAIL, and says why */
		e = ERR_OK;
	if (asker_good(k->request, e, &reply))
		request_answer(k->request, 200,
		    json_pack("{s:I, s:s, s:I, s:I}", "generation", (json_int_t)l->generation,
			"digest", l->digest, "upstreams", (json_int_t)l->upstreams, "policies",
			(json_int_t)l->policies));
}
