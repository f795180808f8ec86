#!/bin/sh
# Makes the root folder of the image: the program, the libraries it is linked with, a user, and nothing else. No shell, no packages.
# Usage: root.sh PROGRAM FOLDER
set -eu
program=$1
root=$2

mkdir -p "$root/bin" "$root/etc" "$root/data" "$root/tmp"
cp "$program" "$root/bin/guildhall"

# Libraries keep their places, which the program's loader knows; the loader itself is one of the lines.
ldd "$program" | awk '/=> \//{print $3} /^[[:space:]]*\/.*ld-/{print $1}' | while read -r library; do
    mkdir -p "$root$(dirname "$library")"
    cp -L "$library" "$root$library"
done

echo 'guildhall:x:65532:65532:Guildhall:/data:/nonexistent' > "$root/etc/passwd"
echo 'guildhall:x:65532:' > "$root/etc/group"
# Names are looked up in /etc/hosts and by DNS: both are in the C library itself.
echo 'hosts: files dns' > "$root/etc/nsswitch.conf"
chmod 1777 "$root/tmp"
chmod 0700 "$root/data"
chown 65532:65532 "$root/data"
