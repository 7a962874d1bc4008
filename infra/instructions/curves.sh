#!/usr/bin/env bash
# curves.sh LB OUT.svg: what a small request costs with 1 to 1,000 backends, with 0 to 10,000
# idle connections (or as many as there may be descriptors for), and with 1, 2 and 4 workers.
# Prints a table and draws it.
#
# Instructions: the worker's own code, counted under callgrind, after each backend was met
# twice. CPU time is that of all workers, the kernel's part included, as the scheduler counts it:
# all balancers run next to each other and get short rounds of load in turn, so that whatever else
# the machine does meets all of them. A quarter of the rounds took less than the figure: what else a
# machine does makes rounds only more expensive.
# All backends are one lb on many addresses of 127/8. ROUNDS, REQUESTS (of one round),
# RESULTS (a file for what curves.lua is given).
set -euo pipefail
lb=$(realpath "$1") svg=$2
here=$(cd "$(dirname "$0")/../.." && pwd)
rounds=${ROUNDS:-15} requests=${REQUESTS:-10000} clients=64
scratch=$(mktemp -d)
started=() holders=()
finish() {
    kill "${started[@]}" 2>/dev/null || true
    wait 2>/dev/null || true
    rm -rf "$scratch"
}
trap finish EXIT
trap 'exit 1' HUP INT TERM # its children end with it, however it ends

fail() { echo "curves.sh: $*" >&2 && exit 1; }

# A worker takes half as many clients as it may have descriptors.
most=$(ulimit -Hn)
[ "$most" != unlimited ] && [ "$most" -lt 22000 ] || most=22000
ulimit -n "$most"
many=$(((most - 1000) / 2)) # 10,000, or what there is room for
[ "$many" -le 10000 ] || many=10000

start() { # name, words...: leaves its pid in $pid, and its address in $address once it listens
    "${@:2}" >/dev/null 2>"$scratch/$1" &
    pid=$!
    started+=("$pid")
    for _ in $(seq 1200); do
        address=$(sed -n 's/.*"event":"listening".*"address":"\([^"]*\)".*/\1/p' "$scratch/$1")
        [ -z "$address" ] || return 0
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    cat "$scratch/$1" >&2
    exit 1
}

wait_until_checked() { # name, backends
    for _ in $(seq 1200); do
        [ "$(grep -c '"event":"backend_up"' "$scratch/$1")" -lt "$2" ] || return 0
        sleep 0.1
    done
    fail "$1: not all of $2 backends are up"
}

backends() { # how many, at which port
    awk -v n="$1" -v port="$2" 'BEGIN { for (i = 0; i < n; i++) printf "%s127.1.%d.%d:%d", i ? "," : "", i / 250, i % 250 + 1, port }'
}

workers_of() { for child in $(pgrep -P "$1"); do grep -q '^lb worker' "/proc/$child/comm" && echo "$child"; done; }

load() { # address, requests, connections
    h2load --h1 -n "$2" -c "$3" -t 1 "http://$1/" >"$scratch/load" 2>&1 || true
    grep -q " $2 2xx" "$scratch/load" || { cat "$scratch/load" >&2 && fail "requests failed"; }
}

hold() { # name, address, count: idle connections
    [ "$3" -gt 0 ] || return 0
    luajit "$here/infra/instructions/idle.lua" "$2" "$3" >"$scratch/$1.idle" &
    started+=("$!") holders+=("$!")
    for _ in $(seq 600); do
        [ ! -s "$scratch/$1.idle" ] || return 0
        kill -0 "$!" 2>/dev/null || break
        sleep 0.1
    done
    fail "$1: no $3 idle connections"
}

still_hold() {
    for holder in "${holders[@]}"; do kill -0 "$holder" 2>/dev/null || fail "idle connections were closed"; done
}

cpu_ns() { # pids: so far
    local sum=0 ns _
    for child in $1; do
        for task in /proc/"$child"/task/*/schedstat; do
            read -r ns _ <"$task"
            sum=$((sum + ns))
        done
    done
    echo "$sum"
}

# Nothing changes while it is measured: no check, and no connection that has been idle for too long.
sed 's/interval = 2, timeout = 1,/interval = 600, timeout = 300,/; s/^return {/&\n  timeouts = { keep_alive = 3600, upstream_idle = 3600 },\n  limits = { connections = 12000 },/' \
    "$here/balancer.lua" >"$scratch/balancer.lua"
grep -q 'interval = 600' "$scratch/balancer.lua" || fail "balancer.lua has another interval than I know"
printf 'return {\n timeouts = { keep_alive = 3600 },\n choose = function(ctx) return ctx:respond { body = ("x"):rep(100) } end }\n' \
    >"$scratch/backend.lua"

start backend "$lb" --listen 0.0.0.0:0 --workers 1 "$scratch/backend.lua"
port=${address##*:}

# backends, idle connections, workers
cases=$(
    for workers in 1 2 4; do
        for n in 1 10 100 1000; do echo "$n 0 $workers"; done
        for n in 1000 "$many"; do echo "10 $n $workers"; done
    done
)

# --- instructions ---

instructions() { # backends, idle connections: of one request
    local warm=$(($1 * 2 + 2000)) name="callgrind-$1-$2" worker
    BACKENDS=$(backends "$1" "$port") start "$name" valgrind --tool=callgrind --trace-children=yes --smc-check=all-non-file \
        --callgrind-out-file="$scratch/$name.%p" "$lb" --listen 127.0.0.1:0 --workers 1 "$scratch/balancer.lua"
    local of=$pid
    wait_until_checked "$name" "$1"
    worker=$(workers_of "$of")
    hold "$name" "$address" "$2"
    load "$address" "$warm" 8
    callgrind_control --zero "$worker" >/dev/null 2>&1
    load "$address" 4000 8
    callgrind_control --dump "$worker" >/dev/null 2>&1
    still_hold
    holders=()
    kill "$of"
    wait "$of" 2>/dev/null || true
    awk -v n="$1" -v idle="$2" '/^summary:/ { print "instructions", n, idle, 1, int($2 / 4000); exit }' "$scratch/$name.$worker.1"
}

for case in "1 0" "10 0" "100 0" "1000 0" "10 1000" "10 $many"; do
    read -r n idle <<<"$case"
    instructions "$n" "$idle"
done >"$scratch/results"
[ "$(wc -l <"$scratch/results")" = 6 ] || fail "callgrind tells nothing"

# --- CPU time ---

declare -A at of
while read -r n idle workers; do
    name="lb-$n-$idle-$workers"
    BACKENDS=$(backends "$n" "$port") start "$name" "$lb" --listen 127.0.0.1:0 --workers "$workers" "$scratch/balancer.lua"
    at[$name]=$address of[$name]=$pid
    wait_until_checked "$name" "$n"
    hold "$name" "$address" "$idle"
    for _ in 1 2 3; do load "$address" "$requests" "$clients"; done
done <<<"$cases"
for _ in $(seq "$rounds"); do
    while read -r n idle workers; do
        name="lb-$n-$idle-$workers"
        pids=$(workers_of "${of[$name]}")
        before=$(cpu_ns "$pids") began=$(date +%s%N)
        load "${at[$name]}" "$requests" "$clients"
        took=$(($(date +%s%N) - began))
        echo "cpu $n $idle $workers $((($(cpu_ns "$pids") - before) / requests)) $((requests * 1000000000 / took))"
    done <<<"$cases"
done >>"$scratch/results"
still_hold

[ -z "${RESULTS:-}" ] || cp "$scratch/results" "$RESULTS"
luajit "$here/infra/instructions/curves.lua" "$svg" <"$scratch/results"
