/*
 * rules - upstreams and policies in their compiled form: the shapes, and the bounded binary
 * encoding of them.
 * Process: admin and cli write it; keeper and gateway read it.
 * Owns: struct rules owns all its arrays and strings (rules_free()).
 * Secrets: none; it names secrets and never holds one.
 * Limits: the _MAX constants; RULES_LEN_MAX bytes encoded. A reader checks every one of
 *          them and never trusts a count.
 * Failure: ERR_SYNTAX or ERR_LIMIT; nothing is returned.
 */
#ifndef RULES_RULES_H
#define RULES_RULES_H

#include "common/buf.h"
#include "common/name.h"

#define RULES_LEN_MAX (16u << 20)
#define RULES_UPSTREAMS_MAX 1024
#define RULES_POLICIES_MAX 100000
#define RULES_WORKLOADS_MAX 1000 /* of one policy */
#define RULES_USES_MAX 64	 /* upstreams of one policy */
#define RULES_PATTERNS_MAX 256	 /* allow, and as many deny, of one use */
#define RULES_PATTERN_LEN_MAX 1024
#define RULES_ENV_MAX 16   /* variables of one upstream */
#define RULES_STRIP_MAX 16 /* further credential headers of one upstream */
#define RULES_HOST_LEN_MAX 253
#define RULES_TEMPLATE_LEN_MAX 1024
#define RULES_CA_LEN_MAX 262144

enum inject_kind { INJECT_NONE = 0, INJECT_HEADER, INJECT_BASIC, INJECT_QUERY };
enum error_shape { SHAPE_PROBLEM = 0, SHAPE_ANTHROPIC, SHAPE_OPENAI, SHAPE_GITHUB };

struct rules_env {
	char *name;  /* [A-Z_][A-Z0-9_]* or what an import found */
	char *value; /* may hold {base_url} and {placeholder} */
};

struct upstream {
	char name[NAME_LEN_MAX + 1];
	char host[RULES_HOST_LEN_MAX + 1]; /* lower case; what SNI, Host and the certificate check
					      use; IPv6 without brackets */
	uint16_t port;
	char *base_path;	       /* "" or "/x/y", no trailing slash: put in front of <rest> */
	char secret[NAME_LEN_MAX + 1]; /* "" when inject is INJECT_NONE */
	enum inject_kind inject;
	char *inject_name;  /* header name, query parameter name, or basic user name; NULL with
			       INJECT_NONE */
	char *inject_value; /* header only, else NULL: holds {credential} exactly once */
	char *placeholder;  /* template, holds {random} exactly once: "sk-ant-api03-{random}"; NULL:
			       none is handed out */
	enum error_shape shape;
	struct rules_env env[RULES_ENV_MAX];
	uint16_t env_count;
	char *strip[RULES_STRIP_MAX]; /* lower case; removed besides the built-in list */
	uint16_t strip_count;
	char *ca_pem; /* NULL: the system's store */
	char connect_host[RULES_HOST_LEN_MAX +
			  1]; /* "" : resolve host; else an IP address or name to dial */
	uint16_t connect_port;
	bool allow_private, encoded_slash;
};

struct pattern {
	char method[17]; /* "GET", or "*" */
	char *path; /* segments between slashes; one star is any one of them, two are any number */
};

struct use {
	uint16_t upstream; /* index into rules.upstreams */
	struct pattern *allow, *deny;
	uint16_t allow_count, deny_count;
	uint32_t limit_requests, limit_window_s; /* 0: none */
	uint32_t limit_concurrent;		 /* 0: none */
	bool browser;				 /* requests from a page are let through */
	uint64_t counter; /* the keeper's, not encoded: of policy and upstream, for limits.h */
};

struct policy {
	char name[NAME_LEN_MAX + 1];
	char **workloads; /* exact names */
	uint16_t workload_count;
	struct use *uses;
	uint16_t use_count;
	bool revoke_on_misuse; /* on_misuse: revoke */
	bool enroll_readable;  /* enroll_readable: accept */
};

struct rules {
	struct upstream *upstreams;
	uint32_t upstream_count;
	struct policy *policies;
	uint32_t policy_count;
};

void rules_free(struct rules *r); /* contents and r; half-built is fine */
void rules_freep(struct rules **r);

/* The whole, and the part a gateway gets (policy_count is 0 when read back). Same input, same
 * bytes. */
enum err rules_write(const struct rules *r, struct buf *out) NODISCARD;
enum err rules_write_upstreams(const struct rules *r, struct buf *out) NODISCARD;
enum err rules_read(struct span in, struct rules **ret_r) NODISCARD;
enum err rules_read_upstreams(struct span in, struct rules **ret_r) NODISCARD;

/* NULL when there is none. */
const struct upstream *rules_upstream(const struct rules *r, struct span name);

#endif
