#!/usr/bin/env bash
# The benches, on this machine; close everything else first. Figures worth keeping go to benches/RESULTS.md.
set -eu
cd "$(dirname "$0")/.."
. scripts/env.sh
scripts/setup.sh
PATH="$PATH:$HOME/.cargo/bin"
cargo xtask measure
cargo bench -p trunkline-benches "$@"
