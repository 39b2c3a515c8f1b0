#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "shim/args.h"
#include "shim/gateway.h"
#include "tests/lib/tap.h"

static const struct {
	const char *text;
	enum err e;
	uint16_t port;
} listens[] = {
	{ "127.0.0.1:7433", ERR_OK, 7433 },
	{ "127.0.0.1:0", ERR_OK, 0 },
	{ "127.255.255.254:1", ERR_OK, 1 },
	{ "[::1]:7433", ERR_OK, 7433 },
	{ "127.0.0.1:65535", ERR_OK, 65535 },
	{ "127.0.0.1:65536", ERR_RANGE, 0 },
	{ "0.0.0.0:7433", ERR_RANGE, 0 },
	{ "128.0.0.1:7433", ERR_RANGE, 0 },
	{ "10.0.0.1:7433", ERR_RANGE, 0 },
	{ "[::]:7433", ERR_RANGE, 0 },
	{ "[::ffff:127.0.0.1]:7433", ERR_RANGE, 0 },
	{ "[fe80::1]:7433", ERR_RANGE, 0 },
	{ "localhost:7433", ERR_SYNTAX, 0 },
	{ "127.1:7433", ERR_SYNTAX, 0 },
	{ "0x7f000001:7433", ERR_SYNTAX, 0 },
	{ "::1:7433", ERR_SYNTAX, 0 },
	{ "127.0.0.1", ERR_SYNTAX, 0 },
	{ "127.0.0.1:", ERR_SYNTAX, 0 },
	{ "127.0.0.1:+80", ERR_SYNTAX, 0 },
	{ "127.0.0.1:080", ERR_SYNTAX, 0 },
	{ ":7433", ERR_SYNTAX, 0 },
	{ "[]:7433", ERR_SYNTAX, 0 },
	{ "[::1:7433", ERR_SYNTAX, 0 },
	{ "", ERR_SYNTAX, 0 },
};

static void
test_listen(void)
{
	for (size_t i = 0; i < COUNT(listens); i++) {
		union shim_sockaddr sa = { 0 };
		enum err e = shim_args_listen(span_str(listens[i].text), &sa);
		uint16_t port =
		    ntohs(sa.sa.sa_family == AF_INET ? sa.in.sin_port : sa.in6.sin6_port);

		is_err(e, listens[i].e, listens[i].text);
		ok(port == listens[i].port, "its port is %u", listens[i].port);
	}
}

static const struct {
	const char *text;
	enum err e;
	bool is_tcp;
	const char *host;
	uint16_t port;
} gateways[] = {
	{ "unix:/run/sidekey/gateway.sock", ERR_OK, false, "", 0 },
	{ "tcp:broker:8443", ERR_OK, true, "broker", 8443 },
	{ "tcp:broker.example.org:1", ERR_OK, true, "broker.example.org", 1 },
	{ "tcp:10.0.0.1:8443", ERR_OK, true, "10.0.0.1", 8443 },
	{ "tcp:[fd00::1]:8443", ERR_OK, true, "fd00::1", 8443 },
	{ "unix:run/gateway.sock", ERR_SYNTAX, false, "", 0 },
	{ "unix:", ERR_SYNTAX, false, "", 0 },
	{ "unix:@abstract", ERR_SYNTAX, false, "", 0 },
	{ "UNIX:/run/x", ERR_SYNTAX, false, "", 0 },
	{ "/run/x", ERR_SYNTAX, false, "", 0 },
	{ "tcp:broker", ERR_SYNTAX, false, "", 0 },
	{ "tcp::8443", ERR_SYNTAX, false, "", 0 },
	{ "tcp:broker:", ERR_SYNTAX, false, "", 0 },
	{ "tcp:broker:0", ERR_RANGE, false, "", 0 },
	{ "tcp:broker:65536", ERR_RANGE, false, "", 0 },
	{ "tcp:fd00::1:8443", ERR_SYNTAX, false, "", 0 },
	{ "tcp:[fd00::g]:8443", ERR_SYNTAX, false, "", 0 },
	{ "tcp:bro ker:8443", ERR_SYNTAX, false, "", 0 },
	{ "tcp:-x:8443", ERR_SYNTAX, false, "", 0 },
	{ "tcp:user@broker:8443", ERR_SYNTAX, false, "", 0 },
	{ "https://broker:8443", ERR_SYNTAX, false, "", 0 },
	{ "", ERR_SYNTAX, false, "", 0 },
};

