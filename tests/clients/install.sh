#!/usr/bin/env bash
# Installs and builds the clients of the network tests into build/clients, each part when what it is made
# from changed: packages of Python and Node.js pinned by hash, a program in Rust and one in Go.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
into=$root/build/clients
cargo=$root/scripts/cargo.sh
python=/usr/bin/python3
[ -x "$python" ] || python=$(command -v python3)

# part NAME VERSION SOURCE…: runs the function of that name where its last run had other sources. What it
# made before is removed first: half of it would be no reason to skip a test.
part() {
    local name=$1 version=$2 stamp
    shift 2
    stamp=$(cd "$here" && find "$@" -type f -exec sha256sum {} + | sort && echo "$version $into")
    if [ -f "$into/$name.stamp" ] && [ "$(cat "$into/$name.stamp")" = "$stamp" ]; then return 0; fi
    echo "installing the network clients: $name" >&2
    rm -f "$into/$name.stamp"
    "$name" >&2
    printf '%s\n' "$stamp" >"$into/$name.stamp"
}

python_packages() {
    rm -rf "$into/venv"
    "$python" -m venv "$into/venv" # it knows its own place
    "$into/venv/bin/pip" install --quiet --require-hashes --requirement "$here/requirements.txt"
}

# Node.js of several majors, and undici.
node_packages() {
    rm -rf "$into/node_modules"
    cp "$here"/package*.json "$into"
    # No install scripts: nothing of a package runs before it is asked to, and none of these needs it.
    (cd "$into" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
    # Of a Node.js only the program is run; without what it brings for debuggers it is a fifth smaller.
    find "$into"/node_modules/node*-*/ -mindepth 1 -maxdepth 1 ! -name bin -exec rm -rf {} +
    find "$into"/node_modules/node*-*/bin -name node -exec strip {} +
}

rust_static() {
    local target
    rm -f "$into/rust-static"
    target=$("$cargo" --tool rustc -vV | sed -n 's/^host: //p')
    CARGO_TARGET_DIR=$into/target RUSTFLAGS="-C target-feature=+crt-static" "$cargo" build \
        --locked --quiet --target "$target" --manifest-path "$here/rust/Cargo.toml"
    mv "$into/target/$target/debug/client" "$into/rust-static"
    rm -rf "$into/target"
}

# Without cgo the program is static and looks names up by itself; with it, the C library does.
go_programs() {
    local cgo
    rm -f "$into"/go-cgo?
    for cgo in 0 1; do
        (cd "$here/go" && CGO_ENABLED=$cgo GOCACHE=$into/target GOPROXY=off GOTOOLCHAIN=local \
            GOFLAGS=-buildvcs=false go build -o "$into/go-cgo$cgo" .)
    done
    rm -rf "$into/target"
}

mkdir -p "$into"
cp "$here"/fetch.* "$into"
part python_packages "$("$python" --version)" requirements.txt install.sh
part node_packages "" package.json package-lock.json install.sh
part rust_static "$("$cargo" --version)" rust install.sh
# Where there is no Go, its tests are skipped, and counted.
if command -v go >/dev/null 2>&1; then part go_programs "$(go version)" go install.sh; fi
