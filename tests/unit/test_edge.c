/* The workloads' routes: who is let in, which bodies are read, what the keeper's answers become. */
#include "broker/api/edge/edge.h"
#include "broker/api/pem.h"
#include "common/text.h"
#include "tests/lib/edge_answers.h"
#include "tests/lib/tap.h"
#include "tests/lib/talk.h"

#define TICKET "00112233445566778899aabbccddeeff"
#define HEAD "Host: sidekey\r\nSidekey-Ticket: " TICKET "\r\n"
#define JSON "Content-Type: application/json\r\n"
static struct loop *loop;
static struct server *server;
static struct asker asker;

/* The fake keeper: the first byte of the ticket says how it answers. */
static void
answer(struct channel *ch, struct msg *m, void *arg)
{
	struct wire_reader r = wire_read(m->body);
	uint64_t id = wire_u64(&r);
	struct span ticket = wire_fixed(&r, TICKET_LEN);
	struct wire_writer w = channel_begin(ch, ticket.p[0] == 0xfa ? AK_FAIL : AK_OK);

	(void)arg;
	if (ticket.p[0] == 0xdd)
		_exit(0); /* dies over it */
	wire_put_u64(&w, id);
	if (ticket.p[0] == 0xfa) {
		wire_put_u16(&w, ticket.p[1]);
		wire_put_str(&w, "enrollment_spent");
		wire_put_str(&w, "the enrollment was used");
		wire_put_str(&w, "make another with sidekey workload enroll");
	} else if (ticket.p[0] == 0xba) {
		wire_put_u8(&w, 1); /* no answer of any kind */
	} else {
		if (m->type == EK_ENROLL || m->type == EK_RENEW)
			must(edge_is_csr(wire_blob(&r, PEM_DER_MAX)));
		edge_put_answer(&w, m->type);
	}
	must(channel_end(ch, &w) == ERR_OK);
}

