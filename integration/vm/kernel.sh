#!/bin/bash
# Unpacks a kernel of Debian's or Ubuntu's for a virtual machine and prints the folder: boot/vmlinuz-*, lib/modules.
#
#   integration/vm/kernel.sh SUITE
#
# bookworm: Linux 6.1; bookworm-backports: 6.12; trixie-backports: the newest; noble: Ubuntu 24.04's 6.8.
# Kept in build/vm/kernel-SUITE; remove that to have a newer one.
set -euo pipefail
suite=$1
# shellcheck source-path=SCRIPTDIR source=sources.sh
. "$(dirname "$0")/sources.sh"
dir=$build/kernel-$suite
if compgen -G "$dir/boot/vmlinuz-*" >/dev/null; then echo "$dir"; exit; fi

meta=linux-image-cloud-amd64
[ "$suite" != noble ] || meta=linux-image-virtual
apt-get "${apt_options[@]}" -qq update >&2
# depends PACKAGE PATTERN: what it depends on by that name, as `package=version`, from this suite.
depends() {
    apt-cache "${apt_options[@]}" -t "$suite" show --no-all-versions "$1" |
        sed -n 's/^Depends: //p' | tr ',' '\n' | tr -d ' ()' | grep -E "$2" || true
}
image=$(depends "$meta" '^linux-image-[0-9]' | sed 's/=.*//')
[ -n "$image" ] || { echo "no kernel package in $suite" >&2; exit 2; }
# Since 7.1 the image is a package of packages.
mapfile -t packages < <(echo "$image"; depends "$image" '^linux-(binary|modules)-[0-9]' | sed 's/=.*//')
work=$(mktemp -d "$build/kernel.XXXXXX"); trap 'rm -rf "$work"' EXIT
(
    cd "$work"
    apt-get "${apt_options[@]}" -t "$suite" -qq download "${packages[@]}" >&2
    for package in ./*.deb; do dpkg -x "$package" unpacked; done
)
# Where they are differs: /lib or /usr/lib, /boot or beside the modules.
mkdir -p "$work/kernel/boot" "$work/kernel/lib"
for modules in "$work"/unpacked/lib/modules "$work"/unpacked/usr/lib/modules; do
    if [ -d "$modules" ]; then cp -a "$modules" "$work/kernel/lib/"; fi
done
find "$work/unpacked" -name 'vmlinuz*' -exec cp {} "$work/kernel/boot/vmlinuz-$suite" \;
compgen -G "$work/kernel/boot/vmlinuz-*" >/dev/null || { echo "no kernel in ${packages[*]}" >&2; exit 2; }
rm -rf "$dir"; mv "$work/kernel" "$dir"
echo "$dir"
