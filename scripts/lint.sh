#!/usr/bin/env bash
# Format, lints, documentation, the architecture's rules, dependencies. Any finding fails.
set -eu
cd "$(dirname "$0")/.."
. scripts/env.sh
PATH="$PATH:$HOME/.cargo/bin"
step() { printf '\n== %s\n' "$*"; }
features="trunkline/local,trunkline/fakes,trunkline/microphone,trunkline-benches/voices,trunkline-benches/language,trunkline-benches/recognizer"

step "Format"
cargo fmt --all --check
step "Architecture"
cargo test -q -p xtask --test tidy
step "Clippy"
cargo clippy --workspace --all-targets --features "$features" -- -D warnings
# What a plain build takes: no backend.
cargo clippy -p trunkline -- -D warnings
step "Documentation"
RUSTDOCFLAGS="-D warnings" cargo doc -q --workspace --no-deps --features "$features"
step "Dependencies"
if cargo deny --version >/dev/null 2>&1; then
    cargo deny check
else
    echo "cargo-deny is not installed: licences and advisories are not checked here"
fi
printf '\nno findings\n'
