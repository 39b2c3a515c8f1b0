#include "broker/keeper/policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/keeper/policy_fd.h"
#include "common/sys.h"

/* What one workload meets: match_request() over this costs what its own policies cost, however many
 * others there are. */
struct view {
	struct rules rules; /* upstreams and patterns are the set's */
	char *workload;	    /* the one name in each policy; the set's string */
	uint32_t room;
};

struct policy_set {
	struct rules *rules;
	uint64_t generation;
	uint8_t digest[HASH_LEN];
	int upstreams_fd;
	const struct interned **names; /* a name for each upstream */
	struct table views;	       /* of struct view, by workload name */
	struct rules nothing;	       /* for a workload that no policy names */
};

void
policies_drop(struct policy_set *s)
{
	size_t cursor = 0;
	struct view *v;

	if (s == NULL)
		return;
	while ((v = table_next(&s->views, &cursor)) != NULL) {
		free(v->rules.policies);
		free(v);
	}
	table_close(&s->views);
	free(s->names);
	sys_close(s->upstreams_fd);
	rules_free(s->rules);
	free(s);
}

static void
set_freep(struct policy_set **s)
{
	policies_drop(*s);
}

void
policies_init(struct policies *p, struct intern *upstream_names, const struct secrets *secrets,
    const struct secret *hash_key)
{
	p->now = NULL;
	p->upstream_names = upstream_names;
	p->secrets = secrets;
	p->hash_key = hash_key;
}

void
policies_close(struct policies *p)
{
	policies_drop(p->now);
	p->now = NULL;
}

static enum err
view_get(struct policy_set *s, const struct secret *hash_key, char *workload, struct view **ret_v)
{
	struct table_key key = table_hash_str(hash_key, workload);
	struct view *v = table_get(&s->views, key);
	enum err e;

	if (v == NULL) {
		v = calloc(1, sizeof *v);
		if (v == NULL)
			return ERR_NOMEM;
		v->workload = workload;
		v->rules.upstreams = s->rules->upstreams;
		v->rules.upstream_count = s->rules->upstream_count;
		e = table_put(&s->views, key, v);
		if (e != ERR_OK) {
			free(v);
			return e;
		}
	}
	*ret_v = v;
	return ERR_OK;
}

static enum err
view_add(struct view *v, const struct policy *p)
{
	struct policy *fresh, *mine;

	if (v->rules.policy_count == v->room) {
		v->room = v->room == 0 ? 2 : v->room * 2;
		fresh = calloc(v->room, sizeof *fresh);
		if (fresh == NULL)
			return ERR_NOMEM;
		if (v->rules.policy_count > 0)
			memcpy(fresh, v->rules.policies, v->rules.policy_count * sizeof *fresh);
		free(v->rules.policies);
		v->rules.policies = fresh;
	}
	mine = &v->rules.policies[v->rules.policy_count++];
	*mine = *p; /* uses and patterns stay the set's */
	mine->workloads = &v->workload;
	mine->workload_count = 1;
	return ERR_OK;
}

static enum err
build_views(struct policy_set *s, const struct secret *hash_key)
{
	enum err e = ERR_OK;

	for (uint32_t i = 0; e == ERR_OK && i < s->rules->policy_count; i++) {
		const struct policy *p = &s->rules->policies[i];

		for (uint16_t k = 0; e == ERR_OK && k < p->workload_count; k++) {
			struct view *v = NULL;

			e = view_get(s, hash_key, p->workloads[k], &v);
			if (e == ERR_OK)
				e = view_add(v, p);
		}
	}
	return e;
}

static enum err
name_upstreams(struct policy_set *s, struct intern *in)
{
	enum err e = ERR_OK;

	s->names = calloc((size_t)s->rules->upstream_count + 1, sizeof(*s->names));
	if (s->names == NULL)
		return ERR_NOMEM;
	for (uint32_t i = 0; e == ERR_OK && i < s->rules->upstream_count; i++)
		e = intern_name(in, s->rules->upstreams[i].name, &s->names[i]);
	return e;
}

/* By name, so that a reload which changes something else counts on. */
static void
number_uses(struct policy_set *s, const struct secret *hash_key)
{
	for (uint32_t i = 0; i < s->rules->policy_count; i++) {
		struct policy *p = &s->rules->policies[i];

		for (uint16_t k = 0; k < p->use_count; k++) {
			const struct upstream *u = &s->rules->upstreams[p->uses[k].upstream];
			struct span parts[] = { span_str(p->name), span_str(u->name) };

			p->uses[k].counter = table_hash(hash_key, parts, 2).a;
		}
	}
}

