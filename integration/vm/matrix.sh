#!/bin/sh
# What jail does on this machine, as this user, in lines for compatibility.sh:
#
#   integration/vm/matrix.sh JAIL PLACE
#
# MATRIX <tab> kernel <tab> user <tab> PLACE <tab> feature <tab> enforced|degraded|refused <tab> what is said
# Each line is a run that took place, or a probe of `jail doctor host`. Nothing is contacted.
jail=$1 place=$2
tab=$(printf '\t')
kernel=$(uname -r | sed -E 's/^([0-9]+[.][0-9]+).*/\1/')
who=user; [ "$(id -u)" -ne 0 ] || who=root

line() { echo "MATRIX$tab$kernel$tab$who$tab$place$tab$1$tab$2$tab$3"; }

# try FEATURE OPTION... : a run of true with these options
try() {
    feature=$1; shift
    said=$("$jail" run "$@" -- true 2>&1 >/dev/null </dev/null); code=$?
    words=$(echo "$said" | sed -n -E 's/^(error|caused by|hint): //p; s/^jail: (not enforced)/\1/p' | head -n 3 |
        sed -e ':a' -e 'N' -e '$!ba' -e 's/\n/; /g' | tr '\t|' '  ')
    case $code in
    0) if echo "$said" | grep -q '^jail: not enforced'; then line "$feature" degraded "$words"; else line "$feature" enforced "$words"; fi ;;
    125) line "$feature" refused "$words" ;;
    *) line "$feature" "failed ($code)" "$words" ;;
    esac
}

try 'a run with nothing asked'
# Quiet: of what was not asked for, the line above says it.
try 'limits.memory' -q --memory 64M
try 'limits.cpus' -q --cpus 0.5
try 'limits.pids' -q --pids 20
try 'network: proxy' -q --allow example.test:443
try '--sandbox=landlock' -q --sandbox=landlock
try '--sandbox=landlock, limits.memory and pids' -q --sandbox=landlock --memory 64M --pids 20
"$jail" doctor host 2>/dev/null </dev/null | while read -r verdict rest; do
    feature=$(echo "$rest" | sed -E 's/  .*//')
    text=$(echo "$rest" | sed -E 's/^.*  +//')
    case $verdict in
    ok) line "doctor: $feature" enforced "$text" ;;
    missing | MISSING | degraded | unknown) line "doctor: $feature" "$verdict" "$text" ;;
    esac
done
