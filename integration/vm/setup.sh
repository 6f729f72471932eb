#!/bin/bash
# Installs the named programs where they are missing, through apt: only what the machines here need.
#
#   integration/vm/setup.sh PROGRAM...
set -euo pipefail
packages=() backports=()
for program in "$@"; do
    command -v "$program" > /dev/null || [ -x "/usr/sbin/$program" ] || [ -x "/sbin/$program" ] || case $program in
    depmod) packages+=(kmod) ;;
    mke2fs) packages+=(e2fsprogs) ;;
    # 7.2, which Debian 12 has, panics in Linux 6.12 without KVM; 10 does not.
    qemu-system-x86_64) backports+=(qemu-system-x86) ;;
    sfdisk) packages+=(fdisk) ;;
    grub-mkimage) packages+=(grub-common grub-pc-bin) ;;
    vagrant)
        packages+=(vagrant vagrant-libvirt libvirt-daemon-system libvirt-clients libvirt-daemon
            libvirt-daemon-driver-qemu dnsmasq-base iptables rsync)
        ;;
    qemu-img) backports+=(qemu-utils) ;;
    *) packages+=("$program") ;;
    esac
done
[ $((${#packages[@]} + ${#backports[@]})) -gt 0 ] || exit 0
as_root=(); [ "$(id -u)" -eq 0 ] || as_root=(sudo)
install=(env DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --no-install-recommends)
"${as_root[@]}" apt-get --quiet update >&2
if [ ${#packages[@]} -gt 0 ]; then "${as_root[@]}" "${install[@]}" "${packages[@]}" >&2; fi
[ ${#backports[@]} -gt 0 ] || exit 0
# Debian 12's own sources with backports added, for this one command.
options=()
if grep -q '^VERSION_ID="12"' /etc/os-release; then
    # shellcheck source-path=SCRIPTDIR source=sources.sh
    . "$(dirname "$0")/sources.sh"
    "${as_root[@]}" apt-get "${apt_options[@]}" --quiet update >&2
    options=("${apt_options[@]}" -t bookworm-backports)
fi
"${as_root[@]}" "${install[@]}" "${options[@]}" "${backports[@]}" >&2
