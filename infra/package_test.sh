#!/usr/bin/env bash
# package_test.sh RELEASE: builds the Debian package in a chroot of that release (bookworm, trixie),
# has this machine's lintian read it, installs it, has that release's promtool read its metrics,
# upgrades it and purges it. What fails is the last line of standard error. As root; packages come
# from where this machine has its.
set -euo pipefail
[ "$(id -u)" = 0 ] || exec sudo "$0" "$@"
cd "$(dirname "$0")/.."

release=$1
base=build/chroots/$release-$(sha256sum infra/debian/control | cut -c 1-8).tar
root=build/chroots/$release
mirror=$(apt-get indextargets --format '$(REPO_URI)' | head -n 1)

die() {
    printf 'package_test.sh: %s: %s\n' "$release" "$*" >&2
    exit 1
}
inside() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"; }
must() { # WHAT COMMAND...
    local what=$1
    shift
    inside "$@" >"$root.log" 2>&1 </dev/null || {
        tail -n 30 "$root.log" >&2
        die "$what"
    }
}

# shellcheck disable=SC2317
clean_up() {
    umount -l "$root/proc" 2>/dev/null || true
    rm -rf "$root"
}
trap clean_up EXIT
clean_up
mkdir -p "$root"

# What it begins with is made once: a release, and what building needs.
if [ -f "$base" ]; then
    tar -C "$root" -xpf "$base"
else
    debootstrap --variant=minbase "$release" "$root" "$mirror" >"$root.log" 2>&1 || die "debootstrap: see $root.log"
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
    chmod +x "$root/usr/sbin/policy-rc.d"
    apt-config dump | grep -E '^Acquire::(https?|Check-Valid-Until)' >"$root/etc/apt/apt.conf.d/90machine" || true
    cp /etc/resolv.conf "$root/etc/resolv.conf"
    mount -t proc proc "$root/proc"
    must "apt-get update" apt-get -q update
    must "a compiler" apt-get -q -y install --no-install-recommends build-essential
    needed=$(sed -n '/^Build-Depends:/,/^[A-Z]/{/^ /p}' infra/debian/control | tr -d '\n')
    must "what building needs" apt-get -q -y satisfy --no-install-recommends "$needed"
    tar -C "$root" --exclude './proc/*' -cpf "$base" .
fi
mountpoint -q "$root/proc" || mount -t proc proc "$root/proc"

mkdir "$root/src"
cp -a Makefile README.md balancer.lua core scripts infra "$root/src/"
mkdir "$root/src/spec"
cp -a spec/support "$root/src/spec/"
must "the package is built" /src/infra/package.sh /package
lintian --allow-root --fail-on error,warning "$root"/package/lb_*.changes >"$root.log" 2>&1 || {
    cat "$root.log" >&2
    die "lintian is silent"
}

# A newer one, with another script and another program, which is the same.
must "a newer package" sh -ec '
    dpkg-deb -R /package/lb_*.deb /newer
    sed -i "s/^Version: .*/&+1/" /newer/DEBIAN/control
    echo "-- newer" >>/newer/etc/lb/balancer.lua
    dpkg-deb --build --root-owner-group /newer /newer.deb'

# In Debian 12 promtool is in the package of the server.
must "packages that stay" sh -ec '
    apt-get -q -y install adduser
    apt-get -q -y install --no-install-recommends promtool || apt-get -q -y install --no-install-recommends prometheus'
files() { inside find / -xdev -not -path '/proc/*' -not -path '/run/*' -not -path '/package/*' -not -path '/src/*' | sort; }
files >"$root.before"
must "it is installed" sh -ec 'apt-get -q -y install --no-install-recommends /package/lb_*.deb'
must "it is there" sh -ec '
    lb version
    lb check /etc/lb/balancer.lua
    getent passwd lb
    test -s /usr/share/man/man1/lb.1.gz
    test -s /usr/share/man/man5/balancer.lua.5.gz
    test -s /usr/share/lb/scripts/p2c_ewma.lua
    test -s /usr/share/doc/lb/core/reference/settings.md*
    test -s /usr/share/bash-completion/completions/lb
    ls /lib/systemd/system/lb.service /lib/systemd/system/lb.socket
    dpkg-query -W -f "\${Conffiles}" lb | grep -q /etc/lb/balancer.lua
    dpkg-query -W -f "\${Conflicts}" lb | grep -q live-build'
