#!/usr/bin/env bash
# Installs what is missing, through the system's packages, and says what. Nothing missing: no sudo,
# no network, no output.
#
#   scripts/setup.sh build   what building and the demo need
#   scripts/setup.sh test    and what the tests need besides
#   scripts/setup.sh bench   and what the benchmark compares with
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
cargo=$here/cargo.sh
missing=()
services=()

have() { command -v "$1" >/dev/null 2>&1; }

# need COMMAND PACKAGE
need() { have "$1" || missing+=("$2"); }

# True where the compiler finds this header; without a compiler there is nothing to ask.
header() { have gcc && echo "#include <$1>" | gcc -E - >/dev/null 2>&1; }

# True where the linker finds this file: gcc prints the bare name of one that it does not find.
library() { have gcc && [ "$(gcc -print-file-name="$1")" != "$1" ]; }

building() {
    need gcc gcc
    need make make
    need git git
    need pkg-config pkg-config
    # Debian's cargo does not bring the certificates that it checks downloads with.
    [ -e /etc/ssl/certs/ca-certificates.crt ] || missing+=(ca-certificates)
    header stdio.h || missing+=(libc6-dev)
    if ! header seccomp.h || ! library libseccomp.a; then missing+=(libseccomp-dev); fi
}

testing() {
    need node nodejs
    need npm npm
    need curl curl
    need openssl openssl
    need perl perl
    need strace strace
    need bwrap bubblewrap
    need go golang-go
    have nft || [ -x /usr/sbin/nft ] || missing+=(nftables)
    have iptables || [ -x /usr/sbin/iptables ] || missing+=(iptables)
    have ip || [ -x /usr/sbin/ip ] || missing+=(iproute2)
    # Ordinary users must be able to run it, so one in somebody's home folder does not do.
    if ! /usr/bin/python3 -c 'import venv, ensurepip' 2>/dev/null; then
        missing+=(python3 python3-venv)
    fi
    # By whatever name this system has it.
    have chromium || have chromium-browser || have google-chrome || missing+=(chromium)
    containers
    need_squid
}

# Engines of containers, for the tests of `--sandbox=container`. None of them is started: the tests do that.
containers() {
    # A client without the daemon is not enough.
    [ -x /usr/sbin/dockerd ] || have dockerd || services+=(docker.io)
    need podman podman
    [ -x /usr/sbin/runc ] || need runc runc
    need newuidmap uidmap
    # Only recommended by podman.
    need slirp4netns slirp4netns
    need fuse-overlayfs fuse-overlayfs
    need busybox busybox
    # Makes the image of connectors and that of the server which stands in for LocalAI.
    need mmdebstrap mmdebstrap
}

need_squid() { have squid || [ -x /usr/sbin/squid ] || services+=(squid); }

as_root() { if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi; }

# apt_install PACKAGE…
apt_install() {
    [ "$(id -u)" -eq 0 ] || have sudo ||
        fail "$* must be installed, and there is no sudo: run this as root once"
    echo "setup: installing $* (apt)" >&2
    # Nothing of the user's is removed to make room: apt stops, and says what is in the way.
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install --yes --quiet --no-install-recommends --no-remove "$@" >&2
}

# Only the programs of these packages are wanted: what they would start is not started, neither now nor
# when the machine starts.
policy=/usr/sbin/policy-rc.d
apt_install_stopped() {
    local service status=0
    # Where there is one, whoever wrote it decides.
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod 755 "$policy"
        # Also where this script is ended.
        trap 'as_root rm -f "$policy"' EXIT
        trap 'exit 1' INT TERM
    fi
    apt_install "$@" || status=$?
    for service in $(services_of "$@"); do stays_stopped "$service" || status=$?; done
    return "$status"
}

# The names under which these packages start something.
services_of() {
    local package
    for package in "$@"; do
        case $package in
        docker.io) echo docker docker.socket containerd ;;
        *) echo "$package" ;;
        esac
    done
}

# A package has a script, a unit, or both.
stays_stopped() {
    if [ -e "/etc/init.d/$1" ]; then
        as_root update-rc.d "$1" disable
    elif have systemctl; then
        as_root systemctl --quiet disable "$1"
    fi
}

updated=no
apt_update() {
    [ "$updated" = no ] || return 0
    have apt-get || fail "no apt-get here; install by hand: ${missing[*]} ${services[*]} and Rust"
    updated=yes
    as_root apt-get update --quiet >&2
}

# The version that apt would install of a package, or nothing.
candidate() {
    LC_ALL=C apt-cache policy "$1" 2>/dev/null |
        sed -n 's/^  Candidate: //p' | sed 's/^(none)$//; s/^[0-9]*://'
}

# True where apt has a Rust of this package that is new enough.
offers() {
    local wanted version
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$here/../Cargo.toml")
    version=$(candidate "$1")
    [ -n "$version" ] && dpkg --compare-versions "$version" ge "$wanted"
}

# Debian backports a new Rust for its browsers as `rustc-web`; Ubuntu has one package a version.
rust() {
    if "$cargo" --version >/dev/null 2>&1; then return 0; fi
    apt_update
    local name version
    while IFS= read -r name; do
        offers "$name" || continue
        version=${name#rustc}
        apt_install "rustc$version" "cargo$version"
        return 0
    done < <(printf 'rustc\nrustc-web\n'
        apt-cache --names-only search '^rustc-[0-9.]*$' | cut -d' ' -f1 | sort -rV)
    [ -n "$(candidate rustup)" ] || fail "apt has no Rust that is new enough; install rustup by hand"
    apt_install rustup
    echo "setup: rustup installs the stable toolchain (this one is no apt package)" >&2
    rustup toolchain install stable --profile minimal --component clippy --component rustfmt >&2
    rustup default stable >&2
}

# Formatter and linter come apart from Debian's compilers. Where there are none, that part of the
# tests is skipped, and counted as skipped.
rust_lint() {
    local rustc package
    if "$cargo" fmt --version >/dev/null 2>&1 && "$cargo" clippy --version >/dev/null 2>&1; then
        return 0
    fi
    rustc=$("$cargo" --tool rustc --print sysroot 2>/dev/null) || return 0
    case $rustc in /usr | /usr/lib/rust-*) ;; *) return 0 ;; esac # not apt's: nothing to add to
    apt_update
    local wanted=()
    for package in rustfmt-web rust-web-clippy rustfmt rust-clippy; do
        if offers "$package" && [ "${#wanted[@]}" -lt 2 ]; then wanted+=("$package"); fi
    done
    [ "${#wanted[@]}" -lt 2 ] || apt_install "${wanted[@]}"
}

fail() {
    echo "error: $*" >&2
    exit 1
}

case ${1-} in
build) building ;;
test)
    building
    testing
    ;;
bench)
    building
    need bwrap bubblewrap
    need tinyproxy tinyproxy-bin # the program without its service
    need_squid
    need ss iproute2
    ;;
*) fail "usage: setup.sh build|test|bench" ;;
esac

if [ "${#missing[@]}" -gt 0 ]; then
    apt_update
    apt_install "${missing[@]}"
fi
if [ "${#services[@]}" -gt 0 ]; then
    apt_update
    apt_install_stopped "${services[@]}"
fi
rust
if [ "$1" = test ]; then rust_lint; fi
