#!/bin/bash
# Boots a small machine with cgroup v2 and nothing else (no systemd), and runs the given programs in it:
# as root, then as uid 1000 in subtrees that were handed to it by chown.
#
#   integration/vm/initramfs.sh KERNEL_DIR PROGRAM...
#
# KERNEL_DIR is an unpacked Debian kernel package: see kernel.sh. A program named `jail` is asked for
# `doctor host` and runs a connector where the others run tests. Installs what is missing (apt). Emulated
# on purpose, also where there is /dev/kvm, so that it runs the same anywhere: 6 to 15 seconds and the
# tests' own time. Exit code 0: all programs ended with 0 in every round and no cgroup was left.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
kernel=$(realpath "$1"); shift
"$here/setup.sh" qemu-system-x86_64 busybox depmod cpio
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
root=$work/root; mkdir -p "$root"/{bin,proc,sys,dev,tmp,etc,usr/bin,tests}
cp "$(command -v busybox)" "$root/bin/busybox"
cp "$here/matrix.sh" "$root/matrix"

for program in "$@"; do
    cp "$program" "$root/tests/"
    # The libraries of a dynamic program, at the places where it looks for them.
    { ldd "$program" 2>/dev/null | grep -o '/[^ ]*' || true; } | while read -r library; do
        mkdir -p "$root$(dirname "$library")"; cp -L "$library" "$root$library"
    done
done

version=$(basename "$kernel"/lib/modules/*)
modules=$root/lib/modules/$version; mkdir -p "$modules"
find "$kernel/lib/modules/$version" -name 'modules.*' -exec cp {} "$modules/" \; # not all have them
for name in veth overlay dummy; do
    (cd "$kernel/lib/modules/$version" && find . -name "$name.ko*" -exec cp --parents {} "$modules" \;)
done
# Debian 12 stores modules plain, later releases with xz, which busybox does not read.
find "$modules" -name '*.xz' -exec xz --decompress {} +
depmod -b "$root" "$version"

echo 'root:x:0:0::/:/bin/sh' > "$root/etc/passwd"
echo 'tester:x:1000:1000::/tmp:/bin/sh' >> "$root/etc/passwd"
printf 'root:x:0:\ntester:x:1000:\n' > "$root/etc/group"
cat > "$root/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
# The kernel's first file system cannot be pivoted away from (pivot_root(2), "rootfs"), which every
# jail does: a real one goes on top of it, as on every machine after its boot.
mkdir /new && mount -t tmpfs -o mode=755 none /new
cp -a /bin /etc /tests /matrix /usr /lib* /new/
mkdir /new/proc /new/sys /new/dev /new/tmp
mv /main /new/main
exec switch_root /new /main
INIT
cat > "$root/main" <<'MAIN'
#!/bin/sh
export PATH=/bin JAIL_TEST_MUST_RUN=cgroup_v2 JAIL_TEST_PATIENCE=3
mount -t devtmpfs none /dev; mount -t proc none /proc; mount -t sysfs none /sys
mkdir /dev/pts; mount -t devpts -o ptmxmode=666 none /dev/pts; ln -sf pts/ptmx /dev/ptmx
mount -t tmpfs none /tmp; chmod 1777 /tmp
mount -t cgroup2 -o nsdelegate none /sys/fs/cgroup
ip link set lo up
modprobe veth; modprobe overlay
modprobe dummy numdummies=1 # an interface to hide, besides lo
echo "== Linux $(uname -r)"
failed=0
line() {
    case $1 in
    */jail) echo "$1 doctor host && HOME=/tmp $1 run --memory 64M --cpus 0.5 --pids 20 -- /bin/true" ;;
    *) echo "$1" ;;
    esac
}
HOME=/tmp sh /matrix /tests/jail 'plain cgroup v2'
for test in /tests/*; do
    echo "== root: $test"
    sh -c "$(line "$test")" || failed=1
    rm -rf /tmp/.local
done
# Hands cgroup $1 to the user, and runs test $3 as the user in the cgroup $2 below it.
hand_over() {
    mkdir -p "/sys/fs/cgroup/$1" "/sys/fs/cgroup/$1/$2"
    for dir in "/sys/fs/cgroup/$1" "/sys/fs/cgroup/$1/$2"; do
        chown 1000:1000 "$dir" "$dir/cgroup.procs" "$dir/cgroup.subtree_control" "$dir/cgroup.threads"
    done
    echo "== uid 1000 in $1/$2: $3"
    # Not two commands in a row: then the shell would sit beside the second one.
    case $3 in
    */jail) line="${4:-$3 doctor host}" ;;
    *) line=$3 ;;
    esac
    sh -c "echo \$\$ > /sys/fs/cgroup/$1/$2/cgroup.procs && HOME=/tmp exec su tester -c 'exec $line'" || failed=1
}
echo "+cpu +memory +pids +io" > /sys/fs/cgroup/cgroup.subtree_control
for test in /tests/*; do
    # The parent is empty: leaves go there.
    hand_over parent main "$test"
    # The user's process sits in what it was given: it must step aside. A cgroup of its own for each
    # test, since none can be entered once it has given controllers to children. (Tests that start
    # jails sit beside these, which cannot work.)
    case $test in */jail | */cgroup*) hand_over "alone-${test##*/}" . "$test" ;; esac
    case $test in */jail) hand_over alone-run . "$test" "$test run --memory 64M --pids 20 -- /bin/true" ;; esac
done
hand_over matrix main /tests/jail 'sh /matrix /tests/jail delegated-cgroup'
echo 0 > /proc/sys/user/max_user_namespaces
hand_over refused main /tests/jail 'sh /matrix /tests/jail userns-refused'
left=$(find /sys/fs/cgroup -name 'jail*' ! -name jail-supervisors)
[ -z "$left" ] || { echo "== left behind: $left"; failed=1; }
echo "VM-RESULT=$failed"
poweroff -f
MAIN
chmod +x "$root/init" "$root/main"
(cd "$root" && find . | cpio -o -H newc -R 0:0 2>/dev/null | gzip -1) > "$work/initrd"

timeout "${VM_TIMEOUT:-600}" qemu-system-x86_64 -machine q35,smm=off -accel tcg,thread=multi -cpu Haswell-v4 -smp 2 -m 1024 \
    -nodefaults -display none -serial stdio -no-reboot -kernel "$kernel"/boot/vmlinuz-* \
    -initrd "$work/initrd" -append 'console=ttyS0 panic=-1 quiet loglevel=0' < /dev/null | tr -d '\r' | tee "$work/log"
grep -q '^VM-RESULT=0$' "$work/log"
