/* sidekey-keeper: decides, and writes down what it decided. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "broker/keeper/init.h"
#include "broker/keeper/keeper.h"
#include "broker/keeper/ops.h"
#include "broker/keeper/seal.h"
#include "broker/keeper/tick.h"
#include "broker/proc/child.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/text.h"

#define ARENA_LEN (1u << 20)
#define CERT_TTL_S_MAX (30 * 86400)
#define DRAIN_STEP_MS 20

static struct timer drain_timer;
static int64_t drain_until_ms;

static void
on_link(enum role peer, uint8_t index, int fd, void *arg)
{
	peer_add(arg, peer, index, fd);
}

static void
on_listen(enum listen_kind kind, int fd, void *arg)
{
	if (kind != LISTEN_KEEPER)
		log_fatal("a listening socket that is not for the keeper was handed over");
	peer_listen(arg, fd);
}

static void
on_reload(void *arg)
{
	struct keeper *k = arg;

	if (!k->sealed && audit_reopen(k->audit, keeper_now_s(k)) != ERR_OK)
		log_error("the audit log cannot be opened anew");
}

static void
on_exited(const struct child_exit *x, void *arg)
{
	struct keeper *k = arg;
	char detail[96];
	struct audit_record r = { .event = "process_exit" };

	k->restarts++;
	(void)snprintf(detail, sizeof detail, "%s %u: %s", role_name(x->role), x->index, x->how);
	r.detail = span_str(detail);
	if (!k->sealed)
		keeper_record_fact(k, &r);
}

static void
kill_gateway(uint8_t index, void *arg)
{
	child_kill_gateway(arg, index);
}

/* The gateways drain first; their last words are worth waiting for. */
static void
on_drain_step(struct timer *t)
{
	struct keeper *k = t->arg;

	if (k->peers.gateway_count == 0 || loop_now_ms(k->loop) >= drain_until_ms) {
		loop_stop(k->loop);
		return;
	}
	if (loop_timer(k->loop, t, loop_now_ms(k->loop) + DRAIN_STEP_MS) != ERR_OK)
		loop_stop(k->loop);
}

static void
on_drain(uint32_t ms, void *arg)
{
	struct keeper *k = arg;

	drain_until_ms = loop_now_ms(k->loop) + ms;
	drain_timer.fn = on_drain_step;
	drain_timer.arg = k;
	on_drain_step(&drain_timer);
}

static void
read_settings(struct child *c, struct keeper_settings *s)
{
	const char *accept = child_setting(c, "accept_clock");

	if (!span_copy_str(
		span_str(child_setting_need(c, "state_dir")), s->state_dir, sizeof s->state_dir) ||
	    !span_copy_str(span_str(child_setting_need(c, "gateway_address")), s->gateway_address,
		sizeof s->gateway_address))
		log_fatal("a setting is too long");
	s->audit_bytes_max = child_setting_u64(c, "audit_bytes_max", UINT64_MAX);
	s->audit_quota = child_setting_u64(c, "audit_quota", UINT64_MAX);
	s->cert_ttl_s = (uint32_t)child_setting_u64(c, "cert_ttl_s", CERT_TTL_S_MAX);
	s->accept_clock = accept != NULL && strcmp(accept, "1") == 0;
}

/* The last thing that needs a file outside of the state directory. NULL: stays sealed. */
static struct secret *
read_kek(struct child *c)
{
	const char *method = child_setting(c, "unseal");
	struct secret *kek = NULL;
	char why[512] = "";

	if (method == NULL || method[0] == '\0')
		return NULL;
	if (unseal_key_file(child_setting_need(c, "key_file"), &kek, why, sizeof why) != ERR_OK)
		child_hopeless("%s", why);
	return kek;
}

static void
open_store(struct keeper *k)
{
	uint8_t salt[ARGON2_SALT_LEN];
	char why[512] = "";

	if (kv_open(k->settings.state_dir, &k->kv, why, sizeof why) != ERR_OK)
		child_hopeless("%s", why);
	if (keyring_peek(buf_span(&kv_meta(k->kv)->wrapped), &k->unseal.method, salt) != ERR_OK)
		child_hopeless("the store's keyring cannot be read");
}

static void
unseal_at_start(struct keeper *k, struct secret *kek)
{
	char why[512] = "";

	if (kek == NULL) {
		log_warn("the store is sealed; unseal it with `sidekey unseal`");
		return;
	}
	if (unseal_with_kek(k, kek, why, sizeof why) != ERR_OK)
		child_hopeless("%s", why);
	secret_free(kek);
}

static void
serve(struct child *c, struct keeper *k)
{
	static const struct child_ops ops = { .on_link = on_link,
		.on_listen = on_listen,
		.on_reload = on_reload,
		.on_drain = on_drain,
		.on_exited = on_exited };

	tick_start(k);
	child_attach(c, &ops, k);
	child_ready(c);
	if (loop_run(k->loop) != ERR_OK)
		log_fatal("event loop failed");
}

/* By hand, so without what child_start() does: no core, and nobody of our uid looks in. */
static int
run_init(int argc, char **argv)
{
	const struct rlimit no_core = { 0, 0 };

	log_init("sidekey-keeper", LOG_LEVEL_WARN);
	if (setrlimit(RLIMIT_CORE, &no_core) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		log_fatal("this process cannot be closed to others");
	if (crypto_init() != ERR_OK || secret_arena_init(ARENA_LEN) != ERR_OK)
		log_fatal("memory for secrets cannot be locked: raise the memlock limit to 8 MiB");
	return init_run(argc, argv);
}

int
main(int argc, char **argv)
{
	struct child *c;
	struct keeper *k;
	struct secret *kek;

	if (argc > 1 && strcmp(argv[1], "init") == 0)
		return run_init(argc - 1, argv + 1);
	c = child_start(argc, argv, 1u << ROLE_KEEPER);
	k = calloc(1, sizeof *k);
	if (k == NULL || crypto_init() != ERR_OK)
		log_fatal("no memory");
	read_settings(c, &k->settings);
	child_secret_arena(c, ARENA_LEN);
	kek = read_kek(c);
	child_confine(c);
	k->loop = child_loop(c);
	k->kill_gateway = kill_gateway;
	k->kill_arg = c;
	k->sealed = true;
	k->started_s = clock_wall_s();
	k->settings.landlock = child_has_landlock(c);
	(void)floor_init(&k->floor, 0, clock_wall_ms(), clock_mono_ms());
	tick_init(k);
	open_store(k);
	unseal_at_start(k, kek);
	serve(c, k);
	if (!k->sealed)
		seal_now(k);
	peers_close(k);
	kv_close(k->kv);
	child_free(c);
	free(k);
	return 0;
}
