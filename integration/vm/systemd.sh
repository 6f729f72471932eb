#!/bin/bash
# Boots Debian 12 or Ubuntu 24.04 with systemd in a virtual machine and runs a script in it, beside the given
# programs:
#
#   integration/vm/systemd.sh SCRIPT KERNEL_DIR PROGRAM...
#
# SCRIPT is guest.sh (root, services of the user manager, login sessions; Debian's own delegation), docker.sh
# (a container engine with its usual masks) or ubuntu.sh (Ubuntu's restriction of user namespaces). KERNEL_DIR
# is an unpacked kernel package: see kernel.sh. Installs what is missing (apt). Needs root, to make the image.
# Emulated on purpose, also where there is /dev/kvm. Exit code 0: the script said so in its last line.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
script=$1 kernel=$(realpath "$2"); shift 2
"$here/setup.sh" qemu-system-x86_64 depmod mke2fs
# shellcheck source-path=SCRIPTDIR source=sources.sh
. "$here/sources.sh"
# With too little of it the machine reads the programs from its disk again and again.
memory=2048 size=1200M
case $script in
docker.sh)
    tar=$("$here/rootfs.sh" rootfs-docker docker.io apparmor iptables)
    size=2000M
    ;;
ubuntu.sh) tar=$(suite=noble "$here/rootfs.sh" rootfs-ubuntu apparmor libseccomp2 passwd git ca-certificates) ;;
*) tar=$("$here/rootfs.sh" rootfs-git git ca-certificates) ;;
esac

# === the image

work=$(mktemp -d "$build/systemd.XXXXXX"); trap 'rm -rf "$work"' EXIT
root=$work/root; mkdir "$root"
tar -xf "$tar" -C "$root" --numeric-owner
cp -a "$kernel/lib/modules" "$root/usr/lib/"
chroot "$root" depmod "$(basename "$kernel"/lib/modules/*)"
mkdir -p "$root/tests" && cp "$@" "$root/tests/"
cp "$here/$script" "$root/guest.sh"
cp "$here/matrix.sh" "$root/matrix"
# Patience is for a machine that emulates, beside others.
echo "export JAIL=/tests/jail JAIL_TEST_PATIENCE=${JAIL_TEST_PATIENCE:-8} JAIL_TEST_DISK=/disk" > "$root/settings"
mkdir -m 1777 "$root/disk"
chroot "$root" useradd --create-home --shell /bin/bash tester
if [ "$script" = docker.sh ]; then
    # What a container gets: jail, what it needs, and a shell. There is no registry to pull from.
    "$here/pack.sh" "$work/image" "$root/tests/jail"
    cp "$here/matrix.sh" "$work/image/matrix"
    tar -C "$work/image" -cf "$root/image.tar" .
fi
# The user manager starts at boot, as after a login.
mkdir -p "$root/var/lib/systemd/linger" && touch "$root/var/lib/systemd/linger/tester"
echo guest > "$root/etc/hostname"
echo '127.0.0.1 localhost guest' > "$root/etc/hosts"
# What is in the kernel, so that there is no initrd: Debian has NVMe there, Ubuntu virtio.
device=nvme disk=/dev/nvme0n1
if grep -q '/virtio_blk.ko$' "$kernel"/lib/modules/*/modules.builtin; then device=virtio-blk-pci disk=/dev/vda; fi
echo "$disk / ext4 defaults 0 0" > "$root/etc/fstab"
# A getty hangs the serial line up; the engine starts by hand; the rest only costs time.
chroot "$root" systemctl mask -q serial-getty@ttyS0.service getty@tty1.service apt-daily.timer \
    apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer docker.service docker.socket containerd.service
cat > "$root/etc/systemd/system/guest.service" <<'UNIT'
[Unit]
Description=tests
After=multi-user.target systemd-user-sessions.service user@1000.service
[Service]
Type=oneshot
ExecStart=/guest.sh
ExecStopPost=/bin/systemctl poweroff --force --no-block
StandardOutput=tty
StandardError=tty
TTYReset=no
TTYVHangup=no
TTYPath=/dev/ttyS1
[Install]
WantedBy=multi-user.target
UNIT
chroot "$root" systemctl enable -q guest /usr/share/systemd/tmp.mount
# No loop device, no mount.
mke2fs -q -t ext4 -O ^has_journal -d "$root" -m 0 "$work/root.raw" "$size"
rm -rf "$root"

# === the machine

timeout "${VM_TIMEOUT:-7200}" qemu-system-x86_64 -machine q35,smm=off -accel tcg,thread=multi -cpu Haswell-v4 -smp 2 -m "$memory" \
    -nodefaults -display none -serial "file:$work/console" -serial "file:$work/log" -no-reboot \
    -kernel "$kernel"/boot/vmlinuz-* -append 'console=ttyS0 root='"$disk"' rw quiet panic=-1 mitigations=off' \
    -drive "id=root,file=$work/root.raw,if=none,format=raw,cache=unsafe" -device "$device,drive=root,serial=root" \
    < /dev/null 2> "$work/qemu" || { echo "qemu ended with $?"; tail "$work/qemu" "$work/console"; }
tr -d '\r' < "$work/log"
grep -q '^VM-RESULT=0' "$work/log" || { tail -n 5 "$work/console"; exit 1; }
