#!/bin/bash
# Everything that needs a kernel of its own: `make integration`.
#
#   integration/vm/all.sh FOLDER PROGRAM...
#
# FOLDER gets the logs, and compatibility.md, made out of them. PROGRAMs: `jail`, test programs, and `planted`
# (jail with that feature). Machines, of which MACHINES="kernels docker" runs fewer:
#
#   kernels   each kernel of $KERNELS without systemd: the programs named in $ON_KERNELS
#   systemd   Debian 12 with the kernels of $SYSTEMD: all programs
#   ubuntu    Ubuntu 24.04, which restricts user namespaces: without jail's AppArmor profile and with it
#   docker    the same with a container engine: what jail does in it
#   vagrant   the Vagrantfile with a box of our own
#
# Each as root and as an ordinary user. Prints counted results. Needs root.
# Exit code 0: nothing failed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
logs=$1; shift
mkdir -p "$logs"; rm -f "$logs"/*.log
: "${KERNELS:=bookworm bookworm-backports trixie-backports}" "${SYSTEMD:=bookworm}"
: "${ON_KERNELS:=cgroup limits escapes jail planted}" "${MACHINES:=kernels systemd ubuntu docker vagrant}"
failed=0 all=()

# machine NAME COMMAND...
machine() {
    local log=$logs/$1.log start=$SECONDS status=ok
    all+=("$log")
    "${@:2}" </dev/null >"$log" 2>&1 || status=FAILED
    [ "$status" = ok ] || failed=1
    printf '%-6s %-28s %4d s  %s\n' "$status" "$1" $((SECONDS - start)) "$(counted "$log")"
}
# counted LOG...: the sum of what the test programs counted; exit code 1: nothing passed.
counted() {
    sed 's/\x1b\[[0-9;]*m//g' "$@" | awk '
        /^test result: / { passed += $4; failed += $6; skipped += $8 }
        END { printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped; exit passed == 0 }'
}
wanted() { case " $MACHINES " in *" $1 "*) ;; *) return 1 ;; esac; }

on_kernels=() on_systemd=() in_box=() jail=''
for program in "$@"; do
    name=$(basename "$program")
    case " $ON_KERNELS " in *" $name "*) on_kernels+=("$program") ;; esac
    [ "$name" = planted ] || on_systemd+=("$program")
    case $name in cgroup | limits | escapes | jail) in_box+=("$program") ;; esac
    [ "$name" != jail ] || jail=$program
done
# Their order is that of the table.
if wanted kernels; then
    for suite in $KERNELS; do
        machine "kernel-$suite" "$here/initramfs.sh" "$("$here/kernel.sh" "$suite")" "${on_kernels[@]}"
    done
fi
if wanted systemd; then
    for suite in $SYSTEMD; do
        machine "systemd-$suite" "$here/systemd.sh" guest.sh "$("$here/kernel.sh" "$suite")" "${on_systemd[@]}"
    done
fi
if wanted ubuntu; then
    machine ubuntu "$here/systemd.sh" ubuntu.sh "$("$here/kernel.sh" noble)" "${in_box[@]}"
fi
if wanted docker; then
    machine docker "$here/systemd.sh" docker.sh "$("$here/kernel.sh" bookworm-backports)" "$jail"
fi
if wanted vagrant; then
    machine vagrant "$here/vagrant.sh" "${in_box[@]}"
fi

# What failed, by name and place; then the sum of what the test programs counted.
for log in "${all[@]}"; do
    sed 's/\x1b\[[0-9;]*m//g' "$log" | awk -v machine="$(basename "$log" .log)" '
        /^== / { round = substr($0, 4) }
        /^---- .* ----$/ { print machine ", " round ": " $2 }
        /^== (left behind|units left|planted break.*MISSED)/ { print machine ": " round }'
done
counted "${all[@]}" || failed=1
"$here/compatibility.sh" "${all[@]}" >"$logs/compatibility.md"
exit "$failed"
