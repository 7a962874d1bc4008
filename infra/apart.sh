#!/usr/bin/env bash
# apart.sh COMMAND...: runs it in a network of its own, a namespace with its own loopback, so
# that other processes' ports, TIME_WAITs and full tables do not matter to it. Any user but root
# needs a user namespace for that and keeps the uid. Where the machine allows neither, the command
# runs in the machine's network. Without a command: says which of the two it is.
#
# LOSE=100 apart.sh COMMAND...: the first SYN in that network is dropped, and every 100th after it.
# apart.sh --admin COMMAND...: the command may change that network (iptables). It does not
# run where there can be none.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin # of ip and iptables, which not every user's has

lose() { # N: in INPUT, as a SYN dropped on its way out is an error that connect() sees
    local command
    for command in iptables ip6tables; do
        "$command" -w -A INPUT -p tcp --syn -m statistic --mode nth --every "$1" --packet 0 -j DROP || {
            echo "apart.sh: LOSE needs $command (package iptables) and the kernel's statistic match" >&2
            exit 1
        }
    done
}

if [ "${1:-}" = --inside ]; then
    shift
    ip link set lo up
    [ -z "${LOSE:-}" ] || lose "$LOSE"
    unset LOSE # of a network that the command may make for others
    [ "${1:-}" != --admin ] || { shift && exec "$@"; }
    exec setpriv --ambient-caps=-all --inh-caps=-all "$@"
fi

own=(unshare --net)
[ "$(id -u)" = 0 ] || own=(unshare --user --map-current-user --keep-caps --net)

if why=$({ "${own[@]}" ip link set lo up; } 2>&1); then
    [ $# -gt 0 ] || { echo "in a network of its own" && exit; }
    exec "${own[@]}" "$0" --inside "$@"
fi
[ $# -gt 0 ] || { echo "in this machine's network: $why" && exit; }
[ -z "${LOSE:-}" ] && [ "$1" != --admin ] || { echo "apart.sh: this needs a network of its own: $why" >&2 && exit 1; }
exec "$@"
