/*
 * rules_made - rules for tests against a keeper: upstreams with and without a key, policies that
 * let all of an upstream be used. At file scope: what they point to lives as long as they.
 * Process: tests.   Owns: nothing.   Secrets: none.   Limits: none.   Failure: none.
 */
#ifndef TESTS_RULES_MADE_H
#define TESTS_RULES_MADE_H

#include "broker/rules/rules.h"

#define MADE(text) ((char[]){ text })

#define UPSTREAM_FIELDS(n) .name = (n), .host = n ".test", .port = 443, .base_path = MADE("")
#define UPSTREAM(n)                                                                                \
	{                                                                                          \
		UPSTREAM_FIELDS(n)                                                                 \
	}
/* With the header X-Key. */
#define UPSTREAM_KEY(n, with_secret, held)                                                         \
	{                                                                                          \
		UPSTREAM_FIELDS(n), .secret = (with_secret), .inject = INJECT_HEADER,              \
				    .inject_name = MADE("x-key"),                                  \
				    .inject_value = MADE("{credential}"), .placeholder = (held)    \
	}
#define HELD MADE("{random}") /* a placeholder */

/* Of the upstream all paths, with that method or "*". */
#define USE_FIELDS(index, m)                                                                       \
	.upstream = (index), .allow = (struct pattern[]){ { (m), MADE("/**") } }, .allow_count = 1
#define USE(index, m)                                                                              \
	{                                                                                          \
		USE_FIELDS(index, m)                                                               \
	}

#define POLICY_FIELDS(n, names, list)                                                              \
	.name = (n), .workloads = (names), .workload_count = COUNT(names), .uses = (list),         \
	.use_count = COUNT(list)
#define POLICY(n, names, list)                                                                     \
	{                                                                                          \
		POLICY_FIELDS(n, names, list)                                                      \
	}

#define RULES(upstream_list, policy_list)                                                          \
	{                                                                                          \
		(upstream_list), COUNT(upstream_list), (policy_list), COUNT(policy_list)           \
	}

#endif
