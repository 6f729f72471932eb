#!/usr/bin/env bash
# Makes build/connectors-image/rootfs.tar: Debian with Python, git and this machine's node, and in it the connectors
# of install.sh, below /opt/mcp and by name in /usr/local/bin. `docker import` and `podman import` make an image of it.
#
# The release is this machine's own, from its own apt sources: a compiled module of the venv fits its Python alone.
# Kept until the connectors or this script change. Where it cannot be made, the reason is the last line of stderr.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
from=$root/build/connectors
into=$root/build/connectors-image

fail() { echo "there is no image of the connectors: $1" >&2; exit 1; }

"$here/install.sh"
stamp=$(sha256sum < <(cat "$from/stamp" "$here/image.sh" /etc/os-release))
if [ -f "$into/stamp" ] && [ "$(cat "$into/stamp")" = "$stamp" ]; then exit 0; fi

command -v mmdebstrap >/dev/null || fail "mmdebstrap is not installed (scripts/setup.sh test)"
release=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
sources=()
for file in /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list; do
    if [ -s "$file" ]; then sources+=("$file"); fi
done
[ "${#sources[@]}" -gt 0 ] || fail "this machine has no apt sources of Debian"
[ "$(readlink -f "$from/venv/bin/python3")" = "$(readlink -f /usr/bin/python3)" ] ||
    fail "the connectors were installed with another Python than the system's"

# Upstream's node is one file that needs what is included below; Debian's comes with its libraries, as a package.
node=$(readlink -f "$(command -v node)")
packages=python3,git,libstdc++6,ca-certificates
if ldd "$node" | grep -q libnode; then
    packages+=,nodejs
    node=
fi

echo "making an image of the connectors (mmdebstrap)" >&2
rm -rf "$into"
mkdir -p "$into/add/opt/mcp" "$into/add/usr/local/bin"
# Valid-Until: a mirror may be a snapshot.
mmdebstrap --variant=minbase --format=tar --quiet --include="$packages" \
    --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='APT::Install-Recommends "false"' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    "$release" "$into/rootfs.tar.new" "${sources[@]}" >&2 || fail "mmdebstrap failed"

cp -r "$from/node_modules" "$from/venv" "$into/add/opt/mcp/"
# The scripts of a venv name its interpreter by its full path.
find "$into/add/opt/mcp/venv/bin" -type f -exec sed -i "1s|^#!$from/|#!/opt/mcp/|" {} +
for name in filesystem everything sequential-thinking; do
    ln -s "/opt/mcp/node_modules/.bin/mcp-server-$name" "$into/add/usr/local/bin/"
done
for name in time git; do
    ln -s "/opt/mcp/venv/bin/mcp-server-$name" "$into/add/usr/local/bin/"
done
if [ -n "$node" ]; then install -m 755 "$node" "$into/add/usr/local/bin/node"; fi
# Folders that are there keep their owner and mode; whoever made this, root owns it inside.
chmod -R go+rX "$into/add"
(cd "$into/add" && { find ./opt/mcp -print0 && find ./usr ! -type d -print0; } |
    tar --append --no-recursion --file="$into/rootfs.tar.new" --owner=0 --group=0 --null --files-from=-)
rm -rf "$into/add"
mv "$into/rootfs.tar.new" "$into/rootfs.tar"
printf '%s\n' "$stamp" >"$into/stamp"
