/* daemon_config: defaults, every key, and every refusal with its place. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/sidekeyd/address.h"
#include "broker/sidekeyd/daemon_config.h"
#include "tests/lib/tap.h"

static const struct bad {
	const char *text;
	uint32_t line, column; /* 0: not looked at */
	const char *says;
} bad[] = {
	{ "state_dir: lib\n", 1, 12, "absolute path" },
	{ "state_dir: 5\n", 1, 12, "absolute path" },
	{ "state_dir: \"/a\\u0001b\"\n", 1, 12, "control character" },
	{ "state-dir: /x\n", 1, 1, "state_dir" },
	{ "run_dir: /a\nrun_dir: /b\n", 2, 1, "" },
	{ "run_dir: "
	  "/1234567890123456789012345678901234567890123456789012345678901234567890123456789"
	  "012345678901\n",
	    1, 10, "longer than 90" },
	{ "gateways: 0\n", 1, 11, "1 to 64" },
	{ "gateways: 65\n", 1, 11, "1 to 64" },
	{ "gateways: two\n", 1, 11, "1 to 64" },
	{ "gateways: -1\n", 1, 11, "1 to 64" },
	{ "listen: yes\n", 1, 9, "unix: true" },
	{ "listen: {unix: yes}\n", 1, 16, "true or false" },
	{ "listen: {unix: false}\n", 1, 9, "nothing to listen on" },
	{ "listen: {udp: true}\n", 1, 10, "udp" },
	{ "listen: {tcp: 8443}\n", 1, 15, "IP address" },
	{ "listen:\n  tcp: \"localhost:8443\"\n", 2, 8, "IP address" },
	{ "listen: {tcp: \"127.0.0.1:0\"}\n", 1, 15, "IP address" },
	{ "listen: {tcp: \"127.0.0.1:65536\"}\n", 1, 15, "IP address" },
	{ "listen: {tcp: \"::1:8443\"}\n", 1, 15, "IP address" },
	{ "listen: {unix: false, tcp: \"0.0.0.0:8443\"}\n", 1, 28, "gateway_address" },
	{ "listen: {unix: false, tcp: \"[::]:8443\"}\n", 1, 28, "gateway_address" },
	{ "gateway_address: http://x\n", 1, 18, "unix:/PATH" },
	{ "gateway_address: unix:run\n", 1, 18, "unix:/PATH" },
	{ "gateway_address: tcp:host\n", 1, 18, "unix:/PATH" },
	{ "gateway_address: \"tcp::8443\"\n", 1, 18, "tcp:HOST:PORT" },
	{ "gateway_address: \"tcp:host:\"\n", 1, 18, "tcp:HOST:PORT" },
	{ "gateway_address: tcp:host:0\n", 1, 18, "tcp:HOST:PORT" },
	{ "gateway_address: tcp:host:65536\n", 1, 18, "tcp:HOST:PORT" },
	{ "gateway_address: tcp:host:https\n", 1, 18, "tcp:HOST:PORT" },
	{ "gateway_address: tcp:ho_st:8443\n", 1, 18, "tcp:HOST:PORT" },
	{ "gateway_address: tcp:-host:8443\n", 1, 18, "tcp:HOST:PORT" },
	{ "gateway_address: \"tcp:a b:8443\"\n", 1, 18, "tcp:HOST:PORT" },
	{ "gateway_address: tcp:https://host:8443\n", 1, 18, "tcp:HOST:PORT" },
	{ "gateway_address: tcp:::1:8443\n", 1, 18, "tcp:HOST:PORT" },
	{ "gateway_address: \"tcp:[::1:8443\"\n", 1, 18, "tcp:HOST:PORT" },
	{ "gateway_address: tcp:0.0.0.0:8443\n", 1, 18, "as the workloads reach" },
	{ "gateway_address: \"tcp:[::]:8443\"\n", 1, 18, "as the workloads reach" },
	{ "gateway_address: unix:/"
	  "ppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp"
	  "ppppppppppppppppppppppppppppppppppppppppppppppp\n",
	    1, 18, "at most 107 bytes" },
	{ "user: 7up\n", 1, 7, "begin with" },
	{ "user: \"side key\"\n", 1, 7, "begin with" },
	{ "user: abcdefghijklmnopqrstuvwx\n", 1, 7, "begin with" },
	{ "unseal: key\n", 1, 9, "passphrase or" },
	{ "unseal: {}\n", 1, 9, "key_file" },
	{ "unseal: {file: /x}\n", 1, 10, "key_file" },
	{ "unseal: {key_file: x}\n", 1, 20, "absolute path" },
	{ "audit: 1GiB\n", 1, 8, "size: 1GiB" },
	{ "audit: {size: 1KiB}\n", 1, 15, "between 1MiB" },
	{ "audit: {size: 2000GiB}\n", 1, 15, "between 1MiB" },
	{ "audit: {bytes: 1}\n", 1, 9, "size" },
	{ "audit: {quota: 1KiB}\n", 1, 16, "between 64KiB and half" },
	{ "audit: {quota: 513MiB}\n", 1, 16, "(512 MiB)" },
	{ "audit: {quota: 5MiB, size: 8MiB}\n", 1, 16, "(4 MiB)" },
	{ "audit: {quota: []}\n", 1, 16, "between" },
	{ "certificate_ttl: 60\n", 1, 18, "duration" },
	{ "certificate_ttl: 4s\n", 1, 18, "between 5s" },
	{ "certificate_ttl: 25h\n", 1, 18, "between 5s" },
	{ "memlock: maybe\n", 1, 10, "require" },
	{ "log_level: warning\n", 1, 12, "warn" },
	{ "- a\n", 1, 1, "keys and values" },
	{ "state_dir: [\n", 0, 0, "" },
	{ "state_dir: &a /x\n", 1, 0, "" },
};

