#include "broker/keeper/audit/fold.h"

#include <stdlib.h>
#include <string.h>

#define PROBES 8       /* neighbours that a name may stand in */
#define PERIOD_MS 1000 /* a count is given after that */
#define IDLE_MS 10000  /* then its slot may go to another workload */
#define MILLI 1000     /* tokens are counted in thousandths */

struct slot {
	char workload[NAME_LEN_MAX + 1];
	bool used;
	int64_t tokens_milli, filled_ms;
	uint32_t count;
	int64_t since_ms;
};

struct fold {
	int64_t per_s, burst;
	uint32_t counted;   /* slots with a count */
	struct slot shared; /* for those who find no slot, and for "" */
	struct slot slots[FOLD_SLOTS];
};

enum err
fold_new(uint32_t per_s, uint32_t burst, struct fold **ret_f)
{
	struct fold *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return ERR_NOMEM;
	must(per_s > 0 && burst > 0);
	f->per_s = per_s;
	f->burst = burst;
	*ret_f = f;
	return ERR_OK;
}

void
fold_free(struct fold *f)
{
	free(f);
}

/* FNV-1a. Names are the administrator's, so nobody chooses them to collide; the probes are bounded
 * all the same. */
static uint32_t
start_of(struct span name)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < name.len; i++)
		h = (h ^ name.p[i]) * 16777619u;
	return h;
}

static bool
is_idle(const struct slot *s, int64_t now_ms)
{
	return !s->used || (s->count == 0 && now_ms - s->filled_ms >= IDLE_MS);
}

static void
fill_new(const struct fold *f, struct slot *s, int64_t now_ms)
{
	s->used = true;
	s->tokens_milli = f->burst * MILLI;
	s->filled_ms = now_ms;
	s->count = 0;
}

static struct slot *
slot_of(struct fold *f, struct span workload, int64_t now_ms)
{
	uint32_t start = start_of(workload);
	struct slot *free_slot = NULL;

	if (workload.len == 0 || workload.len > NAME_LEN_MAX)
		return &f->shared;
	for (uint32_t i = 0; i < PROBES; i++) {
		struct slot *s = &f->slots[(start + i) % FOLD_SLOTS];

		if (s->used && span_eq_str(workload, s->workload))
			return s;
		if (free_slot == NULL && is_idle(s, now_ms))
			free_slot = s;
	}
	if (free_slot == NULL ||
	    !span_copy_str(workload, free_slot->workload, sizeof(free_slot->workload)))
		return &f->shared;
	fill_new(f, free_slot, now_ms);
	return free_slot;
}

static void
refill(const struct fold *f, struct slot *s, int64_t now_ms)
{
	int64_t passed_ms = now_ms - s->filled_ms;

	if (!s->used) {
		fill_new(f, s, now_ms);
		return;
	}
	if (passed_ms <= 0)
		return; /* a clock that stepped back refills nothing */
	if (passed_ms > IDLE_MS * 100)
		passed_ms = IDLE_MS * 100; /* no overflow; the burst caps it anyway */
	s->tokens_milli += passed_ms * f->per_s;
	if (s->tokens_milli > f->burst * MILLI)
		s->tokens_milli = f->burst * MILLI;
	s->filled_ms = now_ms;
}

bool
fold_admit(struct fold *f, struct span workload, int64_t now_ms)
{
	struct slot *s = slot_of(f, workload, now_ms);

	refill(f, s, now_ms);
	if (s->tokens_milli >= MILLI) {
		s->tokens_milli -= MILLI;
		return true;
	}
	if (s->count == 0) {
		s->since_ms = now_ms;
		f->counted++;
	}
	if (s->count < UINT32_MAX)
		s->count++;
	return false;
}

/* The i-th slot of all, the shared one last. */
static struct slot *
slot_at(struct fold *f, size_t i)
{
	return i < FOLD_SLOTS ? &f->slots[i] : &f->shared;
}

bool
fold_take(struct fold *f, int64_t now_ms, struct folded *ret_folded)
{
	for (size_t i = 0; f->counted > 0 && i <= FOLD_SLOTS; i++) {
		struct slot *s = slot_at(f, i);

		if (s->count == 0 || now_ms - s->since_ms < PERIOD_MS)
			continue;
		memcpy(ret_folded->workload, s->workload, sizeof(s->workload));
		ret_folded->count = s->count;
		ret_folded->since_ms = s->since_ms;
		s->count = 0;
		f->counted--;
		return true;
	}
	return false;
}

int64_t
fold_due_ms(const struct fold *f)
{
	int64_t due = -1;

	for (size_t i = 0; f->counted > 0 && i <= FOLD_SLOTS; i++) {
		const struct slot *s = i < FOLD_SLOTS ? &f->slots[i] : &f->shared;

		if (s->count > 0 && (due < 0 || s->since_ms + PERIOD_MS < due))
			due = s->since_ms + PERIOD_MS;
	}
	return due;
}
