/* Workloads and secrets: names, states and counts, as the keeper lists them. */
#include <stdio.h>
#include <string.h>

#include "broker/api/admin/admin.h"
#include "broker/ipc/body.h"

#define PAGES_MAX 10000 /* of one list: what is more than that does not end */

typedef json_t *row_fn(struct wire_reader *r, char ret_name[NAME_LEN_MAX + 1]);

static json_t *
workload_json(struct wire_reader *r, char ret_name[NAME_LEN_MAX + 1])
{
	static const char *const states[] = { "active", "suspended", "revoked" };
	struct workload_row v;

	workload_row_get(r, &v);
	if (r->e != ERR_OK)
		return NULL;
	memcpy(ret_name, v.name, sizeof(v.name));
	return json_pack("{s:s, s:s, s:I, s:I, s:I, s:I}", "name", v.name, "state",
	    v.state < COUNT(states) ? states[v.state] : "unknown", "live_certificates",
	    (json_int_t)v.live_certificates, "open_enrollments", (json_int_t)v.open_enrollments,
	    "created_s", (json_int_t)v.created_s, "last_seen_s", (json_int_t)v.last_seen_s);
}

static json_t *
secret_json(struct wire_reader *r, char ret_name[NAME_LEN_MAX + 1])
{
	struct secret_row v;

	secret_row_get(r, &v);
	if (r->e != ERR_OK)
		return NULL;
	memcpy(ret_name, v.name, sizeof(v.name));
	return json_pack("{s:s, s:I, s:I, s:b, s:I, s:I, s:I}", "name", v.name, "active_version",
	    (json_int_t)v.active_version, "version_count", (json_int_t)v.version_count, "exposed",
	    (int)v.exposed, "created_s", (json_int_t)v.created_s, "changed_s",
	    (json_int_t)v.changed_s, "last_used_s", (json_int_t)v.last_used_s);
}

/* A list that is being put together, page by page. */
struct pages {
	enum msg_type type;
	row_fn *row;
	char after[NAME_LEN_MAX + 1]; /* the last name so far */
	json_t *list;
	bool more;
};

/* The next page. False: answered. */
static bool
take_page(struct admin_call *k, struct pages *p)
{
	AUTO(buf_wipe) struct buf body = BUF_MAX(MSG_LEN_MAX);
	AUTO(asker_reply_close) struct call_reply reply = ASKER_REPLY;
	struct wire_writer w = call_begin(&k->admin->asker.link, &body);
	struct wire_reader r;
	uint16_t count;

	wire_put_str(&w, p->after);
	if (!admin_ask(k, p->type, &w, &reply))
		return false;
	r = wire_read(buf_span(&reply.body));
	p->more = wire_bool(&r);
	count = wire_u16(&r);
	for (uint16_t i = 0; i < count && r.e == ERR_OK; i++)
		(void)json_array_append_new(p->list, p->row(&r, p->after));
	if (wire_done(&r) == ERR_OK && (count > 0 || !p->more))
		return true;
	admin_broken(k);
	return false;
}

static void
answer_list(struct admin_call *k, enum msg_type type, row_fn *row, const char *member)
{
	struct pages p = { .type = type, .row = row, .list = json_array(), .more = true };

	for (int page = 0; page < PAGES_MAX && p.more; page++) {
		if (!take_page(k, &p)) {
			json_decref(p.list);
			return;
		}
	}
	request_answer(k->request, 200, json_pack("{s:o}", member, p.list));
}

void
admin_workload_list(struct admin_call *k, unsigned change)
{
	(void)change;
	answer_list(k, AK_WORKLOAD_LIST, workload_json, "workloads");
}

void
admin_secret_list(struct admin_call *k, unsigned change)
{
	(void)change;
	answer_list(k, AK_SECRET_LIST, secret_json, "secrets");
}

void
admin_workload_add(struct admin_call *k, unsigned change)
{
	static const char *const keys[] = { "name", NULL };
	AUTO(buf_wipe) struct buf body = BUF_MAX(MSG_LEN_MAX);
	AUTO(asker_reply_close) struct call_reply reply = ASKER_REPLY;
	struct wire_writer w = call_begin(&k->admin->asker.link, &body);
	json_t *o = request_object(k->request, keys);
	const json_t *name = json_object_get(o, "name");
	bool good;

	(void)change;
	if (o == NULL)
		return;
	good = json_is_string(name) &&
	       name_workload_check(span_of(json_string_value(name), json_string_length(name))) ==
		   ERR_OK &&
	       span_copy_str(span_str(json_string_value(name)), k->name, sizeof(k->name));
	json_decref(o);
	if (!good) {
		admin_refuse(k, 400, "bad_name",
		    "\"name\" must be 1 to 4 segments of a-z 0-9 . _ - joined by '/', and not "
		    "below sidekey/");
		return;
	}
	wire_put_u32(&w, k->uid);
	wire_put_str(&w, k->name);
	if (admin_ask(k, AK_WORKLOAD_ADD, &w, &reply))
		request_answer(k->request, 201, json_pack("{s:s}", "name", k->name));
}

