#!/bin/sh
# link_fence BUILD - each built program against the link table of the design: a library that a program must not
# contain is a wall between two processes that is not there.
set -eu
bin=${1:?usage: tools/link_fence.sh BUILD}/bin
failed=0

# What each may name. Listed is what a program may link; --as-needed leaves out what it does not use.
may_link() {
	case $1 in
	sidekeyd) echo yaml-0 seccomp ;;
	sidekey-gateway) echo ssl crypto sodium cares seccomp ;;
	sidekey-keeper) echo crypto sodium sqlite3 seccomp ;;
	sidekey-api) echo microhttpd jansson yaml-0 seccomp ;;
	sidekey) echo curl jansson yaml-0 sodium ;;
	sidekey-shim) echo none ;;
	esac
}

# Symbols that tell a library apart where no NEEDED entry can: in a static program, and for half a library.
must_not_hold() {
	case $1 in
	sidekey-shim) echo 'sqlite3_|MHD_|curl_easy_|yaml_parser_|sodium_|crypto_secretbox|PQconnect' ;;
	sidekey-keeper) echo 'SSL_|TLS_|MHD_|json_|curl_' ;;
	sidekey-gateway) echo 'sqlite3_|json_|yaml_|crypto_secretbox|crypto_aead|crypto_pwhash|curl_' ;;
	sidekey-api) echo 'SSL_|X509_|EVP_|sqlite3_|crypto_aead|curl_' ;;
	sidekeyd) echo 'SSL_|EVP_|sqlite3_|json_|MHD_|curl_|crypto_' ;;
	sidekey) echo 'SSL_|sqlite3_|MHD_|seccomp_' ;;
	esac
}

complain() {
	echo "link_fence: $1: $2" >&2
	failed=1
}

check_libraries() {
	for lib in $(readelf -d "$bin/$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'); do
		short=${lib%%.so*}
		short=${short#lib}
		case " $(may_link "$1") c " in
		*" $short "*) ;;
		*) complain "$1" "links $lib, which it must not" ;;
		esac
	done
}

check_symbols() {
	# imports of a dynamic program; all symbols of a static one
	if [ "$1" = sidekey-shim ]; then
		symbols=$(nm "$bin/$1" 2>/dev/null || true)
		[ -n "$symbols" ] || complain "$1" "is stripped: its symbols cannot be checked"
	else
		symbols=$(nm -D --undefined-only "$bin/$1")
	fi
	found=$(printf '%s\n' "$symbols" | awk '{ print $NF }' |
		grep -E "^($(must_not_hold "$1"))" | head -3 | tr '\n' ' ' || true)
	[ -z "$found" ] || complain "$1" "holds ${found}which it must not"
}

check_hardening() {
	readelf -h "$bin/$1" | grep -q 'Type:.*DYN' || complain "$1" "is not position-independent"
	readelf -lW "$bin/$1" | grep -q GNU_RELRO || complain "$1" "has no read-only relocations"
	readelf -lW "$bin/$1" | grep -Eq 'GNU_STACK.* RW ' || complain "$1" "has an executable stack"
	readelf -dW "$bin/$1" | grep -Eq 'BIND_NOW|FLAGS_1.*NOW' || complain "$1" "binds lazily"
	! readelf -dW "$bin/$1" | grep -Eq 'RPATH|RUNPATH|TEXTREL' ||
		complain "$1" "has a run path or text relocations"
}

check_static() {
	! readelf -lW "$bin/$1" | grep -q INTERP || complain "$1" "needs a dynamic linker"
	! readelf -d "$bin/$1" | grep -q NEEDED || complain "$1" "needs shared libraries"
}

for program in sidekeyd sidekey-gateway sidekey-keeper sidekey-api sidekey sidekey-shim; do
	if [ ! -x "$bin/$program" ]; then
		complain "$program" "is not built (make all)"
		continue
	fi
	check_libraries "$program"
	check_symbols "$program"
	check_hardening "$program"
done
if [ -x "$bin/sidekey-shim" ]; then
	check_static sidekey-shim
fi
[ "$failed" = 0 ] && echo "link_fence: six programs link what the table says, and nothing else"
exit "$failed"
