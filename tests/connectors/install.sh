#!/usr/bin/env bash
# Installs the connectors and the clients into build/connectors, pinned by hash, when that changed.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
into=$root/build/connectors
python=/usr/bin/python3
[ -x "$python" ] || python=$(command -v python3)

stamp=$(
    cat "$here/package.json" "$here/package-lock.json" "$here/requirements.txt" "$here/install.sh"
    node --version
    "$python" --version
    echo "$into" # a venv knows its own place: one that was moved does not run
)
stamp=$(sha256sum <<<"$stamp")
if [ -f "$into/stamp" ] && [ "$(cat "$into/stamp")" = "$stamp" ]; then exit 0; fi

echo "installing the connectors (npm, pip)" >&2
rm -rf "$into"
mkdir -p "$into"
cp "$here/package.json" "$here/package-lock.json" "$into"
# No install scripts: nothing of a package runs before it is asked to, and none of these needs it.
(cd "$into" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) >&2
"$python" -m venv "$into/venv"
"$into/venv/bin/pip" install --quiet --require-hashes --requirement "$here/requirements.txt" >&2
printf '%s\n' "$stamp" >"$into/stamp"
