#!/usr/bin/env bash
# test.sh [own] [world]: everything that must hold, one check after the other, whatever failed
# before. own: of the program itself, which is all if nothing is named. world: next to other
# programs, spec/world. The last line is "N passed, N failed": each check below and each spec counts
# as one.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
# Of the make that may have called this: the builds here are their own.
unset MAKEFLAGS MAKELEVEL MFLAGS

passed=0 failed=0
work=$(mktemp -d)
said=$work/said # what the command that runs has said
trap 'rm -rf "$work"' EXIT

pass() {
    passed=$((passed + ${2:-1}))
    printf 'ok    %s\n' "$1"
}
fail() {
    failed=$((failed + ${2:-1}))
    printf 'FAIL  %s\n' "$1"
}

check() { # NAME COMMAND...: says nothing of what the command said if it succeeds
    local name=$1
    shift
    if "$@" >"$said" 2>&1 </dev/null; then
        pass "$name"
    else
        fail "$name"
        sed 's/^/      /' "$said"
    fi
}

# One file at a time, so that a file that ends Lua itself takes no other with it, in a network
# of its own (apart.sh). Each has a bound, and a spec that is skipped silently is not a passed one.
specs() { # NAME PATH...
    local name=$1 path file files
    shift
    for path in "$@"; do
        files=$(find "$path" -name '*_spec.lua' | sort)
        [ -n "$files" ] || fail "$name: no specs in $path"
        for file in $files; do
            spec "$name: $file" "$file"
        done
    done
}

# Says which network it is in, to a file, before the command begins.
note="readlink /proc/self/ns/net >>'$work/networks'; exec \"\$0\" \"\$@\""
only_own_networks() {
    [[ $apart == "in this machine's"* ]] && return
    [ -s "$work/networks" ] && ! grep -xF "$(readlink /proc/self/ns/net)" "$work/networks"
}

spec() { # NAME FILE
    local name=$1 status count good bad errors pending
    timeout -k 10 600 infra/apart.sh sh -c "$note" busted -o plainTerminal "$2" >"$said" 2>&1 </dev/null
    status=$?
    count=$(sed -nE 's|^([0-9]+) success[a-z]* / ([0-9]+) failure[a-z]* / ([0-9]+) error[a-z]* / ([0-9]+) pending : .*|\1 \2 \3 \4|p' \
        "$said" | tail -n 1)
    if [ -z "$count" ]; then
        fail "$name: ended without a summary, with status $status"
    else
        read -r good bad errors pending <<<"$count"
        if [ "$good" != 0 ]; then pass "$name: $good passed" "$good"; fi
        if [ $((bad + errors + pending)) != 0 ]; then
            fail "$name: $bad failed, $errors errors, $pending pending" $((bad + errors + pending))
        elif [ "$good" = 0 ]; then
            fail "$name: no spec in it"
        elif [ "$status" != 0 ]; then
            fail "$name: ended with status $status"
        else
            return
        fi
    fi
    sed 's/^/      /' "$said"
}

# lb makes the records of TLS 1.3, unless a setting says that OpenSSL does.
specs_plain() {
    specs "specs" spec/policy spec/core spec/system
    LB_RECORDS=openssl specs "specs, with OpenSSL's records" spec/system/tls
}

# A worker that dies of a report is replaced at once, so reports are looked for
# in files, not in an exit status. Leaks are reported as each process ends. gcc's
# libubsan writes to no file: it aborts, and libasan reports that (to standard
# error unless both get the name of the file).
with_reports() { # DIRECTORY COMMAND...
    local reports=$1
    shift
    mkdir -p "$reports"
    ASAN_OPTIONS="log_path=$reports/report:detect_leaks=1:detect_stack_use_after_return=1:handle_abort=1" \
        UBSAN_OPTIONS="log_path=$reports/report:abort_on_error=1:print_stacktrace=1" "$@"
}

specs_sanitized() { # NAME FOLDER PATH...: the folder of its reports is its own
    local name=$1 reports=$PWD/build/asan/$2
    shift 2
    rm -rf "$reports"
    LB=$PWD/build/asan/lb with_reports "$reports" specs "$name" "$@"
    check "$name: no report" no_report "$reports"
}
no_report() { ! grep -r -h -m 60 . "$1"; }

