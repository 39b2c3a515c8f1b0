#include "broker/sidekeyd/config_keys.h"

#include <string.h>

#include "broker/sidekeyd/address.h"
#include "common/text.h"

#define AUDIT_BYTES_MIN (UINT64_C(1) << 20)
#define AUDIT_QUOTA_MIN (UINT64_C(1) << 16)
#define AUDIT_BYTES_MAX (UINT64_C(1) << 40)
#define CERT_TTL_S_MIN 5
#define CERT_TTL_S_MAX 86400

static enum err
expect_string(const struct config_source *s, const struct yaml_node *n, const char *what)
{
	if (n->kind == YAML_STRING && n->text[0] != '\0')
		return ERR_OK;
	return yaml_error(s->error, s->file, n, "expected %s", what);
}

/* An absolute path without control characters, so that it fits a log line and a setting. */
static enum err
read_path(const struct config_source *s, const struct yaml_node *n, char *dst, size_t size)
{
	enum err e = expect_string(s, n, "an absolute path");

	if (e != ERR_OK)
		return e;
	if (n->text[0] != '/')
		return yaml_error(s->error, s->file, n, "expected an absolute path");
	for (const char *p = n->text; *p != '\0'; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return yaml_error(
			    s->error, s->file, n, "a path with a control character is refused");
	}
	if (!span_copy_str(span_str(n->text), dst, size))
		return yaml_error(
		    s->error, s->file, n, "the path is longer than %zu bytes", size - 1);
	return ERR_OK;
}

static enum err
read_state_dir(const struct config_source *s, const struct yaml_node *n)
{
	return read_path(s, n, s->c->state_dir, sizeof s->c->state_dir);
}

static enum err
read_run_dir(const struct config_source *s, const struct yaml_node *n)
{
	return read_path(s, n, s->c->run_dir, sizeof s->c->run_dir);
}

static enum err
read_gateway_dir(const struct config_source *s, const struct yaml_node *n)
{
	return read_path(s, n, s->c->gateway_dir, sizeof s->c->gateway_dir);
}

static enum err
read_tcp(const struct config_source *s, const struct yaml_node *n)
{
	static const char what[] = "an IP address and a port, such as 127.0.0.1:8443 or [::]:8443";
	enum err e = expect_string(s, n, what);

	if (e != ERR_OK)
		return e;
	if (address_parse(n->text, &s->c->tcp, &s->c->tcp_len) != ERR_OK)
		return yaml_error(s->error, s->file, n, "expected %s", what);
	return ERR_OK;
}

static enum err
read_listen(const struct config_source *s, const struct yaml_node *n)
{
	static const char *const keys[] = { "unix", "tcp", NULL };
	const struct yaml_node *v;
	enum err e;

	if (n->kind != YAML_MAP)
		return yaml_error(
		    s->error, s->file, n, "expected {unix: true, tcp: \"ADDRESS:PORT\"}");
	e = yaml_only(n, keys, s->file, s->error);
	if (e != ERR_OK)
		return e;
	v = yaml_get(n, "unix");
	if (v != NULL && v->kind != YAML_BOOL)
		return yaml_error(s->error, s->file, v, "expected true or false");
	if (v != NULL)
		s->c->listen_unix = v->boolean;
	v = yaml_get(n, "tcp");
	e = v == NULL ? ERR_OK : read_tcp(s, v);
	if (e != ERR_OK)
		return e;
	if (!s->c->listen_unix && s->c->tcp.ss_family == AF_UNSPEC)
		return yaml_error(s->error, s->file, n,
		    "nothing to listen on: unix is false and there is no tcp");
	return ERR_OK;
}

static enum err
read_gateway_address(const struct config_source *s, const struct yaml_node *n)
{
	static const char what[] =
	    "unix:/PATH of at most 107 bytes or tcp:HOST:PORT, as the workloads reach the gateway";
	enum err e = expect_string(s, n, what);

	if (e != ERR_OK)
		return e;
	if (address_check_gateway(n->text) != ERR_OK)
		return yaml_error(s->error, s->file, n, "expected %s", what);
	if (!span_copy_str(span_str(n->text), s->c->gateway_address, sizeof s->c->gateway_address))
		return yaml_error(s->error, s->file, n, "the address is too long");
	return ERR_OK;
}

static enum err
read_gateways(const struct config_source *s, const struct yaml_node *n)
{
	if (n->kind != YAML_INTEGER || n->integer < 1 || n->integer > GATEWAYS_MAX)
		return yaml_error(
		    s->error, s->file, n, "expected a number of processes, 1 to %d", GATEWAYS_MAX);
	s->c->gateways = (uint16_t)n->integer;
	return ERR_OK;
}

static enum err
read_user(const struct config_source *s, const struct yaml_node *n)
{
	static const char what[] =
	    "none, or what the names of the users begin with: [a-z_][a-z0-9_-]*";
	enum err e = expect_string(s, n, what);
	size_t good;

	if (e != ERR_OK)
		return e;
	good = strspn(n->text, "abcdefghijklmnopqrstuvwxyz0123456789_-");
	if (n->text[good] != '\0' || good > CONFIG_USER_MAX ||
	    strchr("-0123456789", n->text[0]) != NULL)
		return yaml_error(s->error, s->file, n, "expected %s", what);
	if (strcmp(n->text, "none") == 0)
		s->c->user[0] = '\0';
	else
		must(span_copy_str(span_str(n->text), s->c->user, sizeof s->c->user));
	return ERR_OK;
}

