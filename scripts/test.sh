#!/usr/bin/env bash
# Runs the parts of the suite that are named, shows what each counted, and the sum.
#
#   scripts/test.sh lint unit escapes tier vm network ports api \
#       containers container-escapes lifecycle faults connectors console demo
#   scripts/test.sh planted
#
# As root, the parts that run a jail are run a second time as an ordinary user: the same policy must
# give the same confinement to both. A part that fails in any way, or counts nothing, fails the run.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
cargo=scripts/cargo.sh
user=jailtest
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

connectors_image=build/connectors-image/rootfs.tar

# Longer than any part takes. What hangs must fail here, not when the machine is taken away.
patience=1500

passed=0 failed=0 skipped=0
table=()

# === counting

# The sums of all closing lines in a log: those of cargo test, and those of our own scripts. A harness
# that says the same in both forms counts once.
counts() {
    sed -nE \
        -e 's/^test result: [A-Za-z]+\. ([0-9]+) passed; ([0-9]+) failed; ([0-9]+) ignored;.*/cargo \1 \2 \3/p' \
        -e 's/^([0-9]+) passed, ([0-9]+) failed, ([0-9]+) skipped$/plain \1 \2 \3/p' \
        -e 's/^skipped .*/one 0 0 1/p' "$1" |
        awk '{ same = $2 " " $3 " " $4 }
            $1 == "plain" && same == before { before = ""; next }
            { p += $2; f += $3; s += $4; before = $1 == "cargo" ? same : "" }
            END { print p + 0, f + 0, s + 0 }'
}

# part NAME COMMAND…: runs it, shows and counts its output.
part() {
    local name=$1 log=$scratch/log status=0 p f s
    shift
    printf '\n== %s\n' "$name"
    "$@" 2>&1 | tee "$log" || status=$?
    read -r p f s < <(counts "$log")
    if [ "$f" -eq 0 ] && { [ "$status" -ne 0 ] || [ "$((p + s))" -eq 0 ]; }; then
        echo "$name: exit code $status, though no test failed of $((p + s)) counted"
        f=1
    fi
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    table+=("$(printf '%-28s %6d %6d %7d' "$name" "$p" "$f" "$s")")
}

# one WHAT COMMAND…: a part's step that is passed or failed as a whole.
one() {
    local what=$1
    shift
    if "$@"; then echo "ok    $what"; else
        echo "FAIL  $what"
        return 1
    fi
}

# === what there is to run

metadata() { "$cargo" metadata --no-deps --format-version 1; }

# The names of the test targets whose source path matches.
targets() {
    metadata | grep -oE '"kind":\["test"\][^}]*' |
        sed -nE 's/.*"name":"([^"]+)","src_path":"([^"]+)".*/\1 \2/p' |
        awk -v root="$root/" -v pattern="$1" '
            { path = substr($2, length(root) + 1) } path ~ pattern { print $1 }'
}

# `--test NAME` for each.
selected() { targets "$1" | sed 's/^/--test\n/'; }