static const struct {
	const char *what, *request;
	int status;
	const char *part; /* of the reply */
} cases[] = {
	{ "no ticket", "GET /v1/self HTTP/1.1\r\nHost: x\r\n\r\n", 400, "no_ticket" },
	{ "two tickets", "GET /v1/self HTTP/1.1\r\n" HEAD "sidekey-ticket: " TICKET "\r\n\r\n", 400,
	    "no_ticket" },
	{ "a ticket in capitals",
	    "GET /v1/self HTTP/1.1\r\nHost: x\r\nSidekey-Ticket: "
	    "00112233445566778899AABBCCDDEEFF\r\n\r\n",
	    400, "no_ticket" },
	{ "a short ticket", "GET /v1/self HTTP/1.1\r\nHost: x\r\nSidekey-Ticket: 0011\r\n\r\n", 400,
	    "no_ticket" },
	{ "no such path", "GET /v1/selfie HTTP/1.1\r\n" HEAD "\r\n", 404,
	    "\"code\":\"not_found\"" },
	{ "an admin path", "GET /v1/admin/status HTTP/1.1\r\n" HEAD "\r\n", 404, "not_found" },
	{ "a query", "GET /v1/self?x=1 HTTP/1.1\r\n" HEAD "\r\n", 404, "not_found" },
	{ "an escaped path", "GET /v1/%73elf HTTP/1.1\r\n" HEAD "\r\n", 404, "not_found" },
	{ "a long target", NULL, 414, "target_too_long" },
	{ "another method", "PUT /v1/self HTTP/1.1\r\n" HEAD "\r\n", 405, "Allow: GET, DELETE" },
	{ "GET where POST belongs", "GET /v1/enroll HTTP/1.1\r\n" HEAD "\r\n", 405, "Allow: POST" },
	{ "self", "GET /v1/self HTTP/1.1\r\n" HEAD "\r\n", 200, EDGE_SELF },
	{ "never stored", "GET /v1/self HTTP/1.1\r\n" HEAD "\r\n", 200, "Cache-Control: no-store" },
	{ "give back", "DELETE /v1/self HTTP/1.1\r\n" HEAD "\r\n", 204, "HTTP/1.1 204 " },
	{ "enroll",
	    "POST /v1/enroll HTTP/1.1\r\n" HEAD JSON
	    "Content-Length: 92\r\n\r\n{\"csr\":\"" EDGE_CSR "\"}",
	    200, EDGE_ENROLLED },
	{ "renew, chunked",
	    "POST /v1/renew HTTP/1.1\r\n" HEAD JSON
	    "Transfer-Encoding: chunked\r\n\r\n5c\r\n{\"csr\":\"" EDGE_CSR "\"}\r\n0\r\n\r\n",
	    200, "\"not_after\":3601" },
	{ "a type with a charset",
	    "POST /v1/renew HTTP/1.1\r\n" HEAD
	    "Content-Type: application/json; charset=utf-8\r\nContent-Length: "
	    "92\r\n\r\n{\"csr\":\"" EDGE_CSR "\"}",
	    200, "\"not_after\":3601" },
	{ "no type", "POST /v1/enroll HTTP/1.1\r\n" HEAD "Content-Length: 2\r\n\r\n{}", 415,
	    "unsupported_type" },
	{ "text/plain",
	    "POST /v1/enroll HTTP/1.1\r\n" HEAD
	    "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}",
	    415, "unsupported_type" },
	{ "two types", "POST /v1/enroll HTTP/1.1\r\n" HEAD JSON JSON "Content-Length: 2\r\n\r\n{}",
	    415, "unsupported_type" },
	{ "no body", "POST /v1/enroll HTTP/1.1\r\n" HEAD JSON "Content-Length: 0\r\n\r\n", 400,
	    "bad_json" },
	{ "an empty object", "POST /v1/enroll HTTP/1.1\r\n" HEAD JSON "Content-Length: 2\r\n\r\n{}",
	    400, "bad_csr" },
	{ "a list", "POST /v1/enroll HTTP/1.1\r\n" HEAD JSON "Content-Length: 2\r\n\r\n[]", 400,
	    "must be a JSON object" },
	{ "cut off", "POST /v1/enroll HTTP/1.1\r\n" HEAD JSON "Content-Length: 7\r\n\r\n{\"csr\":",
	    400, "not JSON" },
	{ "text behind it",
	    "POST /v1/enroll HTTP/1.1\r\n" HEAD JSON "Content-Length: 4\r\n\r\n{} x", 400,
	    "not JSON" },
	{ "a key twice",
	    "POST /v1/enroll HTTP/1.1\r\n" HEAD JSON
	    "Content-Length: 19\r\n\r\n{\"csr\":\"\",\"csr\":\"\"}",
	    400, "duplicate" },
	{ "another key",
	    "POST /v1/enroll HTTP/1.1\r\n" HEAD JSON
	    "Content-Length: 17\r\n\r\n{\"workload\":\"me\"}",
	    400, "\\\"workload\\\" is not known" },
	{ "a NUL in text",
	    "POST /v1/enroll HTTP/1.1\r\n" HEAD JSON
	    "Content-Length: 16\r\n\r\n{\"csr\":\"\\u0000\"}",
	    400, "not JSON" },
	{ "not UTF-8",
	    "POST /v1/enroll HTTP/1.1\r\n" HEAD JSON "Content-Length: 11\r\n\r\n{\"csr\":\"\xff\"}",
	    400, "not JSON" },
	{ "csr is a number",
	    "POST /v1/enroll HTTP/1.1\r\n" HEAD JSON "Content-Length: 9\r\n\r\n{\"csr\":1}", 400,
	    "bad_csr" },
	{ "csr is something else",
	    "POST /v1/enroll HTTP/1.1\r\n" HEAD JSON
	    "Content-Length: 15\r\n\r\n{\"csr\":\"-----\"}",
	    400, "bad_csr" },
	{ "nested too deep",
	    "POST /v1/enroll HTTP/1.1\r\n" HEAD JSON
	    "Content-Length: 24\r\n\r\n{\"csr\":[[[[[[[[]]]]]]]]}",
	    400, "too deep" },
	{ "brackets in text are no depth",
	    "POST /v1/enroll HTTP/1.1\r\n" HEAD JSON
	    "Content-Length: 21\r\n\r\n{\"csr\":\"\\\"[[[[[[[[[\"}",
	    400, "bad_csr" },
	{ "said to be too large",
	    "POST /v1/enroll HTTP/1.1\r\n" HEAD JSON "Content-Length: 65537\r\n\r\n", 413,
	    "body_too_large" },
	{ "said to be enormous",
	    "POST /v1/enroll HTTP/1.1\r\n" HEAD JSON "Content-Length: 18446744073709551615\r\n\r\n",
	    0, NULL },
	{ "the keeper refuses",
	    "GET /v1/self HTTP/1.1\r\nHost: x\r\nSidekey-Ticket: "
	    "fa090000000000000000000000000000\r\n\r\n",
	    403,
	    "\"type\":\"urn:sidekey:enrollment_spent\",\"title\":\"Forbidden\",\"status\":403,"
	    "\"detail\":\"the enrollment was used\","
	    "\"code\":\"enrollment_spent\",\"hint\":\"make another with sidekey workload "
	    "enroll\"" },
	{ "the refusal's type",
	    "GET /v1/self HTTP/1.1\r\nHost: x\r\nSidekey-Ticket: "
	    "fa090000000000000000000000000000\r\n\r\n",
	    403, "Content-Type: application/problem+json" },
	{ "the keeper is sealed",
	    "GET /v1/self HTTP/1.1\r\nHost: x\r\nSidekey-Ticket: "
	    "fa0d0000000000000000000000000000\r\n\r\n",
	    503, "503" },
	{ "the keeper refuses without an error",
	    "GET /v1/self HTTP/1.1\r\nHost: x\r\nSidekey-Ticket: "
	    "fa000000000000000000000000000000\r\n\r\n",
	    500, "\"internal\"" },
	{ "the keeper's answer is none",
	    "GET /v1/self HTTP/1.1\r\nHost: x\r\nSidekey-Ticket: "
	    "ba000000000000000000000000000000\r\n\r\n",
	    500, "internal" },
	{ "the keeper dies",
	    "GET /v1/self HTTP/1.1\r\nHost: x\r\nSidekey-Ticket: "
	    "dd000000000000000000000000000000\r\n\r\n",
	    503, "keeper_unavailable" },
	{ "and is gone", "GET /v1/self HTTP/1.1\r\n" HEAD "\r\n", 503, "keeper_unavailable" },
};

