#!/bin/bash
# Boots a small machine with cgroup v2 and nothing else (no systemd), and runs the given programs in it:
# as root, then as uid 1000 in subtrees that were handed to it by chown.
#
#   integration/vm/initramfs.sh KERNEL_DIR PROGRAM...
#
# KERNEL_DIR is an unpacked Debian kernel package: see kernel.sh. A program named `jail` is asked for
# `doctor host` and runs a connector where the others run tests; one named `planted` is jail built with that
# feature: without its cgroup, a test of limits must fail. Installs what is missing (apt). Emulated
# on purpose, also where there is /dev/kvm, so that it runs the same anywhere: 6 to 15 seconds and the
# tests' own time. Exit code 0: all programs ended with 0 in every round and no cgroup was left.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
kernel=$(realpath "$1"); shift
"$here/setup.sh" qemu-system-x86_64 depmod cpio mke2fs
# shellcheck source-path=SCRIPTDIR source=put.sh
. "$here/put.sh"
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
root=$work/root; mkdir -p "$root"/{bin,proc,sys,dev,tmp,etc,usr/bin,tests}
put "$root" /bin "$("$here/busybox.sh")"
cp "$here/matrix.sh" "$root/matrix"
: > "$root/planted"
for program in "$@"; do
    case $program in
    */planted) put "$root" / "$program" ;;
    *) put "$root" /tests "$program" ;;
    esac
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

echo 'root:x:0:0::/root:/bin/sh' > "$root/etc/passwd"
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
mkdir /new/proc /new/sys /new/dev /new/tmp /new/root /new/disk
mv /main /settings /planted /new/
exec switch_root /new /main
INIT
cat > "$root/main" <<'MAIN'
#!/bin/sh
. /settings
mount -t devtmpfs none /dev; mount -t proc none /proc; mount -t sysfs none /sys
mkdir /dev/pts; mount -t devpts -o ptmxmode=666 none /dev/pts; ln -sf pts/ptmx /dev/ptmx
mount -t tmpfs none /tmp; chmod 1777 /tmp
mount -t cgroup2 -o nsdelegate none /sys/fs/cgroup
ip link set lo up
modprobe veth; modprobe overlay
modprobe dummy numdummies=1 # an interface to hide, besides lo
# A disk of its own, for limits of throughput.
mount -t ext4 /dev/nvme0n1 /disk && chmod 1777 /disk || echo "== no disk"
group=/sys/fs/cgroup
failed=0
echo "== Linux $(uname -r)"

# As root: every program.
HOME=/root sh /matrix /tests/jail 'plain cgroup v2'
for test in /tests/*; do
    echo "== root: $test"
    case $test in
    */jail) "$test" doctor host && HOME=/root "$test" run --memory 64M --cpus 0.5 --pids 20 -- /bin/true || failed=1 ;;
    *) "$test" || failed=1 ;;
    esac
done

# The control that scripts/planted.sh can leave out only here. With it, the same test passed above.
if [ -s /planted ]; then
    printf '#!/bin/sh\nexec env JAIL_PLANTED=cgroup,proof /planted "$@"\n' > /tmp/planted; chmod 755 /tmp/planted
    JAIL=/tmp/planted /tests/limits --exact limits_are_accepted_and_read_back > /tmp/planted.log 2>&1
    if grep -q '; 1 failed;' /tmp/planted.log; then
        echo "== planted break: cgroup left out: caught"
    else
        echo "== planted break: cgroup left out: MISSED"; cat /tmp/planted.log; failed=1
    fi
fi

# give PATH...: hands cgroups to the user, by chown alone.
give() {
    for path in "$@"; do
        mkdir -p "$group/$path"
        for name in . cgroup.procs cgroup.subtree_control cgroup.threads; do
            chown 1000:1000 "$group/$path/$name"
        done
    done
}
# as_user CGROUP LINE: a command line of the user's, whose process starts in that cgroup.
as_user() {
    echo "== uid 1000 in $1: $2"
    # Not two commands in a row: then the shell would sit beside the second one.
    sh -c "echo \$\$ > $group/$1/cgroup.procs && HOME=/tmp exec su tester -c 'exec $2'" || failed=1
}
echo "+cpu +memory +pids +io" > $group/cgroup.subtree_control

