#!/bin/bash
# Unpacks the keys that Ubuntu's archive is signed with, and prints their path. Out of Debian's package, so
# that they are as good as what Debian signs; Debian 12 has none. Kept in build/vm.
set -euo pipefail
suite=trixie-backports
# shellcheck source-path=SCRIPTDIR source=sources.sh
. "$(dirname "$0")/sources.sh"
keyring=$build/ubuntu-archive-keyring.gpg
if [ ! -s "$keyring" ]; then
    apt-get "${apt_options[@]}" -qq update >&2
    work=$(mktemp -d "$build/keyring.XXXXXX"); trap 'rm -rf "$work"' EXIT
    (cd "$work" && apt-get "${apt_options[@]}" -qq download ubuntu-keyring >&2 && dpkg -x ./*.deb unpacked)
    cp -L "$work/unpacked/usr/share/keyrings/ubuntu-archive-keyring.gpg" "$keyring"
fi
echo "$keyring"
