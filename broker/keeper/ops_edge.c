#include "broker/keeper/control.h"
#include "broker/keeper/end.h"
#include "broker/keeper/issue.h"
#include "broker/keeper/ops.h"

/* The ticket says who asks, and that this route was allowed; the edge's own word counts for
 * nothing. */
static enum err
ticket_use(struct ask *a, enum ticket_route route, struct asker *ret_who)
{
	struct span ticket = wire_fixed(&a->in, TICKET_LEN);
	struct keeper *k = a->keeper;

	if (a->in.e != ERR_OK)
		return ERR_PROTO;
	if (tickets_use(&k->tickets, ticket, route, keeper_now_s(k), ret_who) == ERR_OK)
		return ERR_OK;
	return ask_refuse(a, ERR_DENIED, "ticket", "send the request again",
	    "the request took too long between two parts of the broker");
}

static enum err
on_enroll(struct ask *a)
{
	struct asker who;
	enum err e = ticket_use(a, ROUTE_ENROLL, &who);
	struct span csr = wire_blob(&a->in, UINT16_MAX);

	if (e != ERR_OK)
		return e;
	return wire_done(&a->in) == ERR_OK ? issue_first(a, who.enrollment_id, csr) : ERR_PROTO;
}

static enum err
on_renew(struct ask *a)
{
	struct asker who;
	enum err e = ticket_use(a, ROUTE_RENEW, &who);
	struct span csr = wire_blob(&a->in, UINT16_MAX);

	if (e != ERR_OK)
		return e;
	return wire_done(&a->in) == ERR_OK ? issue_next(a, who.serial, csr) : ERR_PROTO;
}

static enum err
on_self(struct ask *a)
{
	struct asker who;
	enum err e = ticket_use(a, ROUTE_SELF, &who);

	if (e != ERR_OK)
		return e;
	return wire_done(&a->in) == ERR_OK ? control_self(a, who.serial) : ERR_PROTO;
}

static enum err
on_give_back(struct ask *a)
{
	const struct certificate *c;
	struct asker who;
	enum err e = ticket_use(a, ROUTE_GIVE_BACK, &who);

	if (e != ERR_OK)
		return e;
	c = identity_certificate(&a->keeper->identity, who.serial);
	e = control_check(a, c);
	if (e != ERR_OK)
		return e;
	return ask_commit_error(a, end_instance(a->keeper, c->instance, "give_back"));
}

static const struct ask_row edge_ops[] = {
	{ EK_ENROLL, false, false, on_enroll },
	{ EK_RENEW, false, false, on_renew },
	{ EK_SELF, false, false, on_self },
	{ EK_GIVE_BACK, false, false, on_give_back },
};

void
ops_edge(struct peer *p, struct msg *m)
{
	ask_run(p, m, edge_ops, COUNT(edge_ops));
}
