#include "cli/enroll_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/secret.h"
#include "common/sys.h"
#include "common/text.h"

#define KEY_TEXT_SIZE 64

/* A JSON string; what comes from the keeper is text without controls but newlines (PEM). */
static enum err
put_string(struct buf *out, const char *key, struct span value)
{
	enum err e = buf_printf(out, "%s\"%s\":\"", out->len == 0 ? "{" : ",", key);

	for (size_t i = 0; i < value.len && e == ERR_OK; i++) {
		uint8_t b = value.p[i];

		if (b == '\n')
			e = buf_append(out, "\\n", 2);
		else if (b == '"' || b == '\\' || b < 0x20 || b >= 0x7f)
			return ERR_SYNTAX;
		else
			e = buf_append_byte(out, b);
	}
	return e == ERR_OK ? buf_append_byte(out, '"') : e;
}

static enum err
compose(const struct enroll_facts *f, struct buf *out)
{
	char key[KEY_TEXT_SIZE];
	enum err e;

	must(text_base64_len(f->key.len, TEXT_BASE64URL) < sizeof(key));
	text_base64(f->key.p, f->key.len, TEXT_BASE64URL, key);
	e = put_string(out, "gateway", f->gateway);
	if (e == ERR_OK)
		e = put_string(out, "ca", f->ca_pem);
	if (e == ERR_OK)
		e = put_string(out, "workload", span_str(f->workload));
	if (e == ERR_OK)
		e = put_string(out, "trust_domain", span_str(f->trust_domain));
	if (e == ERR_OK)
		e = put_string(out, "key", span_str(key));
	secret_wipe(key, sizeof(key));
	return e == ERR_OK ? buf_append(out, "}\n", 2) : e;
}

enum cli_exit
enroll_file_check(const struct enroll_target *t)
{
	char dir[PATH_MAX];
	struct stat st;
	char *slash;

	if (strcmp(t->path, "-") == 0)
		return t->has_owner ? cli_fail(CLI_USAGE, "--owner needs a file; leave --out - out")
				    : CLI_OK;
	if (strlen(t->path) >= sizeof(dir) - 4)
		return cli_fail(CLI_USAGE, "the path of --out is too long");
	if (t->has_owner && geteuid() != 0 && geteuid() != t->owner)
		return cli_fail(CLI_DENIED,
		    "only root can give a file to user %u; run this as root", (unsigned)t->owner);
	if (!t->replace && lstat(t->path, &st) == 0)
		return cli_fail(CLI_FAILED,
		    "%s is there already; name another with --out, or say --replace, which also "
		    "ends the enrollments made before",
		    t->path);
	(void)snprintf(dir, sizeof(dir), "%s", t->path);
	slash = strrchr(dir, '/');
	if (slash != NULL)
		slash[slash == dir ? 1 : 0] = '\0';
	if (access(slash != NULL ? dir : ".", W_OK) != 0)
		return cli_fail(errno == EACCES ? CLI_DENIED : CLI_FAILED,
		    "cannot write to the folder of %s: %s", t->path, strerror(errno));
	return CLI_OK;
}

static enum cli_exit
write_beside(const struct enroll_target *t, const char *beside, struct span text)
{
	AUTO(sys_closep) int fd = sys_open(beside, O_WRONLY | O_CREAT | O_EXCL, 0400);

	if (fd < 0)
		return cli_fail(CLI_FAILED, "cannot write %s: %s", beside, strerror(errno));
	if (fchmod(fd, 0400) != 0 || (t->has_owner && fchown(fd, t->owner, (gid_t)-1) != 0) ||
	    sys_write_all(fd, text.p, text.len) != ERR_OK || sys_fsync(fd) != 0)
		return cli_fail(CLI_FAILED, "cannot write %s: %s", beside, strerror(errno));
	return CLI_OK;
}

/* link() and not rename(), so that a file made meanwhile is not replaced. */
static enum cli_exit
give_name(const struct enroll_target *t, const char *beside)
{
	int r = t->replace ? sys_rename(beside, t->path) : link(beside, t->path);

	if (r != 0)
		return cli_fail(CLI_FAILED, "cannot make %s: %s", t->path, strerror(errno));
	if (sys_sync_folder(t->path) != ERR_OK)
		return cli_fail(
		    CLI_FAILED, "cannot sync the folder of %s: %s", t->path, strerror(errno));
	return CLI_OK;
}

enum cli_exit
enroll_file_write(const struct enroll_facts *f, const struct enroll_target *t)
{
	AUTO(buf_wipe) struct buf text = BUF_MAX(ENROLL_FILE_MAX);
	enum err e = compose(f, &text);
	char beside[PATH_MAX];
	enum cli_exit x;

	if (e != ERR_OK)
		return cli_fail_err(e, "writing the enrollment");
	if (strcmp(t->path, "-") == 0) {
		if (fflush(stdout) == 0 &&
		    sys_write_all(STDOUT_FILENO, text.data, text.len) == ERR_OK)
			return CLI_OK;
		return cli_fail(CLI_FAILED, "cannot write to standard output");
	}
	if (snprintf(beside, sizeof(beside), "%s.new", t->path) >= (int)sizeof(beside))
		return cli_fail(CLI_USAGE, "the path of --out is too long");
	(void)sys_unlink(beside); /* what a crash left */
	x = write_beside(t, beside, buf_span(&text));
	if (x == CLI_OK)
		x = give_name(t, beside);
	(void)sys_unlink(beside);
	return x;
}
