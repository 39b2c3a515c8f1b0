#include "broker/keeper/init.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/keeper/audit/audit.h"
#include "broker/keeper/crypto/ca.h"
#include "broker/keeper/keeper.h"
#include "broker/keeper/store/kv.h"
#include "broker/keeper/txn.h"
#include "broker/keeper/unseal.h"
#include "common/clock.h"
#include "common/sys.h"
#include "common/text.h"

#define AUDIT_BYTES_MAX (1u << 30) /* of this one run: the daemon has its own setting */
#define EXIT_USAGE 2

struct init {
	const char *state_dir, *trust_domain, *key_file;
	enum unseal_method method;
	uint8_t salt[ARGON2_SALT_LEN];
	struct secret *kek;
	struct kv_meta meta;
	struct keyring *ring;
	struct kv *kv;
	struct ca *ca;
	struct audit *audit;
	int lock_fd; /* -1, or the state folder */

	bool made_dir, made_audit_dir, made_key, made_store; /* by this run: undone when it fails */
	char why[512];
};

static void
init_close(struct init *i)
{
	audit_close(i->audit, clock_wall_s());
	ca_free(i->ca);
	kv_close(i->kv);
	keyring_free(i->ring);
	buf_wipe(&i->meta.wrapped);
	secret_free(i->kek);
}

static enum err PRINTF(3, 4) because(struct init *i, enum err e, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(i->why, sizeof i->why, fmt, ap);
	va_end(ap);
	return e;
}

/* Made, and still there after a crash. */
static enum err
sync_name(struct init *i, const char *path)
{
	if (sys_sync_folder(path) == ERR_OK)
		return ERR_OK;
	return because(
	    i, ERR_IO, "The folder that %s is in cannot be written: %s.", path, strerror(errno));
}

static enum err
make_dir(struct init *i, const char *path, bool *ret_made)
{
	struct stat st;

	*ret_made = mkdir(path, 0700) == 0;
	if (*ret_made)
		return sync_name(i, path);
	if (errno != EEXIST || lstat(path, &st) != 0)
		return because(i, ERR_IO, "%s cannot be made: %s.", path, strerror(errno));
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077) != 0)
		return because(i, ERR_DENIED,
		    "%s must be a directory of ours that is closed to others (mode 0700).", path);
	return ERR_OK;
}

/* What another init made is not ours to take back. */
static enum err
make_state_dir(struct init *i)
{
	bool made;
	enum err e = make_dir(i, i->state_dir, &made), locked;

	if (e != ERR_OK && !made)
		return e;
	locked = sys_lock_folder(i->state_dir, &i->lock_fd);
	i->made_dir = made && locked == ERR_OK;
	if (e == ERR_OK && locked == ERR_CONFLICT)
		return because(
		    i, locked, "Another init is at work in %s; wait for its end.", i->state_dir);
	return e == ERR_OK ? locked : e;
}

/* A key file that exists may belong to another store: it is never overwritten. */
static enum err
make_key_file(struct init *i)
{
	AUTO(sys_closep) int fd = -1;
	enum err e = crypto_random_secret(KEY_LEN, &i->kek);

	if (e != ERR_OK)
		return e;
	fd = sys_open(i->key_file, O_WRONLY | O_CREAT | O_EXCL, 0400);
	if (fd < 0)
		return because(i, errno == EEXIST ? ERR_EXISTS : ERR_IO,
		    "The key file %s cannot be made: %s.", i->key_file, strerror(errno));
	i->made_key = true;
	if (fchmod(fd, 0400) != 0 || sys_write_all(fd, secret_bytes(i->kek), KEY_LEN) != ERR_OK ||
	    sys_fsync(fd) != 0)
		return because(i, ERR_IO, "The key file %s cannot be written.", i->key_file);
	return sync_name(i, i->key_file);
}

/* From stdin, up to its end or a line break; nothing is prompted for here. */
static enum err
read_passphrase(struct init *i)
{
	AUTO(buf_wipe) struct buf text = BUF_MAX(4096);
	ssize_t n = 1;
	enum err e = buf_reserve(&text, text.max);

	while (e == ERR_OK && n > 0 && buf_room(&text) > 0) {
		n = sys_read(STDIN_FILENO, buf_tail(&text), buf_room(&text));
		if (n > 0)
			buf_added(&text, (size_t)n);
	}
	if (text.len > 0 && text.data[text.len - 1] == '\n')
		buf_truncate(&text, text.len - 1);
	if (e == ERR_OK && (n != 0 || text.len < INIT_PASSPHRASE_MIN))
		return because(i, ERR_RANGE, "The passphrase on stdin must have %d to 4095 bytes.",
		    INIT_PASSPHRASE_MIN);
	crypto_random(i->salt, sizeof i->salt);
	return e == ERR_OK ? crypto_passphrase(buf_span(&text), i->salt, &i->kek) : e;
}

