/* audit verify: up to where the log is proven; offline with the public key alone, or the broker's
 * own. */
#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/keeper/audit/verify.h"
#include "cli/admin.h"
#include "cli/audit_log.h"
#include "cli/commands.h"
#include "common/sys.h"
#include "common/text.h"

#define KEY_FILE_MAX 256

static void
verify_freep(struct verify **v)
{
	verify_free(*v);
}

/* 64 hex digits, as audit.pub has them; a newline may follow. */
static enum cli_exit
read_key(const char *path, uint8_t ret_key[SIGN_PUBLIC_LEN])
{
	AUTO(buf_wipe) struct buf text = BUF_MAX(KEY_FILE_MAX);
	char real[PATH_MAX];
	struct span s;

	enum err e;

	if (realpath(path, real) == NULL)
		return cli_fail(errno == ENOENT ? CLI_NOT_FOUND : CLI_FAILED,
		    "cannot read the public key %s: %s (audit.pub, in the state folder)", path,
		    strerror(errno));
	e = sys_read_file(real, &text);
	if (e == ERR_IO)
		return cli_fail(CLI_FAILED,
		    "cannot read the public key %s: %s (audit.pub, in the state folder)", path,
		    strerror(errno));
	s = buf_span(&text);
	while (s.len > 0 && (s.p[s.len - 1] == '\n' || s.p[s.len - 1] == '\r'))
		s.len--;
	if (e != ERR_OK || text_unhex(s, ret_key, SIGN_PUBLIC_LEN) != ERR_OK)
		return cli_fail(CLI_FAILED,
		    "%s is not a public key: it must hold %d hex digits, as audit.pub in the state "
		    "folder does",
		    path, 2 * SIGN_PUBLIC_LEN);
	return CLI_OK;
}

/* "00000012.jsonl" is segment 12; any other name counts as 0. */
static uint32_t
segment_of(const char *path)
{
	const char *slash = strrchr(path, '/'), *base = slash != NULL ? slash + 1 : path;

	return (uint32_t)strtoul(base, NULL, 10);
}

static enum cli_exit
verify_file(struct verify *v, const char *path)
{
	char real[PATH_MAX];
	AUTO(sys_closep) int fd = realpath(path, real) != NULL ? sys_open(real, O_RDONLY, 0) : -1;
	enum err e;

	if (fd < 0)
		return cli_fail(errno == ENOENT ? CLI_NOT_FOUND : CLI_FAILED, "cannot read %s: %s",
		    path, strerror(errno));
	e = verify_segment(v, segment_of(path), fd);
	return e == ERR_OK || e == ERR_AUTH
		   ? CLI_OK
		   : cli_fail_err(e, path); /* what is bad stands in the result */
}

static int
is_segment(const struct dirent *d)
{
	size_t len = strlen(d->d_name);

	return d->d_name[0] != '.' && len > 6 && strcmp(d->d_name + len - 6, ".jsonl") == 0;
}

static enum cli_exit
verify_dir(struct verify *v, const char *dir)
{
	struct dirent **list = NULL;
	enum cli_exit x = CLI_OK;
	int count = scandir(dir, &list, is_segment, alphasort); /* names have leading zeros */

	for (int i = 0; i < count; i++) {
		char path[PATH_MAX];

		if (x == CLI_OK)
			x = cli_path(dir, list[i]->d_name, path);
		if (x == CLI_OK)
			x = verify_file(v, path);
		free(list[i]);
	}
	free(list);
	return count > 0
		   ? x
		   : cli_fail(CLI_NOT_FOUND, "there is no segment (NNNNNNNN.jsonl) in %s", dir);
}

/* What the keeper says it wrote, so that a cut at the end is noticed; asked first, since the log
 * grows. */
static enum cli_exit
keeper_seq(const struct cli *c, uint64_t *ret_seq)
{
	AUTO(json_freep) json_t *j = NULL;
	enum cli_exit x = admin_get(c, "status", &j);

	if (x == CLI_OK)
		*ret_seq = (uint64_t)admin_number(j, "audit_seq");
	return x;
}

static enum cli_exit
keeper_key(const struct cli *c, uint8_t ret_key[SIGN_PUBLIC_LEN])
{
	AUTO(link_reply_close) struct call_reply reply = LINK_REPLY;
	enum cli_exit x = link_ask_bare(c, CK_AUDIT_KEY, &reply);
	struct wire_reader r;
	struct span key;

	if (x != CLI_OK)
		return x;
	r = wire_read(buf_span(&reply.body));
	key = wire_fixed(&r, SIGN_PUBLIC_LEN);
	if (link_done(&r) != CLI_OK)
		return CLI_FAILED;
	memcpy(ret_key, key.p, SIGN_PUBLIC_LEN);
	return CLI_OK;
}

static enum cli_exit
verify_broker(const struct cli *c, struct verify *v)
{
	AUTO(audit_log_close) struct audit_log l = AUDIT_LOG_NONE;
	enum cli_exit x = audit_log_open(c, &l, 0);

	if (x == CLI_OK && l.segment != l.oldest)
		x = audit_log_turn(&l, l.oldest);
	while (x == CLI_OK) {
		enum err e = l.fd < 0 ? ERR_OK : verify_segment(v, l.segment, l.fd);

		audit_log_warn_missing(&l);

		if (e != ERR_OK && e != ERR_AUTH)
			return cli_fail_err(e, "reading the audit log");
		if (l.newest)
			break;
		x = audit_log_turn(&l, l.segment + 1);
	}
	return x;
}

