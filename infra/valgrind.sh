#!/usr/bin/env bash
# valgrind.sh [SPEC...]: the system specs, or those given, with every lb under valgrind.
# Many times slower than the sanitizers and sees what they cannot: LuaJIT's own code
# and the libraries. Not part of `make test`. Exits 1 after any report or failed spec.
set -uo pipefail
cd "$(dirname "$0")/.." || exit

command -v valgrind >/dev/null || { echo "valgrind.sh: needs the package valgrind" >&2 && exit 1; }
reports=$PWD/build/valgrind
rm -rf "$reports"
mkdir -p "$reports"
[ $# -gt 0 ] || set -- spec/system

# LuaJIT writes its code while it runs, hence the check of code that changes.
LB_UNDER="valgrind --quiet --smc-check=all-non-file --leak-check=full --show-leak-kinds=definite
    --num-callers=30 --suppressions=$PWD/infra/valgrind.supp --log-file=$reports/%p" busted -o plainTerminal "$@"
status=$?

find "$reports" -type f -empty -delete
if [ -n "$(ls "$reports")" ]; then
    cat "$reports"/*
    echo "valgrind: see the reports above, one file for each process in $reports"
    exit 1
fi
echo "valgrind: no report"
exit $status
