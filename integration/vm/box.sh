#!/bin/bash
# Makes a box for vagrant with libvirt out of Debian's packages, where none can be downloaded; prints
# the path. GRUB, one ext4 partition, and an initrd that loads virtio_blk; no loop device, no mount.
#
#   integration/vm/box.sh KERNEL_DIR
#
# Kept in build/vm/local.box; remove it to have a newer one. Needs root.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
kernel=$(realpath "$1")
# shellcheck source-path=SCRIPTDIR source=sources.sh
. "$here/sources.sh"
# shellcheck source-path=SCRIPTDIR source=put.sh
. "$here/put.sh"
box=$build/local.box
if [ -f "$box" ]; then echo "$box"; exit; fi
"$here/setup.sh" qemu-img cpio depmod mke2fs sfdisk grub-mkimage vagrant >&2
tar=$("$here/rootfs.sh" rootfs-vagrant openssh-server sudo rsync git make)
work=$(mktemp -d "$build/box.XXXXXX"); trap 'rm -rf "$work"' EXIT
root=$work/root; mkdir "$root"
tar -xf "$tar" -C "$root" --numeric-owner
version=$(basename "$kernel"/lib/modules/*)
cp -a "$kernel/lib/modules" "$root/usr/lib/"
chroot "$root" depmod "$version"

# === what vagrant expects: its user with its well-known key, ssh, sudo, an address

chroot "$root" useradd --create-home --shell /bin/bash vagrant
echo 'vagrant ALL=(ALL) NOPASSWD: ALL' >"$root/etc/sudoers.d/vagrant"; chmod 440 "$root/etc/sudoers.d/vagrant"
install -d -m 700 "$root/home/vagrant/.ssh"
key=$(find /usr/share -path '*keys/vagrant.pub' | head -n 1)
[ -n "$key" ] || { echo "vagrant's public key is not below /usr/share" >&2; exit 2; }
cp "$key" "$root/home/vagrant/.ssh/authorized_keys"
chroot "$root" chown -R vagrant: /home/vagrant/.ssh
mkdir -p "$root/var/lib/systemd/linger" && touch "$root/var/lib/systemd/linger/vagrant"
echo guest >"$root/etc/hostname"
echo '127.0.0.1 localhost guest' >"$root/etc/hosts"
echo '/dev/vda1 / ext4 defaults 0 0' >"$root/etc/fstab"
printf '[Match]\nName=en* eth*\n[Network]\nDHCP=yes\n' >"$root/etc/systemd/network/80-dhcp.network"
chroot "$root" systemctl enable -q systemd-networkd ssh /usr/share/systemd/tmp.mount
chroot "$root" systemctl mask -q apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
    fstrim.timer systemd-networkd-wait-online.service serial-getty@ttyS0.service getty@tty1.service

# === the boot: the disk is virtio's, which is a module

initrd=$work/initrd; mkdir -p "$initrd"/{bin,modules,proc,sys,dev,root}
put "$initrd" /bin "$("$here/busybox.sh")"
find "$kernel/lib/modules/$version" -name 'virtio_blk.ko*' -exec cp {} "$initrd/modules/" \;
find "$initrd/modules" -name '*.xz' -exec xz --decompress {} +
cat >"$initrd/init" <<'INIT'
#!/bin/busybox sh
b=/bin/busybox
$b mount -t devtmpfs none /dev; $b mount -t proc none /proc; $b mount -t sysfs none /sys
for module in /modules/*; do $b insmod "$module"; done
i=0; while [ ! -b /dev/vda1 ] && [ $i -lt 600 ]; do $b sleep 0.1; i=$((i + 1)); done
$b mount -t ext4 -o rw /dev/vda1 /root || exec $b poweroff -f
$b mount --move /dev /root/dev; $b umount /proc /sys
exec $b switch_root /root /sbin/init
INIT
chmod +x "$initrd/init"
(cd "$initrd" && find . | cpio -o -H newc -R 0:0 2>/dev/null | gzip -1) >"$root/boot/initrd.img"
cp "$kernel"/boot/vmlinuz-* "$root/boot/vmlinuz"
mkdir -p "$root/boot/grub"
cat >"$root/boot/grub/grub.cfg" <<'GRUB'
set timeout=0
linux /boot/vmlinuz root=/dev/vda1 rw quiet console=ttyS0 net.ifnames=0
initrd /boot/initrd.img
boot
GRUB
truncate -s 2G "$work/raw"
echo '2048,,L,*' | sfdisk -q "$work/raw"
# GRUB 2.06 does not read the newest features.
mke2fs -q -t ext4 -O ^metadata_csum,^orphan_file -E offset=1048576 -d "$root" -m 0 -L root "$work/raw" $((2047 * 1024))k
grub-mkimage -O i386-pc -o "$work/core" -p '(hd0,msdos1)/boot/grub' biosdisk part_msdos ext2 linux normal echo test
dd if=/usr/lib/grub/i386-pc/boot.img of="$work/raw" bs=440 count=1 conv=notrunc status=none
dd if="$work/core" of="$work/raw" bs=512 seek=1 conv=notrunc status=none

qemu-img convert -O qcow2 "$work/raw" "$work/box.img"
echo '{"provider":"libvirt","format":"qcow2","virtual_size":2}' >"$work/metadata.json"
echo 'Vagrant.configure("2") { |config| config.vm.provider(:libvirt) { |machine| machine.driver = "kvm" } }' >"$work/Vagrantfile"
tar -C "$work" -cf "$box.new" metadata.json Vagrantfile box.img
mv "$box.new" "$box"
echo "$box"
