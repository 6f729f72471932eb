#!/bin/bash
# Fills a folder so that it can be a root: busybox, the programs in /tests with the libraries they
# need, and two users.
#
#   integration/vm/pack.sh FOLDER PROGRAM...
set -euo pipefail
root=$1; shift
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=put.sh
. "$here/put.sh"
mkdir -p "$root"/{bin,proc,sys,dev,tmp,etc,root,usr/bin,tests}
put "$root" /bin "$("$here/busybox.sh")"
chroot "$root" /bin/busybox --install -s /bin
put "$root" /tests "$@"
echo 'root:x:0:0::/root:/bin/sh' > "$root/etc/passwd"
echo 'tester:x:1000:1000::/tmp:/bin/sh' >> "$root/etc/passwd"
printf 'root:x:0:\ntester:x:1000:\n' > "$root/etc/group"
chmod 1777 "$root/tmp"
