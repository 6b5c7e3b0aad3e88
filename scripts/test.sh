#!/usr/bin/env bash
# All tests: pure, property, session and acceptance; then those with real models, as far as they are small.
set -eu
set -o pipefail
cd "$(dirname "$0")/.."
. scripts/env.sh
step() { printf '\n== %s\n' "$*"; }
features="trunkline/local,trunkline/fakes,trunkline/microphone,trunkline-benches/voices,trunkline-benches/language,trunkline-benches/recognizer"
log="$(mktemp)"
trap 'rm -f "$log"' EXIT

step "1/4 What the build and the tests need"
scripts/setup.sh tests
scripts/clients.sh
PATH="$PATH:$HOME/.cargo/bin"

step "2/4 Building (the first time this compiles whisper.cpp and llama.cpp: some minutes)"
cargo build -p trunkline -p trunkline-whisper-module -p trunkline-candle-module -p trunkline-benches --features "$features"
export TRUNKLINE_BIN="$CARGO_TARGET_DIR/debug/trunkline"

step "3/4 Models in $TRUNKLINE_MODELS (1.9 GB the first time)"
"$TRUNKLINE_BIN" models pull tiny starter

failed=0
run() { "$@" 2>&1 | tee -a "$log" || failed=1; }
if cargo nextest --version >/dev/null 2>&1; then
    step "4/4 Tests"
    run cargo nextest run --workspace --features "$features" --profile ci
    step "    with real models"
    run cargo nextest run --workspace --features "$features" --profile real --run-ignored only
else
    step "4/4 Tests"
    run cargo test --workspace --features "$features" --no-fail-fast
    step "    with real models"
    run cargo test --workspace --features "$features" --no-fail-fast --lib --bins --tests \
        -- --ignored --test-threads 1 real_
fi

# Both runners' own sums, added up.
passed=$(sed -n 's/.*[: ]\([0-9][0-9]*\) passed.*/\1/p' "$log" | awk '{ n += $1 } END { print n + 0 }')
broken=$(grep -E 'test result|Summary' "$log" | sed -n 's/.*[ ;,]\([0-9][0-9]*\) failed.*/\1/p' |
    awk '{ n += $1 } END { print n + 0 }')
if [ "$failed" != 0 ] && [ "$broken" = 0 ]; then
    printf '\n%s passed; a test program did not build or did not run: see above\n' "$passed"
    exit 1
fi
printf '\n%s passed, %s failed\n' "$passed" "$broken"
exit "$failed"
