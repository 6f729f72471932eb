#!/usr/bin/env bash
# Runs a command, as root, in a new network namespace: loopback with two more addresses, those that the attacks of
# `both/` want, a cable to another machine (neighbour.py, in a namespace of its own), and nothing that leads out.
# /dev/net/tun is for everybody there, as udev has it: rootless podman makes its networks with it.
#
#   JAIL_TEST_NEIGHBOUR=SOCKET integration/containers/space.sh COMMAND…
#
# The socket is where the other machine is asked to do something.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
if [ "${1:-}" != --inside ]; then exec unshare --net --mount --propagation private "$0" --inside "$@"; fi
shift
ip link set lo up
for address in 198.51.100.1 169.254.169.254; do ip address add "$address/32" dev lo; done

if [ -c /dev/net/tun ] && [ "$(stat -c %A /dev/net/tun | cut -c 8-9)" != rw ]; then
    folder=$(mktemp -d)
    # Its own, for /tmp may be one where devices do not count. It goes with the namespace.
    mount -t tmpfs none "$folder"
    mknod -m 666 "$folder/tun" c 10 200
    mount --bind "$folder/tun" /dev/net/tun
    umount --lazy "$folder"
    rmdir "$folder"
fi

# unshare becomes the program: this is its number.
unshare --net setpriv --pdeathsig KILL python3 "$here/neighbour.py" "${JAIL_TEST_NEIGHBOUR:-}" &
neighbour=$!
trap 'kill "$neighbour" 2>/dev/null || true; wait "$neighbour" || true' EXIT
while [ "$(readlink "/proc/$neighbour/ns/net")" = "$(readlink /proc/self/ns/net)" ]; do
    kill -0 "$neighbour"
    sleep 0.05
done
ip link add space0 type veth peer name space1 netns "$neighbour"
ip link set space0 up
ip route add 198.51.100.10/32 dev space0 src 198.51.100.1
nsenter --target "$neighbour" --net sh -c \
    'ip link set lo up && ip address add 198.51.100.10/24 dev space1 && ip link set space1 up'
while [ -n "${JAIL_TEST_NEIGHBOUR:-}" ] && [ ! -S "$JAIL_TEST_NEIGHBOUR" ]; do kill -0 "$neighbour"; sleep 0.05; done
"$@"
