#!/bin/bash
# docs/compatibility.md out of what matrix.sh said in each place:
#
#   integration/vm/compatibility.sh LOG... > docs/compatibility.md
set -euo pipefail
cat <<'HEAD'
# What is enforced where

Made by `make integration` from what `jail` did in each place: every cell is a run or a probe, none is
a claim. **yes**: enforced and verified. **degraded**: the run takes place and says what is not enforced.
**refused**: the run does not take place, with the message below. **missing**: not there; what needs it is refused.

HEAD
cat "$@" | tr -d '\r' | sed 's/\x1b\[[0-9;]*m//g' | awk -F '\t' '
/^MATRIX\t/ {
    place = $2 " " $3 ", " $4
    if (!(place in known)) { known[place] = 1; places[++np] = place }
    if (!($5 in seen)) { seen[$5] = 1; features[++nf] = $5 }
    cell[$5, place] = $6; words[$5, place] = $7
}
function note(text) {
    if (text == "") return ""
    if (!(text in number)) { number[text] = ++nn; notes[nn] = text }
    return " [" number[text] "]"
}
function shown(feature, place,    what) {
    what = cell[feature, place]
    if (what == "") return "not tried"
    if (what == "enforced") return feature ~ /Landlock$/ ? words[feature, place] : "yes"
    return what note(words[feature, place])
}
# Only what differs somewhere, and the runs.
function told(feature,    p) {
    if (feature !~ /^doctor: /) return 1
    if (feature ~ /: (kernel|user|outer sandbox|namespace settings)$/) return 0
    if (feature ~ /Landlock$/) return 1
    for (p = 1; p <= np; p++) if (cell[feature, places[p]] != "enforced") return 1
    return 0
}
END {
    for (f = 1; f <= nf; f++) {
        if (told(features[f])) continue
        same = same (same == "" ? "" : ", ") substr(features[f], 9)
    }
    printf "| |"; for (p = 1; p <= np; p++) printf " Linux %s |", places[p]; print ""
    printf "|---|"; for (p = 1; p <= np; p++) printf "---|"; print ""
    for (f = 1; f <= nf; f++) {
        if (!told(features[f])) continue
        name = features[f]; sub(/^doctor: /, "probe: ", name)
        printf "| %s |", name
        for (p = 1; p <= np; p++) printf " %s |", shown(features[f], places[p])
        print ""
    }
    print "\nEverywhere here: " same ".\n\n## What is said\n"
    for (n = 1; n <= nn; n++) print n ". " notes[n]
}'
