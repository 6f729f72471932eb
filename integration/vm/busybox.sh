#!/bin/bash
# Unpacks Debian's static busybox and prints its path: one program that is a machine's whole user space.
# The one that this machine may have can be of another make (without `su`, or with libraries), and the two
# packages exclude each other. Kept in build/vm/busybox.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=sources.sh
. "$(dirname "$0")/sources.sh"
program=$build/busybox
if [ ! -x "$program" ]; then
    apt-get "${apt_options[@]}" -qq update >&2
    work=$(mktemp -d "$build/busybox.XXXXXX"); trap 'rm -rf "$work"' EXIT
    (cd "$work" && apt-get "${apt_options[@]}" -qq download busybox-static >&2 && dpkg -x ./*.deb unpacked)
    find "$work/unpacked" -name busybox -type f -exec mv {} "$program" \;
fi
[ -x "$program" ] || { echo "no busybox in busybox-static" >&2; exit 2; }
echo "$program"