static enum err
read_unseal(const struct config_source *s, const struct yaml_node *n)
{
	static const char *const keys[] = { "key_file", NULL };
	const struct yaml_node *v;
	enum err e;

	if (n->kind == YAML_STRING && strcmp(n->text, "passphrase") == 0) {
		s->c->key_file[0] = '\0';
		return ERR_OK;
	}
	if (n->kind != YAML_MAP)
		return yaml_error(s->error, s->file, n, "expected passphrase or {key_file: /PATH}");
	e = yaml_only(n, keys, s->file, s->error);
	if (e != ERR_OK)
		return e;
	v = yaml_get(n, "key_file");
	if (v == NULL)
		return yaml_error(s->error, s->file, n, "expected {key_file: /PATH}");
	return read_path(s, v, s->c->key_file, sizeof s->c->key_file);
}

static enum err
read_audit_size(const struct config_source *s, const struct yaml_node *v)
{
	if ((v->kind != YAML_STRING && v->kind != YAML_INTEGER) ||
	    text_size(span_str(v->text), AUDIT_BYTES_MAX, &s->c->audit_bytes_max) != ERR_OK ||
	    s->c->audit_bytes_max < AUDIT_BYTES_MIN)
		return yaml_error(
		    s->error, s->file, v, "expected a size between 1MiB and 1024GiB, such as 1GiB");
	s->c->audit_quota = s->c->audit_bytes_max / 2;
	return ERR_OK;
}

/* Up to half: so that one workload needs more than a day to push out what others did. */
static enum err
read_audit_quota(const struct config_source *s, const struct yaml_node *v)
{
	uint64_t most = s->c->audit_bytes_max / 2;

	if ((v->kind != YAML_STRING && v->kind != YAML_INTEGER) ||
	    text_size(span_str(v->text), most, &s->c->audit_quota) != ERR_OK ||
	    s->c->audit_quota < AUDIT_QUOTA_MIN)
		return yaml_error(s->error, s->file, v,
		    "expected a size between 64KiB and half of the log's (%llu MiB), such as "
		    "512MiB",
		    (unsigned long long)most >> 20);
	return ERR_OK;
}

static enum err
read_audit(const struct config_source *s, const struct yaml_node *n)
{
	static const char *const keys[] = { "size", "quota", NULL };
	const struct yaml_node *v;
	enum err e;

	if (n->kind != YAML_MAP)
		return yaml_error(s->error, s->file, n, "expected {size: 1GiB}");
	e = yaml_only(n, keys, s->file, s->error);
	if (e != ERR_OK)
		return e;
	v = yaml_get(n, "size");
	if (v != NULL)
		e = read_audit_size(s, v);
	v = yaml_get(n, "quota");
	return e == ERR_OK && v != NULL ? read_audit_quota(s, v) : e;
}

static enum err
read_certificate_ttl(const struct config_source *s, const struct yaml_node *n)
{
	uint64_t ttl_s = 0;

	if (n->kind != YAML_STRING ||
	    text_duration_s(span_str(n->text), CERT_TTL_S_MAX, &ttl_s) != ERR_OK ||
	    ttl_s < CERT_TTL_S_MIN)
		return yaml_error(
		    s->error, s->file, n, "expected a duration between 5s and 24h, such as 1h");
	s->c->cert_ttl_s = (uint32_t)ttl_s;
	return ERR_OK;
}

/* One of words, which end with NULL; its position in *ret_at. */
static enum err
read_word(const struct config_source *s, const struct yaml_node *n, const char *const *words,
    size_t *ret_at)
{
	char near[256];

	if (n->kind == YAML_STRING) {
		for (size_t i = 0; words[i] != NULL; i++) {
			if (strcmp(n->text, words[i]) == 0) {
				*ret_at = i;
				return ERR_OK;
			}
		}
	}
	return yaml_error(s->error, s->file, n, "unknown value%s",
	    yaml_nearest(n->text == NULL ? "" : n->text, words, near, sizeof near));
}

static enum err
read_memlock(const struct config_source *s, const struct yaml_node *n)
{
	static const char *const words[] = { "require", "warn", NULL };
	size_t at = 0;
	enum err e = read_word(s, n, words, &at);

	if (e == ERR_OK)
		s->c->memlock_require = at == 0;
	return e;
}

static enum err
read_log_level(const struct config_source *s, const struct yaml_node *n)
{
	static const char *const words[] = { "error", "warn", "info", "debug", NULL };
	size_t at = 0;
	enum err e = read_word(s, n, words, &at);

	if (e == ERR_OK)
		must(span_copy_str(span_str(words[at]), s->c->log_level, sizeof s->c->log_level));
	return e;
}

const struct config_key config_keys[] = {
	{ "state_dir", read_state_dir },
	{ "run_dir", read_run_dir },
	{ "gateway_dir", read_gateway_dir },
	{ "listen", read_listen },
	{ "gateway_address", read_gateway_address },
	{ "gateways", read_gateways },
	{ "user", read_user },
	{ "unseal", read_unseal },
	{ "audit", read_audit },
	{ "certificate_ttl", read_certificate_ttl },
	{ "memlock", read_memlock },
	{ "log_level", read_log_level },
	{ NULL, NULL },
};
