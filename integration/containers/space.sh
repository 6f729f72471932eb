#!/usr/bin/env bash
# Runs a command, as root, in a new network namespace: loopback with two more addresses, those that the attacks of
# `both/` want, an interface that is there to be seen, and nothing that leads out.
#
#   integration/containers/space.sh COMMAND…
set -euo pipefail
if [ "${1:-}" != --inside ]; then exec unshare --net "$0" --inside "$@"; fi
shift
ip link set lo up
ip link add space0 type veth peer name space1
for address in 198.51.100.1 169.254.169.254; do ip address add "$address/32" dev lo; done
exec "$@"
