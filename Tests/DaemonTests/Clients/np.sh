#!/bin/sh
# Behaves as NodePass's install scripts do: no JSON parser, only curl, grep and sed.
# Environment: NODEPASS (the binary), PORT, TUNNEL_PORT, WORK (an empty directory). Prints "ok" when everything held.
set -u

fail() {
    echo "np.sh: $*" >&2
    exit 1
}

# --- The binary prints its version without arguments

VERSION=$("$NODEPASS" 2>/dev/null | grep -o -E 'v[0-9]+\.[0-9]+\.[0-9]+[^[:space:]]*' | head -n 1)
echo "$VERSION" | grep -q '^v1\.' || fail "no version: '$VERSION'"

# --- The service; its journal is a pipe, which is read until the key was printed

MASTER="master://127.0.0.1:$PORT/np/prefix?tls=0"
mkfifo "$WORK/journal"
NODEPASS_STATE_DIR="$WORK/state" "$NODEPASS" "$MASTER" >"$WORK/journal" 2>&1 &
SERVICE=$!
trap 'kill "$SERVICE" 2>/dev/null' EXIT
exec 3<"$WORK/journal"
KEY=
while read -r LINE <&3; do
    case $LINE in
    *"API Key created:"*)
        KEY=$(echo "$LINE" | grep -o -E '[0-9a-f]{32}')
        break
        ;;
    esac
done
cat <&3 >/dev/null &
echo "$KEY" | grep -q -E '^[0-9a-f]{32}$' || fail "no key in the journal: '$KEY'"

# The script reads its own unit again.
PARTS=$(echo "$MASTER" | sed -n -E 's#master://.*:([0-9]+)/([^?]+)\?(log=[^&]+&)?tls=([0-2])#\1 \2 \4#p')
[ "$PARTS" = "$PORT np/prefix 0" ] || fail "unit: $PARTS"
API="http://127.0.0.1:$PORT/np/prefix/v1"

# --- Create: the id is the first key of a compact object

BODY=$(curl -s -X POST "$API/instances" -H "X-API-KEY: $KEY" -H 'Content-Type: application/json' \
    -d "{\"url\":\"client://pw@127.0.0.1:$TUNNEL_PORT/127.0.0.1:9\"}")
ID=$(echo "$BODY" | sed 's/{"id":"\([0-9a-f]\{8\}\)".*/\1/' | grep '^[0-9a-f]\{8\}$') || fail "no id: $BODY"

# --- PATCH without a content type of its own: curl says it is a form

curl -s -f -X PATCH "$API/instances/$ID" -H "X-API-KEY: $KEY" -d '{ "restart": true }' >/dev/null || fail "PATCH"

# --- The URL without a query ends with the quote

BODY=$(curl -s "$API/instances/$ID" -H "X-API-KEY: $KEY")
URL=$(echo "$BODY" | grep -o -E '"url":"client://([^@"]+@)?[^:"]+:[0-9]+/[^:"]+:[0-9]+"' | head -n 1)
[ "$URL" = "\"url\":\"client://pw@127.0.0.1:$TUNNEL_PORT/127.0.0.1:9\"" ] || fail "URL: $BODY"

# --- PUT: the exit code of curl counts

curl -s -f -X PUT "$API/instances/$ID" -H "X-API-KEY: $KEY" -H 'Content-Type: application/json' \
    -d "{\"url\":\"client://127.0.0.1:$TUNNEL_PORT/127.0.0.1:10\"}" >/dev/null || fail "PUT"
curl -s "$API/instances/$ID" -H "X-API-KEY: $KEY" |
    grep -q "\"url\":\"client://127.0.0.1:$TUNNEL_PORT/127.0.0.1:10\"" || fail "URL after PUT"

# --- A new key: literal asterisks in the path, and the last url":" of the answer, which the greedy match takes

BODY=$(curl -s -X PATCH "$API/instances/********" -H "X-API-KEY: $KEY" -d '{"action":"restart"}')
NEW=$(echo "$BODY" | sed 's/.*url":"\([^"]\+\)".*/\1/')
[ "${#NEW}" -eq 32 ] || fail "new key: $BODY"
[ "$NEW" != "$KEY" ] || fail "the same key again"
curl -s -f "$API/instances" -H "X-API-KEY: $KEY" >/dev/null && fail "the old key still holds"
curl -s -f "$API/instances" -H "X-API-KEY: $NEW" >/dev/null || fail "the new key does not hold"
BODY=$(curl -s "$API/instances/********" -H "X-API-KEY: $NEW")
[ "$(echo "$BODY" | sed 's/.*url":"\([^"]\+\)".*/\1/')" = "$NEW" ] || fail "key row: $BODY"

# --- The scripts also look for gob/nodepass.gob beside the binary: a key in clear, which this master does not write

[ ! -e "$(dirname "$NODEPASS")/gob" ] || fail "a gob directory beside the binary"
[ -z "$(find "$WORK" -name '*.gob')" ] || fail "a gob file in the state directory"

kill "$SERVICE"
wait "$SERVICE" || fail "exit code $?"
trap - EXIT
echo ok
