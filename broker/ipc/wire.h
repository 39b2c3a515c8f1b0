/*
 * wire - how a value looks inside a message, a stored record or the compiled policy: little-endian,
 * length-prefixed. Process: all of the broker, cli.   Owns: nothing; a reader's spans point into
 * its input. Secrets: may pass through; the buffers wipe. Limits: 65 535 bytes for
 * wire_put_bytes(), UINT32_MAX for wire_put_blob(). Failure: sticky. A reader or writer that failed
 * stays failed, later calls do nothing, wire_done()/the writer's e says so once.
 */
#ifndef IPC_WIRE_H
#define IPC_WIRE_H

#include <stdint.h>

#include "common/buf.h"

struct wire_reader {
	const uint8_t *p;
	size_t left;
	enum err e;
};

struct wire_writer {
	struct buf *out;
	enum err e; /* the first failure */
};

struct wire_reader wire_read(struct span s);
uint8_t wire_u8(struct wire_reader *r);
uint16_t wire_u16(struct wire_reader *r);
uint32_t wire_u32(struct wire_reader *r);
uint64_t wire_u64(struct wire_reader *r);
int64_t wire_i64(struct wire_reader *r);
bool wire_bool(struct wire_reader *r);			   /* 0 or 1; else ERR_SYNTAX */
struct span wire_fixed(struct wire_reader *r, size_t len); /* exactly len raw bytes */
struct span wire_bytes(
    struct wire_reader *r, size_t max); /* u16 length, then bytes; over max is ERR_LIMIT */
struct span wire_blob(struct wire_reader *r, size_t max); /* u32 length, then bytes */
void wire_str(struct wire_reader *r, char *dst,
    size_t size); /* wire_bytes into a C string: no NUL inside, at most size-1 bytes */
/* ERR_OK only if everything was well-formed and nothing is left over. */
enum err wire_done(const struct wire_reader *r) NODISCARD;

struct wire_writer wire_write(struct buf *out);
void wire_put_u8(struct wire_writer *w, uint8_t v);
void wire_put_u16(struct wire_writer *w, uint16_t v);
void wire_put_u32(struct wire_writer *w, uint32_t v);
void wire_put_u64(struct wire_writer *w, uint64_t v);
void wire_put_i64(struct wire_writer *w, int64_t v);
void wire_put_bool(struct wire_writer *w, bool v);
void wire_put_fixed(struct wire_writer *w, const void *p, size_t len);
void wire_put_bytes(struct wire_writer *w, struct span s); /* ERR_LIMIT over 65 535 */
void wire_put_blob(struct wire_writer *w, struct span s);
void wire_put_str(struct wire_writer *w, const char *s); /* NULL counts as "" */

#endif
