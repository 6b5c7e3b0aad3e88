# Sourced by the other scripts: where things are cached, and which instruction sets ggml is built with.
# One target folder an instruction set, so that a cache carried to another machine is never run there.
set -eu
TRUNKLINE_CACHE="${TRUNKLINE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/trunkline}"
flags=" $(grep -m1 '^flags' /proc/cpuinfo 2>/dev/null || true) "
has() { case "$flags" in *" $1 "*) return 0 ;; *) return 1 ;; esac; }
instruction_set="$(uname -m)"
if has avx512f && has avx512bw && has avx512vl && has avx512dq && has avx512cd; then
    instruction_set="$instruction_set-avx512"
    export GGML_AVX512=ON
    if has avx512_vnni && has avx512vbmi; then
        instruction_set="$instruction_set-vnni"
        export GGML_AVX512_VNNI=ON GGML_AVX512_VBMI=ON
    fi
    if has avx512_bf16; then
        instruction_set="$instruction_set-bf16"
        export GGML_AVX512_BF16=ON
    fi
elif ! has avx2 && [ "$(uname -m)" = x86_64 ]; then
    instruction_set="$instruction_set-sse42"
    export GGML_AVX=OFF GGML_AVX2=OFF GGML_FMA=OFF GGML_F16C=OFF GGML_BMI2=OFF
fi
export TRUNKLINE_CACHE
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$TRUNKLINE_CACHE/target/$instruction_set}"
export TRUNKLINE_MODELS="${TRUNKLINE_MODELS:-$TRUNKLINE_CACHE/models}"

# Clones share the target folder, and cargo tells them apart by nothing but the age of files: a clone that was built before
# another would pass for built.
if [ -f Cargo.lock ] && [ "$(cat "$CARGO_TARGET_DIR/clone" 2>/dev/null)" != "$PWD" ]; then
    mkdir -p "$CARGO_TARGET_DIR"
    find Cargo.toml crates tests benches -name '*.rs' -exec touch {} + -o -name Cargo.toml -exec touch {} +
    printf '%s\n' "$PWD" >"$CARGO_TARGET_DIR/clone"
fi
