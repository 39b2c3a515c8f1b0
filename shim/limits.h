/*
 * limits - every ceiling and deadline of the shim, on one screen.
 * Process: shim.   Owns: nothing.   Secrets: none.
 * Limits: these; each says what happens beyond it.   Failure: none.
 */
#ifndef SHIM_LIMITS_H
#define SHIM_LIMITS_H

#define SHIM_WHY_SIZE 512 /* a reason in words; the rest is cut */

/* Start. Beyond one of these it fails, with a line that says which. */
#define SHIM_HEAP_LEN 614400	   /* of heap, in memory at once; more comes as it is needed */
#define SHIM_MMAP_LEN 131072	   /* a larger piece is a mapping of its own: glibc's default */
#define SHIM_ARENA_LEN 4096	   /* locked memory: the enrollment key, nothing else */
#define SHIM_ENROLL_FILE_MAX 65536 /* bytes of enroll.json */
#define SHIM_CA_COUNT_MAX 8	   /* certificates in it: one, or two while the CA is replaced */
#define SHIM_ENV_COUNT_MAX 4096	   /* variables of the command */
#define SHIM_ENV_VALUE_MAX 16384   /* bytes of one that the broker sets */
#define SHIM_WAIT_S_MAX 86400	   /* --wait */
#define SHIM_WAIT_S_DEFAULT 120
#define SHIM_BACKOFF_FIRST_MS 100 /* between attempts while the broker is away, doubled ... */
#define SHIM_BACKOFF_LAST_MS 3000 /* ... up to this: a broker that came back is found soon */

/* Files. Beyond it the first counts as not hidden, the second as empty. */
#define SHIM_SIBLINGS_MAX 4096	   /* entries in all folders above the enrollment */
#define SHIM_HOSTS_FILE_MAX 262144 /* bytes of /etc/hosts */

/* Connections to the gateway. Beyond a time the gateway counts as unreachable. */
#define SHIM_ADDRESSES_MAX 8	      /* of its name; further ones are not tried */
#define SHIM_RESOLVED_MS 30000	      /* an answer of DNS is used that long */
#define SHIM_CONNECT_MS 10000	      /* from resolving to the end of the handshake */
#define SHIM_GONE_MS 120000	      /* a host that acknowledges nothing: over TCP it is gone */
#define SHIM_CROWDED_MS 20	      /* between attempts while its backlog is full */
#define SHIM_CONTROL_MS 15000	      /* a control request, connection included ... */
#define SHIM_CONTROL_MS_MIN 2000      /* ... less where --wait ends sooner, but never below this */
#define SHIM_CONTROL_REPLY_MAX 524288 /* bytes of a reply's body; a longer one is refused */
#define SHIM_GIVE_BACK_MS 2000	      /* DELETE at the end; then it lives until it expires */

/* Clients. */
#define SHIM_CLIENTS_MAX 1024 /* fewer if descriptors are few; more wait in the backlog */
#define SHIM_BACKLOG 256      /* beyond it the kernel drops SYNs and the client tries again */
#define SHIM_RECORD_LEN 16384 /* bytes moved at once: a whole TLS record (relay.c says why) */
#define SHIM_TURN_RECORDS 8   /* each way in a turn, so that one cannot starve the others */
#define SHIM_LINGER_MS 5000   /* after our end: what still comes is thrown away that long */
#define SHIM_PROBE_IDLE_S 60  /* then a silent client is probed; one that is gone is dropped */
#define SHIM_PROBE_INTERVAL_S 10
#define SHIM_ACCEPT_PAUSE_MS 100 /* no descriptor left: accept() rests that long */

/* Spares. Beyond it they are replaced, or tried later. */
#define SHIM_SPARES 2
#define SHIM_SPARE_AGE_MS 45000	       /* the gateway closes a silent connection after 75 s */
#define SHIM_SPARE_RETRY_LAST_MS 10000 /* back-off, doubled up to this */

/* Clients on a certificate that was replaced are closed when they were silent for ... */
#define SHIM_RETIRE_TICK_MS 5000       /* (looked at that often) */
#define SHIM_RETIRE_QUIET_MS 60000     /* ... this long, or, in the ... */
#define SHIM_RETIRE_LAST_S 30	       /* ... last seconds of that certificate ... */
#define SHIM_RETIRE_LAST_QUIET_MS 2000 /* ... this long */

/* Renewal. */
#define SHIM_RENEW_TICK_MS 15000 /* the wall clock is looked at: timers stand still in suspend */
#define SHIM_RENEW_RETRY_FIRST_MS 1000 /* after a failure, doubled ... */
#define SHIM_RENEW_RETRY_LAST_MS 60000 /* ... up to this, or a quarter of what is left ... */
#define SHIM_RENEW_RETRY_LEAST_MS 250  /* ... but never faster than this */

/* Signals and the end. */
#define SHIM_REAPS_PER_TURN 256 /* zombies; more in the next turn */
#define SHIM_TERM_MS 3000	/* from SIGTERM to SIGKILL for what outlives the command */
#define SHIM_KILL_MS 1000	/* from SIGKILL to our end, whatever is left */

#endif
