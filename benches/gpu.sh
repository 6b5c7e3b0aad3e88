#!/usr/bin/env bash
# What one GPU does (G1, G2), from the folder that scripts/cuda.sh built, beside PyTorch where that is installed. Runs on the
# machine with the GPU; random weights of the real shape are written to the current folder and taken away again.
# usage: gpu.sh [FOLDER]     (out/cuda; JSON lines on stdout)
set -eu
dist="$(cd "${1:-out/cuda}" && pwd)"
here="$(cd "$(dirname "$0")" && pwd)"
export LD_LIBRARY_PATH="$dist${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader |
    sed 's/.*/{"machine": "&"}/'
# One that fails leaves the others' figures as they are.
failed=0
step() { "$@" || { echo "{\"failed\": \"$1\"}"; failed=1; }; }
step "$dist/recognizer_steps" turbo
if python3 -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' 2>/dev/null; then
    step python3 "$here/encoder_torch.py"
else
    echo '{"left_out": "encoder_torch.py: no PyTorch with CUDA here"}'
fi
step "$dist/language_steps" 8b llama.cpp
exit "$failed"
