#!/bin/bash
# Makes Debian 12 (or what $suite says: sources.sh) with systemd, and with the further packages, as
# build/vm/NAME.tar; prints the path. Takes a minute; kept, so remove it to have a newer one. Needs root.
#
#   integration/vm/rootfs.sh NAME [PACKAGE...]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
name=$1; shift
"$here/setup.sh" mmdebstrap
# shellcheck source-path=SCRIPTDIR source=sources.sh
. "$here/sources.sh"
tar=$build/$name.tar
if [ ! -f "$tar" ]; then
    # Valid-Until: a mirror may be a snapshot.
    mmdebstrap --mode=root --format=tar --variant=minbase --quiet \
        --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='APT::Install-Recommends "false"' \
        --include="systemd,systemd-sysv,dbus,dbus-user-session,libpam-systemd,udev,kmod,iproute2,procps,login$(printf ',%s' "$@")" \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' "$release" "$tar.new" "$sources" >&2
    mv "$tar.new" "$tar"
fi
echo "$tar"
