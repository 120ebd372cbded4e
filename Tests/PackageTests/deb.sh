#!/bin/sh
# Installs, upgrades, removes and purges a package in a Debian of its own, without Swift, and looks at what is there.
#
#   deb.sh PACKAGE [SUITE]    as root; SUITE is bookworm by default, ROOT a directory to keep the system in
set -eu
package=$1
suite=${2-bookworm}
root=${ROOT-$(mktemp -d)}
# The root of a system, which every user of it may search.
chmod 755 "$root"

say() { echo "deb.sh: $*"; }
fail() { echo "deb.sh: $*" >&2; exit 1; }
within() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root DEBIAN_FRONTEND=noninteractive "$@"; }

running=
cleanup() {
    [ -z "$running" ] || kill "$running" 2>/dev/null || true
    umount "$root/proc" 2>/dev/null || true
    [ -n "${ROOT-}" ] || rm -rf "$root"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

if [ ! -x "$root/usr/bin/apt-get" ]; then
    say "a $suite without Swift in $root"
    debootstrap --variant=minbase "$suite" "$root" >"$root.log" 2>&1 || { tail -n 20 "$root.log"; exit 1; }
fi
mount -t proc proc "$root/proc"
cp "$package" "$root/tmp/nodepass.deb"

say "install"
within apt-get install -y -qq --no-install-recommends /tmp/nodepass.deb >"$root/tmp/install.log" 2>&1 \
    || { tail -n 20 "$root/tmp/install.log"; exit 1; }
grep -q 'systemctl enable --now nodepass' "$root/tmp/install.log" || fail "the installer does not say how to start it"
within nodepass --version
commit=$(git -C "$(dirname "$0")" rev-parse --short=12 HEAD 2>/dev/null || true)
within nodepass --version | grep -q "commit $commit" || fail "the program does not name the commit $commit"
! within ldd /usr/bin/nodepass | grep -E 'swift|not found' || fail "a library is missing, or Swift's is needed"
within nodepass validate /etc/nodepass/tunnels.yaml
within getent passwd nodepass >/dev/null || fail "there is no user nodepass"

# The state directory is systemd's work.
install -d -o "$(within id -u nodepass)" -g "$(within id -g nodepass)" -m 750 "$root/var/lib/nodepass"
start() {
    # Each of these becomes the next one, so that the signal comes to the daemon.
    (exec chroot "$root" env -i PATH=/usr/bin:/bin STATE_DIRECTORY=/var/lib/nodepass \
        setpriv --reuid=nodepass --regid=nodepass --init-groups \
        nodepass run -f /etc/nodepass/tunnels.yaml --socket-group nodepass --listen 127.0.0.1:0 \
        >"$root/tmp/daemon.log" 2>&1) &
    running=$!
    tries=0
    until within nodepass get >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ $tries -lt 100 ] || { cat "$root/tmp/daemon.log"; fail "the daemon does not answer"; }
        sleep 0.1
    done
}
stop() {
    kill -TERM "$running"
    wait "$running" || fail "the daemon ended with $?"
    running=
}

say "run, and keep what was asked for"
start
within nodepass create 'client://127.0.0.1:0/127.0.0.1:9?mode=1' --alias kept >/dev/null
stop

say "upgrade"
echo '# edited' >>"$root/etc/nodepass/tunnels.yaml"
within sh -c 'cd /tmp && rm -rf new && dpkg-deb -R nodepass.deb new && sed -i "s/^Version: .*/&.1/" new/DEBIAN/control &&
    dpkg-deb --root-owner-group -b new newer.deb' >/dev/null
within dpkg -i /tmp/newer.deb >"$root/tmp/upgrade.log" 2>&1 || { cat "$root/tmp/upgrade.log"; exit 1; }
grep -q '# edited' "$root/etc/nodepass/tunnels.yaml" || fail "the upgrade has replaced the manifest"
start
within nodepass get -o csv | grep -q kept || fail "the upgrade has lost a tunnel"
stop

say "remove"
within apt-get remove -y -qq nodepass >/dev/null 2>&1
[ ! -e "$root/usr/bin/nodepass" ] || fail "the program is still there"
for kept in var/lib/nodepass/state.db etc/nodepass/tunnels.yaml; do
    [ -e "$root/$kept" ] || fail "removing took /$kept"
done

say "purge"
within apt-get purge -y -qq nodepass >"$root/tmp/purge.log" 2>&1 </dev/null
for left in var/lib/nodepass etc/nodepass; do
    [ ! -e "$root/$left" ] || fail "a purge left /$left"
done
say "all as it should be"
