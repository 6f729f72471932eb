#!/usr/bin/env bash
# `make integration`: builds the programs and hands them to the virtual machines (integration/vm/, whose
# all.sh says which). What they said is in build/vm/logs. Asks for root (sudo) after building: images are
# made as root.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo=scripts/cargo.sh
# Small and quick ones: what emulates a processor reads and runs them many times slower.
profile=(--profile integration)
target=${CARGO_TARGET_DIR:-target}/integration
programs=$(mktemp -d)
trap 'rm -rf "$programs"' EXIT
# The one with the feature comes first, so that what stays behind is jail itself.
"$cargo" build --locked --quiet "${profile[@]}" --features planted-breaks --bin jail
install -m 755 "$target/jail" "$programs/planted"
"$cargo" build --locked --quiet "${profile[@]}" --bin jail
install -m 755 "$target/jail" "$programs/jail"
while read -r name path; do
    install -m 755 "$path" "$programs/$name"
done < <("$cargo" test --locked "${profile[@]}" --no-run --message-format=json \
    --test cgroup --test limits --test escapes --test lifecycle --test network |
    sed -nE '/"kind":\["test"\]/s/.*"name":"([^"]+)","src_path.*"executable":"([^"]+)".*/\1 \2/p')
as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo "--preserve-env=KERNELS,SYSTEMD,MACHINES,ON_KERNELS,JAIL_TEST_PATIENCE,VM_TIMEOUT,UBUNTU")
"${as_root[@]}" integration/vm/all.sh build/vm/logs "$programs"/*
# Only what every machine said.
[ -n "${MACHINES:-}${KERNELS:-}${SYSTEMD:-}" ] || cp build/vm/logs/compatibility.md docs/compatibility.md
