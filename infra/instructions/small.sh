#!/usr/bin/env bash
# small.sh LB: what a small request over kept connections costs the worker, without a clock,
# so that a busy machine does not matter: instructions in user space by function and
# allocations (callgrind), with the access log off and on, over TLS and over HTTP/2 without TLS,
# with admin (decisions kept as usual, and of each request), and system calls (strace).
# Each figure is the difference of two runs of requests in one warm worker, so that start-up and
# the making of connections cancel. small.lua prints them and fails above the bounds of
# bounds.lua. One or two minutes.
set -euo pipefail
lb=$(realpath "$1")
here=$(cd "$(dirname "$0")/../.." && pwd)
warm=1500 few=1000 many=4000 connections=8 # under callgrind
streams=10 # at once on each connection, over HTTP/2
few_traced=2000 many_traced=12000 connections_traced=64
cipher=--tls13-ciphers=TLS_AES_128_GCM_SHA256
scratch=$(mktemp -d)
started=()
trap 'kill "${started[@]}" 2>/dev/null; wait 2>/dev/null; rm -rf "$scratch"' EXIT

die() { echo "small.sh: $*" >&2 && exit 1; }

within_a_minute() { # a command: again until it succeeds
    local end=$((SECONDS + 60))
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.1
    done
}

free_address() {
    luajit -e 'local s = require "luv".new_tcp() s:bind("127.0.0.1", 0) print("127.0.0.1:" .. s:getsockname().port)'
}
listens() { (: <>"/dev/tcp/${address/://}") 2>/dev/null; }
is_worker() { grep -qx 'lb worker 1' "/proc/$1/comm" 2>/dev/null; }
has_worker() {
    for child in $(pgrep -P "$pid"); do ! is_worker "$child" || worker=$child; done
    [ -n "$worker" ]
}

# balancer.lua, but that it listens with TLS.
secure_script() {
    openssl req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -subj /CN=a.test -days 2 \
        -addext subjectAltName=DNS:a.test -keyout "$scratch/key" -out "$scratch/certificate" 2>"$scratch/openssl" ||
        { cat "$scratch/openssl" >&2 && die "no certificate"; }
    cat "$scratch/key" "$scratch/certificate" >"$scratch/secure.pem"
    sed "s|^  listen .*|  listen = { { '$1', tls = true } }, tls = { certificates = { '$scratch/secure.pem' } },|" \
        "$here/balancer.lua"
}

# balancer.lua with the admin listener; $1: more settings.
explained_script() {
    sed "s|^  listen .*|&\n  admin = 'unix:$scratch/admin.sock', $1|" "$here/balancer.lua"
}

# balancer.lua with tracing, of that part of all requests; a small answer is a collector's, too.
traced_script() {
    sed "s|^return {|return { tracing = { to = 'http://$one/v1/traces', part = $1 },|" "$here/balancer.lua"
}

# The address is chosen here, not read from the log: one of them has its log off.
# start NAME SCRIPT COMMAND..: leaves its pid, worker and address in $pid, $worker and $address, and
# in $url and $speaks what to ask, and how. SCRIPT "secure": balancer.lua with TLS; "h2c":
# balancer.lua with HTTP/2; a number: balancer.lua with tracing of that part.
start() {
    local script=$2 listen
    worker='' address=$(free_address)
    url=http://$address speaks=(--h1) listen=(--listen "$address")
    if [ "$script" = h2c ]; then
        script=$here/balancer.lua speaks=(-m "$streams") listen=(--listen "h2c://$address")
    fi
    if [ "$script" = secure ]; then
        script=$scratch/secure.lua url=https://$address listen=()
        secure_script "$address" >"$script"
    fi
    if [ "$script" = explained ] || [ "$script" = kept ]; then
        script=$scratch/$1.lua
        explained_script "$([ "$2" = explained ] || echo 'explain = { seconds = 0.001 },')" >"$script"
    fi
    if [[ "$script" == [01] ]]; then
        traced_script "$script" >"$scratch/traced-$script.lua"
        script=$scratch/traced-$script.lua
    fi
    "${@:3}" "${listen[@]}" --workers 1 "$script" >"$scratch/$1.out" 2>"$scratch/$1" &
    pid=$!
    started+=("$pid")
    within_a_minute listens && within_a_minute has_worker || { cat "$scratch/$1" >&2 && die "$1 does not start"; }
}

stop() { kill "$pid" && wait "$pid" || true; }

requests() { # how many, over how many connections
    timeout 100 h2load "${speaks[@]}" "$cipher" -n "$1" -c "$2" -t 1 "$url/" >"$scratch/load" &&
        grep -q " $1 2xx" "$scratch/load" || { cat "$scratch/load" >&2 && die "requests failed"; }
}

tell_callgrind() { timeout 30 vgdb --pid="$worker" "$1" >"$scratch/vgdb" 2>&1 || { cat "$scratch/vgdb" >&2 && die "vgdb"; }; }

# count_instructions NAME SCRIPT OPTION..: leaves profiles of few and many requests in NAME.1 and
# NAME.2.
count_instructions() {
    start "$1" "$2" valgrind --tool=callgrind --trace-children=yes --smc-check=all-non-file \
        --callgrind-out-file="$scratch/$1.%p" "$lb" --backend "$one" --backend "$two" "${@:3}"
    requests "$warm" "$connections"
    tell_callgrind zero
    requests "$few" "$connections"
    tell_callgrind dump
    requests "$many" "$connections"
    tell_callgrind dump
    mv "$scratch/$1.$worker.1" "$scratch/$1.1"
    mv "$scratch/$1.$worker.2" "$scratch/$1.2"
    stop
}

trace() { # file, requests: of the thread that serves them
    strace -c -o "$1" -p "$worker" 2>"$scratch/strace" &
    local strace=$!
    started+=("$strace")
    within_a_minute grep -q attached "$scratch/strace" || { cat "$scratch/strace" >&2 && die "strace does not attach"; }
    requests "$2" "$connections_traced"
    kill -INT "$strace"
    wait "$strace" || true
}

echo 'return { choose = function(ctx) return ctx:respond { body = ("x"):rep(100) } end }' >"$scratch/origin.lua"
start one "$scratch/origin.lua" "$lb" --log-level warn && one=$address
start two "$scratch/origin.lua" "$lb" --log-level warn && two=$address
start traced "$here/balancer.lua" "$lb" --backend "$one" --backend "$two"
requests "$few_traced" "$connections_traced"
trace "$scratch/calls.1" "$few_traced"
trace "$scratch/calls.2" "$many_traced"
stop
count_instructions off "$here/balancer.lua" --log-level warn
count_instructions on "$here/balancer.lua" --log-format json
count_instructions tls secure --log-level warn
count_instructions h2c h2c --log-level warn
count_instructions explained explained --log-level warn
count_instructions kept kept --log-level warn
count_instructions traced-0 0 --log-level warn
count_instructions traced-1 1 --log-level warn
luajit "$here/infra/instructions/small.lua" "$scratch" "$((many - few))" "$((many_traced - few_traced))"
