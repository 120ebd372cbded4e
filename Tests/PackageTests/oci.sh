#!/bin/sh
# Unpacks a container image and runs it as an engine would: its own root, read-only, as its user, without a privilege.
#
#   oci.sh IMAGE    as root; IMAGE is an oci-archive of packaging/build-oci
set -eu
image=$1
work=$(mktemp -d)
say() { echo "oci.sh: $*"; }
fail() { echo "oci.sh: $*" >&2; exit 1; }
running=
cleanup() {
    if [ -n "$running" ] && kill "$running" 2>/dev/null; then wait "$running" || true; fi
    umount "$work/bundle/rootfs/var/lib/nodepass" "$work/bundle/rootfs/proc" 2>/dev/null || true
    umount "$work/bundle/rootfs" 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

say "what the image says"
skopeo inspect --config "oci-archive:$image" >"$work/config.json"
python3 - "$work/config.json" <<'END' || fail "the image's configuration is not what Containerfile says"
import json, sys
config = json.load(open(sys.argv[1]))["config"]
assert config["User"] == "65532:65532", config
assert config["Entrypoint"] == ["/usr/bin/nodepass"], config
assert config["Cmd"] == ["run", "-f", "/etc/nodepass/tunnels.yaml"], config
assert list(config["Volumes"]) == ["/var/lib/nodepass"], config
END
skopeo copy --quiet "oci-archive:$image" "oci:$work/image:test"
umoci --log=error unpack --image "$work/image:test" "$work/bundle"
root=$work/bundle/rootfs
for program in sh bash ls apt; do
    [ -z "$(find "$root" -type f -name "$program")" ] || fail "$program is in the image"
done
find "$root" -perm /6000 -type f | grep -q . && fail "a program with the privileges of another user is in the image"

cat >"$root/etc/nodepass/tunnels.yaml" <<'END'
version: 1
tunnels:
  api: {role: client, mode: single, tunnel: '127.0.0.1:19191', target: '127.0.0.1:19190'}
END
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs -o uid=65532,gid=65532,mode=700 tmpfs "$root/var/lib/nodepass"
within() {
    env -i PATH=/usr/sbin:/usr/bin NODEPASS_STATE_DIR=/var/lib/nodepass setpriv --no-new-privs \
        chroot --userspec=65532:65532 "$root" /usr/bin/nodepass "$@"
}

say "run, with a root that nobody can write to"
within --version
# Each of these becomes the next one, so that the signal comes to the daemon.
(exec env -i NODEPASS_STATE_DIR=/var/lib/nodepass setpriv --no-new-privs /usr/sbin/chroot --userspec=65532:65532 "$root" \
    /usr/bin/nodepass run -f /etc/nodepass/tunnels.yaml --listen 127.0.0.1:19190 >"$work/log" 2>&1) &
running=$!
tries=0
until within get --no-headers >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ $tries -lt 100 ] || { cat "$work/log"; fail "the daemon does not answer"; }
    sleep 0.1
done
[ "$(curl -s http://127.0.0.1:19191/healthz)" = ok ] || fail "the tunnel carries nothing"
within ping localhost:19190 >/dev/null || fail "names are not resolved"
kill -TERM "$running"
wait "$running" || fail "the daemon ended with $?"
running=
say "all as it should be"
