#include "broker/sidekeyd/daemon_config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "broker/sidekeyd/config_keys.h"
#include "common/sys.h"
#include "common/buf.h"

#define AUDIT_BYTES_DEFAULT (UINT64_C(1) << 30)
#define CERT_TTL_S_DEFAULT 3600
#define FILE_NAME "sidekey.yaml"

static struct daemon_config
defaults(const char *config_dir)
{
	struct daemon_config c = { .state_dir = "/var/lib/sidekey",
		.run_dir = "/run/sidekey",
		.user = "sidekey",
		.log_level = "info",
		.listen_unix = true,
		.tcp = { .ss_family = AF_UNSPEC },
		.gateways = 1,
		.audit_bytes_max = AUDIT_BYTES_DEFAULT,
		.audit_quota = AUDIT_BYTES_DEFAULT / 2,
		.cert_ttl_s = CERT_TTL_S_DEFAULT,
		.memlock_require = true };

	(void)snprintf(c.config_dir, sizeof c.config_dir, "%s", config_dir);
	(void)snprintf(c.key_file, sizeof c.key_file, "%s/unseal.key", config_dir);
	return c;
}

/* Where workloads on this host find the gateway, when nobody says otherwise. */
static enum err
default_address(struct daemon_config *c, const struct yaml_node *root, const char *file,
    struct place_error *ret_error)
{
	const struct yaml_node *listen = yaml_get(root, "listen");
	const struct yaml_node *tcp = listen == NULL ? NULL : yaml_get(listen, "tcp");

	if (c->gateway_address[0] != '\0')
		return ERR_OK;
	if (c->listen_unix)
		(void)snprintf(c->gateway_address, sizeof c->gateway_address,
		    "unix:%s/gateway.sock", c->gateway_dir);
	else if (tcp != NULL && strncmp(tcp->text, "0.0.0.0:", 8) != 0 &&
		 strncmp(tcp->text, "[::]:", 5) != 0)
		(void)snprintf(c->gateway_address, sizeof c->gateway_address, "tcp:%s", tcp->text);
	else
		return yaml_error(ret_error, file, tcp,
		    "this listens on every address: say in gateway_address which one the "
		    "workloads use, such as tcp:broker.internal:8443");
	return ERR_OK;
}

static enum err
read_keys(const struct yaml_node *root, const char *file, struct daemon_config *c,
    struct place_error *ret_error)
{
	const struct config_source s = { .file = file, .c = c, .error = ret_error };
	const char *names[CONFIG_KEYS_MAX];
	size_t count = 0;
	enum err e;

	do
		names[count] = config_keys[count].name;
	while (names[count++] != NULL);
	e = yaml_only(root, names, file, ret_error);
	for (size_t i = 0; e == ERR_OK && names[i] != NULL; i++) {
		const struct yaml_node *n = yaml_get(root, names[i]);

		if (n != NULL)
			e = config_keys[i].read(&s, n);
	}
	if (e == ERR_OK && c->gateway_dir[0] == '\0')
		memcpy(c->gateway_dir, c->run_dir, sizeof c->gateway_dir);
	return e == ERR_OK ? default_address(c, root, file, ret_error) : e;
}

enum err
daemon_config_parse(const char *config_dir, struct span in, struct daemon_config *ret_c,
    struct place_error *ret_error)
{
	char file[CONFIG_PATH_MAX + sizeof FILE_NAME + 1];
	struct daemon_config c = defaults(config_dir);
	AUTO(yaml_freep) struct yaml_node *root = NULL;
	enum err e;

	(void)snprintf(file, sizeof file, "%s/" FILE_NAME, config_dir);
	e = yaml_parse(file, in, &root, ret_error);
	if (e != ERR_OK)
		return e;
	if (root->kind != YAML_MAP)
		return yaml_error(ret_error, file, root,
		    "expected keys and values, such as state_dir: /var/lib/sidekey");
	e = read_keys(root, file, &c, ret_error);
	if (e == ERR_OK)
		*ret_c = c;
	return e;
}

enum err
daemon_config_load(
    const char *config_dir, struct daemon_config *ret_c, struct place_error *ret_error)
{
	char file[CONFIG_PATH_MAX + sizeof FILE_NAME + 1];
	AUTO(buf_wipe) struct buf in = BUF_MAX(YAML_FILE_MAX);
	enum err e;

	if (config_dir[0] != '/' || strlen(config_dir) > CONFIG_PATH_MAX - 32) {
		(void)yaml_error(ret_error, config_dir, NULL, "expected a shorter, absolute path");
		return ERR_SYNTAX;
	}
	(void)snprintf(file, sizeof file, "%s/" FILE_NAME, config_dir);
	errno = 0;
	e = sys_read_file(file, &in);
	if (e == ERR_NOT_FOUND)
		(void)yaml_error(ret_error, file, NULL, "no such file; sidekey init makes one");
	else if (e != ERR_OK)
		(void)yaml_error(ret_error, file, NULL, "cannot be read: %s",
		    e == ERR_IO ? strerror(errno) : err_name(e));
	return e == ERR_OK ? daemon_config_parse(config_dir, buf_span(&in), ret_c, ret_error) : e;
}

enum log_level
daemon_config_log_level(const struct daemon_config *c)
{
	switch (c->log_level[0]) { /* one of four words, checked when it was read */
	case 'e':
		return LOG_LEVEL_ERROR;
	case 'w':
		return LOG_LEVEL_WARN;
	case 'd':
		return LOG_LEVEL_DEBUG;
	default:
		return LOG_LEVEL_INFO;
	}
}
