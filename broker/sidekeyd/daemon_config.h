/*
 * daemon_config - sidekey.yaml, checked: what sidekeyd needs to start the others.
 * Process: sidekeyd.   Owns: nothing; plain data.
 * Secrets: none: it names the key file and never opens it.
 * Limits: CONFIG_PATH_MAX bytes a path, GATEWAYS_MAX gateways.
 * Failure: ERR_SYNTAX with file, line, column and what was expected; nothing was started.
 */
#ifndef SIDEKEYD_DAEMON_CONFIG_H
#define SIDEKEYD_DAEMON_CONFIG_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "broker/yaml/yaml.h"
#include "common/log.h"

#define CONFIG_PATH_MAX 900   /* bytes; fits a setting, with room for a file name */
#define CONFIG_RUN_DIR_MAX 90 /* run_dir and "/gateway.sock" fit sun_path, unix(7) */
#define CONFIG_USER_MAX 23    /* "-gateway" behind it still is a user name */
#define GATEWAYS_MAX 64

struct daemon_config {
	char config_dir[CONFIG_PATH_MAX + 1];
	char state_dir[CONFIG_PATH_MAX + 1];
	char run_dir[CONFIG_RUN_DIR_MAX + 1];
	char gateway_dir[CONFIG_RUN_DIR_MAX + 1]; /* of gateway.sock; run_dir unless said */
	char key_file[CONFIG_PATH_MAX + 1];	  /* "": a person unseals with the passphrase */
	char user[CONFIG_USER_MAX + 1];		  /* "": all stay this uid */
	char gateway_address[CONFIG_PATH_MAX + 1];
	char log_level[8];
	bool listen_unix;
	struct sockaddr_storage tcp; /* family AF_UNSPEC: no TCP listener */
	socklen_t tcp_len;
	uint16_t gateways;
	uint64_t audit_bytes_max;
	uint64_t audit_quota; /* a workload's, in 24 hours; at most half of that */
	uint32_t cert_ttl_s;
	bool memlock_require;
	bool accept_clock; /* from the command line, never from the file */
};

/* Reads <config_dir>/sidekey.yaml. ERR_NOT_FOUND, ERR_IO, ERR_LIMIT and ERR_SYNTAX all fill
 * *ret_error. */
enum err daemon_config_load(
    const char *config_dir, struct daemon_config *ret_c, struct place_error *ret_error) NODISCARD;
/* The same from memory. */
enum err daemon_config_parse(const char *config_dir, struct span in, struct daemon_config *ret_c,
    struct place_error *ret_error) NODISCARD;

/* log_level as a number of log.h. */
enum log_level daemon_config_log_level(const struct daemon_config *c);

#endif
