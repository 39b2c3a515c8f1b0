/*
 * Input: a sidekey.yaml. What is accepted keeps the limits that sidekeyd and its children rely on;
 * an error has a place inside the file and leaves the configuration as it was.
 */
#include <string.h>

#include "broker/sidekeyd/address.h"
#include "broker/sidekeyd/daemon_config.h"
#include "tests/fuzz/fuzz.h"

#define DIR_ "/etc/sidekey"
#define MIB (UINT64_C(1) << 20)

static void
check_path(const char *path, size_t size)
{
	size_t len = strnlen(path, size);

	must(len < size && path[0] == '/');
	for (size_t i = 0; i < len; i++)
		must((unsigned char)path[i] >= 0x20 && path[i] != 0x7f);
}

static void
check_listeners(const struct daemon_config *c)
{
	must(c->tcp.ss_family == AF_UNSPEC || c->tcp.ss_family == AF_INET ||
	     c->tcp.ss_family == AF_INET6);
	must((c->tcp_len == 0) == (c->tcp.ss_family == AF_UNSPEC));
	must(c->listen_unix || c->tcp.ss_family != AF_UNSPEC);
	must(address_check_gateway(c->gateway_address) == ERR_OK);
	must(c->gateways >= 1 && c->gateways <= GATEWAYS_MAX);
}

static void
check_config(const struct daemon_config *c)
{
	check_path(c->config_dir, sizeof c->config_dir);
	check_path(c->state_dir, sizeof c->state_dir);
	check_path(c->run_dir, sizeof c->run_dir);
	check_path(c->gateway_dir, sizeof c->gateway_dir);
	if (c->key_file[0] != '\0')
		check_path(c->key_file, sizeof c->key_file);
	must(strnlen(c->user, sizeof c->user) < sizeof c->user && c->user[0] != '-');
	must(c->audit_bytes_max >= MIB && c->audit_bytes_max <= MIB << 20);
	must(c->audit_quota >= MIB / 16 && c->audit_quota <= c->audit_bytes_max / 2);
	must(c->cert_ttl_s >= 5 && c->cert_ttl_s <= 86400 && !c->accept_clock);
	must(daemon_config_log_level(c) == LOG_LEVEL_INFO || strcmp(c->log_level, "info") != 0);
	check_listeners(c);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct daemon_config c = { .gateways = 7 };
	struct place_error p = { .text = "" };
	uint32_t lines = 1;
	enum err e = daemon_config_parse(DIR_, span_of(data, size), &c, &p);

	for (size_t i = 0; i < size; i++)
		lines += data[i] == '\n';
	if (e == ERR_OK) {
		check_config(&c);
		return 0;
	}
	must((e == ERR_SYNTAX || e == ERR_LIMIT) && c.gateways == 7 && p.text[0] != '\0' &&
	     strcmp(p.file, DIR_ "/sidekey.yaml") == 0);
	must(p.line <= lines + 1 && (p.line > 0) == (p.column > 0));
	return 0;
}
