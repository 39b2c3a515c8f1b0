#include <stdio.h>
#include <stdlib.h>

#include "broker/keeper/keeper.h"
#include "broker/keeper/ops.h"
#include "broker/keeper/page.h"
#include "common/log.h"

#define ENROLL_TTL_S (24 * 3600)	    /* when nothing was said */
#define ENROLL_REUSABLE_TTL_S (365 * 86400) /* a container must come up again next month, too */

static enum err
take_name(struct ask *a, char name[NAME_LEN_MAX + 1])
{
	wire_str(&a->in, name, NAME_LEN_MAX + 1);
	return a->in.e;
}

static enum err
no_such_workload(struct ask *a, const char *name)
{
	return ask_refuse(a, ERR_NOT_FOUND, "no_workload", "`sidekey workload list` shows them all",
	    "there is no workload %s", name);
}

static void
record(struct ask *a, struct txn *t, const char *event, const char *name, const char *detail)
{
	struct audit_record r = { .event = event,
		.workload = span_str(name),
		.detail = span_str(detail),
		.has_uid = a->has_uid,
		.uid = a->uid };

	keeper_deed(a->keeper, t, &r);
}

static void
workload_drop(struct workload **w)
{
	free(*w);
}

/* A workload of that name that was revoked and is known to nobody any more makes room. */
static void
drop_old_row(struct keeper *k, const char *name, struct txn *t)
{
	const struct workload *old = identity_workload(&k->identity, name);

	if (old != NULL && old->instances == NULL)
		identity_workload_drop(t, old);
}

static enum err
add(struct ask *a, const char *name)
{
	AUTO(txn_wipe) struct txn t;
	AUTO(workload_drop) struct workload *w = NULL;
	struct keeper *k = a->keeper;
	enum err e = identity_workload_new(&k->identity, name, keeper_now_s(k), &w);

	txn_init(&t);
	if (e == ERR_EXISTS)
		return ask_refuse(a, e, "workload_exists",
		    "choose another name, or go on with that one", "there is a workload %s already",
		    name);
	if (e != ERR_OK)
		return ask_commit_error(a, e);
	drop_old_row(k, name, &t);
	identity_workload_row(&t, w);
	record(a, &t, "workload_add", name, "");
	e = keeper_commit(k, &t);
	if (e != ERR_OK)
		return ask_commit_error(a, e);
	if (identity_workload_add(&k->identity, w) != ERR_OK)
		log_fatal("no memory for a workload that is in the store already");
	w = NULL; /* given away */
	return ERR_OK;
}

enum err
ops_workload_add(struct ask *a)
{
	char name[NAME_LEN_MAX + 1];

	if (take_name(a, name) != ERR_OK || wire_done(&a->in) != ERR_OK)
		return ERR_PROTO;
	if (name_workload_check(span_str(name)) != ERR_OK)
		return ask_refuse(a, ERR_SYNTAX, "bad_name",
		    "use 1 to 4 segments of a-z, 0-9, '.', '_' and '-', joined by '/'",
		    "%s is not a name for a workload", name);
	return add(a, name);
}

static void
put_row(struct ask *a, const struct workload *w)
{
	struct workload_row row = { .state = (uint8_t)w->state,
		.live_certificates = identity_live(w),
		.open_enrollments = w->enrollment_count,
		.created_s = w->created_s,
		.last_seen_s = w->last_seen_s };

	(void)span_copy_str(span_str(w->name), row.name, sizeof row.name);
	workload_row_put(&a->out, &row);
}

enum err
ops_workload_list(struct ask *a)
{
	char after[NAME_LEN_MAX + 1];
	struct page page = { .after = after };
	const struct workload *w;
	size_t cursor = 0;

	if (take_name(a, after) != ERR_OK || wire_done(&a->in) != ERR_OK)
		return ERR_PROTO;
	while ((w = table_next(&a->keeper->identity.names, &cursor)) != NULL)
		page_offer(&page, w->name, w);
	wire_put_bool(&a->out, page.more);
	wire_put_u16(&a->out, (uint16_t)page.count);
	for (size_t i = 0; i < page.count; i++)
		put_row(a, page.items[i]);
	return ERR_OK;
}

/* What a change makes of a state; ERR_CONFLICT when it makes no sense. */
static enum err
next_state(enum workload_change change, enum workload_state now, enum workload_state *ret_next)
{
	switch (change) {
	case WORKLOAD_SUSPEND:
		*ret_next = WORKLOAD_SUSPENDED;
		break;
	case WORKLOAD_RESUME:
		*ret_next = WORKLOAD_ACTIVE;
		break;
	case WORKLOAD_REVOKE:
		*ret_next = WORKLOAD_REVOKED;
		break;
	case WORKLOAD_NONE:
	default:
		return ERR_RANGE;
	}
	return now == WORKLOAD_REVOKED ? ERR_CONFLICT : ERR_OK;
}

static void
end_enrollments(struct keeper *k, struct workload *w)
{
	while (w->enrollments != NULL)
		identity_enrollment_end(&k->identity, w->enrollments);
}

static void
end_all(struct keeper *k, struct workload *w)
{
	int64_t now_s = keeper_now_s(k);

	for (struct instance *i = w->instances; i != NULL; i = i->next)
		if (i->ended_s == 0)
			identity_instance_end(&k->identity, i, now_s);
	end_enrollments(k, w);
}

/* One row, however many certificates: at the next start what hangs on a revoked workload is dead by
 * that. */
