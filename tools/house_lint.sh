#!/bin/sh
# house_lint - layout, sizes and banned calls: what no compiler, analyzer or sanitizer that we tried finds.
# What stands in tools/house_allow.txt is allowed exactly as often as it says there: one more is a finding, and so is one less.
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

sources=$(find common broker cli shim -name '*.[ch]' | LC_ALL=C sort)
tests=$(find tests -name '*.[ch]' -not -path '*/corpus/*' -not -path '*/node_modules/*' | LC_ALL=C sort)

# Layout is what .clang-format makes of it. Another version makes something else of it, so only Debian 12's decides.
if clang-format --version 2>/dev/null | grep -q 'version 14\.'; then
	# shellcheck disable=SC2086
	clang-format --dry-run $sources $tests 2>"$work/layout" || true
	if [ -s "$work/layout" ]; then
		sed -n 's/^\([^:]*\):\([0-9]*\):.*-Wclang-format-violations.*/house_lint: \1:\2: layout: make format/p' "$work/layout" |
			sort -u | grep . >&2 || cat "$work/layout" >&2
		exit 1
	fi
else
	echo "house_lint: no clang-format 14 here, layout was not checked" >&2
fi

# Without comments, strings and character constants, each line with its place: a banned word in a sentence is no call.
# shellcheck disable=SC2086
awk -f tools/house_strip.awk $sources >"$work/code"
# shellcheck disable=SC2086
awk -f tools/house_sizes.awk $sources $tests >"$work/found"

# ban RULE REGEX [FILE...]: REGEX in the code, outside of the files that wrap it
ban() {
	rule=$1
	regex=$2
	shift 2
	grep -E "$regex" "$work/code" >"$work/hits" || true
	for file in "$@"; do
		grep -v "^$file:" "$work/hits" >"$work/rest" || true
		mv "$work/rest" "$work/hits"
	done
	sed "s|^\([^:]*\):\([0-9]*\):.*|$rule \1 \2|" "$work/hits" >>"$work/found"
}

# name NAMES: a call of one of them, not of something that ends alike
call() {
	echo "(^|[^a-zA-Z0-9_>.])($1)[[:space:]]*\\("
}

ban raw_open "$(call 'open|openat|openat2|creat|fopen|opendir')" common/sys.c
ban raw_socket "$(call 'socket|socketpair|accept|accept4')" common/sys.c
ban raw_wipe "$(call 'explicit_bzero|bzero|sodium_memzero|OPENSSL_cleanse|memset_s')" common/secret.c
ban raw_compare "$(call 'sodium_memcmp|CRYPTO_memcmp|timingsafe_bcmp|bcmp')" common/secret.c
ban memcmp "$(call 'memcmp')" common/span.c
ban memset "$(call 'memset')"
ban unbounded "$(call 'strcpy|strcat|stpcpy|sprintf|vsprintf|gets|strtok|scanf|sscanf|fscanf|alloca|strncpy|strncat')"
ban realloc "$(call 'realloc|reallocarray')"
ban cloexec 'F_SETFD.*O_CLOEXEC|F_DUPFD[^_]'
ban jump '(^|[^a-zA-Z0-9_])(goto|setjmp|longjmp|sigsetjmp|siglongjmp)[^a-zA-Z0-9_]'
ban typedef_struct '(^|[^a-z])typedef (struct|enum|union)[^(]*$'
ban assert "$(call 'assert')"
ban number "$(call 'atoi|atol|atoll|strtol|strtoul|strtoll|strtoull|strtod')" common/text.c
ban random "$(call 'rand|random|srand|srandom|drand48|rand_r')"
ban shell "$(call 'system|popen|execl|execlp|execle|execvp|execvpe|posix_spawnp')"
ban identity "$(call 'setuid|setgid|seteuid|setegid|setreuid|setregid|setresuid|setresgid|setgroups')" broker/proc/drop.c
ban process "$(call 'fork|vfork|clone|execve|execv|posix_spawn')" broker/sidekeyd/spawn.c shim/child.c cli/keeper_run.c cli/run.c
ban nap "$(call 'sleep|usleep')"
ban tls "$(call 'SSL_read|SSL_read_ex|SSL_write|SSL_write_ex|SSL_peek|SSL_do_handshake|SSL_connect|SSL_accept|SSL_shutdown')" broker/gateway/tls_io.c shim/tls.c
ban clock "$(call 'time|gettimeofday|clock_gettime|localtime|localtime_r|gmtime|ctime')" common/clock.c
ban signal_handler '(^|[^a-zA-Z0-9_])signal[(][A-Z0-9]+, [^S]'
ban environment "$(call 'getenv|setenv|putenv|unsetenv')" cli/cli.c shim/args.c
ban no_issue 'TODO|FIXME|XXX'

LC_ALL=C sort "$work/found" | awk '{ n[$1 " " $2]++; at[$1 " " $2] = at[$1 " " $2] " " $3 } END { for (k in n) print k, n[k], at[k] }' |
	LC_ALL=C sort >"$work/counted"
grep -v '^#' tools/house_allow.txt | awk 'NF' >"$work/allowed"
awk -v allowed="$work/allowed" '
BEGIN {
	while ((getline line < allowed) > 0) {
		split(line, f, " ")
		want[f[1] " " f[2]] = f[3]
	}
}
{
	key = $1 " " $2
	lines = ""
	for (i = 4; i <= NF; i++) lines = lines " " $i
	if ($3 != want[key] + 0) {
		printf "house_lint: %s: %s, %d times where %d are allowed; lines%s\n", $2, $1, $3, want[key], lines
		bad = 1
	}
	seen[key] = 1
}
END {
	for (key in want)
		if (!(key in seen)) {
			print "house_lint: " key " is allowed but not there any more: take it out of tools/house_allow.txt"
			bad = 1
		}
	exit bad
}' "$work/counted" >"$work/report" || { LC_ALL=C sort "$work/report" >&2; exit 1; }
echo "house_lint: sizes and calls are as the style says"
