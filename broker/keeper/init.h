/*
 * init - `sidekey-keeper init`: makes the state directory, once.
 * Process: sidekey-keeper, started by `sidekey init`; no loop, no peers.   Owns: nothing.
 * Secrets: root key, CA key, key file, passphrase (from stdin); in the arena, wiped at exit.
 * Limits: INIT_PASSPHRASE_MIN bytes of passphrase.
 * Failure: a sentence on stderr, exit code 1 (2 for usage); what exists already is never
 *          overwritten.
 */
#ifndef KEEPER_INIT_H
#define KEEPER_INIT_H

#define INIT_PASSPHRASE_MIN 8

/* argv from "init" on; crypto and arena are there. Returns the exit code. */
int init_run(int argc, char **argv);

#endif
