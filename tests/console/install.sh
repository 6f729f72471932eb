#!/usr/bin/env bash
# Installs what drives the browser into build/console, pinned by hash, when that changed. The browser itself
# is the system's: `scripts/setup.sh test` installs it.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
into=$root/build/console

stamp=$(cat "$here/package.json" "$here/package-lock.json" "$here/install.sh" | sha256sum)
if [ -f "$into/stamp" ] && [ "$(cat "$into/stamp")" = "$stamp" ]; then exit 0; fi

echo "installing the console's tests (npm)" >&2
rm -rf "$into"
mkdir -p "$into"
cp "$here/package.json" "$here/package-lock.json" "$into"
# No install scripts: nothing of a package runs before it is asked to, and neither brings a browser along.
(cd "$into" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) >&2
printf '%s\n' "$stamp" >"$into/stamp"
