#!/bin/bash
# docs/compatibility.md out of what matrix.sh said in each place:
#
#   integration/vm/compatibility.sh LOG... > docs/compatibility.md
set -euo pipefail
cat <<'HEAD'
# What is enforced where

Made by `make integration` from what `jail` did in each place: every cell is a run or a probe, none is
a claim. **yes**: enforced and verified. **degraded**: the run takes place and says what is not enforced, or a probe
says what is not as it should be. **refused**: the run does not take place, with the message below. **missing**: not
there; what needs it is refused. **the weaker tier**: the run takes place, with what [that tier](choosing.md) holds.
**not tried**: what it builds on is missing. Probes that say yes in each column of a table are in the line below it.

Each kernel is Debian's or Ubuntu's, emulated. What forbids user namespaces: Ubuntu's AppArmor restriction, a profile of
one's own, Debian's switch (`kernel.unprivileged_userns_clone`), that of every kernel (`user.max_user_namespaces`), and
Docker. Other processors than x86-64 were not tried.

HEAD
cat "$@" | tr -d '\r' | sed 's/\x1b\[[0-9;]*m//g' | awk -F '\t' '
/^MATRIX\t/ {
    place = $4; machine = $2 " " $3; feature = $5
    if (!(place in known)) { known[place] = 1; places[++np] = place }
    if (!((place, machine) in at)) { at[place, machine] = 1; machines[place, ++nm[place]] = machine }
    if (!(feature in seen)) { seen[feature] = 1; features[++nf] = feature }
    cell[feature, place, machine] = $6; words[feature, place, machine] = $7
}
function note(text) {
    if (text == "") return ""
    if (!(text in number)) { number[text] = ++nn; notes[nn] = text }
    return " [" number[text] "]"
}
function shown(feature, place, machine,    what, said) {
    what = cell[feature, place, machine]; said = words[feature, place, machine]
    if (what == "" || (what == "unknown" && said ~ /^not tried/)) return "not tried"
    if (feature ~ /: Landlock$/) { sub(/;.*/, "", said); return said }
    if (what == "enforced") return feature ~ /^--sandbox=landlock/ ? "the weaker tier" : "yes"
    return tolower(what) note(said)
}
# Facts of the machine, not of what is enforced.
function fact(feature) { return feature ~ /: (kernel|user|outer sandbox|namespace settings)$/ }
# Is it "yes" in each column here?
function even(feature, place,    m) {
    if (feature !~ /^doctor: /) return 0
    for (m = 1; m <= nm[place]; m++)
        if (shown(feature, place, machines[place, m]) != "yes") return 0
    return 1
}
END {
    for (p = 1; p <= np; p++) {
        place = places[p]; same = ""
        print "## " place "\n"
        printf "| |"; for (m = 1; m <= nm[place]; m++) {
            split(machines[place, m], part, " "); printf " Linux %s, %s |", part[1], part[2] }
        printf "\n|---|"; for (m = 1; m <= nm[place]; m++) printf "---|"; print ""
        rows = 0
        for (f = 1; f <= nf; f++) {
            if (fact(features[f])) continue
            name = features[f]; sub(/^doctor: /, "", name)
            if (even(features[f], place)) { same = same (same == "" ? "" : ", ") name; continue }
            line = ""
            for (m = 1; m <= nm[place]; m++) line = line " " shown(features[f], place, machines[place, m]) " |"
            if (name == features[f]) name = "run: " name
            # Probes that say the same share a row.
            else if ((place, line) in row) { first[row[place, line]] = first[row[place, line]] ", " name; continue }
            rows++; first[rows] = name; rest[rows] = line
            if (name !~ /^run: /) row[place, line] = rows
        }
        for (r = 1; r <= rows; r++) print "| " first[r] " |" rest[r]
        print "\nyes for all: " (same == "" ? "nothing" : same) ".\n"
    }
    print "## What is said\n"
    for (n = 1; n <= nn; n++) print n ". " notes[n]
}'
