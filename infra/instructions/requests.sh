#!/usr/bin/env bash
# requests.sh LB: what the default policy adds to the CPU time of a request, over the same choice
# made in C. Two balancers with one worker each, the same two backends, kept connections; the
# worker's CPU time, the kernel's part included, as the scheduler counts it. Short rounds take
# turns, and this prints the median of their ratios and the middle half. It judges nothing: on a
# busy machine the ratios vary by more than what they show.
set -euo pipefail
lb=$(realpath "$1")
here=$(cd "$(dirname "$0")/../.." && pwd)
requests=20000 rounds=${ROUNDS:-20}
scratch=$(mktemp -d)
started=()
trap 'kill "${started[@]}" 2>/dev/null; wait 2>/dev/null; rm -rf "$scratch"' EXIT

start() { # name, arguments: leaves its pid in $pid, and its address in $address once it listens
    "$lb" --listen 127.0.0.1:0 --workers 1 "${@:2}" >/dev/null 2>"$scratch/$1" &
    pid=$!
    started+=("$pid")
    for _ in $(seq 100); do
        address=$(sed -n 's/.*"event":"listening".*"address":"\([^"]*\)".*/\1/p' "$scratch/$1")
        [ -z "$address" ] || return 0
        sleep 0.1
    done
    cat "$scratch/$1" >&2
    exit 1
}

worker_of() { for child in $(pgrep -P "$1"); do grep -qx 'lb worker 1' "/proc/$child/comm" && echo "$child"; done; }

cpu_ns() { # worker, address: of one request
    local before after
    read -r before _ <"/proc/$1/schedstat"
    h2load --h1 -n "$requests" -c 64 -t 1 "http://$2/" | grep -q " $requests 2xx" || { echo "requests failed" >&2 && exit 1; }
    read -r after _ <"/proc/$1/schedstat"
    echo $(((after - before) / requests))
}

printf 'return {\n choose = function(ctx) return ctx:respond { body = "ok" } end }\n' >"$scratch/backend.lua"
printf 'return {}\n' >"$scratch/none.lua"
start one "$scratch/backend.lua" && one=$address
start two "$scratch/backend.lua" && two=$address
start in_c --backend "$one" --backend "$two" "$scratch/none.lua" && in_c=$address worker_in_c=$(worker_of "$pid")
start in_lua --backend "$one" --backend "$two" "$here/balancer.lua" && in_lua=$address worker_in_lua=$(worker_of "$pid")
for round in $(seq "$rounds"); do
    c=$(cpu_ns "$worker_in_c" "$in_c") lua=$(cpu_ns "$worker_in_lua" "$in_lua")
    [ "$round" -gt 1 ] || continue # warm from here on
    echo "$c $lua"
done | awk '{ print ($2 - $1) * 100 / $1, $1, $2 }' | sort -n | awk '{ r[NR] = $1; c[NR] = $2; l[NR] = $3 }
    END { m = int((NR + 1) / 2)
        printf "CPU per request, %d pairs of rounds: balancer.lua over the choice in C %+.1f %% (middle half %+.1f to %+.1f), in the median round %d and %d ns\n",
            NR, r[m], r[int((NR + 3) / 4)], r[int((3 * NR + 1) / 4)], c[m], l[m] }'
