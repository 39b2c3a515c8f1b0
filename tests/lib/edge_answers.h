/*
 * edge_answers - what a played keeper says to the edge, and what the workload reads of it then.
 * Process: tests.   Owns: nothing.   Secrets: none.   Limits: one upstream.
 * Failure: the writer's.
 */
#ifndef TESTS_EDGE_ANSWERS_H
#define TESTS_EDGE_ANSWERS_H

#include <string.h>

#include "broker/ipc/body.h"

/* A request of four bytes, "\1\2\3\4". */
#define EDGE_CSR                                                                                   \
	"-----BEGIN CERTIFICATE REQUEST-----\\nAQIDBA==\\n-----END CERTIFICATE REQUEST-----\\n"
#define EDGE_SELF                                                                                  \
	"{\"workload\":\"team/coder\",\"spiffe_id\":\"spiffe://t/team/"                            \
	"coder\",\"instance\":\"ab\",\"not_after\":99,"                                            \
	"\"enrollment\":{\"reusable\":true,\"readable_ok\":false},\"upstreams\":[{\"name\":"       \
	"\"anthropic\",\"path\":\"/p/anthropic\","                                                 \
	"\"placeholder\":\"sk-ant-api03-x\",\"env\":{\"ANTHROPIC_BASE_URL\":\"{sidekey_url}/p/"    \
	"anthropic\"}}]}"
#define EDGE_ISSUED_OPEN                                                                           \
	"{\"certificate\":\"CERT\\n\",\"ca\":\"CA\\n\",\"workload\":\"coder\",\"spiffe_id\":"      \
	"\"spiffe://t/coder\",\"instance\":\"ab\",\"not_before\":1,\"not_after\":3601"
#define EDGE_ISSUED EDGE_ISSUED_OPEN "}"
#define EDGE_ENROLLED EDGE_ISSUED_OPEN ",\"self\":" EDGE_SELF "}"

static inline bool
edge_is_csr(struct span der)
{
	return der.len == 4 && memcmp(der.p, "\1\2\3\4", 4) == 0;
}

static inline void
edge_put_self(struct wire_writer *w)
{
	struct self s = { .workload = "team/coder",
		.spiffe_id = "spiffe://t/team/coder",
		.instance = "ab",
		.not_after_s = 99,
		.enroll_reusable = true,
		.upstream_count = 1 };
	struct self_upstream u = {
		.name = "anthropic", .placeholder = span_str("sk-ant-api03-x"), .env_count = 1
	};

	u.env[0].name = span_str("ANTHROPIC_BASE_URL");
	u.env[0].value = span_str("{sidekey_url}/p/anthropic");
	self_put(w, &s);
	self_upstream_put(w, &u);
}

static inline void
edge_put_issued(struct wire_writer *w)
{
	static const struct issued v = { .certificate_pem = { (const uint8_t *)"CERT\n", 5 },
		.ca_pem = { (const uint8_t *)"CA\n", 3 },
		.workload = "coder",
		.spiffe_id = "spiffe://t/coder",
		.instance = "ab",
		.not_before_s = 1,
		.not_after_s = 3601 };

	issued_put(w, &v);
}

/* The keeper's good answer to a question of that type. */
static inline void
edge_put_answer(struct wire_writer *w, enum msg_type question)
{
	if (question == EK_ENROLL || question == EK_RENEW)
		edge_put_issued(w);
	if (question == EK_ENROLL || question == EK_SELF)
		edge_put_self(w);
}

#endif
