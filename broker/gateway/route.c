#include "broker/gateway/route.h"

#include <string.h>

#include "broker/rules/target.h"

enum need { NEED_WORKLOAD = 0, NEED_NONE };

struct row {
	const char *method, *path;
	enum route_kind kind;
	enum need need;
	enum alpn alpn; /* ALPN_CONTROL: only there */
};

/* Exact paths; /p/ stands apart, since it is a prefix. A child of the shim must not reach an
 * ALPN_CONTROL row, or it could mint an identity for a key of its own. */
static const struct row rows[] = {
	{ "POST", "/v1/enroll", ROUTE_CONTROL, NEED_NONE, ALPN_CONTROL },
	{ "POST", "/v1/renew", ROUTE_CONTROL, NEED_WORKLOAD, ALPN_CONTROL },
	{ "DELETE", "/v1/self", ROUTE_CONTROL, NEED_WORKLOAD, ALPN_CONTROL },
	{ "GET", "/v1/self", ROUTE_CONTROL, NEED_WORKLOAD, ALPN_FORWARD },
	{ "GET", "/healthz", ROUTE_HEALTH, NEED_NONE, ALPN_FORWARD },
	{ "GET", "/readyz", ROUTE_READY, NEED_NONE, ALPN_FORWARD },
};

static const struct row proxy_row = { NULL, "/p/", ROUTE_PROXY, NEED_WORKLOAD, ALPN_FORWARD };

static void
admit(struct route *r, const struct row *row, bool has_workload, enum alpn alpn)
{
	r->kind = row->kind;
	if (row->alpn == ALPN_CONTROL && alpn != ALPN_CONTROL)
		r->refusal = ROUTE_CONTROL_ONLY;
	else if (row->need == NEED_WORKLOAD && !has_workload)
		r->refusal = ROUTE_NO_WORKLOAD;
	else
		r->refusal = ROUTE_OK;
}

/* "/p/<upstream>/...": the name must be one, and something must follow. */
static bool
split_proxy(struct span target, struct route *r)
{
	struct span name;
	const uint8_t *slash;

	if (!span_starts(target, proxy_row.path))
		return false;
	name = span_of(target.p + 3, target.len - 3);
	slash = memchr(name.p, '/', name.len);
	if (slash == NULL)
		return false;
	r->rest = span_of(slash, name.len - (size_t)(slash - name.p));
	name.len = (size_t)(slash - name.p);
	if (name_object_check(name) != ERR_OK)
		return false;
	r->upstream = name;
	return true;
}

static void
find_exact(struct span method, bool has_workload, enum alpn alpn, struct route *r)
{
	for (size_t i = 0; i < COUNT(rows); i++) {
		if (!span_eq_str(r->path, rows[i].path))
			continue;
		if (span_eq_str(method, rows[i].method)) {
			admit(r, &rows[i], has_workload, alpn);
			return;
		}
		r->kind = rows[i].kind;
		r->refusal = ROUTE_METHOD;
		r->allow = r->allow == NULL ? rows[i].method : "GET, DELETE"; /* of /v1/self */
	}
}

struct route
route_find(struct span method, struct span target, bool has_workload, enum alpn alpn)
{
	struct route r = { .refusal = ROUTE_NOT_FOUND, .path = target_path(target) };

	if (span_eq_str(method, "CONNECT") || span_eq_str(method, "TRACE")) {
		r.refusal = ROUTE_UNSUPPORTED;
		return r;
	}
	if (split_proxy(target, &r))
		admit(&r, &proxy_row, has_workload, alpn);
	else
		find_exact(method, has_workload, alpn, &r);
	return r;
}