void
admin_workload_set(struct admin_call *k, unsigned change)
{
	AUTO(buf_wipe) struct buf body = BUF_MAX(MSG_LEN_MAX);
	AUTO(asker_reply_close) struct call_reply reply = ASKER_REPLY;
	struct wire_writer w = call_begin(&k->admin->asker.link, &body);
	struct wire_reader r;
	uint32_t ended;

	wire_put_u32(&w, k->uid);
	wire_put_str(&w, k->name);
	wire_put_u8(&w, (uint8_t)change);
	if (!admin_ask(k, AK_WORKLOAD_SET, &w, &reply))
		return;
	r = wire_read(buf_span(&reply.body));
	ended = wire_u32(&r);
	if (wire_done(&r) != ERR_OK)
		admin_broken(k);
	else
		request_answer(k->request, 200,
		    json_pack(
			"{s:s, s:I}", "name", k->name, "certificates_ended", (json_int_t)ended));
}

static json_t *
version_json(struct wire_reader *r)
{
	struct version_row v;

	version_row_get(r, &v);
	if (r->e != ERR_OK)
		return NULL;
	return json_pack("{s:I, s:s, s:b, s:I, s:I}", "version", (json_int_t)v.version, "state",
	    version_state_name((enum version_state)v.state), "exposed", (int)v.exposed, "created_s",
	    (json_int_t)v.created_s, "changed_s", (json_int_t)v.changed_s);
}

void
admin_secret_history(struct admin_call *k, unsigned change)
{
	AUTO(buf_wipe) struct buf body = BUF_MAX(MSG_LEN_MAX);
	AUTO(asker_reply_close) struct call_reply reply = ASKER_REPLY;
	struct wire_writer w = call_begin(&k->admin->asker.link, &body);
	json_t *list;
	struct wire_reader r;
	uint16_t count;

	(void)change;
	wire_put_str(&w, k->name);
	if (!admin_ask(k, AK_SECRET_HISTORY, &w, &reply))
		return;
	r = wire_read(buf_span(&reply.body));
	count = wire_u16(&r);
	list = json_array();
	for (uint16_t i = 0; i < count && r.e == ERR_OK; i++)
		(void)json_array_append_new(list, version_json(&r));
	if (wire_done(&r) == ERR_OK) {
		request_answer(
		    k->request, 200, json_pack("{s:s, s:o}", "name", k->name, "versions", list));
		return;
	}
	json_decref(list);
	admin_broken(k);
}

/* {"version": n}; it may be left out, or 0, where the keeper knows which one is meant. False:
 * answered. */
static bool
take_version(struct admin_call *k, uint32_t *ret_version)
{
	static const char *const keys[] = { "version", NULL };
	json_t *o = request_object(k->request, keys);
	const json_t *version = json_object_get(o, "version");
	json_int_t n = version == NULL		  ? 0
		       : json_is_integer(version) ? json_integer_value(version)
						  : -1;

	if (o == NULL)
		return false;
	json_decref(o);
	if (n < 0 || n > UINT32_MAX) {
		admin_refuse(k, 400, "bad_version", "\"version\" must be a version number");
		return false;
	}
	*ret_version = (uint32_t)n;
	return true;
}

void
admin_secret_set(struct admin_call *k, unsigned change)
{
	AUTO(buf_wipe) struct buf body = BUF_MAX(MSG_LEN_MAX);
	AUTO(asker_reply_close) struct call_reply reply = ASKER_REPLY;
	struct wire_writer w = call_begin(&k->admin->asker.link, &body);
	struct wire_reader r;
	uint32_t version = 0;

	if (!take_version(k, &version))
		return;
	wire_put_u32(&w, k->uid);
	wire_put_str(&w, k->name);
	wire_put_u8(&w, (uint8_t)change);
	wire_put_u32(&w, version);
	if (!admin_ask(k, AK_SECRET_SET, &w, &reply))
		return;
	r = wire_read(buf_span(&reply.body));
	version = wire_u32(&r);
	if (wire_done(&r) != ERR_OK)
		admin_broken(k);
	else
		request_answer(k->request, 200,
		    json_pack(
			"{s:s, s:I}", "name", k->name, "active_version", (json_int_t)version));
}
