# shellcheck shell=bash
# To be sourced. Programs in folders that are to be a root.

# put ROOT FOLDER PROGRAM...: copies programs there, and the libraries of those that have any to the places
# where they look for them.
put() {
    local root=$1 folder=$2 program library; shift 2
    mkdir -p "$root$folder"
    for program in "$@"; do
        cp "$program" "$root$folder/"
        { ldd "$program" 2>/dev/null | grep -o '/[^ ]*' || true; } | while read -r library; do
            mkdir -p "$root$(dirname "$library")"; cp -L "$library" "$root$library"
        done
    done
}
