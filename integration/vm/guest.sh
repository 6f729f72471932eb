#!/bin/bash
# Runs in the machine of systemd.sh, as root, at the end of its boot: everything as root and as a
# service of the user manager, the limits in the other places that systemd gives a user.
# shellcheck source=/dev/null
. /settings
export JAIL_TEST_MUST_RUN=cgroup_v2,undelegated,disk JAIL_SOAK_JAILS=100 HOME=/root
failed=0
echo "== Linux $(uname -r), $(systemctl --version | head -n 1)"
user_manager=/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service
echo "== given to the user manager: $(cat $user_manager/cgroup.controllers)"
modprobe overlay; modprobe veth
# Something to hide: an interface besides lo.
ip link add guest0 type veth peer name guest1
# Debian gives users no disk limits: their owner does it here, by what jail's message says.
settings=(JAIL="$JAIL" JAIL_TEST_PATIENCE="$JAIL_TEST_PATIENCE" JAIL_SOAK_JAILS="$JAIL_SOAK_JAILS")

# What is slow for want of memory or disk looks like a hang.
room() {
    awk '/^(MemAvailable|Shmem):/ { printf "%s %d MiB, ", $1, $2 / 1024 }' /proc/meminfo
    df --output=target,avail -BM / /tmp | tail -n +2 | xargs echo "free:"
}

# round WHO PROGRAMS COMMAND...: what jail does there, and these programs; the command goes in front.
round() {
    local who=$1 programs=$2; shift 2
    "$@" sh /matrix /tests/jail "$who"
    for test in $programs; do
        [ -e "/tests/$test" ] || continue
        echo "== $who: $test"
        room
        "$@" env "${settings[@]}" JAIL_TEST_MUST_RUN="$must" JAIL_TEST_DISK="$disk" \
            "/tests/$test" --color never || failed=1
    done
}
user=(runuser -u tester -- env -i PATH=/usr/bin:/bin:/usr/sbin HOME=/home/tester XDG_RUNTIME_DIR=/run/user/1000)
login() { runuser -l tester -c "$(printf '%q ' "$@")"; }
all='cgroup limits escapes lifecycle network'

cd /
must=$JAIL_TEST_MUST_RUN disk=$JAIL_TEST_DISK
round "systemd" "$all" env
cd /home/tester || exit
case " $(cat $user_manager/cgroup.controllers) " in
*' io '*) ;;
*) must=cgroup_v2,undelegated disk='' ;;
esac
round "systemd, a service of the user manager" "$all" \
    "${user[@]}" systemd-run --user --quiet --pipe --wait --collect --working-directory=/home/tester
round "systemd, a login session" "cgroup limits" login
# Nested: a cgroup that the user manager delegated, below that which systemd delegated to it.
must=cgroup_v2
round "systemd, a delegated scope" "cgroup limits" \
    "${user[@]}" systemd-run --user --quiet --scope -p Delegate=yes

# systemd takes away what has ended, when it comes to that.
for _ in $(seq 30); do
    left=$(find /sys/fs/cgroup -name 'jail*' ! -name jail-supervisors)
    units=$(systemctl list-units --all --plain --no-legend 'jail*'; "${user[@]}" systemctl --user list-units --all --plain --no-legend 'jail*')
    [ -n "$left$units" ] || break
    sleep 1
done
[ -z "$left" ] || { echo "== left behind: $left"; failed=1; }
[ -z "$units" ] || { echo "== units left behind: $units"; failed=1; }
echo "VM-RESULT=$failed"
