/*
 * hosts - /etc/hosts, read once before the sandbox closes.
 * Process: gateway.   Owns: its table (hosts_free()).   Secrets: none.
 * Limits: HOSTS_MAX names, HOSTS_FILE_MAX bytes; what is beyond is left out, with a warning.
 * Failure: a file that cannot be read is an empty table.
 */
#ifndef GATEWAY_HOSTS_H
#define GATEWAY_HOSTS_H

#include "broker/gateway/addr.h"
#include "common/span.h"

#define HOSTS_MAX 4096
#define HOSTS_FILE_MAX (1u << 20)

struct hosts;

enum err hosts_read(const char *path, struct hosts **ret_h) NODISCARD; /* ERR_NOMEM */
enum err hosts_parse(struct span text, struct hosts **ret_h) NODISCARD;
void hosts_free(struct hosts *h);
/* Up to max addresses of name, in the order of the file. Returns how many. */
size_t hosts_find(
    const struct hosts *h, const char *name, uint16_t port, struct addr *ret_addrs, size_t max);

#endif