static enum err
change(struct ask *a, struct workload *w, enum workload_state next)
{
	static const char *const events[] = { "workload_resume", "workload_suspend",
		"workload_revoke" };
	AUTO(txn_wipe) struct txn t;
	struct keeper *k = a->keeper;
	struct workload changed = *w;
	uint32_t live = identity_live(w);
	enum err e;

	txn_init(&t);
	changed.state = next;
	identity_workload_row(&t, &changed);
	record(a, &t, events[next], w->name, "");
	e = keeper_commit(k, &t);
	if (e != ERR_OK)
		return ask_commit_error(a, e);
	w->state = next;
	if (next == WORKLOAD_ACTIVE) {
		wire_put_u32(&a->out, 0);
		return ERR_OK;
	}
	if (next == WORKLOAD_REVOKED)
		end_all(k, w);
	a->later = true; /* answered when every gateway has cut what was open */
	revoke_workload(k, w, a->peer, a->id, live);
	return ERR_OK;
}

enum err
ops_workload_set(struct ask *a)
{
	char name[NAME_LEN_MAX + 1];
	enum workload_state next;
	enum workload_change what;
	struct workload *w;
	enum err e;

	if (take_name(a, name) != ERR_OK)
		return ERR_PROTO;
	what = (enum workload_change)wire_u8(&a->in);
	if (wire_done(&a->in) != ERR_OK)
		return ERR_PROTO;
	w = identity_workload(&a->keeper->identity, name);
	if (w == NULL)
		return no_such_workload(a, name);
	e = next_state(what, w->state, &next);
	if (e == ERR_RANGE)
		return ERR_PROTO;
	if (e != ERR_OK)
		return ask_refuse(a, e, "workload_revoked",
		    "add it anew with `sidekey workload add`",
		    "the workload %s was revoked, which is final", name);
	return change(a, w, next);
}

static enum err
enroll_check(struct ask *a, struct enroll_new *what)
{
	if (what->ttl_s == 0)
		what->ttl_s = what->reusable ? ENROLL_REUSABLE_TTL_S : ENROLL_TTL_S;
	if (what->ttl_s > ENROLL_TTL_DAYS_MAX * 86400U)
		return ask_refuse(a, ERR_RANGE, "bad_ttl", "choose a shorter time",
		    "an enrollment of %u s is longer than %u days", what->ttl_s,
		    ENROLL_TTL_DAYS_MAX);
	if (what->cap > ENROLL_CAP_MAX)
		return ask_refuse(a, ERR_RANGE, "bad_cap", "choose a smaller number",
		    "an enrollment can have 1 to %u live certificates, not %u", ENROLL_CAP_MAX,
		    what->cap);
	if (what->cap > 1 && !what->reusable)
		return ask_refuse(a, ERR_RANGE, "bad_cap", "leave --cap out, or say --reusable",
		    "a single-use enrollment has one certificate, not %u", what->cap);
	return ERR_OK;
}

/* Those that the new one replaces; one record for all of them. */
static void
drop_enrollments(struct ask *a, const struct workload *w, struct txn *t)
{
	char detail[32];

	for (const struct enrollment *en = w->enrollments; en != NULL; en = en->next)
		identity_enrollment_drop(t, en);
	(void)snprintf(detail, sizeof detail, "%u enrollments", w->enrollment_count);
	record(a, t, "enroll_replaced", w->name, detail);
}

static enum err
commit_enrollment(struct ask *a, struct enrollment *en, bool replace)
{
	AUTO(txn_wipe) struct txn t;

	txn_init(&t);
	identity_enrollment_row(&t, en);
	if (replace && en->workload->enrollment_count > 0)
		drop_enrollments(a, en->workload, &t);
	record(a, &t, "enroll_new", en->workload->name, en->reusable ? "reusable" : "single-use");
	return keeper_commit(a->keeper, &t);
}

static enum err
enroll(struct ask *a, struct workload *w, const struct enroll_new *what)
{
	AUTO(secret_freep) struct secret *key = NULL;
	struct keeper *k = a->keeper;
	struct enrollment *en = NULL;
	uint32_t ended = what->replace ? w->enrollment_count : 0;
	enum err e = identity_enrollment_new(&k->identity, w, what, keeper_now_s(k), &key, &en);

	if (e == ERR_LIMIT)
		return ask_refuse(a, e, "enroll_limit",
		    "wait until some have been used or expire, or end them all with --replace",
		    "%s has as many open enrollments as it may", w->name);
	if (e == ERR_OK)
		e = commit_enrollment(a, en, what->replace);
	if (e != ERR_OK) {
		free(en);
		return ask_commit_error(a, e);
	}
	if (what->replace)
		end_enrollments(k, w);
	if (identity_enrollment_add(&k->identity, en) != ERR_OK)
		log_fatal("no memory for an enrollment that is in the store already");
	wire_put_fixed(&a->out, secret_bytes(key), secret_len(key));
	wire_put_str(&a->out, ca_pem(k->ca));
	wire_put_str(&a->out, k->settings.gateway_address);
	wire_put_i64(&a->out, en->expires_s);
	wire_put_u32(&a->out, ended);
	return ERR_OK;
}

enum err
ops_enroll_new(struct ask *a)
{
	struct enroll_new what;
	struct workload *w;
	enum err e;

	enroll_new_get(&a->in, &what);
	if (wire_done(&a->in) != ERR_OK)
		return ERR_PROTO;
	e = enroll_check(a, &what);
	if (e != ERR_OK)
		return e;
	w = identity_workload(&a->keeper->identity, what.workload);
	if (w == NULL || w->state == WORKLOAD_REVOKED)
		return no_such_workload(a, what.workload);
	return enroll(a, w, &what);
}