sanitizers_speak() { # each of these errors must be reported, or silence means nothing
    cat >"$work/faulty.c" <<'FAULTY'
#include <stdlib.h>
char *volatile memory;
int main(int count, char **arguments)
{
    int volatile most = 2147483647;
    memory = malloc(8);
    if (arguments[1][0] == 'o')
        memory[count + 6] = 1;
    if (arguments[1][0] == 'u')
        most = most + count;
    memory = 0;
    return 0;
}
FAULTY
    gcc -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -o "$work/faulty" "$work/faulty.c" || return 1
    for error in leak overflow undefined; do
        with_reports "$work/$error" "$work/faulty" "$error"
    done
    grep -rq LeakSanitizer "$work/leak" &&
        grep -rq heap-buffer-overflow "$work/overflow" &&
        grep -rq __ubsan_handle_add_overflow "$work/undefined"
}

formatted() { clang-format --dry-run -Werror core/*.c core/*/*.[ch] infra/bench/*.[ch] infra/fuzz/*.c infra/records/*.c; }

lua_clean() { luacheck -q --no-color balancer.lua scripts spec infra core; }

installs() {
    make -s install DESTDIR="$work/root" PREFIX=/usr &&
        "$work/root/usr/bin/lb" version &&
        "$work/root/usr/bin/lb" check "$work/root/usr/share/lb/balancer.lua" &&
        test -s "$work/root/usr/share/doc/lb/core/reference/settings.md"
}

builds_once() { # make says what it builds
    local said
    said=$(make --no-print-directory all library 2>&1)
    printf '%s\n' "$said"
    [ -z "$said" ]
}

close() {
    printf '%d passed, %d failed\n' "$passed" "$failed"
    [ "$failed" = 0 ]
    exit
}

# Specs wait more than they work, so two lanes take little more than half of the time.
lanes=0
beside() { # COMMAND...: in a process of its own, which leaves its counts
    lanes=$((lanes + 1))
    (
        passed=0 failed=0 said=$work/said.$lanes
        "$@"
        echo "$passed $failed" >"$work/beside.$lanes"
    ) &
}
count_beside() {
    local good bad
    wait
    for ((; lanes > 0; lanes--)); do
        if read -r good bad 2>/dev/null <"$work/beside.$lanes"; then
            passed=$((passed + good)) failed=$((failed + bad))
        else
            fail "what ran beside ended without a count"
        fi
    done
}

# A minute each, of the CPU time that the specs leave; answers of DNS are smaller.
fuzzers() {
    local name
    for name in frames fields hpack; do
        check "the fuzzer of $name finds nothing in a minute" nice -n 19 infra/fuzz/run.sh build/fuzz 60 "$name"
    done
    check "the fuzzer of answers finds nothing in 20 s" nice -n 19 infra/fuzz/run.sh build/fuzz 20 answers
    ADMIN_FUZZ=60 specs_sanitized "the admin listener for a minute, sanitized" reports-admin \
        spec/system/admin/hostile_spec.lua
}

own() {
    check "clang builds it without a warning" make "$jobs" clang
    check "the sanitizers build" make "$jobs" sanitize
    check "another layout of memory builds" make "$jobs" layout
    check "the fuzzers build" make "$jobs" fuzzers
    check "nothing is built twice" builds_once
    check "installs, and runs from there" installs
    check "clang-format has nothing to change" formatted
    check "luacheck has nothing to say" lua_clean
    check "no include points the wrong way" luajit infra/arrows.lua
    check "functions, files and lines of text are short" luajit infra/shape.lua
    check "sanitizers report what they should" sanitizers_speak
    beside fuzzers
    beside specs_plain
    specs_sanitized "specs, sanitized" reports spec/system
    count_beside
}

# A program that is missing is a failure, and never a spec that is left out.
world() {
    if infra/install.sh world; then
        specs "other programs" spec/world
        RELOADS=100 specs "100 reloads" spec/system/tls/reloads_spec.lua
        for release in bookworm trixie; do
            check "the package is built, installed, upgraded and purged in $release" infra/package_test.sh "$release"
        done
    else
        fail "installing the other programs"
    fi
}

jobs=-j$(nproc)
parts=("${@:-own}")
if ! infra/install.sh run test; then
    fail "installing what the tests need"
    close
fi
apart=$(infra/apart.sh)
echo "each file of specs runs $apart"
check "gcc builds it without a warning" make "$jobs" all library
for part in "${parts[@]}"; do "$part"; done
check "no spec was in another network" only_own_networks
close
