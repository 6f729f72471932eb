#!/usr/bin/env bash
# Leaves out each control of jail in turn, and shows which test notices.
#
#   scripts/planted.sh                  every control of integration/planted.txt
#   scripts/planted.sh landlock sni     these
#
# A build of its own (--features planted-breaks) is told by JAIL_PLANTED which control to leave out; its
# proof is left out as well, which would refuse most such runs by itself, so that it is the test that
# notices. Each test first passes with all controls in place: one that always fails catches nothing.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
cargo=scripts/cargo.sh
list=integration/planted.txt
stage=$(mktemp -d /var/tmp/jail-planted.XXXXXX)
trap 'rm -rf "$stage"' EXIT
chmod 755 "$stage"
# One test takes seconds; a broken one may wait for what never comes.
patience=90

build() {
    local target
    target=$("$cargo" metadata --no-deps --format-version 1 |
        sed -nE 's/.*"target_directory":"([^"]+)".*/\1/p')
    "$cargo" test --locked --no-run --message-format=json --test escapes --test network \
        --test lifecycle --test faults --test limits | programs >"$stage/tests"
    # A folder of its own: a jail that can leave out controls must not lie where others look for jail.
    CARGO_TARGET_DIR=$target/planted "$cargo" test --locked --features planted-breaks --no-run \
        --message-format=json --lib | programs >>"$stage/tests"
    CARGO_TARGET_DIR=$target/planted "$cargo" build --locked --features planted-breaks --bin jail
    install -m 755 "$target/planted/debug/jail" "$stage/real"
}

# The test programs in what cargo says.
programs() {
    grep '"reason":"compiler-artifact"' |
        sed -nE 's/.*"name":"([^"]+)","src_path.*"test":true.*"executable":"([^"]+)".*/\1 \2/p'
}

# program SUITE: its test program.
program() { sed -n "s/^$1 //p" "$stage/tests" | tail -1; }

# try BREAKS SUITE TEST: 0 passed, 1 failed, 2 no such test, 3 skipped here.
try() {
    local suite=$2 test=$3 status=0 log=$stage/log own='' name=jail
    mkdir -p "$stage/${1:-none}"
    name=$stage/${1:-none}/jail
    printf '#!/bin/sh\nexec env JAIL_PLANTED=%s %s "$@"\n' "$1" "$stage/real" >"$name"
    chmod 755 "$name"
    # Unit tests have the code in themselves.
    if [ "$suite" = unit ]; then suite=jail own=$1; fi
    JAIL_PLANTED=$own JAIL=$name timeout "$patience" "$(program "$suite")" --exact "$test" \
        >"$log" 2>&1 </dev/null || status=$?
    ! grep -qE '^test .* \.\.\. ignored' "$log" || return 3
    grep -qE '^test .* \.\.\. (ok|FAILED)' "$log" || [ "$status" -eq 124 ] || return 2
    [ "$status" -eq 0 ] || return 1
}

# Does the run refuse itself, with the proof in place?
refuses() {
    local status=0
    JAIL_PLANTED=$1 HOME=$stage timeout 30 "$stage/real" run -q --allow nowhere.invalid -- true \
        >/dev/null 2>&1 </dev/null || status=$?
    [ "$status" -eq 125 ]
}

passed=0 failed=0 skipped=0
row() { printf '%-22s %-8s %-10s %s\n' "$@"; }
report() {
    row "$@"
    case $3 in
    caught) passed=$((passed + 1)) ;;
    skipped) skipped=$((skipped + 1)) ;;
    *) failed=$((failed + 1)) ;;
    esac
}

build
known=$(sed -nE 's/^    [A-Z][A-Za-z]* = "([a-z-]+)",$/\1/p' src/planted.rs)
row control proof test 'which one'
for control in $known; do
    [ $# -eq 0 ] || [[ " $* " == *" $control "* ]] || continue
    line=$(grep -E "^$control " "$list" || true)
    if [ -z "$line" ]; then
        report "$control" '' MISSING "no test is named in $list"
        continue
    fi
    read -r _ suite test <<<"$line"
    seen=-
    ! refuses "$control" || seen=refuses
    before=0 after=0
    try '' "$suite" "$test" || before=$?
    breaks=proof
    [ "$control" = proof ] || breaks=$control,proof
    try "$breaks" "$suite" "$test" || after=$?
    case $before$after in
    01) report "$control" "$seen" caught "$suite $test" ;;
    3* | 03) report "$control" "$seen" skipped "$suite $test" ;;
    2*) report "$control" "$seen" 'NO TEST' "$suite $test" ;;
    1*) report "$control" "$seen" BROKEN "$suite $test fails with all controls" ;;
    *) report "$control" "$seen" MISSED "$suite $test" ;;
    esac
done

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
