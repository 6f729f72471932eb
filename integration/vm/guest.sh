#!/bin/bash
# Runs in the machine of systemd.sh, as root, at the end of its boot.
export JAIL_TEST_MUST_RUN=cgroup_v2,undelegated JAIL_TEST_PATIENCE=3 HOME=/root
failed=0
echo "== Linux $(uname -r), $(systemctl --version | head -n 1)"
echo "== given to the user manager: $(cat /sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/cgroup.controllers)"
modprobe overlay; modprobe veth
# Something to hide: an interface besides lo.
ip link add guest0 type veth peer name guest1

# All programs but jail itself; $1 says as whom, the rest is the command in front.
round() {
    "${@:2}" sh /matrix /tests/jail "$1"
    echo "== $1: jail doctor host"
    "${@:2}" /tests/jail doctor host | grep -v '^ok '
    for test in /tests/*; do
        [ "$test" != /tests/jail ] || continue
        echo "== $1: $test"
        "${@:2}" env JAIL_TEST_MUST_RUN="$JAIL_TEST_MUST_RUN" JAIL_TEST_PATIENCE=3 "$test" --color never || failed=1
    done
}
user=(runuser -u tester -- env -i PATH=/usr/bin:/bin:/usr/sbin HOME=/home/tester XDG_RUNTIME_DIR=/run/user/1000)
login() { runuser -l tester -c "$*"; }

cd /
round "systemd" env
round "systemd, a service of the user manager" "${user[@]}" systemd-run --user --quiet --pipe --wait --collect --working-directory=/home/tester
round "systemd, a login session" login

sleep 1
left=$(find /sys/fs/cgroup -name 'jail*')
[ -z "$left" ] || { echo "== left behind: $left"; failed=1; }
units=$(systemctl list-units --all --plain --no-legend 'jail*'; "${user[@]}" systemctl --user list-units --all --plain --no-legend 'jail*')
[ -z "$units" ] || { echo "== units left behind: $units"; failed=1; }
echo "VM-RESULT=$failed"
