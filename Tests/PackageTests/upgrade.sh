#!/bin/sh
# Upgrades a package under traffic in a Debian of its own, with the real systemd as its first process.
#
#   upgrade.sh PACKAGE [SUITE]    as root; SUITE is bookworm by default, ROOT a directory to keep the system in
#
# Says how long new users were refused, with and without a connection that drains, and fails beyond the limits below.
set -eu
package=$1
suite=${2-bookworm}
root=${ROOT-$(mktemp -d)}
# The root of a system, which every user of it may search.
chmod 755 "$root"
here=$(cd "$(dirname "$0")" && pwd)
# Without open connections a restart is the end of one process and the start of the next.
limit_milliseconds=5000
drain_seconds=3

say() { echo "upgrade.sh: $*"; }
fail() { echo "upgrade.sh: $*" >&2; exit 1; }
machine=
cleanup() {
    if [ -n "$machine" ] && kill "$machine" 2>/dev/null; then wait "$machine" || true; fi
    [ -n "${ROOT-}" ] || rm -rf "$root"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

if [ ! -x "$root/usr/bin/apt-get" ]; then
    say "a $suite with systemd in $root"
    debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,curl,python3,adduser "$suite" "$root" \
        >"$root.log" 2>&1 || { tail -n 20 "$root.log"; exit 1; }
fi
cp "$package" "$root/var/cache/nodepass.deb"
cp "$here/traffic.py" "$root/usr/local/bin/traffic.py"
# Before it runs there is a network to fetch libraries over.
chroot "$root" env DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    apt-get install -y -qq --no-install-recommends /var/cache/nodepass.deb >"$root/var/cache/install.log" 2>&1 \
    || { tail -n 20 "$root/var/cache/install.log"; exit 1; }

say "start systemd"
systemd-nspawn --quiet --directory "$root" --register=no --keep-unit --private-network --boot \
    >"$root/var/cache/boot.log" 2>&1 </dev/null &
machine=$!
tries=0
first=
until first=$(pgrep -P "$machine" -x systemd) && nsenter -a -t "$first" systemctl is-system-running 2>/dev/null | grep -qE 'running|degraded'; do
    tries=$((tries + 1))
    [ $tries -lt 300 ] || { cat "$root/var/cache/boot.log"; fail "systemd does not start"; }
    sleep 0.1
done
within() { nsenter -a -t "$first" env PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"; }

cat >"$root/etc/nodepass/tunnels.yaml" <<END
version: 1
defaults: {drain: ${drain_seconds}s}
tunnels:
  web: {role: client, mode: single, tunnel: '127.0.0.1:8080', target: '127.0.0.1:8081'}
END
within systemctl enable --now nodepass.socket nodepass.service >/dev/null 2>&1 || { within journalctl -u nodepass; fail "it does not start"; }
[ "$(within systemctl show -P Result nodepass)" = success ] || fail "the service has failed"
[ "$(within curl -s http://127.0.0.1:9090/healthz)" = ok ] || fail "the API does not answer"
say "the sandbox: $(within systemd-analyze security nodepass.service | tail -n 1 | sed 's/.*level for //')"

within systemd-analyze verify --man=no nodepass.service nodepass.socket nodepass@edge.service || fail "a unit is not well formed"

say "an instance beside it"
sed -e 's/web:/edge:/' -e 's/8080/8082/' "$root/etc/nodepass/tunnels.yaml" >"$root/etc/nodepass/edge.yaml"
within systemctl start nodepass@edge || { within journalctl -u nodepass@edge; fail "the instance does not start"; }
within nodepass get edge --state-dir /var/lib/nodepass-edge >/dev/null || fail "the instance does not answer"
within systemctl stop nodepass@edge
pid=$(within systemctl show -P MainPID nodepass)

# Packages with a higher version, made before there is traffic.
for number in 1 2; do
    within sh -c "cd /var/cache && rm -rf new && dpkg-deb -R nodepass.deb new && sed -i 's/^Version: .*/&.$number/' new/DEBIAN/control &&
        dpkg-deb -Znone --root-owner-group -b new newer-$number.deb" >/dev/null
done
upgrade() { within env DEBIAN_FRONTEND=noninteractive dpkg -i "/var/cache/newer-$1.deb" >/dev/null 2>&1; }
# The API's own socket stays with systemd: no request is refused while the daemon restarts.
ask_api() {
    within python3 - <<'END'
import json, time, urllib.request
refused, longest, end = 0, 0.0, time.monotonic() + 20
while time.monotonic() < end:
    begun = time.monotonic()
    try:
        urllib.request.urlopen("http://127.0.0.1:9090/healthz", timeout=15).read()
    except OSError as error:
        refused += 1
    longest = max(longest, time.monotonic() - begun)
    time.sleep(0.01)
print(json.dumps({"refused": refused, "longest": longest}))
END
}

say "upgrade with a user who stays and new ones"
within python3 /usr/local/bin/traffic.py 8080 8081 20 >"$root/var/cache/users.json" &
users=$!
ask_api >"$root/var/cache/api.json" &
api=$!
sleep 2
upgrade 1
wait "$users" "$api"
[ "$(within systemctl show -P MainPID nodepass)" != "$pid" ] || fail "the upgrade did not restart the daemon"
python3 - "$root/var/cache/users.json" "$root/var/cache/api.json" "$limit_milliseconds" "$drain_seconds" <<'END'
import json, sys
users, api = (json.load(open(path)) for path in sys.argv[1:3])
limit, drain = float(sys.argv[3]) / 1000, float(sys.argv[4])
print(f"upgrade.sh: of {users['users']} new users {users['refused']} were refused, within {users['span']:.2f} s; "
      f"the one who stayed was served for {users['held']['served']:.2f} s; "
      f"of the API's requests {api['refused']} were refused, the longest took {api['longest']:.2f} s")
assert users["users"] > 100, "there was no traffic"
assert users["refused"] and users["span"] <= drain + limit, "new users were refused for too long"
assert "ended" in users["held"], "the traffic was over before the drain was"
assert users["held"]["served"] >= users["first"][0] + drain - 0.5, "the user who stayed was cut before the drain was over"
assert not api["refused"], "the API refused a request while systemd held its socket"
END

say "upgrade without a user who stays"
cat >"$root/usr/local/bin/new.py" <<'END'
import re
text = open("/usr/local/bin/traffic.py").read()
open("/usr/local/bin/passing.py", "w").write(re.sub(r"threading.Thread\(target=stay.*\n", "", text))
END
within python3 /usr/local/bin/new.py
within python3 /usr/local/bin/passing.py 8080 8081 10 >"$root/var/cache/users.json" &
users=$!
sleep 2
upgrade 2
wait "$users"
python3 - "$root/var/cache/users.json" "$limit_milliseconds" <<'END'
import json, sys
users, limit = json.load(open(sys.argv[1])), float(sys.argv[2]) / 1000
print(f"upgrade.sh: of {users['users']} new users {users['refused']} were refused, within {users['span']:.2f} s")
assert users["users"] > 100 and users["span"] <= limit, "new users were refused for too long"
END

restarted() {
    tries=0
    until [ "$(within systemctl show -P ActiveState nodepass)" = active ] \
        && [ "$(within systemctl show -P MainPID nodepass)" != "$1" ]; do
        tries=$((tries + 1))
        [ $tries -lt 200 ] || fail "$2"
        sleep 0.1
    done
}
say "a daemon that was killed, or hangs, is started again"
pid=$(within systemctl show -P MainPID nodepass)
within systemctl kill -s KILL nodepass
restarted "$pid" "a daemon that was killed is not started again"
mkdir -p "$root/etc/systemd/system/nodepass.service.d"
printf '[Service]\nWatchdogSec=2s\n' >"$root/etc/systemd/system/nodepass.service.d/watchdog.conf"
within systemctl daemon-reload
within systemctl restart nodepass
pid=$(within systemctl show -P MainPID nodepass)
sleep 5
[ "$(within systemctl show -P MainPID nodepass)" = "$pid" ] || fail "the watchdog has ended a daemon that works"
within systemctl kill -s STOP nodepass
restarted "$pid" "the watchdog does not notice a daemon that hangs"
rm -r "$root/etc/systemd/system/nodepass.service.d"
within systemctl daemon-reload
within systemctl reload nodepass || fail "ExecReload fails"
within apt-get purge -y -qq nodepass >/dev/null 2>&1
[ ! -e "$root/var/lib/nodepass" ] || fail "a purge left the state"
! within systemctl is-active --quiet nodepass.socket || fail "a purge left the socket open"
say "all as it should be"