static void
check_cases(void)
{
	char long_target[3000] = "GET /";

	memset(long_target + 5, 'a', 2000);
	(void)strcat(long_target, " HTTP/1.1\r\n" HEAD "\r\n");
	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *reply = talk_str(
		    loop, server, cases[i].request == NULL ? long_target : cases[i].request);
		bool good = cases[i].status == 0 ? talk_status(reply) >= 400 || reply[0] == '\0'
						 : talk_status(reply) == cases[i].status;

		if (!ok(good && (cases[i].part == NULL || strstr(reply, cases[i].part) != NULL),
			"%s", cases[i].what))
			printf("# %.*s\n", (int)strcspn(reply, "\r"), reply);
		if (strstr(reply, "\r\n\r\n") != NULL && talk_status(reply) != cases[i].status)
			printf("# %s\n", strstr(reply, "\r\n\r\n") + 4);
	}
}

/* Of a keeper that runs again sidekeyd sends another link; of one that ended only the link, never.
 */
static void
check_lost(void)
{
	pid_t pid;
	int status;

	asker.lost_ms -= ASKER_LOST_MS - 1000;
	ok(talk_status(talk_str(loop, server, "GET /v1/self HTTP/1.1\r\n" HEAD "\r\n")) == 503,
	    "a link that is lost may come again");
	asker.lost_ms -= 1001;
	(void)fflush(stdout);
	pid = fork();
	must(pid >= 0);
	if (pid == 0) {
		(void)talk_str(loop, server, "GET /v1/self HTTP/1.1\r\n" HEAD "\r\n");
		_exit(0);
	}
	must(waitpid(pid, &status, 0) == pid);
	ok(WIFEXITED(status) && WEXITSTATUS(status) == 1,
	    "after a while the process ends: sidekeyd starts it with another");
}

/* A chunked body beyond the ceiling: read to its end, then refused; far beyond it, cut. */
static void
check_large(void)
{
	AUTO(buf_wipe) struct buf b = BUF_MAX(16u << 20);
	const char *reply;

	must(buf_append_str(&b, "POST /v1/enroll HTTP/1.1\r\n" HEAD JSON
				"Transfer-Encoding: chunked\r\n\r\n") == ERR_OK);
	for (int i = 0; i < 20; i++) {
		must(buf_append_str(&b, "1000\r\n") == ERR_OK && buf_reserve(&b, 4096) == ERR_OK);
		memset(buf_tail(&b), ' ', 4096);
		buf_added(&b, 4096);
		must(buf_append_str(&b, "\r\n") == ERR_OK);
	}
	must(buf_append_str(&b, "0\r\n\r\n") == ERR_OK);
	reply = talk(loop, server, buf_span(&b));
	ok(talk_status(reply) == 413, "a chunked body of 80 KiB");
	b.len -= 5;
	for (int i = 0; i < 1100; i++) {
		must(buf_append_str(&b, "1000\r\n") == ERR_OK && buf_reserve(&b, 4096) == ERR_OK);
		memset(buf_tail(&b), ' ', 4096);
		buf_added(&b, 4096);
		must(buf_append_str(&b, "\r\n") == ERR_OK);
	}
	reply = talk(loop, server, buf_span(&b));
	ok(talk_status(reply) == 0, "a chunked body of 4.4 MiB is cut");
	ok(server_open_count(server) == 0, "and nothing is left open");
}

