/*
 * drop - gives privileges away, and checks that they are gone.
 * Process: sidekeyd, and each child.   Owns: nothing.   Secrets: none.   Limits: none.
 * Failure: ERR_SYS, ERR_DENIED: the process must not go on.
 */
#ifndef PROC_DROP_H
#define PROC_DROP_H

#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"

/* Supplementary groups, gid, uid, in this order; then verifies all three and that root cannot be
 * had again. uid 0 is ERR_DENIED. */
enum err drop_user(uid_t uid, gid_t gid) NODISCARD;

#define DROP_CAP(n) (UINT64_C(1) << (n)) /* CAP_* of capabilities(7) */
/* Keeps of the capabilities held those in keep, in permitted and effective; inheritable, ambient
 * and (as far as it is allowed) the bounding set are reduced to keep too. Verified. */
enum err drop_capabilities(uint64_t keep) NODISCARD;

/* No core, not dumpable (same-uid mem, environ, fd, ptrace are then denied), no new privileges by
 * exec. Verified. */
enum err drop_inspection(void) NODISCARD;

/* Raises the soft limit of descriptors to the hard one. *ret_count is what is then in force. */
enum err drop_nofile_raise(uint64_t *ret_count) NODISCARD;
/* Asks for bytes of locked memory, hard limit too where that is allowed; takes what it can get.
 * Returns what is then in force. */
uint64_t drop_memlock_raise(uint64_t bytes);

#endif
