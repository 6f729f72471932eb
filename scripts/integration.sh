#!/usr/bin/env bash
# `make integration`: builds the programs and hands them to the virtual machines (integration/vm/).
# What they said is in build/vm/logs.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo=scripts/cargo.sh
"$cargo" build --locked --quiet --bin jail
programs=$(mktemp -d)
trap 'rm -rf "$programs"' EXIT
while read -r name path; do
    install -m 755 "$path" "$programs/$name"
done < <("$cargo" test --locked --no-run --message-format=json \
    --test cgroup --test limits --test escapes --test lifecycle --test network |
    sed -nE '/"kind":\["test"\]/s/.*"name":"([^"]+)","src_path.*"executable":"([^"]+)".*/\1 \2/p')
install -m 755 "${CARGO_TARGET_DIR:-target}/debug/jail" "$programs/jail"
# The image is small, and nobody reads their symbols there.
strip --strip-debug "$programs"/*
integration/vm/all.sh build/vm/logs "$programs"/*
cp build/vm/logs/compatibility.md docs/compatibility.md
