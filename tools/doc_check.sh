#!/bin/sh
# Holds documentation against what the programs say: doc_check.sh BUILD
# Every command and option of --help stands in sidekey(1) and the other way round; every key of the three file kinds stands in its page; every
# code that a refusal can carry stands in docs/ERRORS.md.
set -eu

build=${1:-build}
here=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sidekey=$build/bin/sidekey
man=$here/docs/man
bad=0

compare() { # what, left file, right file
	if ! diff -u "$2" "$3" >"$work/diff"; then
		echo "doc_check: $1 differ (- program, + page):"
		sed -n '3,$p' "$work/diff"
		bad=1
	fi
}

# The left column of a list in --help: 28 wide, or a line of its own.
left_column() {
	sed -n "/^$1:\$/,/^\$/p" | sed -n 's/^  \([^ ].*\)$/\1/p' | awk '{ if (length($0) > 28) { t = substr($0, 29, 1); if (t == " ") $0 = substr($0, 1, 28) } sub(/ +$/, ""); print }'
}
left_options() {
	sed -n "/^$1:\$/,/^\$/p" | sed -n 's/^  \( *-.*\)$/\1/p' | cut -c1-28 | sed 's/^ *//; s/ *$//'
}
section_options() { # of the page on stdin
	sed -n 's/^\.B \(\\-.*\)$/\1/p' | sed 's/\\-/-/g'
}

"$sidekey" help | left_column commands | sort >"$work/commands.program"
sed -n 's/^\.SS "\(.*\)"$/\1/p' "$man/sidekey.1" | sed 's/\\-/-/g' | sort >"$work/commands.page"
compare "commands of sidekey(1)" "$work/commands.program" "$work/commands.page"

"$sidekey" help | left_options "global options" >"$work/options.program"
sed -n '/^\.SH GLOBAL/,/^\.SH COMMANDS/p' "$man/sidekey.1" | section_options >"$work/options.page"
compare "global options" "$work/options.program" "$work/options.page"

while read -r line; do
	words=$(printf '%s\n' "$line" | tr ' ' '\n' | grep -x '[a-z]*' | tr '\n' ' ')
	# shellcheck disable=SC2086 # the words of a command
	"$sidekey" help $words | left_options options >"$work/options.program"
	sed 's/\\-/-/g' "$man/sidekey.1" | awk -v title=".SS \"$line\"" '$0 == title { on = 1; next } /^\.S[SH]/ { on = 0 } on' |
		sed -n 's/^\.B \(-.*\)$/\1/p' >"$work/options.page"
	compare "options of $words" "$work/options.program" "$work/options.page"
done <"$work/commands.program"

# Keys of the files that people write.
keys() { # page, words on stdin
	while read -r key; do
		grep -q "^\.B $key\$" "$man/$1" || { echo "doc_check: $1 lacks the key $key"; bad=1; }
	done
}
sed -n '/config_keys\[\]/,/^};/s/.*{ "\([a-z_]*\)", .*/\1/p' "$here/broker/sidekeyd/config_keys.c" | sort -u >"$work/keys"
keys sidekey.yaml.5 <"$work/keys"
for file in upstream policy; do
	sed -n "/^compile_$file(/,/NULL }/p" "$here/broker/api/policyc/$file.c" | tr ',' '\n' | sed -n 's/.*"\([a-z_]*\)".*/\1/p' >"$work/keys"
	[ -s "$work/keys" ] || { echo "doc_check: found no keys in policyc/$file.c"; bad=1; }
	keys sidekey-policy.5 <"$work/keys"
done

# Codes: whatever stands where a refusal's code stands.
find "$here/broker" -name '*.c' -exec cat {} + | tr '\n' ' ' | grep -oE '(\.code = |ask_refuse\([^;"]*|admin_refuse\([^;"]*|refuse_here\([^;"]*|refuse\(q, [0-9]*, |refuse\(k->request, [0-9]*, |\{ [45][0-9][0-9], |\{ *\[?READY_[A-Z_]*\]? = \{ )"[a-z_]+"' |
	grep -oE '"[a-z_]+"$' | tr -d '"' | grep -vx ok | sort -u >"$work/codes"
sed -n '/^} hints\|\] = {$/,/^};/p' "$here/broker/keeper/decide_hint.c" | sed -n 's/^.*{ "\([a-z_]*\)", [0-9]*,.*/\1/p' | sort -u >>"$work/codes"
while read -r code; do
	grep -q "^| \`$code\` " "$here/docs/ERRORS.md" || { echo "doc_check: docs/ERRORS.md lacks the code $code"; bad=1; }
done <"$work/codes"
sed -n 's/^| `\([a-z_]*\)` .*/\1/p' "$here/docs/ERRORS.md" | while read -r code; do
	grep -rq "\"$code\"" "$here/broker" "$here/shim" || echo "doc_check: docs/ERRORS.md has the code $code, which nothing uses"
done >"$work/unused"
if [ -s "$work/unused" ]; then
	cat "$work/unused"
	bad=1
fi
exit $bad
