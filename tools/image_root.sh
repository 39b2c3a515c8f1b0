#!/bin/sh
# Makes the installed tree a root file system of its own: the libraries that the programs name, trusted CAs, one user.
# usage: tools/image_root.sh ROOT OWNED   (in the image's build; OWNED gets the folders that belong to the user)
set -eu
root=$1
owned=$2

for program in "$root"/usr/local/bin/* "$root"/usr/local/sbin/* "$root"/usr/local/libexec/sidekey/*; do
	mode=$(stat -c %a "$program")
	strip "$program"
	chmod "$mode" "$program"
	ldd "$program" 2>/dev/null | grep -oE '/[^ ]+' || :
done | sort -u | while read -r library; do
	real=/usr/${library#/usr/} # /lib is a link into /usr in Debian, and in this image
	mkdir -p "$root${real%/*}"
	cp -L "$library" "$root$real"
done
for link in lib lib64; do
	mkdir -p "$root/usr/$link"
	ln -s "usr/$link" "$root/$link"
done

mkdir -p "$root/etc/ssl/certs" "$root/etc/sidekey" "$root/sidekey" "$root/var/lib" "$root/run" "$root/tmp"
chmod 1777 "$root/tmp"
cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
printf 'root:x:0:0::/:/sbin/nologin\nsidekey:x:7433:7433::/:/sbin/nologin\n' >"$root/etc/passwd"
printf 'root:x:0:\nsidekey:x:7433:\n' >"$root/etc/group"
rm -rf "$root/usr/local/share"

mkdir -p "$owned/lib/sidekey" "$owned/run/sidekey" "$owned/run/sidekey-gateway"
chmod 0700 "$owned/lib/sidekey" "$owned/run/sidekey" # the store; the operator's sockets
