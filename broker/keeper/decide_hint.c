#include <stdio.h>
#include <string.h>

#include "broker/keeper/decide.h"
#include "broker/keeper/share.h"
#include "broker/rules/target.h"

#define SHOWN_MAX 160 /* bytes of a path in a sentence */

/* The words a sentence may be made of. */
enum word {
	W_END = 0,
	W_TEXT,
	W_WORKLOAD,
	W_UPSTREAM,
	W_METHOD,
	W_PATH,
	W_POLICY,
	W_REASON,
	W_SECRET,
	W_RETRY,
	W_LIMIT
};

struct piece {
	enum word word;
	const char *text;
};

struct sentence {
	const char *code;
	uint16_t status;
	struct piece pieces[12];
};

#define T(s)                                                                                       \
	{                                                                                          \
		W_TEXT, s                                                                          \
	}
#define W(w)                                                                                       \
	{                                                                                          \
		w, NULL                                                                            \
	}

/* "x ; ask y": what happened, then who can change it and where. */
static const struct sentence sentences[] = {
	{ "certificate_unknown", 403,
	    { T("this certificate is not known here; restart the container so that it enrolls "
		"anew") } },
	{ "certificate_revoked", 403,
	    { T("the certificate of "), W(W_WORKLOAD),
		T(" was revoked; restart the container so that it enrolls anew, or ask the "
		  "operator why") } },
	{ "certificate_expired", 403,
	    { T("the certificate of "), W(W_WORKLOAD),
		T(" has expired; restart the container so that it enrolls anew") } },
	{ "certificate_not_yet_valid", 403,
	    { T("the certificate of "), W(W_WORKLOAD),
		T(" is not valid yet; ask the operator to check the broker's clock") } },
	{ "workload_revoked", 403,
	    { W(W_WORKLOAD),
		T(" was revoked; ask the operator, who can add and enroll it anew") } },
	{ "workload_suspended", 403,
	    { W(W_WORKLOAD), T(" is suspended; ask the operator to run `sidekey workload resume "),
		W(W_WORKLOAD), T("`") } },
	{ "placeholder_misuse", 403,
	    { T("the placeholder in this request was made for another workload or upstream; use "
		"the value in this container's own environment for "),
		W(W_UPSTREAM) } },
	{ "placeholder_ended", 403,
	    { T("the placeholder in this request was made for an instance of "), W(W_WORKLOAD),
		T(" that has ended; use the value in this container's own environment") } },
	{ "no_upstream", 403,
	    { T("there is no upstream "), W(W_UPSTREAM), T("; ask the operator to add upstreams/"),
		W(W_UPSTREAM), T(".yaml") } },
	{ "no_policy", 403,
	    { W(W_WORKLOAD), T(" may not use "), W(W_UPSTREAM),
		T("; ask the operator to allow it in a file in policies/") } },
	{ "bad_target", 403,
	    { T("the target "), W(W_PATH), T(" is refused ("), W(W_REASON),
		T("), since an upstream could read it in another way; send it in its plain "
		  "form") } },
	{ "denied_by_rule", 403,
	    { W(W_METHOD), T(" "), W(W_PATH), T(" is denied for "), W(W_WORKLOAD),
		T("; ask the operator about the deny rule in policies/"), W(W_POLICY),
		T(".yaml") } },
	{ "not_allowed", 403,
	    { W(W_METHOD), T(" "), W(W_PATH), T(" is not allowed for "), W(W_WORKLOAD),
		T("; ask the operator to allow it in policies/"), W(W_POLICY), T(".yaml") } },
	{ "browser", 403,
	    { T("a request from a web page is not allowed for "), W(W_WORKLOAD),
		T("; ask the operator to set browser: true in policies/"), W(W_POLICY),
		T(".yaml if a page should do that") } },
	{ "secret_missing", 403,
	    { T("the key for "), W(W_UPSTREAM),
		T(" is not there; ask the operator to run `sidekey secret set "), W(W_SECRET),
		T("`") } },
	{ SHARE_CODE, 429,
	    { W(W_WORKLOAD),
		T(" has used up its share of the audit log for now, and what cannot be recorded is "
		  "refused; try again in "),
		W(W_RETRY),
		T(", or ask the operator to raise audit: {size, quota} in sidekey.yaml") } },
	{ "rate_limited", 429,
	    { W(W_WORKLOAD), T(" has used up its "), W(W_LIMIT), T(" on "), W(W_UPSTREAM),
		T("; try again in "), W(W_RETRY) } },
	{ "too_many_open", 429,
	    { W(W_WORKLOAD), T(" has as many requests to "), W(W_UPSTREAM),
		T(" open as it may; wait until one has ended") } },
	{ "no_route", 404, { T("there is no "), W(W_METHOD), T(" "), W(W_PATH), T(" here") } },
	{ "no_certificate", 401, { T("this request needs a client certificate; enroll first") } },
	{ "enroll_refused", 403,
	    { T("this enrollment key is not valid, was used already, or has expired; ask the "
		"operator for a new one: `sidekey workload enroll`") } },
	{ "enroll_rate", 429,
	    { T("too many wrong enrollment keys were tried; wait "), W(W_RETRY) } },
	{ "overloaded", 503, { T("the broker has too much to do; try again in a moment") } },
	{ CODE_STALE_GENERATION, 409, { T("the gateway fetches the new configuration first") } },
};

