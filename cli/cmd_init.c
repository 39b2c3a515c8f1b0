/* init: the first configuration, and the store, which only the keeper's program can make. */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/keeper_run.h"
#include "cli/settings.h"
#include "cli/value.h"
#include "common/name.h"
#include "common/sys.h"

#define TRUST_DOMAIN_DEFAULT "sidekey.internal"

/* What this run made and would have to take away again. */
struct made {
	int lock_fd; /* -1, or the folder of the configuration */
	bool config_dir, upstreams, policies, yaml;
};

static enum cli_exit
make_dir(const char *path, bool *ret_made)
{
	if (mkdir(path, 0755) == 0) {
		*ret_made = true;
		return sys_sync_folder(path) == ERR_OK
			   ? CLI_OK
			   : cli_fail(CLI_FAILED, "the folder that %s is in cannot be written: %s",
				 path, strerror(errno));
	}
	if (errno == EEXIST)
		return CLI_OK;
	return cli_fail(errno == EACCES ? CLI_DENIED : CLI_FAILED, "cannot make the folder %s: %s",
	    path, strerror(errno));
}

/* What another init made, or is about to make, is not ours to read or to take away. */
static enum cli_exit
make_config_dir(const char *path, struct made *m)
{
	bool made = false;
	enum cli_exit x = make_dir(path, &made);
	enum err locked;

	if (x != CLI_OK && !made)
		return x;
	locked = sys_lock_folder(path, &m->lock_fd);
	if (locked == ERR_CONFLICT)
		return cli_fail(
		    CLI_FAILED, "another init is at work in %s; wait for its end", path);
	if (locked != ERR_OK)
		return cli_fail(errno == EACCES ? CLI_DENIED : CLI_FAILED,
		    "cannot open the folder %s: %s", path, strerror(errno));
	m->config_dir = made;
	return x;
}

static enum cli_exit
make_config(const struct cli *c, const struct settings *s, struct made *m)
{
	char path[PATH_MAX];
	enum cli_exit x = cli_path(c->config_dir, "upstreams", path);

	if (x == CLI_OK)
		x = make_dir(path, &m->upstreams);
	if (x == CLI_OK)
		x = cli_path(c->config_dir, "policies", path);
	if (x == CLI_OK)
		x = make_dir(path, &m->policies);
	if (x != CLI_OK || s->from_file)
		return x;
	x = settings_write(c, s);
	m->yaml = x == CLI_OK;
	return x;
}

static void
undo_config(const struct cli *c, const struct made *m)
{
	char path[PATH_MAX];

	if (m->yaml && cli_path(c->config_dir, "sidekey.yaml", path) == CLI_OK)
		(void)sys_unlink(path);
	if (m->upstreams && cli_path(c->config_dir, "upstreams", path) == CLI_OK)
		(void)rmdir(path);
	if (m->policies && cli_path(c->config_dir, "policies", path) == CLI_OK)
		(void)rmdir(path);
	if (m->config_dir)
		(void)rmdir(c->config_dir);
}

static enum cli_exit
run_keeper(const struct settings *s, const char *trust_domain)
{
	AUTO(secret_freep) struct secret *passphrase = NULL;
	const char *argv[] = { "sidekey-keeper", "init", "--state-dir", s->state_dir,
		"--trust-domain", trust_domain, "--unseal",
		s->passphrase ? "passphrase" : "key-file", s->passphrase ? NULL : "--key-file",
		s->key_file, NULL };
	enum cli_exit x = CLI_OK;

	if (s->passphrase)
		x = value_read(NULL, "the passphrase of the new store", true, &passphrase);
	if (x != CLI_OK)
		return x;
	if (passphrase != NULL &&
	    memchr(secret_span(passphrase).p, '\n', secret_len(passphrase)) != NULL)
		return cli_fail(CLI_USAGE,
		    "the passphrase has more than one line; nobody could type it at a prompt");
	return keeper_run(argv, passphrase);
}

static void
warn_users(void)
{
	if (geteuid() != 0 || getpwnam("sidekey-keeper") != NULL)
		return;
	cli_warn("started as root, sidekeyd gives each process a user of its own, and they do not "
		 "exist yet: "
		 "useradd --system sidekey-gateway, sidekey-keeper and sidekey-api, or say `user: "
		 "none` in "
		 "sidekey.yaml");
}

static void
say_made(const struct cli *c, const struct settings *s, const char *trust_domain)
{
	cli_say(c, "the store is in %s, its trust domain is %s", s->state_dir, trust_domain);
	if (s->passphrase)
		cli_say(c, "after each start the broker is sealed until: sidekey unseal");
	else
		cli_say(c,
		    "the key that opens it is in %s: keep a copy away from this machine, and not "
		    "beside a "
		    "backup of the store",
		    s->key_file);
	cli_say(c, "%s is %s", c->config_dir,
	    s->from_file ? "as it was" : "where upstreams and policies go");
	warn_users();
	cli_say(c, "next: sidekeyd --config-dir %s", c->config_dir);
	cli_say(c, "then: sidekey import env .env --workload NAME");
}

enum cli_exit
cmd_init(struct cli *c)
{
	struct settings s = { 0 };
	struct made made = { .lock_fd = -1 };
	const char *trust_domain = cli_given(c, "trust-domain");
	enum cli_exit x;

	if (trust_domain == NULL)
		trust_domain = TRUST_DOMAIN_DEFAULT;
	if (name_trust_domain_check(span_str(trust_domain)) != ERR_OK)
		return cli_fail(CLI_USAGE,
		    "\"%s\" is not a trust domain: a-z, 0-9, '.', '_' and '-', such as "
		    "staging.example.com",
		    trust_domain);
	x = make_config_dir(c->config_dir, &made);
	if (x == CLI_OK)
		x = settings_settle(c, &s);
	if (x == CLI_OK)
		x = make_config(c, &s, &made);
	if (x == CLI_OK)
		x = run_keeper(&s, trust_domain);
	if (x != CLI_OK)
		undo_config(c, &made);
	else
		say_made(c, &s, trust_domain);
	sys_close(made.lock_fd);
	return x;
}
