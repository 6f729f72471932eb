#!/bin/bash
# Boots a small machine with cgroup v2 and nothing else (no systemd), and runs the given test binaries
# in it: as root, then as uid 1000 in subtrees that were handed to it by chown.
#
#   integration/vm/initramfs.sh KERNEL_DIR BINARY...
#
# KERNEL_DIR is an unpacked Debian kernel package (boot/vmlinuz-*, lib/modules). Needs qemu 10 or later
# (7.2 cannot boot Linux 6.12 without KVM), busybox-static, kmod, cpio. Emulated, so that it runs
# anywhere: 6 to 15 seconds. Exit code 0: all binaries ended with 0 in every round.
set -euo pipefail
kernel=$(realpath "$1"); shift
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
root=$work/root; mkdir -p "$root"/{bin,proc,sys,dev,tmp,etc,tests}
cp "$(command -v busybox)" "$root/bin/busybox"

for binary in "$@"; do
    cp "$binary" "$root/tests/"
    # The libraries of a dynamic binary, at the places where it looks for them.
    { ldd "$binary" 2>/dev/null || true; } | grep -o '/[^ ]*' | while read -r library; do
        mkdir -p "$root$(dirname "$library")"; cp -L "$library" "$root$library"
    done
done

version=$(basename "$kernel"/lib/modules/*)
modules=$root/lib/modules/$version; mkdir -p "$modules"
cp "$kernel/lib/modules/$version"/modules.{builtin,order} "$modules/"
for name in veth overlay; do
    # Debian 12 stores modules plain, later releases with xz.
    (cd "$kernel/lib/modules/$version" && find . -name "$name.ko*" -exec cp --parents {} "$modules" \;)
done
depmod -b "$root" "$version"

echo 'tester:x:1000:1000::/tmp:/bin/sh' > "$root/etc/passwd"
echo 'tester:x:1000:' > "$root/etc/group"
cat > "$root/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin JAIL_TEST_MUST_RUN=cgroup_v2
mount -t devtmpfs none /dev; mount -t proc none /proc; mount -t sysfs none /sys
mount -t tmpfs none /tmp; chmod 1777 /tmp
mount -t cgroup2 -o nsdelegate none /sys/fs/cgroup
modprobe veth; modprobe overlay
echo "== Linux $(uname -r)"
failed=0
for test in /tests/*; do
    echo "== root: $test"
    case $test in */jail) $test doctor host ;; *) $test ;; esac || failed=1
done
# Hands cgroup $1 to the user, and runs test $3 as the user in the cgroup $2 below it.
hand_over() {
    mkdir -p "/sys/fs/cgroup/$1" "/sys/fs/cgroup/$1/$2"
    for dir in "/sys/fs/cgroup/$1" "/sys/fs/cgroup/$1/$2"; do
        chown 1000:1000 "$dir" "$dir/cgroup.procs" "$dir/cgroup.subtree_control" "$dir/cgroup.threads"
    done
    echo "== uid 1000 in $1/$2: $3"
    case $3 in */jail) line="$3 doctor host" ;; *) line=$3 ;; esac
    sh -c "echo \$\$ > /sys/fs/cgroup/$1/$2/cgroup.procs && exec su tester -c 'exec $line'" || failed=1
}
echo "+cpu +memory +pids +io" > /sys/fs/cgroup/cgroup.subtree_control
for test in /tests/*; do
    # The parent is empty: leaves go there.
    hand_over parent main "$test"
    # The user's process sits in what it was given: it must step aside. A cgroup of its own for each
    # test, since none can be entered once it has given controllers to children.
    hand_over "alone-${test##*/}" . "$test"
done
echo "== left behind: $(find /sys/fs/cgroup -name 'jail*' | tr '\n' ' ')"
echo "VM-RESULT=$failed"
poweroff -f
INIT
chmod +x "$root/init"
(cd "$root" && find . | cpio -o -H newc -R 0:0 2>/dev/null | gzip -1) > "$work/initrd"

timeout 300 qemu-system-x86_64 -machine q35,smm=off -accel tcg,thread=multi -cpu Haswell-v4 -smp 2 -m 512 \
    -nodefaults -display none -serial stdio -no-reboot -kernel "$kernel"/boot/vmlinuz-* \
    -initrd "$work/initrd" -append 'console=ttyS0 panic=-1 quiet loglevel=0' < /dev/null | tr -d '\r' | tee "$work/log"
grep -q '^VM-RESULT=0$' "$work/log"
