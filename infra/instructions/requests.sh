#!/usr/bin/env bash
# requests.sh LB: what the default policy adds to the CPU time of a request, over the same choice made in C.
# One worker, kept connections, two backends on this machine; the worker's CPU time, the kernel's part included, as
# the scheduler counts it. Rounds take turns, and the least of each is compared: on a busy machine the figures vary
# by more than what they show, so this prints and judges nothing.
set -euo pipefail
lb=$(realpath "$1")
here=$(cd "$(dirname "$0")/../.." && pwd)
requests=40000 rounds=${ROUNDS:-5}
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

cpu_ns() { # script: of one request
    local worker before after
    start balancer --backend "$one" --backend "$two" "$1"
    worker=$(worker_of "$pid")
    h2load --h1 -n 10000 -c 8 -t 1 "http://$address/" >/dev/null
    read -r before _ <"/proc/$worker/schedstat"
    h2load --h1 -n "$requests" -c 8 -t 1 "http://$address/" | grep -q " $requests 2xx" || { echo "requests failed" >&2 && exit 1; }
    read -r after _ <"/proc/$worker/schedstat"
    kill "$pid" && wait "$pid" || true
    ns=$(((after - before) / requests))
}

printf 'return {\n choose = function(ctx) return ctx:respond { body = "ok" } end }\n' >"$scratch/backend.lua"
printf 'return {}\n' >"$scratch/none.lua"
start one "$scratch/backend.lua" && one=$address
start two "$scratch/backend.lua" && two=$address
in_c=999999999 in_lua=999999999
for _ in $(seq "$rounds"); do
    cpu_ns "$scratch/none.lua" && in_c=$((ns < in_c ? ns : in_c))
    cpu_ns "$here/balancer.lua" && in_lua=$((ns < in_lua ? ns : in_lua))
done
awk -v c=$in_c -v l=$in_lua 'BEGIN { printf "CPU per request: %d ns with the choice in C, %d ns with balancer.lua: %+.1f %%\n", c, l, (l - c) * 100 / c }'