static enum err
no_row(struct span key, uint64_t version, struct span plain, struct span sealed, void *arg)
{
	(void)key, (void)version, (void)plain, (void)sealed, (void)arg;
	return ERR_OK;
}

static enum err
make_store(struct init *i)
{
	enum err e;

	crypto_random(i->meta.store_id, sizeof i->meta.store_id);
	i->meta.schema = KV_SCHEMA;
	(void)snprintf(i->meta.trust_domain, sizeof i->meta.trust_domain, "%s", i->trust_domain);
	i->meta.wrapped = (struct buf)BUF_MAX(KEYRING_WRAPPED_MAX);
	e = keyring_new(i->meta.store_id, &i->ring);
	if (e == ERR_OK)
		e = keyring_wrap(i->ring, i->method, i->salt, i->kek, &i->meta.wrapped);
	if (e == ERR_OK)
		e = kv_create(i->state_dir, &i->meta, i->ring);
	if (e == ERR_EXISTS)
		return because(i, e, "There is a store in %s already.", i->state_dir);
	i->made_store = e == ERR_OK;
	if (e == ERR_OK)
		e = kv_open(i->state_dir, &i->kv, i->why, sizeof i->why);
	return e == ERR_OK ? kv_unseal(i->kv, i->ring, no_row, NULL, i->why, sizeof i->why) : e;
}

static enum err
end_interval(const struct audit_mark *mark, uint64_t *ret_revision, void *arg)
{
	struct init *i = arg;
	enum err e = kv_end_interval(i->kv, mark);

	*ret_revision = kv_revision(i->kv);
	return e;
}

/* The log begins before the first row, so that every revision of the store has its record. */
static enum err
make_log(struct init *i)
{
	char dir[1100];
	struct audit_settings s = {
		.dir = dir, .bytes_max = AUDIT_BYTES_MAX, .end_interval = end_interval, .arg = i
	};
	struct audit_record r = { .event = "init", .has_uid = true, .uid = getuid() };
	uint64_t seq;
	enum err e;

	(void)snprintf(dir, sizeof dir, "%s/audit", i->state_dir);
	e = make_dir(i, dir, &i->made_audit_dir);
	if (e == ERR_OK)
		e = audit_open(&s, i->ring, 0, clock_wall_s(), &i->audit, i->why, sizeof i->why);
	if (e == ERR_OK)
		e = audit_append(i->audit, &r, kv_revision(i->kv), clock_wall_ms(), &seq);
	return e == ERR_OK ? audit_sync(i->audit, clock_wall_s()) : e;
}

static enum err
make_ca(struct init *i)
{
	AUTO(txn_wipe) struct txn t;
	struct wire_writer w;
	enum err e = ca_new(i->trust_domain, clock_wall_s(), &i->ca);

	txn_init(&t);
	if (e != ERR_OK)
		return e;
	w = txn_put(&t, KEY_CA);
	if (w.e == ERR_OK)
		w.e = ca_save(i->ca, w.out);
	txn_wrote(&t, &w);
	return txn_commit(&t, i->kv, audit_durable_seq(i->audit));
}

static enum err
write_public(struct init *i, const char *name, const char *text)
{
	char path[1100];

	(void)snprintf(path, sizeof path, "%s/%s", i->state_dir, name);
	if (sys_replace_file(path, span_str(text), 0644) != ERR_OK)
		return because(i, ERR_IO, "%s cannot be written.", path);
	return ERR_OK;
}

static enum err
write_outputs(struct init *i)
{
	char hex[2 * SIGN_PUBLIC_LEN + 2];
	enum err e;

	text_hex(audit_public_key(i->audit), SIGN_PUBLIC_LEN, hex);
	hex[2 * SIGN_PUBLIC_LEN] = '\n';
	hex[2 * SIGN_PUBLIC_LEN + 1] = '\0';
	e = write_public(i, "audit.pub", hex);
	return e == ERR_OK ? write_public(i, "ca.pem", ca_pem(i->ca)) : e;
}