/* Of the uses alone: the built-in catalogue names secrets that nobody has. */
static enum err
check_secrets(struct policies *p, const struct policy_set *s)
{
	for (uint32_t i = 0; i < s->rules->policy_count; i++) {
		const struct policy *one = &s->rules->policies[i];

		for (uint16_t k = 0; k < one->use_count; k++) {
			const struct upstream *u = &s->rules->upstreams[one->uses[k].upstream];

			if (u->secret[0] == '\0' || secrets_find(p->secrets, u->secret) != NULL)
				continue;
			(void)snprintf(p->error, sizeof p->error,
			    "policy %.96s uses upstream %.96s, whose secret %.96s does not exist; "
			    "set it with `sidekey secret set %.96s`, which also puts the rules in "
			    "force",
			    one->name, u->name, u->secret, u->secret);
			return ERR_NOT_FOUND;
		}
	}
	return ERR_OK;
}

static enum err
read_error(struct policies *p, const char *what, enum err e)
{
	(void)snprintf(p->error, sizeof p->error, "the compiled policy %s (%s); reload again", what,
	    err_name(e));
	return e;
}

static enum err
set_build(struct policies *p, struct span bytes, int64_t now_ms, struct policy_set **ret_s)
{
	AUTO(set_freep) struct policy_set *s = calloc(1, sizeof *s);
	enum err e;

	if (s == NULL)
		return read_error(p, "needs more memory than there is", ERR_NOMEM);
	s->upstreams_fd = -1;
	s->views = (struct table)TABLE_MAX(4u << 20);
	e = rules_read(bytes, &s->rules);
	if (e != ERR_OK)
		return read_error(p, "cannot be read", e);
	e = check_secrets(p, s);
	if (e != ERR_OK)
		return e;
	crypto_digest(NULL, &bytes, 1, s->digest);
	s->nothing.upstreams = s->rules->upstreams;
	s->nothing.upstream_count = s->rules->upstream_count;
	s->generation = policies_generation(p) + 1;
	if (s->generation < (uint64_t)now_ms)
		s->generation = (uint64_t)now_ms;
	number_uses(s, p->hash_key);
	e = name_upstreams(s, p->upstream_names);
	if (e == ERR_OK)
		e = build_views(s, p->hash_key);
	if (e == ERR_OK)
		e = policy_fd_make(s->rules, &s->upstreams_fd);
	if (e != ERR_OK)
		return read_error(p, "cannot be put in force", e);
	*ret_s = s;
	s = NULL; /* given away */
	return ERR_OK;
}

enum err
policies_build(struct policies *p, struct span bytes, int64_t now_ms, struct policy_set **ret_s)
{
	struct policy_set *s = NULL;
	enum err e = set_build(p, bytes, now_ms, &s);

	if (e != ERR_OK)
		return e;
	if (p->now != NULL && memcmp(p->now->digest, s->digest, HASH_LEN) == 0) {
		policies_drop(s); /* the same again: gateways need not fetch it */
		s = NULL;
	}
	*ret_s = s;
	return ERR_OK;
}

void
policies_use(struct policies *p, struct policy_set *s)
{
	policies_drop(p->now);
	p->now = s;
}

const uint8_t *
policies_set_digest(const struct policy_set *s)
{
	return s->digest;
}

void
policies_fail(struct policies *p, const char *why)
{
	(void)snprintf(p->error, sizeof p->error, "%s", why);
}

uint64_t
policies_generation(const struct policies *p)
{
	return p->now == NULL ? 0 : p->now->generation;
}

const uint8_t *
policies_digest(const struct policies *p)
{
	return p->now == NULL ? NULL : p->now->digest;
}

int
policies_upstreams_fd(const struct policies *p)
{
	return p->now == NULL ? -1 : p->now->upstreams_fd;
}

const struct rules *
policies_view(const struct policies *p, const char *workload)
{
	const struct view *v = table_get(&p->now->views, table_hash_str(p->hash_key, workload));

	return v == NULL ? &p->now->nothing : &v->rules;
}

const struct interned *
policies_upstream_name(const struct policies *p, uint16_t upstream)
{
	must(upstream < p->now->rules->upstream_count);
	return p->now->names[upstream];
}

bool
policies_readable_ok(const struct rules *view)
{
	for (uint32_t i = 0; i < view->policy_count; i++)
		if (!view->policies[i].enroll_readable)
			return false;
	return view->policy_count > 0;
}
