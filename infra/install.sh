#!/usr/bin/env bash
# install.sh [run] [test] [world] [package] [peers] [bench] [records] [measure]: installs the Debian
# packages that building (run, package), checking (test, world, records) and comparing (peers,
# bench) need. Asks apt only for what is missing, root only if something is. world also has npm put
# grpc-js into build/world.
set -euo pipefail

sets=${*:-run}
packages=()

say() { printf 'install.sh: %s\n' "$*"; }
die() {
    printf 'install.sh: %s\n' "$*" >&2
    exit 1
}

debian_release() { # 12, 13, or what else this system calls itself
    # shellcheck disable=SC1091
    . /etc/os-release
    if [ "${ID:-}" = debian ]; then printf '%s\n' "${VERSION_ID:-unreleased}"; else printf '%s\n' "${PRETTY_NAME:-unknown}"; fi
}

# Debian 13 has llhttp as a library, Debian 12 as sources next to Node's.
llhttp_package() { if [ "$release" = 12 ]; then echo node-llhttp; else echo libllhttp-dev; fi; }

# Debian 12's package wants a LuaJIT of its own, which replaces the LuaJIT that lb is built with.
nginx_lua_package() { if [ "$release" = 12 ]; then echo; else echo libnginx-mod-http-lua; fi; }

# Where Debian's own is not, npm comes with node.
npm_package() { command -v npm >/dev/null || echo npm; }

wanted_for() {
    case $1 in
        run)
            echo "gcc libc6-dev make pkgconf"
            echo "libuv1-dev libluajit-5.1-dev libssl-dev libnghttp2-dev libc-ares-dev $(llhttp_package)"
            ;;
        test)
            echo "luajit lua-busted lua-check lua-luv lua-socket clang libclang-rt-dev clang-format"
            echo "procps iproute2 iptables"
            # HTTP programs that are not ours:
            echo "curl openssl nghttp2-client nghttp2-server varnish python3-websockets python3-grpcio"
            ;;
        world) # for make test-world: what lb meets out there
            echo "testssl.sh pebble certbot nginx haproxy nodejs systemd mandoc debootstrap lintian $(npm_package)"
            echo "prometheus python3-prometheus-client chromium-headless-shell fonts-dejavu-core"
            echo "knot knot-dnsutils dnsmasq-base"
            ;;
        package) echo "debhelper" ;; # for make package
        peers) echo "haproxy nginx" ;; # for make peers-conformance
        bench) # for make bench
            echo "haproxy nginx $(nginx_lua_package) wrk nghttp2-client strace curl util-linux luajit lua-luv"
            ;;
        records) echo "libgnutls28-dev" ;;     # for make records
        measure) echo "valgrind strace luajit" ;; # for make instructions, -curves and -policy
        *) die "unknown set '$1'; there are: run, test, world, package, peers, bench, records, measure" ;;
    esac
}

# The gRPC of node, which Debian does not have, in the version that the specs were seen with.
GRPC_JS=1.14.7
install_grpc_js() {
    local folder said
    folder=$(dirname "$0")/../build/world
    grep -q "\"version\": \"$GRPC_JS\"" "$folder/node_modules/@grpc/grpc-js/package.json" 2>/dev/null && return
    say "npm installs grpc-js $GRPC_JS into build/world"
    mkdir -p "$folder"
    said=$(npm install --no-audit --no-fund --ignore-scripts --no-package-lock --prefix "$folder" \
        "@grpc/grpc-js@$GRPC_JS" 2>&1 </dev/null) || die "npm could not install grpc-js: $said"
}
close() {
    case " $sets " in *" world "*) install_grpc_js ;; esac
    exit 0
}

is_installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

is_known() { [ -n "$(apt-cache show --no-all-versions "$1" 2>/dev/null)" ]; }

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "not root, and no sudo; as root, run: apt-get install ${missing[*]}"
    fi
}

# Quiet while all goes well; when not, everything that apt said.
apt_get() {
    local said
    said=$(as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get -y -q -o DPkg::Lock::Timeout=600 "$@" 2>&1 </dev/null) && return 0
    printf '%s\n' "$said" >&2
    return 1
}

# Of these only the programs are wanted, and their packages would start services on ports 6081 and
# 80, now and at each boot. Where a policy-rc.d forbids that, as in containers, this is not needed.
services=()
hold_services() {
    local package
    [ -d /run/systemd/system ] || return 0
    for package in "${missing[@]}"; do
        case $package in
            varnish) services+=(varnish.service varnishncsa.service) ;;
            haproxy | nginx | knot) services+=("$package.service") ;;
        esac
    done
    [ ${#services[@]} -gt 0 ] || return 0
    as_root systemctl --quiet mask --runtime "${services[@]}" || say "these will start: ${services[*]}"
}
release_services() {
    [ ${#services[@]} -gt 0 ] || return 0
    as_root systemctl --quiet unmask --runtime "${services[@]}" || true
    as_root systemctl --quiet disable "${services[@]}" || true
}

release=$(debian_release)
for set in $sets; do
    # shellcheck disable=SC2207
    packages+=($(wanted_for "$set"))
done

command -v apt-get >/dev/null ||
    die "this is not Debian ($release); install the equivalents of: ${packages[*]}"

missing=()
for package in "${packages[@]}"; do
    is_installed "$package" || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || close

case $release in
    12 | 13) ;;
    *) die "made for Debian 12 and 13, and this is $release; missing here: ${missing[*]}" ;;
esac

say "apt installs what is missing: ${missing[*]}"
for package in "${missing[@]}"; do
    is_known "$package" && continue
    apt_get update || die "apt-get update failed"
    updated=yes
    break
done
hold_services
trap release_services EXIT
if ! apt_get install --no-remove --no-install-recommends "${missing[@]}"; then
    # The lists may be older than the mirror.
    [ -z "${updated:-}" ] || die "apt could not install: ${missing[*]}"
    say "once more, with fresh package lists"
    apt_get update || die "apt-get update failed"
    apt_get install --no-remove --no-install-recommends "${missing[@]}" || die "apt could not install: ${missing[*]}"
fi
close
