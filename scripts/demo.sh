#!/usr/bin/env bash
# A real conversation on this machine: builds, fetches the models, answers a call from the built-in caller.
set -eu
cd "$(dirname "$0")/.."
. scripts/env.sh
step() { printf '\n== %s\n' "$*"; }

step "1/4 What the build needs"
scripts/setup.sh
PATH="$PATH:$HOME/.cargo/bin"

step "2/4 Building (the first time this compiles llama.cpp: some minutes)"
cargo build -p trunkline --features trunkline/local
trunkline="$CARGO_TARGET_DIR/debug/trunkline"

step "3/4 Models in $TRUNKLINE_MODELS (1.4 GB the first time)"
"$trunkline" models pull starter

taken() { # port: whether something listens on it, by TCP or UDP
    awk '{ print $2 }' /proc/net/tcp /proc/net/tcp6 /proc/net/udp /proc/net/udp6 2>/dev/null |
        grep -qi ":$(printf '%04X' "$1")\$"
}
free_port() { # the first free one from here
    port=$1
    while taken "$port"; do port=$((port + 1)); done
    echo "$port"
}
sip_port=$(free_port 5060)
http_port=$(free_port 8080)
demo="$TRUNKLINE_CACHE/demo"
mkdir -p "$demo" out/demo
export TRUNKLINE__SIP__BIND="127.0.0.1:$sip_port"
export TRUNKLINE__GATEWAY__BIND="127.0.0.1:$http_port"
export TRUNKLINE__STORE__DATA_DIR="$demo/data"

step "4/4 A call to sip:demo@127.0.0.1:$sip_port (http://127.0.0.1:$http_port; log: $demo/server.log)"
"$trunkline" serve >"$demo/server.log" 2>&1 &
server=$!
stop() { # the server that this script started, and no other
    kill "$server" 2>/dev/null || return 0
    wait "$server" 2>/dev/null || true
}
trap stop EXIT
trap 'exit 130' INT TERM

ready() {
    { exec 3<>"/dev/tcp/127.0.0.1/$http_port"; } 2>/dev/null || return 1
    printf 'GET /ready HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n' >&3
    head -n 1 <&3 | grep -q ' 200 '
    answered=$?
    exec 3<&- 3>&-
    return $answered
}
printf 'loading the models '
waited=0
until ready; do
    if ! kill -0 "$server" 2>/dev/null; then
        printf '\nthe server ended:\n' >&2
        tail -n 20 "$demo/server.log" >&2
        exit 1
    fi
    if [ "$waited" -ge 300 ]; then
        printf '\nthe server is not ready after five minutes; its last words:\n' >&2
        tail -n 20 "$demo/server.log" >&2
        exit 1
    fi
    printf '.'
    sleep 1
    waited=$((waited + 1))
done
printf ' ready\n\n'

# The caller speaks with the other voice, so that a listener can tell them apart.
"$trunkline" call --to "sip:demo@127.0.0.1:$sip_port" --script config/demo-script.toml --voice-model kokoro-82m \
    --save out/demo --admin "http://127.0.0.1:$http_port"

printf '\nThe recording is in out/demo: the caller left, the agent right. Listen to it.\n'
printf 'Call it yourself: start "%s serve" and dial sip:demo@127.0.0.1:5060, or try "talk".\n' "$trunkline"
