#!/usr/bin/env bash
# Installs schemathesis into build/api, pinned by hash, when that changed.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
into=$(cd "$here/../.." && pwd)/build/api
python=/usr/bin/python3
[ -x "$python" ] || python=$(command -v python3)

stamp=$(
    cat "$here/requirements.txt" "$here/install.sh"
    "$python" --version
    echo "$into" # a venv knows its own place
)
stamp=$(sha256sum <<<"$stamp")
if [ -f "$into/stamp" ] && [ "$(cat "$into/stamp")" = "$stamp" ]; then exit 0; fi

echo "installing schemathesis (pip)" >&2
rm -rf "$into"
trap 'rm -rf "$into"' EXIT # half of it would be no reason to skip a test
mkdir -p "$into"
"$python" -m venv "$into/venv"
"$into/venv/bin/pip" install --quiet --require-hashes --only-binary :all: --no-deps \
    --requirement "$here/requirements.txt" >&2
printf '%s\n' "$stamp" >"$into/stamp"
trap - EXIT