built() { echo "$(metadata | sed -nE 's/.*"target_directory":"([^"]+)".*/\1/p')/debug"; }

# === the parts

lint() {
    local p=0 f=0 s=0 tool
    local all=(--all-targets)
    mapfile -t -O 1 all < <(selected .)
    for tool in fmt clippy; do
        if ! "$cargo" "$tool" --version >/dev/null 2>&1; then
            echo "skip  cargo $tool: not installed with this toolchain"
            s=$((s + 1))
            continue
        fi
        case $tool in
        fmt) set -- "$cargo" fmt --check ;;
        clippy) set -- "$cargo" clippy --locked --quiet "${all[@]}" -- -D warnings ;;
        esac
        if one "cargo $tool" "$@"; then p=$((p + 1)); else f=$((f + 1)); fi
    done
    echo "$p passed, $f failed, $s skipped"
    [ "$f" -eq 0 ]
}

unit() {
    local tests status=0
    tests/exports/install.sh || echo "what needs them is skipped, and counted" >&2
    tests/compose/install.sh || echo "the comparison with docker compose is skipped, and counted" >&2
    mapfile -t tests < <(selected '^(src/|tests/[^/]*[.]rs|tests/it/)')
    "$cargo" test --locked --no-fail-fast --lib --bins --examples "${tests[@]}" || status=$?
    "$cargo" test --locked --no-fail-fast --doc || status=$?
    return "$status"
}

# Harnesses that start jails: each is given the program under test as JAIL.
#
# build_programs PART PATTERN
build_programs() {
    local tests
    mapfile -t tests < <(selected "$2")
    if [ "${#tests[@]}" -eq 0 ]; then
        echo "there is no test target at $2" >&2
        return 1
    fi
    # The programs come in this list too; only those of test targets are test programs.
    "$cargo" test --locked --no-run --message-format=json "${tests[@]}" |
        grep '"kind":\["test"\]' | sed -nE 's/.*"executable":"([^"]+)".*/\1/p' >"$scratch/$1"
    [ -s "$scratch/$1" ]
}

# run_programs PART [COMMAND…]
run_programs() {
    local program status=0 list=$scratch/$1
    shift
    while IFS= read -r program; do
        "$@" timeout "$patience" "$program" </dev/null || status=$?
    done <"$list"
    return "$status"
}

escapes() {
    build_programs escapes '^integration/[^/]*[.]rs' && run_programs escapes env JAIL="$(built)/jail"
}

network() {
    tests/clients/install.sh && build_programs network '^integration/network/' &&
        run_programs network env JAIL="$(built)/jail" CLIENTS="$root/build/clients"
}

ports() {
    build_programs ports '^integration/ports/' && run_programs ports env JAIL="$(built)/jail"
}

api() {
    local status=0
    build_programs api '^integration/api/' && run_programs api env JAIL="$(built)/jail" || status=$?
    tests/api/install.sh && tests/api/run.sh "$(built)/jail" "$root/build/api" || status=$?
    return "$status"
}

containers() {
    tests/connectors/image.sh ||
        echo "sessions of connectors in both backends are skipped, and counted" >&2
    tests/containers/install.sh || echo "what needs them is skipped, and counted" >&2
    tests/compose/install.sh || echo "the shipped compose files are not started: skipped, and counted" >&2
    tests/exports/install.sh || echo "the tests of Envoy are skipped, and counted" >&2
    build_programs containers '^integration/containers/' && build_demo &&
        run_programs containers env JAIL="$(built)/jail" DEMO="$(built)/examples" \
            CONNECTORS="$root/build/connectors" CONNECTORS_IMAGE="$root/$connectors_image"
}

# The escape suite against containers: docker as root, rootless podman as an ordinary user.
container-escapes() {
    build_programs container-escapes '^integration/main[.]rs$' &&
        run_programs container-escapes env JAIL="$(built)/jail" JAIL_TEST_SANDBOX=container
}

lifecycle() {
    build_programs lifecycle '^tests/lifecycle/' && run_programs lifecycle env JAIL="$(built)/jail"
}

faults() {
    build_programs faults '^integration/faults/' && run_programs faults env JAIL="$(built)/jail"
}

planted() { scripts/planted.sh; }

# The escape suite against the weaker tier, which is not for root.
build_tier() { build_programs tier '^integration/main[.]rs$' && build_demo; }

tier() {
    local status=0
    build_tier || return
    run_programs tier env JAIL="$(built)/jail" JAIL_TEST_SANDBOX=landlock || status=$?
    sandbox=landlock run_demo "$(built)/jail" "$(built)/examples" || status=$?
    return "$status"
}

# Limits on kernels that have cgroup v2, whatever this one has: the smallest and oldest of the machines that
# `make integration` makes, and the Vagrantfile's with a box of our own. Emulated, as root and as an ordinary
# user in them.
vm() {
    local programs=$scratch/programs program status=0
    if ! grep -qs '^VERSION_ID="12"' /etc/os-release || [ ! -f /etc/apt/sources.list.d/debian.sources ]; then
        echo "skip  vm: the machines are made with the packages of a Debian 12"
        echo "0 passed, 0 failed, 1 skipped"
        return 0
    fi
    build_programs vm '^integration/(cgroup|limits)[.]rs$' && "$cargo" build --locked --quiet --bin jail &&
        mkdir "$programs" && install -m 755 "$(built)/jail" "$programs/" || return
    while IFS= read -r program; do
        install -m 755 "$program" "$programs/$(basename "${program%-*}")" || return
    done <"$scratch/vm"
    strip "$programs"/* || return
    integration/vm/initramfs.sh "$(integration/vm/kernel.sh bookworm)" "$programs"/* || status=$?
    # It brings libvirt, which is for whoever wants it to install.
    if command -v vagrant >/dev/null || [[ ,${JAIL_TEST_MUST_RUN:-}, =~ ,(all|vagrant), ]]; then
        integration/vm/vagrant.sh "$programs/cgroup" "$programs/jail" || status=$?
    else
        echo "skip  vagrant: it is not installed; JAIL_TEST_MUST_RUN=vagrant installs it, and libvirt"
        echo "0 passed, 0 failed, 1 skipped"
    fi
    return "$status"
}

connectors() {
    tests/connectors/install.sh && "$cargo" build --locked --quiet &&
        JAIL="$(built)/jail" timeout "$patience" node tests/connectors/run.mjs
}

# A real browser against the real `jail console`, in a network namespace of its own.
console() {
    tests/clients/install.sh && tests/console/install.sh &&
        "$cargo" build --locked --quiet --bin jail &&
        JAIL="$(built)/jail" CONSOLE="$root/build/console" CLIENTS="$root/build/clients" \
            SHOTS="$root/build/console-shots" timeout "$patience" node tests/console/run.mjs
}

demo() {
    local bin
    bin=$(built)
    build_demo && run_demo "$bin/jail" "$bin/examples"
}

build_demo() {
    "$cargo" build --locked --quiet --bin jail --example notes-connector --example demo-client
}

# run_demo JAIL FOLDER [COMMAND…]
run_demo() {
    local jail=$1 bin=$2
    shift 2
    if "$@" "$bin/demo-client" -- "$jail" run ${sandbox:+--sandbox="$sandbox"} -- \
        "$bin/notes-connector"; then
        echo "1 passed, 0 failed, 0 skipped"
    else
        echo "0 passed, 1 failed, 0 skipped"
        return 1
    fi
}

# === once more, as an ordinary user

# A folder that everybody can read, for what was built may lie where only root can look.
stage=

prepare_user() {
    [ -z "$stage" ] || return 0
    id "$user" >/dev/null 2>&1 || useradd --create-home --shell /bin/sh "$user" || return
    stage=$(mktemp -d /var/tmp/jail-tests.XXXXXX) || return
    trap 'rm -rf "$scratch" "$stage"' EXIT
    chmod 755 "$stage" && install -m 755 "$(built)/jail" "$stage/jail"
}

# What starts the command: nothing, or what a part sets.
within=()
as_user() {
    local home
    home=$(getent passwd "$user" | cut -d: -f6)
    (cd "$home" && exec "${within[@]}" setpriv --reuid "$user" --regid "$user" --clear-groups --inh-caps=-all \
        env -i HOME="$home" USER="$user" LOGNAME="$user" SHELL=/bin/sh LANG=C.UTF-8 \
        PATH=/usr/local/bin:/usr/bin:/bin "$@")
}

# programs_as_user PART [NAME=VALUE…]
programs_as_user() {
    [ -s "$scratch/$1" ] || return
    xargs -d '\n' install -m 755 -t "$stage" <"$scratch/$1" || return
    sed -i "s|.*/|$stage/|" "$scratch/$1"
    run_programs "$1" as_user env JAIL="$stage/jail" CLIENTS="$stage/clients" "${@:2}"
}

# give FOLDER: a copy of build/FOLDER that the user can read, and whose venv knows its new place.
give() {
    # More than one part wants it.
    [ ! -d "$stage/$1" ] || return 0
    # Programs of hundreds of megabytes are linked where that is possible.
    cp -rlP "build/$1" "$stage/" 2>/dev/null || cp -rP "build/$1" "$stage/" || return
    # The scripts of a venv name its interpreter by its full path. A new file takes the place of each.
    find "$stage/$1/venv/bin" -type f -exec \
        sed -i "1s|^#!$root/build/$1/|#!$stage/$1/|" {} + || return
    chmod -R go+rX "$stage/$1"
}

escapes_as_user() { programs_as_user escapes; }

tier_as_user() {
    local status=0
    build_tier || return
    programs_as_user tier JAIL_TEST_SANDBOX=landlock || status=$?
    sandbox=landlock demo_as_user || status=$?
    return "$status"
}

network_as_user() { give clients && programs_as_user network; }

ports_as_user() { programs_as_user ports; }

api_as_user() { programs_as_user api; }

containers_as_user() {
    # Attacks are made at addresses of the network namespace that this runs in.
    local within=("$root/integration/containers/space.sh")
    install -m 755 -t "$stage" "$(built)"/examples/{demo-client,notes-connector} || return
    if [ -f "$connectors_image" ]; then
        give connectors && { cp -l "$connectors_image" "$stage/connectors.tar" 2>/dev/null ||
            cp "$connectors_image" "$stage/connectors.tar"; } || return
    fi
    mkdir -p "$stage/kept" && cp -r docker "$stage/shipped" || return
    local kept
    for kept in build/containers/{llm.tar,model.gguf,podman-compose}; do
        [ ! -e "$kept" ] || cp -rl "$kept" "$stage/kept/" 2>/dev/null || cp -r "$kept" "$stage/kept/" || return
    done
    chmod -R go+rX "$stage/kept" "$stage/shipped"
    JAIL_TEST_NEIGHBOUR="$stage/neighbour" programs_as_user containers DEMO="$stage" \
        CONNECTORS="$stage/connectors" CONNECTORS_IMAGE="$stage/connectors.tar" JAIL_TEST_KEPT="$stage/kept" \
        JAIL_TEST_SHIPPED="$stage/shipped" JAIL_TEST_NEIGHBOUR="$stage/neighbour"
}

container-escapes_as_user() {
    if [ -n "$everything" ]; then
        echo "skip  container-escapes as $user: rootless podman takes minutes; scripts/test.sh container-escapes"
        echo "0 passed, 0 failed, 1 skipped"
        return 0
    fi
    programs_as_user container-escapes JAIL_TEST_SANDBOX=container
}

lifecycle_as_user() { programs_as_user lifecycle; }

faults_as_user() { programs_as_user faults; }

connectors_as_user() {
    if ! as_user sh -c 'command -v node' >/dev/null; then
        echo "skip  connectors as $user: node is installed where only root can run it"
        echo "0 passed, 0 failed, 1 skipped"
        return 0
    fi
    give connectors && mkdir -p "$stage/tests" &&
        cp tests/connectors/*.mjs tests/connectors/*.py "$stage/tests/" || return
    chmod -R go+rX "$stage/tests" || return
    as_user env JAIL="$stage/jail" CONNECTORS="$stage/connectors" \
        timeout "$patience" node "$stage/tests/run.mjs"
}

demo_as_user() {
    install -m 755 -t "$stage" "$(built)"/examples/{demo-client,notes-connector} || return
    run_demo "$stage/jail" "$stage" as_user
}

# === in order

everything=
if [ "$#" -eq 0 ]; then
    everything=1
    set -- lint unit escapes tier vm network ports api containers container-escapes lifecycle faults connectors console demo
fi
jailing=()
for name in "$@"; do
    case $name in
    lint | unit | vm | console | planted) ;;
    escapes | network | ports | api | containers | lifecycle | faults | connectors | demo)
        jailing+=("$name")
        ;;
    container-escapes) jailing+=("$name") ;;
    tier)
        jailing+=("$name")
        [ "$(id -u)" -ne 0 ] || continue
        ;;
    *)
        echo "error: there is no part \`$name\`" >&2
        exit 2
        ;;
    esac
    part "$name" "$name"
done

if [ "$(id -u)" -eq 0 ]; then
    for name in "${jailing[@]}"; do
        prepare_user || true # where this fails, so does each part below, and is counted
        part "$name as $user" "${name}_as_user"
    done
fi

printf '\n%-28s %6s %6s %7s\n' part passed failed skipped
printf '%s\n' "${table[@]}"
printf '\n%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" -eq 0 ]