static const struct {
	const char *what, *pem;
	enum err e;
	size_t len;
} pems[] = {
	{ "one block",
	    "-----BEGIN CERTIFICATE REQUEST-----\nAQID\n-----END CERTIFICATE REQUEST-----\n",
	    ERR_OK, 3 },
	{ "the older name, CRLF",
	    "-----BEGIN NEW CERTIFICATE REQUEST-----\r\nAQID\r\nBAUG\r\n-----END NEW CERTIFICATE "
	    "REQUEST-----\r\n",
	    ERR_OK, 6 },
	{ "line ends around it",
	    "\n\n-----BEGIN CERTIFICATE REQUEST-----\nAQID\n-----END CERTIFICATE REQUEST-----\n\n",
	    ERR_OK, 3 },
	{ "nothing in it",
	    "-----BEGIN CERTIFICATE REQUEST-----\n-----END CERTIFICATE REQUEST-----\n", ERR_SYNTAX,
	    0 },
	{ "a certificate", "-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----\n",
	    ERR_SYNTAX, 0 },
	{ "names that differ",
	    "-----BEGIN CERTIFICATE REQUEST-----\nAQID\n-----END NEW CERTIFICATE REQUEST-----\n",
	    ERR_SYNTAX, 0 },
	{ "two blocks",
	    "-----BEGIN CERTIFICATE REQUEST-----\nAQID\n-----END CERTIFICATE "
	    "REQUEST-----\n-----BEGIN CERTIFICATE REQUEST-----\nAQID\n"
	    "-----END CERTIFICATE REQUEST-----\n",
	    ERR_SYNTAX, 0 },
	{ "text in front",
	    "x\n-----BEGIN CERTIFICATE REQUEST-----\nAQID\n-----END CERTIFICATE REQUEST-----\n",
	    ERR_SYNTAX, 0 },
	{ "text behind",
	    "-----BEGIN CERTIFICATE REQUEST-----\nAQID\n-----END CERTIFICATE REQUEST-----\nx",
	    ERR_SYNTAX, 0 },
	{ "a space in it",
	    "-----BEGIN CERTIFICATE REQUEST-----\nAQ ID\n-----END CERTIFICATE REQUEST-----\n",
	    ERR_SYNTAX, 0 },
	{ "bits that are not used",
	    "-----BEGIN CERTIFICATE REQUEST-----\nAQIDBB==\n-----END CERTIFICATE REQUEST-----\n",
	    ERR_SYNTAX, 0 },
	{ "headers of RFC 1421",
	    "-----BEGIN CERTIFICATE REQUEST-----\nProc-Type: 4\n\nAQID\n-----END CERTIFICATE "
	    "REQUEST-----\n",
	    ERR_SYNTAX, 0 },
	{ "empty", "", ERR_SYNTAX, 0 },
};

static void
check_pem(void)
{
	uint8_t der[PEM_DER_MAX];
	char big[20000];
	size_t len;

	for (size_t i = 0; i < COUNT(pems); i++) {
		len = 0;
		is_err(pem_request_der(span_str(pems[i].pem), der, &len), pems[i].e, pems[i].what);
		ok(len == pems[i].len, "  %zu bytes", pems[i].len);
	}
	memset(big, 'A', sizeof(big));
	memcpy(big, "-----BEGIN CERTIFICATE REQUEST-----\n", 36);
	memcpy(big + 14000, "\n-----END CERTIFICATE REQUEST-----\n", 36);
	is_err(pem_request_der(span_str(big), der, &len), ERR_LIMIT, "more than 8 KiB of DER");
	is_err(pem_request_der(span_of(big, sizeof(big)), der, &len), ERR_LIMIT,
	    "more than 16 KiB of PEM");
}

int
main(void)
{
	pid_t keeper;
	int fd;

	keeper = talk_keeper(ROLE_EDGE, answer, &fd);
	must(
	    loop_new(&loop) == ERR_OK && server_new(loop, edge_request, &asker, &server) == ERR_OK);
	asker_init(&asker, ROLE_EDGE);
	asker_link(&asker, fd);
	check_cases();
	check_lost();
	check_large();
	check_pem();
	asker_close(&asker);
	talk_keeper_wait(keeper);
	server_free(server);
	loop_free(loop);
	return done();
}
