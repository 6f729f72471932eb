#!/usr/bin/env bash
# Runs cargo (or the tool named after `--tool`) of a toolchain that is new enough, wherever it is:
# in PATH, in rustup's folder (which sudo drops from PATH), or in Ubuntu's versioned packages.
#
#   scripts/cargo.sh build --release
#   scripts/cargo.sh --tool rustc -vV
#
# Exit code 69: there is none.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$root/Cargo.toml")

# The version that `cargo --version` of this folder names, or nothing.
version_in() {
    [ -x "$1/cargo" ] && [ -x "$1/rustc" ] || return 0
    # Both must run: rustup's stand-ins exist even where no toolchain is installed.
    "$1/rustc" --version >/dev/null 2>&1 || return 0
    "$1/cargo" --version 2>/dev/null | cut -d' ' -f2
}

new_enough() {
    [ -n "$1" ] && printf '%s\n%s\n' "$wanted" "$1" | sort --check=quiet --version-sort
}

folders() {
    local cargo
    if cargo=$(command -v cargo); then dirname "$cargo"; fi
    echo "${CARGO_HOME:-${HOME:-/nonexistent}/.cargo}/bin"
    printf '%s\n' /usr/lib/rust-*/bin | sort --reverse --version-sort
}

while IFS= read -r folder; do
    if new_enough "$(version_in "$folder")"; then
        tool=cargo
        if [ "${1-}" = --tool ]; then
            tool=$2
            shift 2
        fi
        export PATH="$folder:$PATH"
        exec "$folder/$tool" "$@"
    fi
done < <(folders)

echo "error: no Rust toolchain of version $wanted or later" >&2
echo "hint: \`make setup\` installs one where the system's packages have it" >&2
exit 69