static void
test_refusals(void)
{
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct daemon_config c = { .gateways = 7 };
		struct place_error e = { .line = 0 };
		enum err got = daemon_config_parse("/etc/x", span_str(bad[i].text), &c, &e);
		bool good = got != ERR_OK && strcmp(e.file, "/etc/x/sidekey.yaml") == 0 &&
			    (bad[i].line == 0 || e.line == bad[i].line) &&
			    (bad[i].column == 0 || e.column == bad[i].column) &&
			    strstr(e.text, bad[i].says) != NULL && c.gateways == 7;

		if (!ok(good, "refused: %.*s", (int)strcspn(bad[i].text, "\n"), bad[i].text))
			printf(
			    "# %s %s:%u:%u: %s\n", err_name(got), e.file, e.line, e.column, e.text);
	}
}

static void
test_defaults(void)
{
	struct daemon_config c;
	struct place_error e;

	is_err(daemon_config_parse("/etc/x", span_str("gateways: 1\n"), &c, &e), ERR_OK,
	    "everything has a default");
	ok(strcmp(c.state_dir, "/var/lib/sidekey") == 0 && strcmp(c.run_dir, "/run/sidekey") == 0,
	    "folders");
	ok(strcmp(c.gateway_address, "unix:/run/sidekey/gateway.sock") == 0 &&
		strcmp(c.gateway_dir, c.run_dir) == 0,
	    "address");
	ok(strcmp(c.key_file, "/etc/x/unseal.key") == 0, "key file stands in the config folder");
	ok(strcmp(c.user, "sidekey") == 0 && c.memlock_require && c.listen_unix && !c.accept_clock,
	    "the safe side");
	ok(c.audit_bytes_max == UINT64_C(1) << 30 && c.audit_quota == UINT64_C(1) << 29 &&
		c.cert_ttl_s == 3600 && c.tcp.ss_family == AF_UNSPEC,
	    "sizes and times");
}

