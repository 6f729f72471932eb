# To be sourced: sets $build (build/vm), $sources (a deb822 file: the distribution's own apt sources of
# this machine with Debian 12, its updates and its backports) and $apt_options, which have apt use these
# alone. Nothing of the machine's own apt changes, and no other host is asked than it asks itself.
build=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../..")/build/vm
sources=$build/apt/parts/debian.sources
mkdir -p "$build"/apt/{parts,lists/partial,cache/archives/partial}
[ -f /etc/apt/sources.list.d/debian.sources ] || {
    echo "no /etc/apt/sources.list.d/debian.sources: the virtual machines need a Debian 12 host" >&2
    exit 2
}
sed -E 's/^Suites: bookworm( .*)?$/Suites: bookworm bookworm-updates bookworm-backports/' \
    /etc/apt/sources.list.d/debian.sources > "$sources"
apt_options=(-o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$build/apt/parts"
    -o "Dir::State::lists=$build/apt/lists" -o "Dir::Cache=$build/apt/cache" -o APT::Sandbox::User=root)