must "it serves as its user" timeout 60 bash -ec '
    setpriv --reuid lb --regid lb --clear-groups lb --listen 127.0.0.1:3131 --backend 127.0.0.1:9 /etc/lb/balancer.lua 2>/tmp/said &
    until grep -q listening /tmp/said; do kill -0 $!; sleep 0.1; done
    exec 3<>/dev/tcp/127.0.0.1/3131
    printf "GET / HTTP/1.0\r\n\r\n" >&3
    grep -q "^HTTP/1.. 50[23]" <&3
    kill $!
    wait $!'
must "promtool finds no fault with the metrics" timeout 60 bash -ec '
    cat >/tmp/metrics.lua <<"END"
    return {
      listen = "127.0.0.1:3131", admin = "127.0.0.1:3132", backends = "127.0.0.1:9, 127.0.0.1:10",
      init = function()
        lb.total("said", { "what", max = 3 }):add(1, "a\\n\"b")
        lb.gauge "endless":set(1 / 0)
      end,
    }
END
    lb /tmp/metrics.lua >/dev/null 2>/tmp/said.metrics &
    trap "kill $! 2>/dev/null || true" EXIT
    until grep -qs "\"event\":\"listening\"" /tmp/said.metrics; do kill -0 $!; sleep 0.1; done
    for target in 3131 3132/metrics; do
        exec 3<>"/dev/tcp/127.0.0.1/${target%/*}"
        printf "GET /%s HTTP/1.0\r\n\r\n" "${target#*/}" >&3
        sed "1,/^\r$/d" <&3 >/tmp/page
    done
    promtool --version 2>&1 | head -n 1
    grep -c "^lb_" /tmp/page
    promtool check metrics </tmp/page
    kill $!
    wait $!'
tail -n 2 "$root.log"
must "an upgrade keeps a script that was changed, and an lb that runs becomes the new one" timeout 300 bash -ec '
    echo "-- own" >>/etc/lb/balancer.lua
    setpriv --reuid lb --regid lb --clear-groups /usr/bin/lb --listen 127.0.0.1:3131 --backend 127.0.0.1:9 /etc/lb/balancer.lua 2>/tmp/said &
    until grep -q listening /tmp/said; do kill -0 $!; sleep 0.1; done
    apt-get -q -y -o Dpkg::Options::=--force-confold install /newer.deb
    kill -USR2 $!
    until grep -q "\"event\":\"upgrade\"" /tmp/said; do kill -0 $!; sleep 0.1; done
    exec 3<>/dev/tcp/127.0.0.1/3131
    kill $!
    wait $!
    tail -n 1 /etc/lb/balancer.lua | grep -qx -e "-- own"
    lb check /etc/lb/balancer.lua'
must "it is purged" sh -ec '
    mkdir -p /var/lib/lb /var/log/lb
    apt-get -q -y purge lb
    ! test -e /etc/lb && ! test -e /usr/bin/lb && ! test -e /var/lib/lb && ! test -e /var/log/lb'
must "what it needed goes, too" apt-get -q -y autoremove --purge
files >"$root.after"
left=$(comm -13 "$root.before" "$root.after" | grep -vE '^/(var/(log|cache|lib/(apt|dpkg|systemd|ucf))|tmp|etc/(passwd|group|shadow|gshadow|subuid|subgid)-?|usr/share/man)' || true)
[ -z "$left" ] || die "it leaves behind: $left"
printf '%s: built, read by lintian, installed, upgraded, purged\n' "$release"
