#!/bin/bash
# Unpacks a Debian kernel for a virtual machine and prints the folder: boot/vmlinuz-*, lib/modules.
#
#   integration/vm/kernel.sh [SUITE]        bookworm: Linux 6.1; bookworm-backports (usual): Linux 6.12
#
# Kept in build/vm/kernel-SUITE; remove that to have a newer one.
set -euo pipefail
suite=${1:-bookworm-backports}
. "$(dirname "$0")/sources.sh"
dir=$build/kernel-$suite
if compgen -G "$dir/boot/vmlinuz-*" > /dev/null; then echo "$dir"; exit; fi

apt-get "${apt_options[@]}" -qq update >&2
case $suite in bookworm) name='linux-image-6[.]1[.][0-9]+-[0-9]+' ;; *) name='linux-image-[0-9.]+[+]deb12' ;; esac
package=$(apt-cache "${apt_options[@]}" search --names-only "^$name-cloud-amd64\$" | cut -d' ' -f1 | sort -V | tail -n 1)
[ -n "$package" ] || { echo "no kernel package in $suite" >&2; exit 2; }
work=$(mktemp -d "$build/kernel.XXXXXX"); trap 'rm -rf "$work"' EXIT
(cd "$work" && apt-get "${apt_options[@]}" -qq download "$package" >&2 && dpkg -x ./*.deb unpacked)
rm -rf "$dir"; mv "$work/unpacked" "$dir"
echo "$dir"
