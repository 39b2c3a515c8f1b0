#include "broker/gateway/config.h"

#include <stdlib.h>

enum err
config_new(struct span encoded, uint64_t generation, struct config **ret_c)
{
	struct config *c = calloc(1, sizeof *c);
	enum err e;

	if (c == NULL)
		return ERR_NOMEM;
	c->users = 1;
	c->generation = generation;
	e = rules_read_upstreams(encoded, &c->rules);
	if (e == ERR_OK) {
		c->slots = calloc(c->rules->upstream_count + 1u, sizeof *c->slots);
		e = c->slots == NULL ? ERR_NOMEM : ERR_OK;
	}
	if (e != ERR_OK) {
		rules_free(c->rules);
		free(c);
		return e;
	}
	for (uint32_t i = 0; i < c->rules->upstream_count; i++) {
		c->slots[i].config = c;
		c->slots[i].up = &c->rules->upstreams[i];
	}
	*ret_c = c;
	return ERR_OK;
}

void
config_hold(struct config *c)
{
	c->users++;
}

void
config_drop(struct config *c)
{
	if (c == NULL || --c->users > 0)
		return;
	for (uint32_t i = 0; i < c->rules->upstream_count; i++) {
		must(c->slots[i].idle_count == 0); /* idle connections are users too */
		SSL_CTX_free(c->slots[i].tls);
	}
	free(c->slots);
	rules_free(c->rules);
	free(c);
}

struct slot *
config_find(const struct config *c, struct span name)
{
	const struct upstream *up = c == NULL ? NULL : rules_upstream(c->rules, name);

	return up == NULL ? NULL : &c->slots[up - c->rules->upstreams];
}