static void
test_gateway(void)
{
	struct shim_gateway g;
	char path[160] = "unix:/";

	for (size_t i = 0; i < COUNT(gateways); i++) {
		g = (struct shim_gateway){ 0 };
		is_err(shim_gateway_parse(span_str(gateways[i].text), &g), gateways[i].e,
		    gateways[i].text);
		ok(g.is_tcp == gateways[i].is_tcp && g.port == gateways[i].port &&
			strcmp(g.host, gateways[i].host) == 0,
		    "and its parts are so");
	}
	memset(path + 6, 'a', 106);
	is_err(shim_gateway_parse(span_str(path), &g), ERR_OK, "a path of 107 bytes fits");
	path[5 + 107] = 'a';
	is_err(shim_gateway_parse(span_str(path), &g), ERR_LIMIT, "one of 108 does not");
	is_err(shim_gateway_parse(span_of("unix:/a\0b", 9), &g), ERR_LIMIT, "nor one with a NUL");
}

#define ARGV(...) ((char *[]){ (char[]){ "sidekey-shim" }, __VA_ARGS__, NULL })
#define S(s) ((char[]){ s })

static enum err
parse(char **argv, struct shim_args *ret_a)
{
	char why[SHIM_WHY_SIZE] = "";
	int argc = 0;
	enum err e;

	while (argv[argc] != NULL)
		argc++;
	e = shim_args_parse(argc, argv, ret_a, why);
	ok((e == ERR_OK) == (why[0] == '\0'), "an error has a reason, and only an error: %s", why);
	return e;
}

static void
test_parse(void)
{
	struct shim_args a;

	(void)unsetenv("SIDEKEY_ENROLL_FILE");
	is_err(parse(ARGV(S("true")), &a), ERR_OK, "a command alone");
	ok(strcmp(a.command[0], "true") == 0 && a.command[1] == NULL, "is the command");
	ok(a.wait_s == 120 && strcmp(a.enroll_path, "/run/secrets/sidekey") == 0 &&
		ntohs(a.listen.in.sin_port) == 7433,
	    "with what is documented as default");
	is_err(parse(ARGV(S("ls"), S("--wait"), S("x")), &a), ERR_OK,
	    "options behind the command are its own");
	ok(strcmp(a.command[1], "--wait") == 0, "and reach it");
	is_err(parse(ARGV(S("--enroll"), S("/e"), S("--listen=127.0.0.2:1"), S("--wait"), S("5m"),
			 S("--"), S("--odd")),
		   &a),
	    ERR_OK, "all options");
	ok(strcmp(a.enroll_path, "/e") == 0 && a.wait_s == 300 &&
		strcmp(a.command[0], "--odd") == 0,
	    "are taken, and -- ends them");
	is_err(parse(ARGV(S("--wait"), S("0"), S("true")), &a), ERR_OK, "not waiting at all");
	ok(a.wait_s == 0, "is zero");
	(void)setenv("SIDEKEY_ENROLL_FILE", "/from/env", 1);
	is_err(parse(ARGV(S("true")), &a), ERR_OK, "with the variable set");
	ok(strcmp(a.enroll_path, "/from/env") == 0, "the environment gives the file");
	is_err(parse(ARGV(S("--enroll"), S("/e"), S("true")), &a), ERR_OK, "with both");
	ok(strcmp(a.enroll_path, "/e") == 0, "the option wins");
	(void)setenv("SIDEKEY_ENROLL_FILE", "", 1);
	is_err(parse(ARGV(S("true")), &a), ERR_OK, "with the variable empty");
	ok(strcmp(a.enroll_path, "/run/secrets/sidekey") == 0, "it counts as not set");
}

static void
test_refusals(void)
{
	struct shim_args a = { .verb = SHIM_HELP };

	is_err(parse((char *[]){ S("sidekey-shim"), NULL }, &a), ERR_SYNTAX, "no command");
	is_err(parse(ARGV(S("--")), &a), ERR_SYNTAX, "-- and no command");
	is_err(parse(ARGV(S("")), &a), ERR_SYNTAX, "an empty command");
	is_err(parse(ARGV(S("--bogus"), S("true")), &a), ERR_SYNTAX, "an option that is not there");
	is_err(parse(ARGV(S("--wait")), &a), ERR_SYNTAX, "a value that is missing");
	is_err(parse(ARGV(S("--wait"), S("120"), S("true")), &a), ERR_SYNTAX,
	    "a duration without a unit");
	is_err(parse(ARGV(S("--wait"), S("2d"), S("true")), &a), ERR_RANGE, "two days");
	is_err(parse(ARGV(S("--listen"), S("0.0.0.0:7433"), S("true")), &a), ERR_RANGE,
	    "all interfaces");
	is_err(parse(ARGV(S("--enroll"), S(""), S("true")), &a), ERR_RANGE, "an empty path");
	ok(a.verb == SHIM_HELP, "and nothing was written on error");
	is_err(
	    parse(ARGV(S("--help"), S("--bogus")), &a), ERR_OK, "help wins over what follows it");
	is_err(parse(ARGV(S("--version")), &a), ERR_OK, "version needs no command");
	ok(a.verb == SHIM_VERSION, "and is known");
}

int
main(void)
{
	test_listen();
	test_gateway();
	test_parse();
	test_refusals();
	return done();
}
