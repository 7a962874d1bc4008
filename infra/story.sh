#!/usr/bin/env bash
# story.sh: the container story, with docker compose and a steady load through the
# published port while a backend is stopped, started, killed, started, paused and
# unpaused. Every request must be answered 200; a request that meets a backend's end
# may wait one timeout more, and nobody once the backend is known to be gone.
# RATE requests a second, LB_PORT the published port. Removes what it started.
set -uo pipefail
cd "$(dirname "$0")/.." || exit

export LB_PORT=${LB_PORT:-13030} LB_FOLDER=$PWD
rate=${RATE:-100}
work=$(mktemp -d)
answers=$work/answers # a line for each finished request: START_MS LATENCY_MS STATUS BODY
calm_ms=250           # nobody who is not caught by something waits longer
caught_ms=1000        # the connect timeout of balancer.lua, and the head timeout of the variant
failures=0
load=

compose() { docker compose -p lb-story -f infra/compose.yaml "$@" >>"$work/compose" 2>&1 </dev/null; }
now_ms() { date +%s%3N; }

pass() { printf 'PASS  %s\n' "$*"; }
fail() {
    printf 'FAIL  %s\n' "$*"
    failures=$((failures + 1))
}

# shellcheck disable=SC2317
clean_up() {
    [ -z "$load" ] || kill "$load" 2>/dev/null
    [ "$failures" = 0 ] || docker compose -p lb-story -f infra/compose.yaml logs --no-log-prefix --tail 40 lb | cut -c1-400
    compose down --timeout 5
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 1' INT TERM

await() { # WHAT COMMAND...: asks until the command succeeds
    local what=$1 end=$((SECONDS + 60))
    shift
    until "$@"; do
        if [ $SECONDS -ge $end ]; then
            fail "waited a minute for this: $what"
            return 1
        fi
        sleep 0.05
    done
}

must() { # COMMAND...
    "$@" && return
    fail "$*"
    tail -n 20 "$work/compose"
    exit 1
}

load_start() {
    : >"$answers"
    luajit infra/load.lua "$LB_PORT" "$rate" >"$answers" &
    load=$!
}
load_stop() { # waits for the requests in flight
    kill -TERM "$load"
    wait "$load"
    load=
}

# Questions about the requests so far that started after a time.
answered_by() { # BACKEND SINCE
    awk -v who="$1" -v since="$2" '$1 > since && $3 == 200 && $4 " " $5 == who { found = 1 } END { exit !found }' "$answers"
}
calm_without() { # BACKEND SINCE: two seconds' worth of requests in a row, none waiting, none by it
    awk -v who="$1" -v since="$2" -v calm="$calm_ms" -v wanted=$((2 * rate)) '
        $1 > since { if ($2 > calm || $3 != 200 || $4 " " $5 == who) row = 0; else row++ }
        END { exit row < wanted }' "$answers"
}
calm_with_both() { # SINCE
    awk -v since="$1" -v calm="$calm_ms" -v wanted=$((2 * rate)) '
        $1 > since { if ($2 > calm || $3 != 200) { row = 0; delete by } else { row++; by[$5]++ } }
        END { exit !(row >= wanted && by[1] > row / 4 && by[2] > row / 4) }' "$answers"
}

# A chapter is a span of time; its requests are judged when all of them have ended.
chapters=()
chapter() { chapters+=("$2 $(now_ms) $3 $1"); } # NAME SINCE ALLOWED_MS

judge() {
    local line from to allowed name figures count others worst waited one two
    for line in "${chapters[@]}"; do
        read -r from to allowed name <<<"$line"
        figures=$(awk -v from="$from" -v to="$to" -v calm="$calm_ms" '
            $1 > from && $1 <= to {
                count++; by[$5]++
                if ($3 != 200) others++
                if ($2 > worst) worst = $2
                if ($2 > calm) waited++
            }
            END { print count + 0, others + 0, worst + 0, waited + 0, by[1] + 0, by[2] + 0 }' "$answers")
        read -r count others worst waited one two <<<"$figures"
        figures="$count requests, $others not 200, longest $worst ms, $waited over $calm_ms ms, backend 1: $one, backend 2: $two"
        if [ "$count" -gt 0 ] && [ "$others" = 0 ] && [ "$worst" -le "$allowed" ]; then
            pass "$name: $figures"
        else
            fail "$name: $figures (allowed: $allowed ms)"
            awk -v from="$from" -v to="$to" '$1 > from && $1 <= to && $3 != 200' "$answers" | head -n 3
        fi
    done
    chapters=()
}

four_curls() {
    local said=
    for _ in 1 2 3 4; do said+="$(curl -sS --max-time 5 "http://127.0.0.1:$LB_PORT/" 2>&1), "; done
    if [ "$said" = "backend 1, backend 2, backend 1, backend 2, " ]; then
        pass "four curls: ${said%, }"
    else
        fail "four curls: ${said%, }"
    fi
}

backend_leaves() { # NAME COMMAND...: caught requests wait, then nobody does
    local name=$1 since=$2
    shift 2
    must compose "$@" backend1
    await "$name: calm without backend 1" calm_without "backend 1" "$since"
    chapter "$name" "$since" $((caught_ms + calm_ms))
    since=$(now_ms)
    await "$name: still calm" calm_without "backend 1" "$since"
    chapter "  and after that" "$since" "$calm_ms"
}

backend_returns() { # NAME COMMAND
    local since
    since=$(now_ms)
    must compose "$2" backend1
    await "$1: answers from backend 1" answered_by "backend 1" "$since"
    await "$1: calm with both" calm_with_both "$since"
    chapter "$1" "$since" "$calm_ms"
}

story_of_ends() {
    local since
    load_start
    since=$(now_ms)
    await "calm with both" calm_with_both "$since"
    chapter "before" "$since" "$calm_ms"
    backend_leaves "backend 1 is stopped" "$(now_ms)" stop
    backend_returns "backend 1 is started" start
    backend_leaves "backend 1 is killed" "$(now_ms)" kill
    backend_returns "backend 1 is started again" start
    load_stop
    judge
}

story_of_a_pause() {
    local since
    mkdir -p "$work/policy" && chmod 755 "$work/policy" # lb reads it as another user
    sed 's/^return {/&\n  timeouts = { response_head = 1 },/' balancer.lua >"$work/policy/balancer.lua"
    cmp -s balancer.lua "$work/policy/balancer.lua" && must false "a variant of balancer.lua"
    chmod -R a+rX "$work"
    LB_FOLDER=$work/policy must compose up -d --wait lb
    load_start
    since=$(now_ms)
    await "calm with both" calm_with_both "$since"
    backend_leaves "backend 1 is paused" "$(now_ms)" pause
    backend_returns "backend 1 is unpaused" unpause
    load_stop
    judge
}

infra/install.sh test || exit 1
docker info >/dev/null 2>&1 || must false "no container engine answers"
must compose up --build -d --wait
printf 'image: %s\n' "$(docker image inspect lb --format '{{.Size}}' | awk '{ printf "%.1f MB", $1 / 1e6 }')"
four_curls
story_of_ends
story_of_a_pause
since=$(now_ms)
must compose stop --timeout 10
took=$(($(now_ms) - since))
if [ "$took" -lt 5000 ]; then pass "all three end: $took ms"; else fail "all three end: $took ms"; fi
[ "$failures" = 0 ]
