/*
 * admin - questions to the broker's admin socket: JSON over HTTP on a unix socket, by libcurl.
 * Process: cli.   Owns: nothing between calls; the JSON it returns is the caller's.
 * Secrets: none pass here (values go over keeper.sock).
 * Limits: ADMIN_REPLY_MAX bytes a reply, ADMIN_TIMEOUT_S seconds.
 * Failure: an exit code with the message on stderr: CLI_UNREACHABLE, or what the broker's problem
 * document means.
 */
#ifndef CLI_ADMIN_H
#define CLI_ADMIN_H

#include <jansson.h>

#include "cli/cli.h"

#define ADMIN_REPLY_MAX (16u << 20)
#define ADMIN_TIMEOUT_S 60

/* path is below /v1/admin/. *ret_reply is an object or array. */
enum cli_exit admin_get(const struct cli *c, const char *path, json_t **ret_reply) NODISCARD;
/* body may be NULL: none. *ret_reply is NULL where the broker answered without a body. */
enum cli_exit admin_post(
    const struct cli *c, const char *path, const json_t *body, json_t **ret_reply) NODISCARD;
/* The same, but a refusal prints nothing and gives its problem document: for steps that others
 * undo. */
enum cli_exit admin_post_quietly(
    const struct cli *c, const char *path, const json_t *body, json_t **ret_reply) NODISCARD;

/* "workloads/<name>/suspend" with the name percent-escaped; CLI_USAGE if it is too long. */
enum cli_exit admin_object_path(
    const char *kind, const char *name, const char *verb, char ret_path[1024]) NODISCARD;

/* The list in a reply: the reply itself, or its one member that is an array; NULL if there is none.
 */
const json_t *admin_rows(const json_t *reply);
const char *admin_text(const json_t *object, const char *key); /* "" if it is not there */
int64_t admin_number(const json_t *object, const char *key);   /* 0 if it is not there */
bool admin_true(const json_t *object, const char *key);

void json_freep(json_t **j); /* for AUTO() */

/* One compact line on stdout. */
void admin_print(const json_t *j);

#endif