static void
test_all_keys(void)
{
	static const char text[] = "state_dir: /s\n"
				   "run_dir: /r\n"
				   "listen: {unix: true, tcp: \"[::1]:9443\"}\n"
				   "gateway_address: tcp:broker.internal:9443\n"
				   "gateways: 64\n"
				   "user: none\n"
				   "unseal: passphrase\n"
				   "audit: {quota: 64KiB, size: 1MiB}\n"
				   "certificate_ttl: 24h\n"
				   "memlock: warn\n"
				   "log_level: debug\n";
	struct daemon_config c;
	struct place_error e;

	is_err(daemon_config_parse("/etc/x", span_str(text), &c, &e), ERR_OK, "all keys");
	ok(strcmp(c.state_dir, "/s") == 0 && strcmp(c.run_dir, "/r") == 0 && c.gateways == 64,
	    "folders and gateways");
	ok(c.user[0] == '\0' && c.key_file[0] == '\0', "none and passphrase empty their fields");
	ok(strcmp(c.gateway_address, "tcp:broker.internal:9443") == 0 &&
		c.tcp.ss_family == AF_INET6,
	    "addresses");
	ok(c.audit_bytes_max == 1u << 20 && c.audit_quota == 1u << 16 && c.cert_ttl_s == 86400 &&
		!c.memlock_require,
	    "limits");
	ok(daemon_config_log_level(&c) == LOG_LEVEL_DEBUG, "log level");
	is_err(daemon_config_parse(
		   "/e", span_str("listen: {unix: false, tcp: \"10.0.0.5:8443\"}\n"), &c, &e),
	    ERR_OK, "TCP alone");
	ok(strcmp(c.gateway_address, "tcp:10.0.0.5:8443") == 0, "and its address is the default");
	is_err(daemon_config_parse("/e", span_str("gateway_dir: /g\n"), &c, &e), ERR_OK,
	    "gateway_dir");
	ok(strcmp(c.gateway_dir, "/g") == 0 && strcmp(c.run_dir, "/run/sidekey") == 0 &&
		strcmp(c.gateway_address, "unix:/g/gateway.sock") == 0,
	    "and the socket's address is there");
}

static void
test_address(void)
{
	struct sockaddr_storage sa = { .ss_family = AF_UNSPEC };
	socklen_t len = 0;

	is_err(address_parse("127.0.0.1:8443", &sa, &len), ERR_OK, "IPv4");
	ok(sa.ss_family == AF_INET && ((struct sockaddr_in *)&sa)->sin_port == htons(8443), "port");
	is_err(address_parse("[::1]:1", &sa, &len), ERR_OK, "IPv6");
	is_err(address_parse("127.1:80", &sa, &len), ERR_SYNTAX, "short form");
	is_err(address_parse("0x7f.0.0.1:80", &sa, &len), ERR_SYNTAX, "hex form");
	is_err(address_parse("[::1:80", &sa, &len), ERR_SYNTAX, "half a bracket");
	is_err(address_parse(":80", &sa, &len), ERR_SYNTAX, "no host");
	is_err(address_parse("127.0.0.1:080", &sa, &len), ERR_SYNTAX, "leading zero");
	is_err(address_parse("127.0.0.1", &sa, &len), ERR_SYNTAX, "no port");
}

static void
test_files(void)
{
	char dir[] = "/tmp/sidekey-config-XXXXXX";
	struct daemon_config c;
	struct place_error e;

	if (mkdtemp(dir) == NULL)
		abort();
	is_err(daemon_config_load(dir, &c, &e), ERR_NOT_FOUND, "no file");
	ok(strstr(e.text, "sidekey init") != NULL && e.line == 0, "and what makes one");
	is_err(daemon_config_load("relative", &c, &e), ERR_SYNTAX, "a relative folder");
	(void)rmdir(dir);
}

int
main(void)
{
	test_defaults();
	test_all_keys();
	test_refusals();
	test_address();
	test_files();
	return done();
}