static enum cli_exit
settle_key(const struct cli *c, bool offline, uint8_t ret_key[SIGN_PUBLIC_LEN])
{
	const char *file = cli_given(c, "key"), *dir = cli_given(c, "dir");
	char path[PATH_MAX];

	if (file != NULL)
		return read_key(file, ret_key);
	if (!offline)
		return keeper_key(c, ret_key);
	if (dir == NULL)
		return cli_fail(CLI_USAGE,
		    "files need the public key: --key FILE (audit.pub, in the state folder)");
	if (cli_path(dir, "../audit.pub", path) != CLI_OK)
		return CLI_FAILED;
	return read_key(path, ret_key);
}

static enum cli_exit
feed(const struct cli *c, bool offline, struct verify *v)
{
	const char *dir = cli_given(c, "dir");
	enum cli_exit x = CLI_OK;

	if (!offline)
		return verify_broker(c, v);
	if (dir != NULL)
		return verify_dir(v, dir);
	for (int i = 0; i < c->arg_count && x == CLI_OK; i++)
		x = verify_file(v, c->args[i]);
	return x;
}

static enum cli_exit
expect_anchor(const struct cli *c, struct verify *v)
{
	const char *text = cli_given(c, "anchor");
	uint8_t anchor[HASH_LEN];

	if (text == NULL)
		return CLI_OK;
	if (text_unhex(span_str(text), anchor, sizeof(anchor)) != ERR_OK)
		return cli_fail(CLI_USAGE,
		    "--anchor takes %d hex digits, as an earlier run printed them", 2 * HASH_LEN);
	verify_expect(v, anchor);
	return CLI_OK;
}

static enum cli_exit
report_json(const struct verify_result *r, bool good, bool cut)
{
	char anchor[2 * HASH_LEN + 1];
	AUTO(json_freep) json_t *j = NULL;

	text_hex(r->anchor, HASH_LEN, anchor);
	j = json_pack("{s:b, s:I, s:I, s:I, s:I, s:I, s:s, s:b, s:b, s:b, s:b, s:s}", "good", good,
	    "first_seq", (json_int_t)r->first_seq, "proven_seq", (json_int_t)r->proven_seq,
	    "last_seq", (json_int_t)r->last_seq, "bad_segment", (json_int_t)r->bad_segment,
	    "bad_line", (json_int_t)r->bad_line, "why", r->why, "torn", r->torn, "anchor_missing",
	    r->anchor_missing, "segments_removed", r->segments_removed, "cut", cut, "anchor",
	    anchor);
	if (j == NULL)
		return cli_fail(CLI_FAILED, "out of memory");
	admin_print(j);
	return good ? CLI_OK : CLI_FAILED;
}

static void
report_text(const struct verify_result *r)
{
	char anchor[2 * HASH_LEN + 1];

	text_hex(r->anchor, HASH_LEN, anchor);
	if (r->proven_seq >= r->first_seq && r->proven_seq > 0)
		(void)printf("proven:   records %llu to %llu\n", (unsigned long long)r->first_seq,
		    (unsigned long long)r->proven_seq);
	else
		(void)printf("proven:   nothing yet: no checkpoint was reached\n");
	if (r->bad_line == 0 && r->last_seq > r->proven_seq)
		(void)printf("unproven: %llu records behind the last checkpoint%s\n",
		    (unsigned long long)(r->last_seq - r->proven_seq),
		    r->torn ? ", and a half-written line" : "");
	if (r->proven_seq > 0)
		(void)printf("anchor:   %s\n", anchor);
}

static enum cli_exit
report(const struct cli *c, const struct verify_result *r, uint64_t written)
{
	bool cut = written > r->last_seq && r->bad_line == 0;
	bool good = r->bad_line == 0 && !r->segments_removed && !r->anchor_missing && !cut;

	if (c->json)
		return report_json(r, good, cut);
	report_text(r);
	if (r->bad_line != 0)
		return cli_fail(CLI_FAILED, "BAD: %s", r->why);
	if (r->segments_removed)
		return cli_fail(CLI_FAILED,
		    "BAD: segments were removed: records 1 to %llu are not here, and no record "
		    "says that they went for the log's size",
		    (unsigned long long)(r->first_seq - 1));
	if (r->anchor_missing)
		return cli_fail(
		    CLI_FAILED, "BAD: the anchor is not in this log: it was cut or replaced");
	if (cut)
		return cli_fail(CLI_FAILED,
		    "BAD: the broker wrote %llu records, and the log ends at %llu",
		    (unsigned long long)written, (unsigned long long)r->last_seq);
	return CLI_OK;
}

enum cli_exit
cmd_audit_verify(struct cli *c)
{
	AUTO(verify_freep) struct verify *v = NULL;
	bool offline = c->arg_count > 0 || cli_given(c, "dir") != NULL;
	uint8_t key[SIGN_PUBLIC_LEN];
	struct verify_result result;
	uint64_t written = 0;
	enum cli_exit x;

	if (c->arg_count > 0 && cli_given(c, "dir") != NULL)
		return cli_fail(CLI_USAGE, "either --dir or files, not both");
	if (crypto_init() != ERR_OK)
		return cli_fail(CLI_FAILED, "libsodium does not start");
	x = settle_key(c, offline, key);
	if (x == CLI_OK && !offline)
		x = keeper_seq(c, &written);
	if (x == CLI_OK && verify_new(key, &v) != ERR_OK)
		x = cli_fail(CLI_FAILED, "out of memory");
	if (x == CLI_OK)
		x = expect_anchor(c, v);
	if (x == CLI_OK)
		x = feed(c, offline, v);
	if (x != CLI_OK)
		return x;
	result = verify_end(v);
	return report(c, &result, written);
}
