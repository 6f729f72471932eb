#!/usr/bin/env bash
# Installs the Python clients of the network tests into build/clients, when their list changed.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
into=$(cd "$here/../.." && pwd)/build/clients
python=/usr/bin/python3
[ -x "$python" ] || python=$(command -v python3)

stamp=$(
    cat "$here/requirements.in" "$here/fetch.py" "$here/install.sh"
    "$python" --version
    echo "$into" # a venv knows its own place
)
stamp=$(sha256sum <<<"$stamp")
if [ -f "$into/stamp" ] && [ "$(cat "$into/stamp")" = "$stamp" ]; then exit 0; fi

echo "installing the network clients (pip)" >&2
rm -rf "$into"
mkdir -p "$into"
"$python" -m venv "$into/venv"
"$into/venv/bin/pip" install --quiet --requirement "$here/requirements.in" >&2
cp "$here/fetch.py" "$into"
printf '%s\n' "$stamp" >"$into/stamp"
