#!/bin/bash
# Fills a folder so that it can be a root: busybox, the programs in /tests with the libraries they
# need, and two users.
#
#   integration/vm/pack.sh FOLDER PROGRAM...
set -euo pipefail
root=$1; shift
mkdir -p "$root"/{bin,proc,sys,dev,tmp,etc,root,usr/bin,tests}
cp "$(command -v busybox)" "$root/bin/busybox"
chroot "$root" /bin/busybox --install -s /bin
for program in "$@"; do
    cp "$program" "$root/tests/"
    # The libraries of a dynamic program, at the places where it looks for them.
    { ldd "$program" 2>/dev/null | grep -o '/[^ ]*' || true; } | while read -r library; do
        mkdir -p "$root$(dirname "$library")"; cp -L "$library" "$root$library"
    done
done
echo 'root:x:0:0::/root:/bin/sh' > "$root/etc/passwd"
echo 'tester:x:1000:1000::/tmp:/bin/sh' >> "$root/etc/passwd"
printf 'root:x:0:\ntester:x:1000:\n' > "$root/etc/group"
chmod 1777 "$root/tmp"
