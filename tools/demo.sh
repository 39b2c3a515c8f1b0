#!/bin/bash
# The whole product on loopback, in one run: a key leaves an .env file, an agent uses it without ever holding it.
# usage: tools/demo.sh BUILD-DIR [KEY]     KEY: @file with a real Anthropic key; then the real API is called.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
bin=$(cd "$1/bin" && pwd)
real_key=${2:-}
work=$(mktemp -d /tmp/sidekey-demo.XXXXXX)
chmod 700 "$work"
conf=$work/etc run=$work/run state=$work/state
broker= upstream=

bold= plain= dim=
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$'\e[1m' plain=$'\e[0m' dim=$'\e[2m'; fi

finish() {
	[ -z "$broker" ] || { kill "$broker" 2>/dev/null && wait "$broker" 2>/dev/null; } || true
	[ -z "$upstream" ] || { kill "$upstream" 2>/dev/null && wait "$upstream" 2>/dev/null; } || true
	rm -rf "$work"
}
trap finish EXIT

step() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
panel() { printf '%s── %s ──%s\n' "$bold" "$*" "$plain"; }
show() { printf '%s$ %s%s\n' "$dim" "$*" "$plain"; }
sidekey() { "$bin/sidekey" --config-dir "$conf" --run-dir "$run" "$@"; }

step "1. A sample .env, as every container gets it today"
mkdir -p "$conf/upstreams" "$conf/policies" "$run"
key="sk-ant-api03-$(head -c 60 /dev/urandom | base64 -w0 | tr '+/' '-_' | cut -c1-80)"
if [ -n "$real_key" ]; then
	case "$real_key" in
	@*) key=$(tr -d '\r\n' <"${real_key#@}") ;;
	*) echo "demo: KEY must be @file: a key on a command line is visible in ps" >&2; exit 2 ;;
	esac
	[ -n "$key" ] || { echo "demo: ${real_key#@} holds no key" >&2; exit 2; }
fi
# By the shell itself: as grep's argument the key would be visible in ps, too.
holds_key() { [[ $(<"$1") == *"$key"* ]]; }
(umask 077; cat >"$work/.env" <<EOF
# staging
ANTHROPIC_API_KEY=$key
LOG_LEVEL=debug
EOF
)
sed 's/^\(ANTHROPIC_API_KEY=.\{7\}\).*/\1…/' "$work/.env"

step "2. The broker on its embedded store"
cat >"$conf/sidekey.yaml" <<EOF
state_dir: $state
run_dir: $run
listen: {unix: true}
gateway_address: unix:$run/gateway.sock
unseal: {key_file: $work/root.key}
user: none
EOF
sidekey --quiet init --state-dir "$state" --unseal key-file --key-file "$work/root.key"
if [ -z "$real_key" ]; then
	/usr/bin/python3 "$root/tools/demo_upstream.py" "$work" "$conf" &
	upstream=$!
	for _ in $(seq 100); do [ -s "$work/upstream.port" ] && break; sleep 0.05; done
	cat >"$conf/upstreams/anthropic.yaml" <<EOF
upstream: anthropic
like: anthropic
ca: ca.pem
connect: 127.0.0.1:$(cat "$work/upstream.port")
EOF
fi
"$bin/sidekeyd" --config-dir "$conf" 2>"$work/broker.log" &
broker=$!
for _ in $(seq 200); do sidekey --quiet status >/dev/null 2>&1 && break; sleep 0.05; done
sidekey status | head -4

step "3. The key leaves the .env for the sealed store"
show "sidekey import env .env --workload coder"
sidekey import env "$work/.env" --workload coder --out "$work/.env.sidekey"
show "cat .env.sidekey"
cat "$work/.env.sidekey"
shred -u "$work/.env"

step "4. A real client, curl, behind the shim"
sidekey --quiet workload enroll coder --reusable --out "$work/enroll.json"
cat >"$work/agent.sh" <<'EOF'
env | grep -E '^(ANTHROPIC|SIDEKEY)' | sort
echo
body='{"model":"claude-sonnet-4-5","max_tokens":64,"messages":[{"role":"user","content":"Say hello."}]}'
ask() {
	curl -sS "$ANTHROPIC_BASE_URL/v1/messages" -H "x-api-key: $ANTHROPIC_API_KEY" \
		-H 'anthropic-version: 2023-06-01' -H 'content-type: application/json' "$@"
}
ask -d "$body"
echo; echo
ask -N -d "${body%\}},\"stream\":true}" | grep '^event' | uniq -c
EOF
agent() {
	env -i PATH="$PATH" HOME="$work" "$bin/sidekey-shim" --enroll "$work/enroll.json" -- bash "$@"
}
panel "What the agent could see"
agent "$work/agent.sh" | tee "$work/agent.out"
if holds_key "$work/agent.out"; then echo "demo: the agent saw the key" >&2; exit 1; fi

panel "What the upstream saw"
if [ -z "$real_key" ]; then
	sed "s/\(sk-ant-api03-...\)[^ ]*/\1… (the real key)/" "$work/upstream.seen" | head -12
	holds_key "$work/upstream.seen" || { echo "demo: the key did not arrive" >&2; exit 1; }
else
	echo "the real API answered; see above"
fi

panel "What the audit says"
sidekey audit tail -n 4
sidekey audit verify

step "5. The security team cuts the agent off"
cat >"$work/refused.sh" <<EOF
"$bin/sidekey" --config-dir "$conf" --run-dir "$run" workload revoke coder
$(sed -n '/^body=/,/^}/p' "$work/agent.sh")
ask -d "\$body" -w '\nHTTP %{http_code}\n'
EOF
show "sidekey workload revoke coder"
agent "$work/refused.sh" || true
sidekey audit tail -n 2
