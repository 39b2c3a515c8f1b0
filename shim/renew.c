#include "shim/renew.h"

#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/sys.h"

int64_t
shim_renew_due_s(int64_t now_s, int64_t not_before_s, int64_t not_after_s, uint32_t jitter)
{
	int64_t left = not_after_s - now_s;

	if (left <= 0) /* the clocks differ: its length is true all the same */
		left = not_after_s - not_before_s;
	return now_s + left / 2 + left * ((int64_t)jitter - 500) / 5000;
}

static void
arm(struct shim_renew *r, int64_t ms)
{
	if (ms > SHIM_RENEW_TICK_MS)
		ms = SHIM_RENEW_TICK_MS;
	if (loop_timer(r->all->loop, &r->timer, loop_now_ms(r->all->loop) + (ms < 0 ? 0 : ms)) !=
	    ERR_OK)
		log_error("no memory for a timer: the certificate will not be renewed");
}

static void
plan(struct shim_renew *r)
{
	uint32_t random = 0;

	(void)!sys_random(&random,
	    sizeof random); /* without it all containers renew at once: slower, not wrong */
	r->due_s = shim_renew_due_s(
	    clock_wall_s(), r->identity->not_before_s, r->identity->not_after_s, random % 1000);
	r->backoff_ms = SHIM_RENEW_RETRY_FIRST_MS;
	r->refused = r->ended = false;
	r->why[0] = '\0';
	arm(r, (r->due_s - clock_wall_s()) * 1000);
}

/* Growing, but never so far that the certificate's end would come without further attempts. */
static int64_t
pause_ms(struct shim_renew *r)
{
	int64_t ms = r->backoff_ms;
	int64_t quarter_ms = (r->identity->not_after_s - clock_wall_s()) * 1000 / 4;

	r->backoff_ms = ms * 2 < SHIM_RENEW_RETRY_LAST_MS ? ms * 2 : SHIM_RENEW_RETRY_LAST_MS;
	if (ms > quarter_ms)
		ms = quarter_ms;
	return ms < SHIM_RENEW_RETRY_LEAST_MS ? SHIM_RENEW_RETRY_LEAST_MS : ms;
}

static void
failed(struct shim_renew *r, enum err e, const char *why)
{
	bool news = r->why[0] == '\0' || r->refused != (e == ERR_DENIED);

	r->refused = e == ERR_DENIED;
	(void)snprintf(r->why, sizeof r->why, "%s", why);
	if (news)
		log_warn("the certificate was not renewed, trying on: %s", r->why);
	arm(r, pause_ms(r));
}

static void
on_answer(struct shim_control *c, enum err e)
{
	struct shim_renew *r = c->arg;
	char why[SHIM_WHY_SIZE];

	memcpy(why, c->why, sizeof why);
	if (e == ERR_OK)
		e = shim_identity_take(r->identity, buf_span(&c->body), &r->key, why);
	shim_control_close(c);
	shim_ownkey_freep(&r->key);
	if (e != ERR_OK) {
		failed(r, e, why);
		return;
	}
	if (r->why[0] != '\0')
		log_info("the certificate was renewed");
	plan(r);
	r->on_renewed(r->arg);
}

static void
ask(struct shim_renew *r)
{
	AUTO(buf_wipe) struct buf csr = BUF_MAX(8192);
	struct shim_request request = {
		.method = "POST", .path = "/v1/renew", .time_ms = SHIM_CONTROL_MS
	};
	enum err e = shim_ownkey_new(&r->key);

	if (e == ERR_OK)
		e = shim_identity_request(r->key, &csr);
	request.body = buf_span(&csr);
	if (e == ERR_OK)
		e = shim_control_start(&r->control, r->all, &request, on_answer, r);
	if (e != ERR_OK) {
		shim_ownkey_freep(&r->key);
		failed(r, e, "no memory");
	}
}

static void
on_timer(struct timer *t)
{
	struct shim_renew *r = t->arg;
	int64_t now_s = clock_wall_s();

	if (now_s < r->due_s)
		arm(r, (r->due_s - now_s) * 1000);
	else if (shim_identity_usable(r->identity, now_s))
		ask(r);
	else if (!r->ended) { /* the broker renews nothing that is over: only a new start helps */
		r->ended = true;
		log_error("the certificate ended, nothing is forwarded any more; restart this "
			  "container (%s)",
		    r->why[0] != '\0' ? r->why : "it was not renewed in time");
	}
}

enum err
shim_renew_start(struct shim_renew *r)
{
	r->timer = (struct timer){ .fn = on_timer, .arg = r };
	plan(r);
	return r->timer.slot != 0 ? ERR_OK : ERR_NOMEM;
}

void
shim_renew_close(struct shim_renew *r)
{
	if (r->all == NULL)
		return;
	loop_timer_stop(r->all->loop, &r->timer);
	shim_control_close(&r->control);
	shim_ownkey_freep(&r->key);
}

enum err
shim_renew_give_back(
    struct shim_renew *r, void (*fn)(struct shim_control *c, enum err e), void *arg)
{
	struct shim_request request = {
		.method = "DELETE", .path = "/v1/self", .time_ms = SHIM_GIVE_BACK_MS
	};

	shim_renew_close(r);
	if (!shim_identity_usable(r->identity, clock_wall_s()))
		return ERR_EXPIRED;
	return shim_control_start(&r->control, r->all, &request, fn, arg);
}
