#!/usr/bin/env bash
# package.sh [FOLDER]: builds the Debian package of these sources in FOLDER (build/package), which
# has it, and its lintian report, at the end. infra/install.sh run package installs what that needs.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=${1:-build/package}
tree=$folder/lb
version=$(sed -n 's/^#define VERSION "\(.*\)".*/\1/p' core/config/command_line.h)
grep -q "^lb ($version) " infra/debian/changelog || {
    echo "package.sh: infra/debian/changelog does not begin with version $version" >&2
    exit 1
}

rm -rf "$folder"
mkdir -p "$tree/spec"
cp -a Makefile README.md balancer.lua core scripts infra "$tree/"
cp -a spec/support "$tree/spec/"
mv "$tree/infra/debian" "$tree/debian"
cp "$tree"/infra/systemd/lb.* "$tree/debian/"
(cd "$tree" && env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS dpkg-buildpackage -us -uc -b) >"$folder/build.log" 2>&1 || {
    tail -n 30 "$folder/build.log" >&2
    exit 1
}
ls "$folder"/lb_"$version"_*.deb
