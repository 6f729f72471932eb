#!/bin/bash
# The Vagrantfile, with a box of our own, without KVM and without a network:
#
#   integration/vm/vagrant.sh PROGRAM...
#
# libvirt, vagrant and the machine live in network, mount and pid namespaces made for them: nothing of
# theirs is on this machine, and all of it ends with this script. Installs what is missing (apt). Needs root.
# Exit code 0: all programs ended with 0, as root and as the user of an ssh session.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=sources.sh
. "$here/sources.sh"
"$here/setup.sh" qemu-system-x86_64 vagrant >&2
box=$("$here/box.sh" "$("$here/kernel.sh" bookworm-backports)")
work=$(mktemp -d "$build/vagrant.XXXXXX"); trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{home,pool,tree/build/programs,libvirt}
# What the machine gets as /vagrant: not the whole checkout, for there is nothing in it that builds.
cp "$here/../../Vagrantfile" "$work/tree/"
cp "$@" "$work/tree/build/programs/"
cp "$here/machine.sh" "$work/tree/"
export WORK=$work BOX=$box
# shellcheck disable=SC2016 # it is the inner shell's
timeout --kill-after 30 "${VM_TIMEOUT:-3600}" \
    unshare --net --mount --pid --fork --kill-child --mount-proc --propagation private bash -euc '
    ip link set lo up
    umount -l /sys/fs/cgroup 2>/dev/null || true # libvirt would put the machine in groups of this host
    mount -t tmpfs none /run; mkdir -p /run/libvirt /run/lock
    # It keeps networks and pools below /etc.
    cp -a /etc/libvirt/. "$WORK/libvirt/"; rm -rf "$WORK"/libvirt/storage "$WORK"/libvirt/qemu/networks
    # A user of its own may not come to where this checkout lies.
    printf "user = \"root\"\ngroup = \"root\"\n" >> "$WORK/libvirt/qemu.conf"
    mount --bind "$WORK/libvirt" /etc/libvirt
    virtlogd -d; libvirtd -d
    cd "$WORK/tree"
    export VAGRANT_HOME=$WORK/home VAGRANT_CHECKPOINT_DISABLE=1 VAGRANT_DEFAULT_PROVIDER=libvirt VAGRANT_NO_COLOR=1
    export JAIL_BOX=local/jail JAIL_DRIVER=qemu JAIL_CPU=Haswell JAIL_POOL=$WORK/pool JAIL_MEMORY=1024
    vagrant box add --force --name local/jail --provider libvirt "$BOX"
    trap "vagrant destroy -f" EXIT
    vagrant up </dev/null
    vagrant ssh -c "/vagrant/machine.sh ${JAIL_TEST_PATIENCE:-8}" </dev/null
'
