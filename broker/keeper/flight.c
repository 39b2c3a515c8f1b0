#include "broker/keeper/flight.h"

#include <stdlib.h>

#include "broker/keeper/keeper.h"
#include "common/text.h"

#define SPARE_MAX 256
#define SWEEP_MAX 64

void
flights_init(struct flights *f)
{
	*f = (struct flights){ .by_seq = TABLE_MAX(FLIGHTS_MAX) };
}

void
flights_close(struct flights *f)
{
	struct flight *one, *next;

	must(f->by_seq.count == 0);
	for (one = f->spare; one != NULL; one = next) {
		next = one->next;
		free(one);
	}
	f->spare = NULL;
	table_close(&f->by_seq);
}

enum err
flight_start(struct flights *f, const struct flight *what)
{
	struct flight *one = f->spare;
	struct flight *reuse = one == NULL ? NULL : one->next;
	enum err e;

	if (one == NULL)
		one = calloc(1, sizeof *one);
	if (one == NULL)
		return ERR_NOMEM;
	e = table_put(&f->by_seq, table_number(what->seq, 0), one);
	if (e != ERR_OK) {
		if (f->spare != one)
			free(one);
		return e;
	}
	if (f->spare == one) {
		f->spare = reuse;
		f->spare_count--;
	}
	*one = *what;
	one->next = what->peer->flights;
	one->at = &what->peer->flights;
	if (one->next != NULL)
		one->next->at = &one->next;
	*one->at = one;
	return ERR_OK;
}

struct flight *
flight_find(const struct flights *f, uint64_t seq, const struct peer *p)
{
	struct flight *one = table_get(&f->by_seq, table_number(seq, 0));

	return one != NULL && one->peer == p ? one : NULL;
}

void
flight_end(struct flights *f, struct flight *one)
{
	held_close(&one->held);
	(void)table_remove(&f->by_seq, table_number(one->seq, 0));
	*one->at = one->next;
	if (one->next != NULL)
		one->next->at = one->at;
	if (f->spare_count >= SPARE_MAX) {
		free(one);
		return;
	}
	one->next = f->spare;
	f->spare = one;
	f->spare_count++;
}

static void
add_finish(struct audit_record *r, const struct finish *f)
{
	r->status = f->status;
	r->bytes_up = f->bytes_up;
	r->bytes_down = f->bytes_down;
	r->duration_ms = f->duration_ms;
}

void
flight_record_late(struct keeper *k, const struct finish *f)
{
	struct audit_record r = { .event = "finish",
		.code = span_str(f->outcome),
		.of = f->seq,
		.detail = span_str("allowed before the keeper was started anew") };

	add_finish(&r, f);
	keeper_record_fact(k, &r);
}

void
flight_record(
    struct keeper *k, const struct flight *one, const struct finish *f, const char *outcome)
{
	char instance[2 * IDENTITY_ID_LEN + 1];
	struct audit_record r = { .event = "finish",
		.workload = span_str(one->workload->name),
		.upstream = span_str(one->upstream->name),
		.code = span_str(outcome),
		.of = one->seq,
		.quota = &one->workload->quota };

	text_hex(one->instance, sizeof one->instance, instance);
	r.instance = span_str(instance);
	if (f != NULL)
		add_finish(&r, f);
	keeper_record_fact(k, &r);
}

void
flights_end_peer(struct keeper *k, struct peer *p)
{
	while (p->flights != NULL) {
		flight_record(k, p->flights, NULL, "outcome_unknown");
		flight_end(&k->flights, p->flights);
	}
}

void
flights_sweep(struct keeper *k, int64_t now_s)
{
	struct flight *late[SWEEP_MAX], *one;
	size_t cursor = 0, n = 0;

	while (n < SWEEP_MAX && (one = table_next(&k->flights.by_seq, &cursor)) != NULL)
		if (now_s > one->deadline_s + FLIGHT_LATE_S)
			late[n++] = one;
	for (size_t i = 0; i < n; i++) {
		flight_record(k, late[i], NULL, "outcome_unknown");
		flight_end(&k->flights, late[i]);
	}
}