# The parent is empty: leaves go there.
give parent parent/main
as_user parent/main 'sh /matrix /tests/jail delegated-cgroup'
for test in /tests/*; do
    case $test in */jail) test="$test doctor host" ;; esac
    as_user parent/main "$test"
done
# The user's process sits in what it was given: it must step aside. A cgroup of its own for each
# test, since none can be entered once it has given controllers to children. (Tests that start
# jails sit beside these, which cannot work.)
for name in jail run cgroup; do
    give alone-$name
    case $name in
    jail) as_user alone-jail '/tests/jail doctor host' ;;
    run) as_user alone-run '/tests/jail run --memory 64M --pids 20 -- /bin/true' ;;
    cgroup) [ ! -e /tests/cgroup ] || as_user alone-cgroup /tests/cgroup ;;
    esac
done
# Below a group that has limits itself.
mkdir $group/outer; echo 300M > $group/outer/memory.max; echo 200 > $group/outer/pids.max
echo "+cpu +memory +pids +io" > $group/outer/cgroup.subtree_control
give outer/given outer/given/main
[ ! -e /tests/limits ] || as_user outer/given/main /tests/limits

# A host that refuses user namespaces, in Debian's way and then in every kernel's.
echo 0 > /proc/sys/kernel/unprivileged_userns_clone && {
    HOME=/root sh /matrix /tests/jail 'unprivileged_userns_clone=0'
    as_user parent/main 'sh /matrix /tests/jail unprivileged_userns_clone=0'
    echo 1 > /proc/sys/kernel/unprivileged_userns_clone
}
echo 0 > /proc/sys/user/max_user_namespaces
HOME=/root sh /matrix /tests/jail 'max_user_namespaces=0'
as_user parent/main 'sh /matrix /tests/jail max_user_namespaces=0'
# There, the weaker tier, where this kernel can do it.
tier=0; su tester -c 'HOME=/tmp exec /tests/jail run -q --sandbox=landlock -- /bin/true' || tier=$?
for test in /tests/limits /tests/escapes; do
    [ -e "$test" ] || continue
    if [ "$tier" -eq 0 ]; then
        as_user parent/main "env JAIL_TEST_SANDBOX=landlock $test"
    else
        echo "== skipped: --sandbox=landlock, which is refused here: $test"
    fi
done

left=$(find $group -name 'jail*' ! -name jail-supervisors)
[ -z "$left" ] || { echo "== left behind: $left"; failed=1; }
echo "VM-RESULT=$failed"
poweroff -f
MAIN
# Patience is for a machine that emulates, beside others.
echo "export PATH=/bin HOME=/root JAIL=/tests/jail JAIL_TEST_MUST_RUN=cgroup_v2,disk JAIL_TEST_DISK=/disk" \
    "JAIL_TEST_PATIENCE=${JAIL_TEST_PATIENCE:-8}" > "$root/settings"
truncate -s 64M "$work/disk"
mke2fs -q -t ext4 -O ^has_journal "$work/disk"
chmod +x "$root/init" "$root/main"
(cd "$root" && find . | cpio -o -H newc -R 0:0 2>/dev/null | gzip -1) > "$work/initrd"

timeout "${VM_TIMEOUT:-1800}" qemu-system-x86_64 -machine q35,smm=off -accel tcg,thread=multi -cpu Haswell-v4 -smp 2 -m 1024 \
    -nodefaults -display none -serial stdio -no-reboot -kernel "$kernel"/boot/vmlinuz-* \
    -initrd "$work/initrd" -append 'console=ttyS0 panic=-1 quiet loglevel=0 mitigations=off' \
    -drive "id=disk,file=$work/disk,if=none,format=raw,cache=unsafe" -device nvme,drive=disk,serial=disk < /dev/null |
    stdbuf -oL tr -d '\r' | sed -u 's|\x1b\[[0-9;]*m||g' | tee "$work/log"
grep -q '^VM-RESULT=0$' "$work/log"
