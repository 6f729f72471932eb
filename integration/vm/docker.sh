#!/bin/bash
# Runs in the machine of systemd.sh, as root: what jail does below an AppArmor profile, and in containers,
# from the engine's usual masks (seccomp, AppArmor, read-only and hidden paths, a cgroup that cannot be
# written) to none of them.
# shellcheck source=/dev/null
. /settings
failed=0
echo "== Linux $(uname -r), $(systemctl --version | head -n 1)"
modprobe overlay; modprobe veth

# What Ubuntu's restriction comes to: user namespaces can be made, and nothing can be done in them. This
# kernel has not its switch, but a profile that holds capabilities back does the same to the same calls.
apparmor_parser -r <<'PROFILE' || failed=1
profile without-capabilities /tests/jail {
  /{,**} mrwlkix,
  network, unix, signal, ptrace, mount, remount, umount, pivot_root, dbus,
}
PROFILE
echo "== AppArmor: uid 1000"
user=(runuser -u tester -- env -i PATH=/usr/bin:/bin:/usr/sbin HOME=/home/tester)
"${user[@]}" sh /matrix /tests/jail 'AppArmor holds capabilities back' || failed=1
"${user[@]}" /tests/jail run -- true 2>/tmp/said && failed=1
grep -q 'profile "without-capabilities"' /tmp/said || { echo '== no word of the profile'; cat /tmp/said; failed=1; }
apparmor_parser -R <<<'profile without-capabilities /tests/jail { }' || failed=1

# No network of its own: nothing is fetched, and nothing in a container asks for one.
containerd >/var/log/containerd 2>&1 &
dockerd --containerd /run/containerd/containerd.sock --bridge none --iptables=false --ip6tables=false >/var/log/dockerd 2>&1 &
ready=0
for _ in $(seq 300); do
    docker version >/dev/null 2>&1 && { ready=1; break; }
    sleep 1
done
[ "$ready" -eq 1 ] || { tail /var/log/dockerd /var/log/containerd; echo "VM-RESULT=1"; exit; }
echo "== $(docker version --format 'Docker {{.Server.Version}}'), $(docker info --format '{{.SecurityOptions}}, cgroup v{{.CgroupVersion}} by {{.CgroupDriver}}, {{.Driver}}')"
docker import /image.tar jail >/dev/null || failed=1

# place NAME OPTION...: a container of each user.
place() {
    local name=$1 user; shift
    for user in 0 1000; do
        echo "== $name: uid $user"
        docker run --rm --network none --user "$user" --env HOME=/tmp --env PATH=/bin --workdir /tmp "$@" \
            jail sh /matrix /tests/jail "$name" || failed=1
    done
}
off=(--security-opt seccomp=unconfined --security-opt apparmor=unconfined)
place 'Docker'
place 'Docker, seccomp and AppArmor off' "${off[@]}"
place 'Docker, these and hidden paths off' "${off[@]}" --security-opt systempaths=unconfined
place 'Docker --privileged' --privileged
# The engine's own limit holds around a jail that has none.
docker run --rm --network none --env HOME=/tmp --env PATH=/bin "${off[@]}" --security-opt systempaths=unconfined \
    --memory 96m jail sh -c '/tests/jail run -q -- /bin/sh -c "x=x; while :; do x=\$x\$x; done"' >/dev/null 2>&1
code=$?
echo "== a memory bomb in a container with 96 MiB: $code"
[ "$code" -eq 137 ] || failed=1
[ -z "$(docker ps -q)" ] || { echo "== containers left behind"; failed=1; }
echo "VM-RESULT=$failed"
