#!/bin/sh
# Docker Compose as Debian 13 has it (2.26), for a Debian 12 whose own is 1.29. apt checks the signatures.
# usage: tools/compose.sh DIR   (leaves DIR/docker-compose; does nothing where that is there)
set -eu
dir=$1
[ ! -x "$dir/docker-compose" ] || exit 0
mkdir -p "$dir"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/archives/partial"
chmod 0755 "$work"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian trixie main" >"$work/sources.list"
(
	cd "$work"
	set -- -q -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=- -o Dir::State::lists="$work/lists" \
		-o Dir::Cache="$work" -o APT::Sandbox::User=root -o Acquire::Languages=none
	apt-get "$@" update >/dev/null
	apt-get "$@" download docker-compose >/dev/null
	dpkg-deb -x docker-compose_*.deb root
)
cp "$(find "$work/root" -type f -name docker-compose -perm -u+x | head -1)" "$dir/docker-compose.new"
mv "$dir/docker-compose.new" "$dir/docker-compose"
