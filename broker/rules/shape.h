/*
 * shape - the grammar of each field of an upstream or policy; one set for who compiles it and for
 * who reads the result.
 * Process: admin and cli (to refuse what people write), keeper and gateway (not to trust
 *          what they are sent).
 * Owns: nothing.
 * Secrets: none.   Limits: the _MAX constants of rules.h.
 * Failure: every function returns NULL for a good value, else a phrase that follows "X ":
 *          "must start with a letter".
 */
#ifndef RULES_SHAPE_H
#define RULES_SHAPE_H

#include "broker/rules/rules.h"

const char *shape_object_name(struct span s); /* upstream, policy, secret */
const char *shape_workload_name(struct span s);
const char *shape_host(
    struct span s); /* lower-case DNS name, IPv4 in four decimals, IPv6 without brackets */
bool shape_host_is_ip(struct span s);
const char *shape_base_path(struct span s); /* "" or /a/b */
const char *shape_header_name(struct span
	s); /* a field name that may be set or removed: not framing, not hop by hop, not ours */
const char *shape_header_value(
    struct span s); /* visible ASCII and inner spaces, {credential} once */
const char *shape_query_name(struct span s);
const char *shape_basic_user(struct span s);
const char *shape_placeholder(struct span s); /* visible ASCII, {random} once */
const char *shape_env_name(struct span s);
const char *shape_env_value(struct span s); /* no controls; {base_url} and {placeholder} */
const char *shape_method(struct span s);    /* upper-case word; "*" is the caller's */

#endif
