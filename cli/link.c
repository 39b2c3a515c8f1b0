#include "cli/link.h"

#include <errno.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/secret.h"
#include "common/sys.h"

enum cli_exit
link_unreachable(const char *path, int error)
{
	const char *why = "it does not answer", *next = "is sidekeyd running? (sidekey doctor)";

	if (error == EACCES || error == EPERM)
		return cli_fail(CLI_DENIED,
		    "cannot reach the broker at %s: permission denied; it belongs to the broker's "
		    "operator: run this as that user or as root",
		    path);
	if (error == ENOENT) {
		why = "no such file";
	} else if (error == ECONNREFUSED) {
		why = "connection refused";
	} else if (error != 0) {
		why = strerror(error);
	}
	return cli_fail(CLI_UNREACHABLE, "cannot reach the broker at %s: %s; %s", path, why, next);
}

enum cli_exit
link_check_socket(const char *path)
{
	struct sockaddr_un sa;

	if (strlen(path) >= sizeof(sa.sun_path))
		return cli_fail(CLI_UNREACHABLE,
		    "%s is longer than a socket's path can be (%zu bytes); choose a shorter "
		    "--run-dir",
		    path, sizeof(sa.sun_path) - 1);
	if (access(path, W_OK) != 0)
		return link_unreachable(path, errno);
	return CLI_OK;
}

enum cli_exit
link_open(const struct cli *c, struct link *ret_l)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	AUTO(sys_closep) int fd = -1;
	enum cli_exit x = cli_path(c->run_dir, "keeper.sock", ret_l->path);

	if (x == CLI_OK)
		x = link_check_socket(ret_l->path);
	if (x != CLI_OK)
		return x;
	fd = sys_socket(AF_UNIX, SOCK_SEQPACKET, 0);
	if (fd < 0)
		return cli_fail(CLI_FAILED, "cannot make a socket: %s", strerror(errno));
	memcpy(sa.sun_path, ret_l->path, strlen(ret_l->path));
	if (connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) != 0)
		return link_unreachable(ret_l->path, errno);
	ret_l->call = (struct call_link){
		.fd = fd, .me = ROLE_CLI, .peer = ROLE_KEEPER, .timeout_ms = LINK_TIMEOUT_MS
	};
	fd = -1; /* given away */
	return CLI_OK;
}

void
link_close(struct link *l)
{
	sys_closep(&l->call.fd);
}

struct wire_writer
link_begin(struct link *l, struct buf *body)
{
	struct wire_writer w;

	buf_clear(body);
	/* by name: gcc 12's -fanalyzer takes a returned call's padding for unset memory */
	w = call_begin(&l->call, body);
	return w;
}

void
link_reply_close(struct call_reply *r)
{
	buf_wipe(&r->body);
	sys_closep(&r->fd);
}

enum cli_exit
link_done(const struct wire_reader *r)
{
	if (wire_done(r) == ERR_OK)
		return CLI_OK;
	return cli_fail(CLI_FAILED, "the keeper's answer cannot be read; are sidekey and sidekeyd "
				    "of one version? (sidekey version)");
}

static enum cli_exit
say_refusal(const struct call_reply *reply)
{
	struct wire_reader r = wire_read(buf_span(&reply->body));
	char code[64], message[1024], hint[1024];
	uint16_t e = wire_u16(&r);

	wire_str(&r, code, sizeof(code));
	wire_str(&r, message, sizeof(message));
	wire_str(&r, hint, sizeof(hint));
	if (r.e == ERR_OK && (e == ERR_OK || e >= ERR_COUNT))
		r.e = ERR_RANGE;
	if (link_done(&r) != CLI_OK)
		return CLI_FAILED;
	return cli_fail(cli_exit_of((enum err)e), "%s%s%s%s", message[0] != '\0' ? message : code,
	    hint[0] != '\0' ? " (" : "", hint, hint[0] != '\0' ? ")" : "");
}

enum cli_exit
link_ask(struct link *l, enum msg_type type, const struct wire_writer *w, struct call_reply *ret)
{
	enum err e = w->e;

	if (e == ERR_OK)
		e = call_ask(&l->call, type, buf_span(w->out), -1, ret);
	if (e == ERR_TIMEOUT)
		return cli_fail(CLI_UNREACHABLE,
		    "no answer from the keeper at %s within %d s (sidekey doctor)", l->path,
		    LINK_TIMEOUT_MS / 1000);
	if (e == ERR_EOF || e == ERR_IO)
		return cli_fail(CLI_UNREACHABLE,
		    "the keeper at %s hung up; is this user allowed? (sidekey doctor)", l->path);
	if (e != ERR_OK)
		return cli_fail_err(e, "asking the keeper");
	return ret->type == AK_OK ? CLI_OK : say_refusal(ret);
}

enum cli_exit
link_ask_bare(const struct cli *c, enum msg_type type, struct call_reply *ret)
{
	AUTO(link_close) struct link l = LINK_NONE;
	AUTO(buf_wipe) struct buf body = BUF_MAX(64);
	enum cli_exit x = link_open(c, &l);
	struct wire_writer w;

	if (x != CLI_OK)
		return x;
	w = link_begin(&l, &body);
	return link_ask(&l, type, &w, ret);
}

enum cli_exit
link_reveal(struct link *l, const char *name, uint32_t version, struct buf *ret_value)
{
	AUTO(buf_wipe) struct buf body = BUF_MAX(512);
	AUTO(link_reply_close) struct call_reply reply = LINK_REPLY;
	struct wire_writer w = link_begin(l, &body);
	struct wire_reader r;
	struct span value;
	enum cli_exit x;

	wire_put_str(&w, name);
	wire_put_u32(&w, version);
	x = link_ask(l, CK_SECRET_REVEAL, &w, &reply);
	if (x != CLI_OK)
		return x;
	r = wire_read(buf_span(&reply.body));
	value = wire_blob(&r, SECRET_LEN_MAX);
	if (link_done(&r) != CLI_OK || buf_append_span(ret_value, value) != ERR_OK)
		return CLI_FAILED;
	return CLI_OK;
}
