#!/bin/bash
# Runs in the machine of systemd.sh, as root: Ubuntu 24.04, where AppArmor restricts user namespaces. What an
# ordinary user is told there, then everything after the user's administrator did what was said.
# shellcheck source=/dev/null
. /settings
export JAIL_TEST_MUST_RUN=cgroup_v2,undelegated HOME=/root
failed=0
echo "== Linux $(uname -r), $(systemctl --version | head -n 1), $(sed -n 's/^PRETTY_NAME=//p' /etc/os-release)"
modprobe overlay; modprobe veth
ip link add guest0 type veth peer name guest1
restricted=$(cat /proc/sys/kernel/apparmor_restrict_unprivileged_userns)
[ "$restricted" = 1 ] || { echo "== user namespaces are not restricted here: $restricted"; failed=1; }
cd /home/tester || exit
user=(runuser -u tester -- env -i PATH=/usr/bin:/bin:/usr/sbin HOME=/home/tester XDG_RUNTIME_DIR=/run/user/1000)
service=("${user[@]}" systemd-run --user --quiet --pipe --wait --collect --working-directory=/home/tester)
fix='/tests/jail doctor host --apparmor > /etc/apparmor.d/jail && apparmor_parser -r /etc/apparmor.d/jail'

# round PLACE: what jail does there, as both.
round() {
    sh /matrix /tests/jail "$1"
    "${service[@]}" sh /matrix /tests/jail "$1"
}
# expect CODE COMMAND...: as the user.
expect() {
    local wanted=$1 code=0; shift
    "${service[@]}" "$@" >/tmp/said 2>&1 || code=$?
    [ "$code" -eq "$wanted" ] || { echo "== $*: $code"; cat /tmp/said; failed=1; }
}

round 'Ubuntu 24.04'
expect 125 /tests/jail run -- true
grep -q 'apparmor_parser -r /etc/apparmor.d/jail' /tmp/said || { echo '== no word of what helps'; cat /tmp/said; failed=1; }
sh -c "$fix" || failed=1
round "Ubuntu 24.04, with jail's AppArmor profile"
expect 0 /tests/jail run -- true
for test in cgroup limits escapes; do
    echo "== root: $test"
    "/tests/$test" --color never || failed=1
    echo "== a service of the user manager: $test"
    "${service[@]}" env JAIL="$JAIL" JAIL_TEST_PATIENCE="$JAIL_TEST_PATIENCE" JAIL_TEST_MUST_RUN="$JAIL_TEST_MUST_RUN" \
        "/tests/$test" --color never || failed=1
done
echo "VM-RESULT=$failed"
