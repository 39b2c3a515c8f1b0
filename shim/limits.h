/*
 * limits - every ceiling and deadline of the shim, on one screen.
 * Process: shim.   Owns: nothing.   Secrets: none.
 * Limits: these; each says what happens beyond it.   Failure: none.
 */
#ifndef SHIM_LIMITS_H
#define SHIM_LIMITS_H

#define SHIM_WHY_SIZE 512 /* a reason in words; the rest is cut */

/* Start */
#define SHIM_ARENA_LEN 4096 /* locked memory: the enrollment key, nothing else; full: start fails  \
			     */
#define SHIM_ENROLL_FILE_MAX 65536 /* bytes of enroll.json; a longer file is refused */
#define SHIM_CA_COUNT_MAX                                                                          \
	8 /* certificates in it: one, or two while the CA is replaced; more: refused */
#define SHIM_WAIT_S_MAX 86400	  /* --wait; more: usage error */
#define SHIM_WAIT_S_DEFAULT 120	  /* then exit 125 */
#define SHIM_BACKOFF_FIRST_MS 100 /* between attempts while the broker is away, doubled up to ...  \
				   */
#define SHIM_BACKOFF_LAST_MS 3000 /* ... this, so that a broker that came back is found soon */
#define SHIM_SIBLINGS_MAX                                                                          \
	4096 /* entries in the folders above the enroll file; more: it counts as not hidden */
#define SHIM_ENV_COUNT_MAX 4096	   /* variables of the child; more: start fails */
#define SHIM_ENV_VALUE_MAX 16384   /* bytes of a variable that the broker sets; more: start fails */
#define SHIM_HOSTS_FILE_MAX 262144 /* bytes of /etc/hosts; a longer file is not read */

/* Connections to the gateway */
#define SHIM_ADDRESSES_MAX 8   /* of the gateway's name; the rest is not tried */
#define SHIM_RESOLVED_MS 30000 /* an answer of DNS is used that long */
#define SHIM_CONNECT_MS 10000  /* from resolving to the end of the handshake; then unreachable */
#define SHIM_CROWDED_MS 20 /* between attempts while the gateway's backlog is full */
#define SHIM_CONTROL_MS 15000  /* a control request, connection included; then unreachable */
#define SHIM_CONTROL_MS_MIN                                                                        \
	2000 /* ... shorter where --wait ends sooner, but not shorter than this */
#define SHIM_GIVE_BACK_MS                                                                          \
	2000 /* DELETE /v1/self at the end; then the certificate lives on until it expires */
#define SHIM_CONTROL_REPLY_MAX 524288 /* bytes of a reply's body; more: the reply is refused */

/* Forwarding */
#define SHIM_CLIENTS_MAX                                                                           \
	1024 /* connections of the child at once, fewer if descriptors are few; the rest waits in  \
		the backlog */
#define SHIM_BACKLOG 256 /* beyond it the kernel drops SYNs and the client tries again */
#define SHIM_RECORD_LEN                                                                            \
	16384 /* bytes moved at once: a whole TLS record, so that none stays half read in OpenSSL  \
	       */
#define SHIM_TURN_RECORDS                                                                          \
	8 /* records a direction and turn, so that one connection cannot starve the others */
#define SHIM_LINGER_MS                                                                             \
	5000 /* after our end was closed: what the client still sends is thrown away that long */
#define SHIM_SPARES 2 /* warm connections */
#define SHIM_SPARE_AGE_MS                                                                          \
	45000 /* older spares are replaced: the gateway closes a silent connection after 75 s */
#define SHIM_SPARE_RETRY_LAST_MS 10000 /* back-off of failed spares, doubled up to this */
#define SHIM_ACCEPT_PAUSE_MS 100       /* no descriptor left: accept() rests that long */
#define SHIM_RETIRE_TICK_MS                                                                        \
	5000 /* how often connections with a replaced certificate are looked at */
#define SHIM_RETIRE_QUIET_MS 60000 /* such a one is closed when it was silent that long, or ... */
#define SHIM_RETIRE_LAST_S 30 /* ... this close to its certificate's end, when silent for ... */
#define SHIM_RETIRE_LAST_QUIET_MS 2000 /* ... this long */

/* Renewal */
#define SHIM_RENEW_TICK_MS                                                                         \
	15000 /* the wall clock is looked at that often: a suspended machine's timers stand still  \
	       */
#define SHIM_RENEW_RETRY_FIRST_MS 1000 /* after a failure, doubled up to ... */
#define SHIM_RENEW_RETRY_LAST_MS 60000 /* ... this */

/* Signals, end */
#define SHIM_REAPS_PER_TURN 256 /* zombies; the rest comes in the next turn */
#define SHIM_TERM_MS 3000	/* from SIGTERM to SIGKILL for what outlives the child */
#define SHIM_KILL_MS 1000	/* from SIGKILL to the end, whatever is left */

#endif
