#include "shim/args.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "shim/limits.h"

static const char help[] =
    "usage: sidekey-shim [OPTION]... [--] COMMAND [ARG]...\n"
    "\n"
    "Gets an identity from the Sidekey broker, then runs COMMAND, which reaches its APIs\n"
    "through this program and never holds a real key. Made to be a container's entrypoint.\n"
    "\n"
    "  --enroll FILE          the enrollment (default: $SIDEKEY_ENROLL_FILE, then " SHIM_ENROLL_PATH
    ")\n"
    "  --listen ADDRESS:PORT  where COMMAND finds it (default: " SHIM_LISTEN "; loopback only)\n"
    "  --wait DURATION        how long to wait for the broker, as 30s or 5m (default: 120s;\n"
    "                         0: not at all)\n"
    "  --help                 this text\n"
    "  --version              the version\n"
    "\n"
    "Exit status: COMMAND's own, 128+n when signal n ended it; 125 when the shim failed,\n"
    "126 when COMMAND cannot be executed, 127 when it was not found.\n";

const char *
shim_args_help(void)
{
	return help;
}

static bool
is_loopback(const union shim_sockaddr *sa)
{
	if (sa->sa.sa_family == AF_INET)
		return ntohl(sa->in.sin_addr.s_addr) >> 24 == 127;
	return IN6_IS_ADDR_LOOPBACK(&sa->in6.sin6_addr);
}

enum err
shim_args_listen(struct span text, union shim_sockaddr *ret_sa)
{
	const uint8_t *colon = text.len == 0 ? NULL : memrchr(text.p, ':', text.len);
	union shim_sockaddr sa = { 0 };
	struct span host;
	char name[INET6_ADDRSTRLEN];
	uint64_t port;
	enum err e;

	if (colon == NULL)
		return ERR_SYNTAX;
	host = span_of(text.p, (size_t)(colon - text.p));
	e = text_u64(span_of(colon + 1, text.len - host.len - 1), 65535, &port);
	if (e != ERR_OK)
		return e;
	if (host.len >= 2 && host.p[0] == '[' && host.p[host.len - 1] == ']') {
		host = span_of(host.p + 1, host.len - 2);
		sa.in6.sin6_family = AF_INET6;
		sa.in6.sin6_port = htons((uint16_t)port);
		if (!span_copy_str(host, name, sizeof name) ||
		    inet_pton(AF_INET6, name, &sa.in6.sin6_addr) != 1)
			return ERR_SYNTAX;
	} else {
		sa.in.sin_family = AF_INET;
		sa.in.sin_port = htons((uint16_t)port);
		if (!span_copy_str(host, name, sizeof name) ||
		    inet_pton(AF_INET, name, &sa.in.sin_addr) != 1)
			return ERR_SYNTAX;
	}
	if (!is_loopback(&sa))
		return ERR_RANGE;
	*ret_sa = sa;
	return ERR_OK;
}

static enum err
set_wait(struct shim_args *a, const char *text, char why[SHIM_WHY_SIZE])
{
	enum err e = ERR_OK;

	if (strcmp(text, "0") == 0)
		a->wait_s = 0;
	else
		e = text_duration_s(span_str(text), SHIM_WAIT_S_MAX, &a->wait_s);
	if (e != ERR_OK)
		(void)snprintf(why, SHIM_WHY_SIZE,
		    "--wait wants a duration such as 30s or 5m, at most 24h, or 0: \"%.40s\"",
		    text);
	return e;
}

static enum err
set_listen(struct shim_args *a, const char *text, char why[SHIM_WHY_SIZE])
{
	enum err e = shim_args_listen(span_str(text), &a->listen);

	if (e == ERR_RANGE)
		(void)snprintf(why, SHIM_WHY_SIZE,
		    "--listen accepts only loopback addresses and ports: \"%.60s\"", text);
	else if (e != ERR_OK)
		(void)snprintf(why, SHIM_WHY_SIZE,
		    "--listen wants ADDRESS:PORT such as " SHIM_LISTEN ": \"%.60s\"", text);
	return e;
}

static enum err
set_enroll(struct shim_args *a, const char *path, char why[SHIM_WHY_SIZE])
{
	if (path[0] != '\0' && span_copy_str(span_str(path), a->enroll_path, sizeof a->enroll_path))
		return ERR_OK;
	(void)snprintf(why, SHIM_WHY_SIZE, "the enrollment's path is empty or too long");
	return ERR_RANGE;
}

static enum err
set_option(struct shim_args *a, int option, char **argv, char why[SHIM_WHY_SIZE])
{
	switch (option) {
	case 'e':
		return set_enroll(a, optarg, why);
	case 'l':
		return set_listen(a, optarg, why);
	case 'w':
		return set_wait(a, optarg, why);
	case 'h':
		a->verb = SHIM_HELP;
		return ERR_OK;
	case 'v':
		a->verb = SHIM_VERSION;
		return ERR_OK;
	case ':':
		(void)snprintf(why, SHIM_WHY_SIZE, "%.40s wants a value", argv[optind - 1]);
		return ERR_SYNTAX;
	default:
		(void)snprintf(why, SHIM_WHY_SIZE, "there is no option %.60s", argv[optind - 1]);
		return ERR_SYNTAX;
	}
}

enum err
shim_args_parse(int argc, char **argv, struct shim_args *ret_a, char why[SHIM_WHY_SIZE])
{
	static const struct option options[] = {
		{ "enroll", required_argument, NULL, 'e' },
		{ "listen", required_argument, NULL, 'l' },
		{ "wait", required_argument, NULL, 'w' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'v' },
		{ NULL, 0, NULL, 0 },
	};
	const char *from_env = getenv("SIDEKEY_ENROLL_FILE");
	struct shim_args a = {
		.wait_s = SHIM_WAIT_S_DEFAULT,
	};
	enum err e = shim_args_listen(span_str(SHIM_LISTEN), &a.listen);
	int option;

	must(e == ERR_OK);
	e = set_enroll(
	    &a, from_env != NULL && from_env[0] != '\0' ? from_env : SHIM_ENROLL_PATH, why);
	if (e != ERR_OK)
		return e;
	opterr = 0;
	optind = 0; /* GNU: also forget what an earlier call left */
	while (a.verb == SHIM_RUN && (option = getopt_long(argc, argv, "+:", options, NULL)) !=
					 -1) { /* +: COMMAND's options are its own */
		e = set_option(&a, option, argv, why);
		if (e != ERR_OK)
			return e;
	}
	a.command = argv + optind;
	if (a.verb == SHIM_RUN && (optind >= argc || a.command[0][0] == '\0')) {
		(void)snprintf(why, SHIM_WHY_SIZE, "no COMMAND was given");
		return ERR_SYNTAX;
	}
	*ret_a = a;
	return ERR_OK;
}