static enum err
run(struct init *i)
{
	char store[1100];
	enum err e = make_state_dir(i);

	(void)snprintf(store, sizeof store, "%s/store.db", i->state_dir);
	if (e == ERR_OK && access(store, F_OK) == 0) /* before a key file is made for nothing */
		return because(i, ERR_EXISTS, "There is a store in %s already.", i->state_dir);
	if (e == ERR_OK)
		e = i->method == UNSEAL_KEY_FILE ? make_key_file(i) : read_passphrase(i);
	if (e == ERR_OK)
		e = make_store(i);
	if (e == ERR_OK)
		e = make_log(i);
	if (e == ERR_OK)
		e = make_ca(i);
	return e == ERR_OK ? write_outputs(i) : e;
}

static void
undo_file(const struct init *i, const char *name)
{
	char path[1100];

	(void)snprintf(path, sizeof path, "%s/%s", i->state_dir, name);
	(void)sys_unlink(path);
}

/* Half a store would be in the way of the next attempt. Only what this run made goes. */
static void
undo(struct init *i)
{
	static const char *const files[] = { "store.db", "store.db-wal", "lock", "audit.pub",
		"ca.pem" };
	char dir[1100];

	init_close(i);
	for (size_t n = 0; i->made_store && n < COUNT(files); n++)
		undo_file(i, files[n]);
	if (i->made_audit_dir) {
		undo_file(i, "audit/00000001.jsonl");
		(void)snprintf(dir, sizeof dir, "%s/audit", i->state_dir);
		(void)rmdir(dir);
	}
	if (i->made_key)
		(void)sys_unlink(i->key_file);
	if (i->made_dir)
		(void)rmdir(i->state_dir);
}

static int
usage(const char *why)
{
	(void)fprintf(stderr,
	    "sidekey-keeper init: %s\n"
	    "usage: sidekey-keeper init --state-dir DIR --trust-domain NAME\n"
	    "       --unseal key-file --key-file FILE | --unseal passphrase (read from stdin)\n",
	    why);
	return EXIT_USAGE;
}

static bool
take_option(struct init *i, int option)
{
	switch (option) {
	case 's':
		i->state_dir = optarg;
		break;
	case 't':
		i->trust_domain = optarg;
		break;
	case 'k':
		i->key_file = optarg;
		break;
	case 'u':
		if (strcmp(optarg, "key-file") == 0)
			i->method = UNSEAL_KEY_FILE;
		else if (strcmp(optarg, "passphrase") == 0)
			i->method = UNSEAL_PASSPHRASE;
		else
			return false;
		break;
	default:
		return false;
	}
	return true;
}

static const char *
parse(struct init *i, int argc, char **argv)
{
	static const struct option options[] = { { "state-dir", required_argument, NULL, 's' },
		{ "trust-domain", required_argument, NULL, 't' },
		{ "unseal", required_argument, NULL, 'u' },
		{ "key-file", required_argument, NULL, 'k' }, { NULL, 0, NULL, 0 } };
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		if (!take_option(i, option))
			return "wrong option or value";
	if (optind != argc || i->state_dir == NULL || i->trust_domain == NULL ||
	    i->method == UNSEAL_NONE)
		return "--state-dir, --trust-domain and --unseal are needed";
	if (strlen(i->state_dir) > 1000 || i->state_dir[0] != '/')
		return "--state-dir must be an absolute path of up to 1000 bytes";
	if ((i->method == UNSEAL_KEY_FILE) != (i->key_file != NULL))
		return "--key-file goes with --unseal key-file";
	if (name_trust_domain_check(span_str(i->trust_domain)) != ERR_OK)
		return "the trust domain must be a-z, 0-9, '.', '_' and '-', like example.org";
	return NULL;
}

int
init_run(int argc, char **argv)
{
	struct init i = { .method = UNSEAL_NONE, .lock_fd = -1 };
	const char *wrong = parse(&i, argc, argv);
	enum err e;

	if (wrong != NULL)
		return usage(wrong);
	umask(077);
	e = run(&i);
	if (e != ERR_OK)
		undo(&i);
	else
		init_close(&i);
	sys_close(i.lock_fd);
	if (e == ERR_OK)
		return 0;
	if (i.why[0] == '\0')
		(void)because(
		    &i, e, "The store in %s cannot be made: %s.", i.state_dir, err_name(e));
	(void)fprintf(stderr, "sidekey-keeper init: %s\n", i.why);
	return 1;
}
