#include "shim/enroll.h"

#include <stdio.h>
#include <string.h>

#include "common/log.h"

static void
done(struct shim_enroll *en, enum err e, const char *why)
{
	en->result = e;
	if (why != NULL)
		(void)snprintf(en->why, SHIM_WHY_SIZE, "%s", why);
	loop_stop(en->all->loop);
}

/* Once per change, so that a log shows what happened and not how often we looked. */
static void
tell(struct shim_enroll *en, const char *why)
{
	if (strcmp(en->told, why) == 0)
		return;
	(void)snprintf(en->told, sizeof en->told, "%s", why);
	log_info("waiting for the broker: %s", why);
}

static void
wait_more(struct shim_enroll *en, const char *why)
{
	int64_t now = loop_now_ms(en->all->loop);
	int64_t at = now + en->backoff_ms;

	if (now >= en->give_up_ms) {
		char text[SHIM_WHY_SIZE];

		(void)snprintf(text, sizeof text, "gave up after %llu s: %s",
		    (unsigned long long)en->wait_s, why);
		done(en, ERR_TIMEOUT, text);
		return;
	}
	tell(en, why);
	if (at > en->give_up_ms)
		at = en->give_up_ms; /* one last attempt at the very end */
	en->backoff_ms =
	    en->backoff_ms * 2 < SHIM_BACKOFF_LAST_MS ? en->backoff_ms * 2 : SHIM_BACKOFF_LAST_MS;
	if (loop_timer(en->all->loop, &en->retry, at) != ERR_OK)
		done(en, ERR_NOMEM, "no memory");
}

/* True when c is a success; else the way on was chosen. */
static bool
succeeded(struct shim_enroll *en, struct shim_control *c, enum err e)
{
	char why[SHIM_WHY_SIZE];

	if (e == ERR_OK)
		return true;
	memcpy(why, c->why, sizeof why);
	shim_control_close(c);
	if (e == ERR_UNREACHABLE || e == ERR_SEALED)
		wait_more(en, why);
	else
		done(en, e, why);
	return false;
}

/* A gateway that takes the connection and says nothing must not outlast --wait by much. */
static int64_t
time_ms(const struct shim_enroll *en)
{
	int64_t left = en->give_up_ms - loop_now_ms(en->all->loop);

	if (left < SHIM_CONTROL_MS_MIN)
		return SHIM_CONTROL_MS_MIN;
	return left < SHIM_CONTROL_MS ? left : SHIM_CONTROL_MS;
}

/* One request for all attempts: a lost answer leaves no second identity behind. */
static enum err
on_greeted(struct shim_control *c, struct span *ret_body)
{
	struct shim_enroll *en = c->arg;
	enum err e = en->key == NULL ? shim_ownkey_new(&en->key) : ERR_OK;

	if (e == ERR_OK && en->csr.len == 0)
		e = shim_identity_request(en->key, &en->csr);
	*ret_body = buf_span(&en->csr);
	return e;
}

static void
on_sent(struct shim_control *c)
{
	struct shim_enroll *en = c->arg;

	en->meanwhile(en->arg);
}

static void
on_enrolled(struct shim_control *c, enum err e)
{
	struct shim_enroll *en = c->arg;

	if (!succeeded(en, c, e))
		return;
	e = shim_identity_take(en->identity, buf_span(&c->body), &en->key, en->why);
	if (e == ERR_OK)
		e = shim_self_take(buf_span(&c->body), en->url, en->env, en->self, en->why);
	shim_control_close(c);
	done(en, e, NULL);
}

static void
ask_certificate(struct shim_enroll *en)
{
	struct shim_request r = {
		.method = "POST",
		.path = "/v1/enroll",
		.bearer = en->enrollment->key,
		.time_ms = time_ms(en),
		.on_greeted = on_greeted,
		.on_sent = on_sent,
	};
	enum err e = shim_control_start(&en->control, en->all, &r, on_enrolled, en);

	if (e != ERR_OK)
		done(en, e, "no memory");
}

static void
on_retry(struct timer *t)
{
	ask_certificate(t->arg);
}

enum err
shim_enroll_run(struct shim_enroll *en, char why[SHIM_WHY_SIZE])
{
	en->why = why;
	en->result = ERR_AGAIN;
	en->backoff_ms = SHIM_BACKOFF_FIRST_MS;
	en->give_up_ms = loop_now_ms(en->all->loop) + (int64_t)en->wait_s * 1000;
	en->retry = (struct timer){ .fn = on_retry, .arg = en };
	en->csr = (struct buf)BUF_MAX(8192);
	ask_certificate(en);
	if (loop_run(en->all->loop) != ERR_OK)
		done(en, ERR_SYS, "epoll failed");
	loop_timer_stop(en->all->loop, &en->retry);
	shim_control_close(&en->control);
	shim_ownkey_freep(&en->key);
	buf_wipe(&en->csr);
	secret_freep(&en->enrollment->key); /* used or useless */
	return en->result;
}
