#!/usr/bin/env bash
# The benches, on this machine; close everything else first. Figures worth keeping go to benches/RESULTS.md.
set -eu
cd "$(dirname "$0")/.."
. scripts/env.sh
scripts/setup.sh
PATH="$PATH:$HOME/.cargo/bin"
cargo xtask measure
cargo bench -p trunkline-benches "$@"

# The turn against the naive chain, where the python packages that benches/naive_chain.py names are installed.
if python3 -c "import faster_whisper, llama_cpp, piper, soundfile" 2>/dev/null && [ -n "${CLIPS:-}" ]; then
    python3 benches/turn_latency.py --trunkline "$CARGO_TARGET_DIR/debug/trunkline" --models "$TRUNKLINE_MODELS" \
        --ct2 "$CT2" --set "${SET:-starter}" --clips "$CLIPS"
else
    echo "turn latency: set CLIPS to a list of 16 kHz clips and CT2 to the CTranslate2 model; see benches/turn_latency.py"
fi
