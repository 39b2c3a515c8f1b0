/* Who is let in, and what there is. */
#include <stdio.h>
#include <string.h>

#include "broker/api/admin/admin.h"
#include "broker/ipc/body.h"
#include "common/log.h"
#include "common/text.h"

#define PREFIX "/v1/admin/"

enum name_kind { NAME_ABSENT = 0, NAME_WORKLOAD, NAME_SECRET };

static const struct route {
	const char *method, *section;
	enum name_kind name; /* what the second part of the path names */
	const char *verb;    /* the third part, or NULL */
	admin_fn *fn;
	unsigned change;
} routes[] = {
	/* everything that admin serves */
	{ "GET", "status", NAME_ABSENT, NULL, admin_status, 0 },
	{ "GET", "workloads", NAME_ABSENT, NULL, admin_workload_list, 0 },
	{ "POST", "workloads", NAME_ABSENT, NULL, admin_workload_add, 0 },
	{ "POST", "workloads", NAME_WORKLOAD, "suspend", admin_workload_set, WORKLOAD_SUSPEND },
	{ "POST", "workloads", NAME_WORKLOAD, "resume", admin_workload_set, WORKLOAD_RESUME },
	{ "POST", "workloads", NAME_WORKLOAD, "revoke", admin_workload_set, WORKLOAD_REVOKE },
	{ "GET", "secrets", NAME_ABSENT, NULL, admin_secret_list, 0 },
	{ "GET", "secrets", NAME_SECRET, "history", admin_secret_history, 0 },
	{ "POST", "secrets", NAME_SECRET, "rollback", admin_secret_set, SECRET_ROLLBACK },
	{ "POST", "secrets", NAME_SECRET, "destroy", admin_secret_set, SECRET_DESTROY },
	{ "POST", "secrets", NAME_SECRET, "promote", admin_secret_set, SECRET_PROMOTE },
	{ "GET", "upstreams", NAME_ABSENT, NULL, admin_upstream_list, 0 },
	{ "POST", "reload", NAME_ABSENT, NULL, admin_reload, 0 },
};

void
admin_refuse(struct admin_call *k, unsigned status, const char *code, const char *detail)
{
	const struct problem p = { .status = status, .code = code, .detail = detail, .hint = "" };

	request_refuse(k->request, &p);
}

void
admin_broken(struct admin_call *k)
{
	log_error("the keeper's answer does not parse");
	admin_refuse(k, 500, "internal", "the broker's parts do not understand each other");
}

bool
admin_ask(
    struct admin_call *k, enum msg_type type, const struct wire_writer *w, struct call_reply *ret)
{
	return asker_good(k->request, asker_ask(&k->admin->asker, type, w, -1, ret), ret);
}

/* A page in a browser reaches no unix socket, but what forwards one may: whatever a browser adds is
 * refused, and so is a name that was rebound. */
static bool
from_browser(const struct request *q)
{
	const char *host, *value;

	if (request_header(q, "Origin", &value) != 0 ||
	    request_header(q, "Sec-Fetch-Site", &value) != 0 ||
	    request_header(q, "Referer", &value) != 0)
		return true;
	if (request_header(q, "Host", &host) != 1)
		return true;
	return !span_eq_nocase(span_str(host), "sidekey") &&
	       !span_eq_nocase(span_str(host), "localhost");
}

static bool
let_in(struct admin_call *k)
{
	uid_t uid;

	if (request_peer_uid(k->request, &uid) != ERR_OK) {
		admin_refuse(k, 500, "internal", "the user at the other end is not known");
		return false;
	}
	k->uid = uid;
	if (uid != 0 && uid != k->admin->own_uid) {
		log_warn("admin socket: uid %u was refused", k->uid);
		admin_refuse(
		    k, 403, "not_admin", "only root and the broker's own user may do this");
		return false;
	}
	if (!from_browser(k->request))
		return true;
	log_warn("admin socket: a request with Origin or a foreign Host, from uid %u, was refused",
	    k->uid);
	admin_refuse(k, 403, "browser", "this interface is not for pages in a browser");
	return false;
}

/* Percent-decodes s, all of it, once. */
static bool
decode_name(struct span s, char dst[NAME_LEN_MAX + 1])
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++) {
		int c = s.p[i];

		if (n == NAME_LEN_MAX)
			return false;
		if (c == '%') {
			int high = i + 2 < s.len ? text_hex_value(s.p[i + 1]) : -1,
			    low = i + 2 < s.len ? text_hex_value(s.p[i + 2]) : -1;

			if (high < 0 || low < 0)
				return false;
			c = high << 4 | low;
			i += 2;
		}
		if (c == '\0')
			return false;
		dst[n++] = (char)c;
	}
	dst[n] = '\0';
	return n > 0;
}

struct parts {
	struct span part[3]; /* .p is NULL for one that is not there */
};

/* "a/b/c" into at most three parts. */
static bool
split_path(struct span s, struct parts *ret_p)
{
	size_t n = 0, start = 0;

	for (size_t i = 0; i <= s.len; i++) {
		if (i < s.len && s.p[i] != '/')
			continue;
		if (n == COUNT(ret_p->part))
			return false;
		ret_p->part[n++] = span_of(s.p + start, i - start);
		start = i + 1;
	}
	return true;
}

static bool
part_is(struct span part, const char *word)
{
	return word == NULL ? part.p == NULL : part.p != NULL && span_eq_str(part, word);
}

static const struct route *
find_route(struct admin_call *k, const struct parts *p, const char **ret_allow)
{
	*ret_allow = NULL;
	for (size_t i = 0; i < COUNT(routes); i++) {
		const struct route *r = &routes[i];

		if (!part_is(p->part[0], r->section) || !part_is(p->part[2], r->verb) ||
		    (p->part[1].p != NULL) != (r->name != NAME_ABSENT))
			continue;
		if (span_eq_str(k->request->method, r->method))
			return r;
		*ret_allow = *ret_allow == NULL ? r->method : "GET, POST";
	}
	return NULL;
}

static bool
take_name(struct admin_call *k, enum name_kind kind, struct span part)
{
	struct span name;

	if (kind == NAME_ABSENT)
		return true;
	if (!decode_name(part, k->name))
		return false;
	name = span_str(k->name);
	return (kind == NAME_WORKLOAD ? name_workload_check(name) : name_object_check(name)) ==
	       ERR_OK;
}

static void
dispatch(struct admin_call *k)
{
	struct problem not_allowed = { .status = 405,
		.code = "method_not_allowed",
		.detail = "this path does not know that method",
		.hint = "" };
	struct span target = k->request->target;
	struct parts p = { { SPAN_NONE, SPAN_NONE, SPAN_NONE } };
	const struct route *r = NULL;

	if (span_starts(target, PREFIX) &&
	    split_path(span_of(target.p + strlen(PREFIX), target.len - strlen(PREFIX)), &p))
		r = find_route(k, &p, &not_allowed.allow);
	if (r == NULL && not_allowed.allow != NULL)
		request_refuse(k->request, &not_allowed);
	else if (r == NULL)
		admin_refuse(k, 404, "not_found", "no such path");
	else if (!take_name(k, r->name, p.part[1]))
		admin_refuse(k, 400, "bad_name", "the name in the path is none that could exist");
	else
		r->fn(k, r->change);
}

void
admin_request(struct request *q, void *arg)
{
	struct admin_call k = { .admin = arg, .request = q };

	if (let_in(&k))
		dispatch(&k);
}
