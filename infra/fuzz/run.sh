#!/usr/bin/env bash
# run.sh DIRECTORY SECONDS [NAME...]: runs the fuzzers that `make fuzzers` has built in DIRECTORY,
# all or those that are named, each for so long, as many at once as there are cores. Says of each
# what came of it. What a fuzzer has found stays in DIRECTORY/found; it fails if there is anything.
set -euo pipefail
cd "$(dirname "$0")/../.."
directory=$1 seconds=$2
shift 2
[ $# -gt 0 ] || set -- frames fields hpack answers
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$directory/found" "$work/seeds"
luajit infra/fuzz/seeds.lua "$work/seeds"

fuzz() { # NAME: a time that is over is an end like any other
    local name=$1 said=$work/$1 status=0 last
    UBSAN_OPTIONS=print_stacktrace=1 "$directory/${name}_fuzzer" -max_total_time="$seconds" -timeout=20 \
        -artifact_prefix="$directory/found/$name-" "$work/seeds/$name" >"$said" 2>&1 </dev/null || status=$?
    last=$(grep -E '^Done [0-9]+ runs' "$said" || true)
    if [ "$status" = 0 ] && [ -n "$last" ]; then
        printf 'PASS  %s: %s inputs, of %d s; %s\n' "$name" "$(cut -d' ' -f2 <<<"$last")" "$seconds" \
            "$(sed -nE 's/^#[0-9]+\s+DONE\s+cov: ([0-9]+) ft: ([0-9]+) .*/\1 places reached, in \2 ways/p' "$said")"
        return
    fi
    grep -vE '^#[0-9]+|Uses: ' "$said" | tail -n 80
    printf 'FAIL  %s: ended with status %d; show it again: %s/%s_fuzzer FILE, of %s/found\n' "$name" "$status" \
        "$directory" "$name" "$directory"
    return 1
}

failed=0 running=0
for name; do
    [ "$running" -lt "$(nproc)" ] || { wait -n || failed=1; running=$((running - 1)); }
    fuzz "$name" &
    running=$((running + 1))
done
while [ "$running" -gt 0 ]; do
    wait -n || failed=1
    running=$((running - 1))
done
exit "$failed"
