/*
 * ops - everything that each kind of peer may ever ask: one table a role, in a file each.
 * Process: keeper.   Owns: nothing.
 * Secrets: some messages carry one: see docs/SECRET_FLOW.md.
 * Limits: the message table's.
 * Failure: a peer that asks for anything else is closed.
 */
#ifndef KEEPER_OPS_H
#define KEEPER_OPS_H

#include "broker/keeper/ask.h"

void ops_gateway(struct peer *p, struct msg *m);
void ops_edge(struct peer *p, struct msg *m);
void ops_admin(struct peer *p, struct msg *m);
void ops_cli(struct peer *p, struct msg *m);

/* What gateways wait for: server certificates, the configuration. Called when that may have become
 * possible. */
void ops_gateway_serve_waiting(struct keeper *k);
/* GK_FINISHED for what became durable. At the end of each turn. */
void ops_gateway_confirm(struct keeper *k);

/* Calls that admin and the command line share. */
ask_fn ops_status, ops_workload_add, ops_workload_list, ops_workload_set, ops_secret_list,
    ops_secret_history, ops_secret_set;
/* The command line's own. */
ask_fn ops_unseal, ops_seal, ops_secret_put, ops_secret_reveal, ops_enroll_new, ops_rekey,
    ops_audit_open, ops_audit_key;

#endif
