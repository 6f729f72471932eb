# shellcheck shell=bash disable=SC2034
# To be sourced, with $suite set to a Debian suite (bookworm-backports where it is not), or noble, Ubuntu's:
# sets $build (build/vm), $sources (a deb822 file: this machine's own apt sources, with that suite in place of
# its own) and $apt_options, which have apt use these alone. Nothing of the machine's own apt changes, and no
# other host is asked than it asks itself; for noble, $UBUNTU.
: "${suite:=bookworm-backports}"
release=${suite%%-*}
build=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../..")/build/vm
apt=$build/apt/$suite
sources=$apt/parts/debian.sources
mkdir -p "$apt"/{parts,lists/partial,cache/archives/partial}
[ -f /etc/apt/sources.list.d/debian.sources ] || {
    echo "no /etc/apt/sources.list.d/debian.sources: the virtual machines need a Debian 12 host" >&2
    exit 2
}
case $release in
noble)
    keyring=$("$(dirname "${BASH_SOURCE[0]}")/keyring.sh")
    cat >"$sources" <<SOURCES
Types: deb
URIs: ${UBUNTU:=http://archive.ubuntu.com/ubuntu}
Suites: noble noble-updates
Components: main universe
Signed-By: $keyring
SOURCES
    ;;
*)
    suites="$release $release-updates"
    [ "$suite" = "$release" ] || suites="$suites $suite"
    sed -E "s/^Suites: bookworm( .*)?\$/Suites: $suites/; s/^Suites: bookworm-security/Suites: $release-security/" \
        /etc/apt/sources.list.d/debian.sources >"$sources"
    ;;
esac
apt_options=(-o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$apt/parts"
    -o "Dir::State::lists=$apt/lists" -o "Dir::Cache=$apt/cache" -o APT::Sandbox::User=root)
