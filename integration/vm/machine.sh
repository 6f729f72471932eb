#!/bin/bash
# Runs in the machine of vagrant.sh, as the user of an ssh session: the programs as that user, and as root.
export JAIL=/tmp/tests/jail JAIL_TEST_PATIENCE=$1 JAIL_TEST_MUST_RUN=cgroup_v2
failed=0
echo "== Linux $(uname -r), $(systemctl --version | head -n 1)"
sudo modprobe overlay; sudo modprobe veth
# Where root's tests may become nobody.
cp -r /vagrant/build/programs /tmp/tests
for test in /tmp/tests/*; do
    [ "$test" != "$JAIL" ] || continue
    echo "== $(id -un): $test"
    "$test" --color never || failed=1
    echo "== root: $test"
    sudo --preserve-env=JAIL,JAIL_TEST_PATIENCE,JAIL_TEST_MUST_RUN "$test" --color never || failed=1
done
echo "VM-RESULT=$failed"
exit "$failed"
