#!/bin/sh
# Install what the tests run for real and this machine lacks: Debian's nginx, Prometheus, Docker with
# Compose v1, debootstrap, and Chromium with a font. As root, on Debian; nothing is started.
set -eu

wanted=
for pair in nginx:nginx-light prometheus:prometheus dockerd:docker.io \
    iptables:iptables docker-compose:docker-compose debootstrap:debootstrap \
    chromium:"chromium fonts-dejavu-core"; do
    command -v "${pair%%:*}" >/dev/null 2>&1 || wanted="$wanted ${pair#*:}"
done
[ -n "$wanted" ] || exit 0

# Packages start the services that they bring, on all addresses; this keeps them from it.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    trap 'rm -f "$policy"' EXIT
fi
apt-get -o DPkg::Lock::Timeout=300 update --quiet=2
# shellcheck disable=SC2086 # names of packages, apart
DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install --yes --quiet=2 --no-install-recommends $wanted
