#!/usr/bin/env bash
# Puts docker compose (v2) into build/compose, as one program, to compare its model with ours. It needs no
# engine for `config`. It is the package of Debian 13, which is unpacked and not installed: taken through this
# machine's own apt sources, with that release in place of its own.
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
into=$root/build/compose
program=$into/docker-compose
suite=trixie
if [ -x "$program" ]; then exit 0; fi

own=/etc/apt/sources.list.d/debian.sources
[ -f "$own" ] || {
    echo "no $own: docker compose can be had on a Debian 12 only" >&2
    exit 1
}
echo "unpacking docker compose (apt)" >&2
apt=$into/apt
mkdir -p "$apt"/{parts,lists/partial,cache/archives/partial,package}
trap 'rm -rf "$apt"' EXIT
sed -E "s/^Suites: bookworm( .*)?\$/Suites: $suite/; s/^Suites: bookworm-security/Suites: $suite-security/" \
    "$own" >"$apt/parts/debian.sources"
options=(-o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$apt/parts"
    -o "Dir::State::lists=$apt/lists" -o "Dir::Cache=$apt/cache" -o APT::Sandbox::User=root)
apt-get "${options[@]}" -qq update >&2
(cd "$apt/package" && apt-get "${options[@]}" -qq download docker-compose >&2)
for package in "$apt"/package/docker-compose_*.deb; do dpkg -x "$package" "$apt/package"; done
install -m 755 "$apt/package/usr/libexec/docker/cli-plugins/docker-compose" "$program"
