/* A workload's requests through libmicrohttpd and the link to the keeper: all of the answer, or a
 * refusal with a name, or the end of the connection; and whatever the keeper gave away arrives,
 * unless one after the other failed. The ticket is nowhere behind it, nor the link lost. */
#include <stdlib.h>

#include "broker/api/edge/edge.h"
#include "broker/api/pem.h"
#include "common/log.h"
#include "tests/lib/edge_answers.h"
#include "tests/torture/exchange.h"

#define TICKET "torture-ticket-1"		      /* as it goes to the keeper ... */
#define TICKET_HEX "746f72747572652d7469636b65742d31" /* ... and as it comes */
#define HEAD                                                                                       \
	" HTTP/1.1\r\nHost: sidekey\r\nConnection: close\r\n"                                      \
	"Content-Type: application/json\r\nSidekey-Ticket: " TICKET_HEX "\r\n"
#define BODY "Content-Length: 92\r\n\r\n{\"csr\":\"" EDGE_CSR "\"}"
#define NO_BODY "Content-Length: 0\r\n\r\n"

static struct asker asker;
static const struct question {
	enum msg_type type;
	const char *text, *answer;
} questions[] = {
	{ EK_ENROLL, "POST /v1/enroll" HEAD BODY, EDGE_ENROLLED },
	{ EK_RENEW, "POST /v1/renew" HEAD BODY, EDGE_ISSUED },
	{ EK_SELF, "GET /v1/self" HEAD NO_BODY, EDGE_SELF },
	{ EK_GIVE_BACK, "DELETE /v1/self" HEAD NO_BODY, "" },
}, *question;

static void
first(void)
{
	log_init("torture", LOG_LEVEL_ERROR);
}

static void
promise(uint8_t number)
{
	AUTO(buf_wipe) struct buf body = BUF_MAX(MSG_LEN_MAX);
	struct wire_writer w = wire_write(&body);

	edge_put_answer(&w, question->type);
	must(w.e == ERR_OK);
	exchange_answer(number, buf_span(&body));
}

static void
set_up(enum msg_type type)
{
	for (question = questions; question->type != type;)
		question++;
	exchange_link(ROLE_EDGE, &asker);
	exchange_serve(edge_request, &asker);
	exchange_connect(question->text);
	promise(1);
}

static void
set_up_enroll(void)
{
	set_up(EK_ENROLL);
}

static void
set_up_renew(void)
{
	set_up(EK_RENEW);
}

static void
set_up_self(void)
{
	set_up(EK_SELF);
}

static void
set_up_give_back(void)
{
	set_up(EK_GIVE_BACK);
}

static void
check_answer(void)
{
	const char *body;

	must(buf_append_byte(&x.reply, 0) == ERR_OK);
	body = strstr((const char *)x.reply.data, "\r\n\r\n");
	if (body == NULL || strcmp(body + 4, question->answer) != 0)
		torture_wrong("not the answer: %s", (const char *)x.reply.data);
}

static bool
has_csr(void)
{
	return question->type == EK_ENROLL || question->type == EK_RENEW;
}

/* Whether the keeper was asked what it should be. */
static bool
check_question(void)
{
	AUTO(buf_wipe) struct buf frame = BUF_MAX(FRAME_MAX);
	struct span body = SPAN_NONE;
	enum msg_type type = exchange_asked(&frame, &body);
	struct wire_reader r = wire_read(body);

	if (type == MSG_NONE)
		return false;
	if (type != question->type || !span_eq_str(wire_fixed(&r, TICKET_LEN), TICKET) ||
	    (has_csr() && !edge_is_csr(wire_blob(&r, PEM_DER_MAX))) || wire_done(&r) != ERR_OK)
		torture_wrong("another question: %u", type);
	return true;
}

/* The next request is served. */
static void
check_after(void)
{
	if (!asker.linked)
		torture_wrong("the link to the keeper was given up");
	exchange_disconnect();
	exchange_connect(question->text);
	promise((uint8_t)(asker.link.next_id + 1));
	if (exchange_turns(false) != ERR_OK)
		torture_wrong(
		    "what comes behind it is not served: %.*s", (int)x.reply.len, x.reply.data);
	check_answer();
	if (!check_question())
		torture_wrong("the keeper was not asked again");
}

static void
check(enum err e)
{
	unsigned long failures =
	    torture_failures(TORTURE_ALLOCATION) + torture_failures(TORTURE_CALL);
	bool asked = check_question(), cut;

	exchange_check_refusal(e);
	if (e == ERR_OK)
		check_answer();
	if (e == ERR_OK && !asked)
		torture_wrong("done, and the keeper was not asked");
	/* a connection whose kernel takes nothing is as one that breaks: libmicrohttpd ends it */
	cut = e == ERR_EOF && torture_failures(TORTURE_CALL) > 0;
	if (e != ERR_OK && asked && has_csr() && !cut && (failures == 1 || torture_was_full()))
		torture_wrong("the keeper did it, and the workload was not told: %.*s",
		    (int)x.reply.len, x.reply.data);
	check_after();
}

static const struct torture_path paths[] = {
	{ "edge: enroll", TICKET_HEX, set_up_enroll, exchange_run, check, exchange_close, false },
	{ "edge: renew", TICKET, set_up_renew, exchange_run, check, exchange_close, false },
	{ "edge: self", TICKET, set_up_self, exchange_run, check, exchange_close, false },
	{ "edge: give back", TICKET_HEX, set_up_give_back, exchange_run, check, exchange_close,
	    false },
};

int
main(int argc, char **argv)
{
	torture_may_end();
	torture_may_be_full();
	return torture_main(paths, COUNT(paths), first, argc, argv);
}
