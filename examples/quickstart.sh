#!/bin/sh
# Starts the daemon on quickstart.yaml, waits until it is ready, and prints what to try. Ctrl-C stops both.
# BIN and STATE come from the Makefile.
set -eu
file=$(dirname "$0")/quickstart.yaml
"$BIN" run -f "$file" --state-dir "$STATE" &
daemon=$!
trap 'kill "$daemon" 2>/dev/null; wait "$daemon"; exit' INT TERM

until curl -fs -o /dev/null http://127.0.0.1:9090/readyz; do
    kill -0 "$daemon" 2>/dev/null || { wait "$daemon" || exit $?; exit 1; }
    sleep 0.2
done
key=$("$BIN" key show --state-dir "$STATE")
cat <<TEXT

nodepass is running. Try in another terminal:

  curl http://127.0.0.1:8080/healthz            through the tunnel "hello"
  \$EDITOR $file        change a port or a target, or add a tunnel; saving applies it
  $BIN get --state-dir $STATE
  curl -H 'X-API-Key: $key' http://127.0.0.1:9090/api/v1/instances

  API key    $key
  Dashboard  http://127.0.0.1:9090/
  API docs   http://127.0.0.1:9090/api/v1/docs

Ctrl-C stops it.

TEXT
wait "$daemon"
