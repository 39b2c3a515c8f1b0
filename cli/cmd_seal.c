/* unseal, seal, rekey: the root key's life. */
#include <stdio.h>

#include "cli/admin.h"
#include "cli/commands.h"
#include "cli/link.h"
#include "cli/value.h"

#define UNSEAL_BODY_MAX                                                                            \
	4096 /* as msg.c has it; a longer passphrase is refused by call_ask()'s table, so check    \
		first */
#define PASSPHRASE_MAX 1024

enum cli_exit
cmd_unseal(struct cli *c)
{
	AUTO(secret_freep) struct secret *passphrase = NULL;
	AUTO(link_close) struct link l = LINK_NONE;
	AUTO(buf_wipe) struct buf body = BUF_MAX(UNSEAL_BODY_MAX);
	AUTO(link_reply_close) struct call_reply reply = LINK_REPLY;
	const char *source = c->arg_count > 0 ? c->args[0] : NULL;
	enum cli_exit x = value_check_source(source);
	struct wire_writer w;

	if (x == CLI_OK)
		x = link_open(c, &l);
	if (x == CLI_OK)
		x = value_read(source, "the passphrase", false, &passphrase);
	if (x != CLI_OK)
		return x;
	if (secret_len(passphrase) > PASSPHRASE_MAX)
		return cli_fail(
		    CLI_FAILED, "the passphrase is longer than %d bytes", PASSPHRASE_MAX);
	w = link_begin(&l, &body);
	wire_put_blob(&w, secret_span(passphrase));
	x = link_ask(&l, CK_UNSEAL, &w, &reply);
	if (x == CLI_OK)
		cli_say(c, "unsealed");
	return x;
}

enum cli_exit
cmd_seal(struct cli *c)
{
	AUTO(link_reply_close) struct call_reply reply = LINK_REPLY;
	enum cli_exit x = link_ask_bare(c, CK_SEAL, &reply);

	if (x == CLI_OK)
		cli_say(c, "sealed: nothing is handed out until `sidekey unseal`, or a restart "
			   "with the key file");
	return x;
}

enum cli_exit
cmd_rekey(struct cli *c)
{
	AUTO(link_reply_close) struct call_reply reply = LINK_REPLY;
	enum cli_exit x = link_ask_bare(c, CK_REKEY, &reply);
	struct wire_reader r;
	uint32_t key;
	uint64_t left;

	if (x != CLI_OK)
		return x;
	r = wire_read(buf_span(&reply.body));
	key = wire_u32(&r);
	left = wire_u64(&r);
	if (link_done(&r) != CLI_OK)
		return CLI_FAILED;
	if (c->json)
		(void)printf("{\"data_key\":%u,\"records\":%llu}\n", key, (unsigned long long)left);
	else
		(void)printf("data key %u; %llu records are sealed anew in the background (sidekey "
			     "status)\n",
		    key, (unsigned long long)left);
	return CLI_OK;
}
