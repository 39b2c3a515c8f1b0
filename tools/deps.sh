#!/bin/sh
# Lists the Debian packages that a target needs and this machine lacks, then installs them.
# Asks on a terminal; YES=1 does not. usage: tools/deps.sh build|test|ci|bench
set -eu

build="gcc make pkg-config libc6-dev libssl-dev libsodium-dev libmicrohttpd-dev libjansson-dev libcurl4-openssl-dev
 libsqlite3-dev libyaml-dev libc-ares-dev libseccomp-dev zlib1g-dev libzstd-dev"
test="$build python3 openssl perl curl procps util-linux binutils ca-certificates"
ci="$test python3-jsonschema clang clang-format clang-tidy cppcheck llvm libclang-rt-dev valgrind strace nginx-light chromium nodejs npm mandoc iproute2 zsh fish
 docker.io debootstrap iptables xz-utils"

bench="$test nginx-light haproxy caddy iproute2"

case "${1:-build}" in
build) want=$build ;;
test) want=$test ;;
ci) want=$ci ;;
bench) want=$bench ;;
*) echo "usage: $0 build|test|ci|bench" >&2; exit 2 ;;
esac

missing=
for p in $want; do
	case "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)" in
	installed) continue ;;
	esac
	case $p in # another package may bring the same program
	nodejs) command -v node >/dev/null && continue ;;
	npm) command -v npm >/dev/null && continue ;;
	esac
	missing="$missing $p"
done
[ -n "$missing" ] || exit 0

echo "sidekey: these Debian packages are missing:$missing" >&2
sudo=
[ "$(id -u)" = 0 ] || sudo=sudo
if [ "${YES:-}" != 1 ]; then
	if [ ! -t 0 ]; then
		echo "sidekey: install them with: $sudo apt-get install$missing   (or say YES=1)" >&2
		exit 1
	fi
	printf 'Install them now with apt-get? [Y/n] ' >&2
	read -r answer
	case "$answer" in [nN]*) exit 1 ;; esac
fi
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -q >/dev/null
# shellcheck disable=SC2086
$sudo apt-get install -y -q --no-install-recommends $missing >/dev/null
