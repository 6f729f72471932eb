#!/usr/bin/env bash
# Builds the fuzz targets and runs those that are named, or all, one after the other; says how often
# each was executed. The first finding ends the run.
#
#   scripts/fuzz.sh                  every target, 10 million executions of each
#   RUNS=100000 scripts/fuzz.sh dns  fewer, of one
#   SECONDS_EACH=600 scripts/fuzz.sh no target takes longer than that, however few executions
#   scripts/fuzz.sh socks FILE       one input again, such as a finding
#
# No nightly compiler and no cargo-fuzz: coverage counters need a pass of LLVM's that every rustc has,
# and libFuzzer is built from its crate. The compiler's checks of arithmetic and indices are on.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
cargo=$root/scripts/cargo.sh
fuzz=$root/fuzz
runs=${RUNS:-10000000}
seconds=${SECONDS_EACH:-0}
all=(hostname http_head socks client_hello dns policy ports proc_net compose)

# Longer inputs reach no code that these do not.
declare -A longest=([hostname]=512 [http_head]=2048 [socks]=600 [client_hello]=2048 [dns]=1232
    [policy]=4096 [ports]=2048 [proc_net]=2048 [compose]=4096)

fail() {
    echo "error: $1" >&2
    [ $# -lt 2 ] || echo "hint: $2" >&2
    exit "${3:-64}"
}

input=
if [ $# -eq 2 ] && [ -f "$2" ]; then
    input=$(realpath "$2")
    set -- "$1"
fi
[ $# -gt 0 ] || set -- "${all[@]}"
for target; do
    [ -n "${longest[$target]-}" ] || fail "no fuzz target is called $target" "there are: ${all[*]}"
done
case $runs$seconds in *[!0-9]*) fail "RUNS and SECONDS_EACH are whole numbers" ;; esac
command -v "${CXX:-c++}" >/dev/null 2>&1 || fail "no C++ compiler, which libFuzzer needs" "install g++" 69

# The versions that are shipped are those that are fuzzed: cargo adds to this lock what fuzzing needs.
cp "$root/Cargo.lock" "$fuzz/Cargo.lock"
host=$("$cargo" --tool rustc -vV | sed -n 's/^host: //p')
# With --target the flags do not reach build scripts and macros, which have no libFuzzer to report to.
RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares" \
    "$cargo" build --manifest-path "$fuzz/Cargo.toml" --target-dir "$fuzz/target" --release \
    --target "$host" "${@/#/--bin=}"
bin=$fuzz/target/$host/release

if [ -n "$input" ]; then exec "$bin/$1" "$input"; fi

table=()
for target; do
    # What libFuzzer learns stays here, and the seeds as they are.
    learnt=$fuzz/target/corpus/$target found=$fuzz/findings/$target log=$fuzz/target/$target.log
    mkdir -p "$learnt" "$found"
    seeds=$fuzz/corpus/$target dictionary=$fuzz/dictionaries/$target.dict
    options=(-runs="$runs" -max_total_time="$seconds" -max_len="${longest[$target]}" -timeout=25
        -artifact_prefix="$found/")
    [ "$target" != policy ] || seeds=$root/tests/manifests
    [ "$target" != ports ] || seeds=$root/tests/registries
    [ "$target" != compose ] || seeds=$root/tests/compose
    [ ! -f "$dictionary" ] || options+=(-dict="$dictionary")
    echo "== $target: $log" >&2
    status=0
    "$bin/$target" "${options[@]}" "$learnt" "$seeds" >"$log" 2>&1 || status=$?
    if [ "$status" -ne 0 ]; then
        tail -n 40 "$log" >&2
        fail "$target: exit code $status" "what was found is in $found: scripts/fuzz.sh $target FILE" 1
    fi
    read -r executions took < <(sed -nE 's/^Done ([0-9]+) runs in ([0-9]+) second.*/\1 \2/p' "$log")
    edges=$(sed -nE 's/.*cov: ([0-9]+) .*/\1/p' "$log" | tail -n 1)
    table+=("$(printf '%-14s %12d %8d %8d' "$target" "$executions" "$took" "$edges")")
done
printf '%-14s %12s %8s %8s\n' target executions seconds edges
printf '%s\n' "${table[@]}"
