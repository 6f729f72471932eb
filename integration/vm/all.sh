#!/bin/bash
# Everything that needs a kernel of its own: `make integration`.
#
#   integration/vm/all.sh FOLDER PROGRAM...
#
# FOLDER gets the logs. PROGRAMs: `jail` and test programs; those whose name is in $SYSTEMD run on
# Debian 12 with systemd as well. Three kernels, each as root and as an ordinary user. Prints counted
# results; docs/compatibility.md is written out of it by hand: FOLDER/compatibility.md. Needs root. KERNELS="bookworm" runs fewer.
# Exit code 0: nothing failed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
logs=$1; shift
mkdir -p "$logs"; rm -f "$logs"/*.log
: "${KERNELS:=bookworm bookworm-backports trixie-backports}" "${SYSTEMD:=bookworm}"
: "${ON_KERNELS:=cgroup limits escapes jail}"
failed=0

# machine NAME COMMAND...
machine() {
    local log=$logs/$1.log start=$SECONDS status=ok
    "${@:2}" </dev/null >"$log" 2>&1 || status=FAILED
    [ "$status" = ok ] || failed=1
    printf '%-6s %-28s %4d s\n' "$status" "$1" $((SECONDS - start))
}

on_kernels=()
for program in "$@"; do
    case " $ON_KERNELS " in *" $(basename "$program") "*) on_kernels+=("$program") ;; esac
done
for suite in $KERNELS; do
    machine "kernel-$suite" "$here/initramfs.sh" "$("$here/kernel.sh" "$suite")" "${on_kernels[@]}"
done
for suite in $SYSTEMD; do
    machine "systemd-$suite" "$here/systemd.sh" "$("$here/kernel.sh" "$suite")" "$@"
done

# What failed, by name; then the sum of what the test programs counted.
sed 's/\x1b\[[0-9;]*m//g' "$logs"/*.log | grep -E '^test .*FAILED|^== left behind|^== units left' || true
sed 's/\x1b\[[0-9;]*m//g' "$logs"/*.log | awk '
    /^test result: / { passed += $4; failed += $6; skipped += $8 }
    END { printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped; exit passed == 0 }' || failed=1
"$here/compatibility.sh" "$logs"/*.log >"$logs/compatibility.md"
exit "$failed"