static const char *
policy_name(const struct question *q)
{
	if (q->match.policy != NULL)
		return q->match.policy->name;
	for (uint32_t i = 0; q->view != NULL && i < q->view->policy_count; i++) {
		const struct policy *p = &q->view->policies[i];

		for (uint16_t k = 0; k < p->use_count; k++)
			if (&q->view->upstreams[p->uses[k].upstream] == q->upstream)
				return p->name;
	}
	return "*";
}

/* A peer's bytes in a sentence: only what is visible, and not too long. */
static enum err
append_shown(struct buf *out, struct span s)
{
	enum err e = ERR_OK;

	for (size_t i = 0; e == ERR_OK && i < s.len && i < SHOWN_MAX; i++)
		e = buf_append_byte(out, s.p[i] > 0x20 && s.p[i] < 0x7f ? s.p[i] : '?');
	return e == ERR_OK && s.len > SHOWN_MAX ? buf_append_str(out, "...") : e;
}

static enum err
append_word(struct buf *out, const struct question *q, const struct piece *p)
{
	switch (p->word) {
	case W_TEXT:
		return buf_append_str(out, p->text);
	case W_WORKLOAD:
		return buf_append_str(
		    out, q->workload == NULL ? "this workload" : q->workload->name);
	case W_UPSTREAM:
		return append_shown(out, q->d->upstream);
	case W_METHOD:
		return append_shown(out, q->d->method);
	case W_PATH:
		return append_shown(out, target_path(q->d->target));
	case W_POLICY:
		return buf_append_str(out, policy_name(q));
	case W_REASON:
		return buf_append_str(out, q->match.reason == NULL ? "ambiguous" : q->match.reason);
	case W_SECRET:
		return buf_append_str(out, q->upstream->secret);
	case W_RETRY:
		return buf_printf(out, "%u s", q->retry_after_s);
	case W_LIMIT:
		return buf_printf(out, "%u requests in %u s", q->limited->limit_requests,
		    q->limited->limit_window_s);
	case W_END:
	default:
		return ERR_OK;
	}
}

static const struct sentence *
find(const char *code)
{
	for (size_t i = 0; i < COUNT(sentences); i++)
		if (strcmp(sentences[i].code, code) == 0)
			return &sentences[i];
	return NULL;
}

static void
make_hint(const struct question *q, const struct sentence *s, struct deny *deny)
{
	AUTO(buf_wipe) struct buf text = BUF_MAX(4 * HINT_LEN_MAX);
	enum err e = buf_append_str(&text, "sidekey: ");

	for (size_t i = 0; e == ERR_OK && i < COUNT(s->pieces) && s->pieces[i].word != W_END; i++)
		e = append_word(&text, q, &s->pieces[i]);
	if (e == ERR_OK && deny->seq != 0)
		e = buf_printf(&text, " (audit %s)", deny->audit);
	if (e != ERR_OK || text.len > HINT_LEN_MAX)
		return; /* the code alone then */
	(void)span_copy_str(buf_span(&text), deny->hint, sizeof deny->hint);
}

void
decide_explain(const struct question *q, const char *code, struct deny *ret_deny)
{
	const struct sentence *s = find(code);

	(void)span_copy_str(span_str(code), ret_deny->code, sizeof ret_deny->code);
	if (ret_deny->seq != 0)
		audit_id(q->k->audit, ret_deny->seq, ret_deny->audit);
	if (s == NULL) { /* not ready: the keeper says why */
		const char *hint = keeper_not_ready_hint(q->k);

		ret_deny->status = 503;
		if (hint != NULL)
			(void)span_copy_str(span_str(hint), ret_deny->hint, sizeof ret_deny->hint);
		return;
	}
	ret_deny->status = s->status;
	ret_deny->retry_after_s = q->retry_after_s;
	make_hint(q, s, ret_deny);
}

void
decide_rule(const struct question *q, char ret_rule[RULE_LEN_MAX + 1])
{
	const struct match *m = &q->match;

	ret_rule[0] = '\0';
	if (m->pattern == NULL || m->policy == NULL)
		return;
	(void)snprintf(ret_rule, RULE_LEN_MAX + 1, "%.64s: %s %s %.150s", m->policy->name,
	    m->verdict == VERDICT_ALLOW ? "allow" : "deny", m->pattern->method, m->pattern->path);
}
