#!/bin/bash
# Boots Debian 12 with systemd in a virtual machine and runs the given programs in it: as root; as an
# ordinary user in a service of the user manager, and in a login session, where jail gets its cgroup
# from the user manager (StartTransientUnit). Nothing is changed for them: delegation is Debian's own.
#
#   integration/vm/systemd.sh KERNEL_DIR PROGRAM...
#
# KERNEL_DIR is an unpacked Debian kernel package: see kernel.sh. A program named `jail` is not run by
# itself: it is there for the others, and `jail doctor host` is asked for its view. Installs what is
# missing (apt). Needs root, to make the image. Emulated on purpose, also where there is /dev/kvm. The
# first run makes build/vm/rootfs.tar (a minute; remove it to have a newer one).
# Exit code 0: all programs ended with 0 in every round and no cgroup was left.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
kernel=$(realpath "$1"); shift
"$here/setup.sh" qemu-system-x86_64 qemu-img mmdebstrap depmod mke2fs
. "$here/sources.sh"

# === the distribution

if [ ! -f "$build/rootfs.tar" ]; then
    mmdebstrap --mode=root --format=tar --variant=minbase --quiet \
        --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='APT::Install-Recommends "false"' \
        --include=systemd,systemd-sysv,dbus,dbus-user-session,libpam-systemd,udev,kmod,iproute2,procps,git,login \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' bookworm "$build/rootfs.new" "$sources"
    mv "$build/rootfs.new" "$build/rootfs.tar"
fi

# === the image

work=$(mktemp -d "$build/systemd.XXXXXX"); trap 'rm -rf "$work"' EXIT
root=$work/root; mkdir "$root"
tar -xf "$build/rootfs.tar" -C "$root" --numeric-owner
cp -a "$kernel/lib/modules" "$root/usr/lib/"
chroot "$root" depmod "$(basename "$kernel"/lib/modules/*)"
mkdir -p "$root/tests" && cp "$@" "$root/tests/"
cp "$here/guest.sh" "$root/guest.sh"
cp "$here/matrix.sh" "$root/matrix"
chroot "$root" useradd --create-home --shell /bin/bash tester
# The user manager starts at boot, as after a login.
mkdir -p "$root/var/lib/systemd/linger" && touch "$root/var/lib/systemd/linger/tester"
echo guest > "$root/etc/hostname"
echo '127.0.0.1 localhost guest' > "$root/etc/hosts"
echo '/dev/nvme0n1 / ext4 defaults 0 0' > "$root/etc/fstab"
# A getty hangs the serial line up; the rest only costs time.
chroot "$root" systemctl mask -q serial-getty@ttyS0.service getty@tty1.service apt-daily.timer \
    apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer
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
# No loop device, no mount. NVMe is in the kernel, so there is no initrd.
mke2fs -q -t ext4 -O ^has_journal -d "$root" -m 0 "$work/root.raw" 1200M

# === the machine

timeout "${VM_TIMEOUT:-900}" qemu-system-x86_64 -machine q35,smm=off -accel tcg,thread=multi -cpu Haswell-v4 -smp 2 -m 1024 \
    -nodefaults -display none -serial "file:$work/console" -serial "file:$work/log" -no-reboot \
    -kernel "$kernel"/boot/vmlinuz-* -append 'console=ttyS0 root=/dev/nvme0n1 rw quiet panic=-1 mitigations=off' \
    -drive "id=root,file=$work/root.raw,if=none,format=raw,cache=unsafe" -device nvme,drive=root,serial=root \
    < /dev/null 2> "$work/qemu" || { echo "qemu ended with $?"; tail "$work/qemu" "$work/console"; }
tr -d '\r' < "$work/log"
grep -q '^VM-RESULT=0' "$work/log" || { tail -n 5 "$work/console"; exit 1; }
