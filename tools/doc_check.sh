#!/bin/sh
# Holds documentation against what the programs say: doc_check.sh BUILD
# Every command and option of --help stands in its page and, for sidekey(1), the other way round; every key of the three file kinds stands in its page;
# every code that a refusal can carry stands in docs/ERRORS.md, every audit event in docs/AUDIT.md, every message in docs/IPC.md with its sizes; commands
# and targets in code blocks exist; relative links resolve; tests that are named exist; pages render.
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
	keys sidekey-$file.5 <"$work/keys"
done

# Options of the programs that have no commands.
for page in sidekeyd.8 sidekey-shim.1; do
	program=${page%.*}
	"$build/bin/$program" --help | sed -n 's/^ *\(--[a-z-]*\( [A-Z:]*\)*\)  .*/\1/p' | sed 's/ *$//' >"$work/options.program"
	sed -n '/^\.SH OPTIONS/,/^\.SH [^O]/p' "$man/$page" | section_options >"$work/options.page"
	compare "options of $program" "$work/options.program" "$work/options.page"
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

# Messages: name, sizes, state and descriptor, row by row.
sed -n 's/^\tROW(\([A-Z_]*\), \([0-9]*\), \([0-9A-Z_]*\), [A-Z |]*, [A-Z |]*, IN_\([A-Z]*\), \([a-z]*\)),$/\1 \2 \3 \4 \5/p' "$here/broker/ipc/msg.c" |
	sed 's/MSG_LEN_MAX/65000/' | tr '[:upper:]' '[:lower:]' | sed 's/ true$/ yes/; s/ false$//' >"$work/messages.program"
sed -n 's/^| `\([A-Z_]*\)` | [^|]* | [^|]* | \([0-9]*\) | \([0-9]*\) | \([a-z]*\) | \([a-z]*\) *| .*/\1 \2 \3 \4 \5/p' "$here/docs/IPC.md" |
	sed 's/ *$//' | tr '[:upper:]' '[:lower:]' >"$work/messages.page"
compare "messages of docs/IPC.md" "$work/messages.program" "$work/messages.page"

# Audit events.
{
	grep -rhoE '(\.|->)event = "[a-z_]+"|note\(a, "[a-z_]+"' "$here/broker/keeper" | cut -d'"' -f2
	grep -rhoE '(record|record_of|end_instance|seal_record|record_rules)\([^;]*"[a-z_]+"' "$here"/broker/keeper/*.c | grep -oE '"[a-z_]+"' | tr -d '"'
	sed -n '/ events\[\] = {/,/};/p' "$here"/broker/keeper/*.c | grep -oE '"[a-z_]+"' | tr -d '"'
	grep -rhoE '(AUDIT_EVENT_[A-Z]+|AUDIT_CLOCK_ACCEPTED) "[a-z_]+"' "$here/broker/keeper/audit" | cut -d'"' -f2
} | grep -vxE 'deny|allow|reusable|single-use|not_sent|outcome_unknown' | sort -u >"$work/events"
while read -r event; do
	grep -qE "^\| (.*, )?\`$event\`" "$here/docs/AUDIT.md" || { echo "doc_check: docs/AUDIT.md lacks the event $event"; bad=1; }
done <"$work/events"

# What stands in code blocks: commands with their options, make targets.
pages=$(cd "$here" && find . -name '*.md' -not -path './tests/clients/node_modules/*' -not -path './build*/*' | sed 's,^\./,,' | sort)
for page in $pages; do
	awk '/^```/ { on = !on; next } on' "$here/$page"
	sed -n 's/^    \(make [^ ]*\) .*$/\1/p' "$here/$page"
done | sed 's/#.*//; s/^\$ //' >"$work/block"
grep -oE '(^|[ ;&|(])make [A-Za-z][^;&|]*' "$work/block" | tr ' ' '\n' | grep -xE '[a-z_-]+' | grep -vx make | sort -u >"$work/targets"
while read -r target; do
	grep -qE "^$target:" "$here/Makefile" || { echo "doc_check: a code block says make $target, which does not exist"; bad=1; }
done <"$work/targets"
grep -oE '(^|[ ;&|(])sidekey [a-z][^;&|]*' "$work/block" | sed 's/^[ ;&|(]*sidekey *//' | sort -u >"$work/used"
while read -r line; do
	words=$(printf '%s\n' "$line" | awk '{ for (i = 1; i <= NF && i <= 2; i++) if ($i ~ /^[a-z]+$/) printf "%s ", $i; else break }')
	found=
	for count in 2 1; do
		title=$(printf '%s' "$words" | cut -d' ' -f1-$count | sed 's/ *$//')
		if grep -qE "^$title( [A-Z[]|\$)" "$work/commands.program"; then found=$title && break; fi
	done
	[ -n "$found" ] || { echo "doc_check: a code block says sidekey $line, which is no command"; bad=1; continue; }
	# shellcheck disable=SC2086 # the words of a command
	"$sidekey" help $found >"$work/help"
	for option in $(printf '%s\n' "$line" | grep -oE '(^| )--[a-z-]+'); do
		grep -qe " $option\b" "$work/help" || { echo "doc_check: sidekey $found has no option $option"; bad=1; }
	done
done <"$work/used"
for program in sidekeyd sidekey-shim; do
	for option in $(grep -oE "$program .*" "$work/block" | sed 's/ -- .*//' | grep -oE '(^| )--[a-z-]+'); do
		"$build/bin/$program" --help | grep -qe " $option\b" || { echo "doc_check: $program has no option $option"; bad=1; }
	done
done

# Links and the tests that are named.
for page in $pages; do
	dir=$(dirname "$here/$page")
	grep -oE '\]\([^)#: ]+(#[^)]*)?\)' "$here/$page" | sed 's/^](//; s/)$//; s/#.*//' | sort -u | while read -r link; do
		[ -e "$dir/$link" ] || echo "doc_check: $page links to $link, which is not there"
	done
	grep -oE 'tests/[a-z0-9_]+/[A-Za-z0-9_./]*\.(py|c|h|sh)' "$here/$page" | sort -u | while read -r file; do
		[ -e "$here/$file" ] || echo "doc_check: $page names $file, which is not there"
	done
done >"$work/missing"
grep -oE '\b(test_[a-z0-9_]+\.c|fuzz_[a-z0-9_]+\.c|[a-z0-9_]+\.py)\b' "$here/docs/THREAT_MODEL.md" "$here/docs/PRIVSEP.md" | sed 's/.*://' | sort -u |
	while read -r file; do
		[ -n "$(find "$here/tests" -name node_modules -prune -o -name "$file" -print)" ] || echo "doc_check: docs name the test $file, which is not there"
	done >>"$work/missing"

# Lines that a terminal beside another one can show.
(cd "$here" && printf '%s\n' "$pages" | LC_ALL=C.UTF-8 xargs grep -nE '^.{161}' | cut -c1-100 | sed 's/^/doc_check: over 160 columns: /') >>"$work/missing" || :

# Pages render.
if command -v mandoc >/dev/null; then
	mandoc -T lint -W warning "$man"/*.[0-9] >>"$work/missing" 2>&1 || :
else
	echo "doc_check: no mandoc here, pages were not rendered" >&2
fi
if [ -s "$work/missing" ]; then
	cat "$work/missing"
	bad=1
fi
exit $bad
