#!/usr/bin/env bash
# Builds Trunkline for NVIDIA GPUs, on a machine with or without one: fetches NVIDIA's compiler, headers and libraries as
# Python packages, lays them out as one toolkit, and compiles. The first time takes long: llama.cpp's kernels alone 33
# minutes of two cores that did other things too. They are kept in a target folder of their own.
# usage: cuda.sh [candle] [whisper] [llama]     (all three by default, into out/cuda)
#   candle    Whisper for many calls at a time: candle's module and its bench
#   whisper   whisper.cpp's modules, which transcribe one window at a time
#   llama     the program itself with llama.cpp, and the bench of language models
#   TRUNKLINE_CUDA_ARCHITECTURES   compute capabilities, "80" by default: an A100's own code, and PTX for what came later
#   CUDA_PATH                      a toolkit that is there already
set -eu
set -o pipefail
cd "$(dirname "$0")/.."
. scripts/env.sh
PATH="$PATH:$HOME/.cargo/bin"
architectures="${TRUNKLINE_CUDA_ARCHITECTURES:-80}"

# The whole compiler is there as packages for this version alone.
toolkit="$TRUNKLINE_CACHE/cuda-13.0.2"
packages="nvidia-cuda-nvcc==13.0.88 nvidia-cuda-crt==13.0.88 nvidia-nvvm==13.0.88 nvidia-cuda-runtime==13.0.96
          nvidia-cuda-cccl==13.0.85 nvidia-cublas==13.1.2.11 nvidia-cuda-nvrtc==13.0.88 nvidia-curand==10.4.0.35"

# What a driver brings, by the names of its functions, and what only a full toolkit holds: named when linking, never called
# from here. Without the names what is linked would not ask for the driver where there is one.
stub_libraries() {
    mkdir -p "$1/lib64/stubs"
    grep -ohE '\bcu[A-Z][A-Za-z0-9_]*' "$1/include/cuda.h" | sort -u | sed 's/.*/void &(void) {}/' |
        cc -w -shared -x c - -Wl,-soname,libcuda.so.1 -o "$1/lib64/stubs/libcuda.so"
    [ -e "$1/lib64/libculibos.a" ] || ar cr "$1/lib64/libculibos.a"
}

lay_out_toolkit() {
    python3 -m venv "$toolkit.part/venv"
    # shellcheck disable=SC2086
    "$toolkit.part/venv/bin/pip" install -q --no-deps --target "$toolkit.part/wheels" $packages
    mv "$toolkit.part/wheels/nvidia/cu13" "$toolkit.part/toolkit"
    ln -s lib "$toolkit.part/toolkit/lib64"
    for library in cudart.so.13 cublas.so.13 cublasLt.so.13 nvrtc.so.13 curand.so.10; do
        ln -s "lib$library" "$toolkit.part/toolkit/lib/lib${library%.*}"
    done
    stub_libraries "$toolkit.part/toolkit"
    mv "$toolkit.part/toolkit" "$toolkit"
    rm -rf "$toolkit.part"
}

if [ -z "${CUDA_PATH:-}" ]; then
    if [ ! -x "$toolkit/bin/nvcc" ]; then
        echo "cuda: fetching NVIDIA's toolkit as Python packages into $toolkit (0.5 GB)"
        rm -rf "$toolkit.part" "$toolkit"
        mkdir -p "$toolkit.part"
        lay_out_toolkit
    fi
    CUDA_PATH="$toolkit"
fi

PATH="$CUDA_PATH/bin:$PATH"
export CUDA_PATH CUDAToolkit_ROOT="$CUDA_PATH" CUDACXX="$CUDA_PATH/bin/nvcc"
# candle takes one: its kernels are PTX, which later GPUs compile for themselves.
export CUDA_COMPUTE_CAP="${architectures%%[;, ]*}"
export CMAKE_CUDA_ARCHITECTURES="$architectures" CMAKE_CUDA_COMPILER="$CUDACXX"
export LIBRARY_PATH="$CUDA_PATH/lib64:$CUDA_PATH/lib64/stubs${LIBRARY_PATH:+:$LIBRARY_PATH}"
export CARGO_TARGET_DIR="$CARGO_TARGET_DIR-cuda"
export RUSTFLAGS="-L $CUDA_PATH/lib64 -L $CUDA_PATH/lib64/stubs -C link-arg=-Wl,-rpath,\$ORIGIN"
mkdir -p "$CARGO_TARGET_DIR"

dist="$PWD/out/cuda"
mkdir -p "$dist"
built="$CARGO_TARGET_DIR/debug"

# Modules for GPUs cannot be loaded where there is no driver; the program and its other modules can.
build_candle() {
    cargo build -p trunkline-candle-module --features cuda
    cp "$built/libtrunkline_candle_module.so" "$dist/libtrunkline_candle_module_cuda.so"
    cargo build -p trunkline-benches --bin recognizer_steps --features trunkline-benches/recognizer-cuda
    cp "$built/recognizer_steps" "$dist/"
    # So that they travel easily.
    strip --strip-debug "$dist/libtrunkline_candle_module_cuda.so" "$dist/recognizer_steps"
}

build_whisper() {
    cargo build -p trunkline-whisper-module --features cuda
    cp "$built/libtrunkline_whisper_module.so" "$dist/libtrunkline_whisper_module_cuda.so"
    cargo build -p trunkline-whisper-module
    cp "$built/libtrunkline_whisper_module.so" "$dist/"
}

build_llama() {
    # Links of an earlier build that point nowhere stop llama-cpp-sys-2's from being made anew.
    find "$built" -maxdepth 2 -xtype l -delete
    # llama.cpp's CUDA code becomes a library that is opened at run time, where there is a driver.
    GGML_BACKEND_DL=ON cargo build -p trunkline -p trunkline-benches --bin trunkline --bin language_steps \
        --features trunkline/local,trunkline/cuda,trunkline-benches/cuda
    cp "$built/trunkline" "$built/language_steps" "$dist/"
    # llama.cpp's libraries, and ggml's for each kind of device, by the name that they are opened with.
    llama="$(dirname "$(ls -t "$built"/build/llama-cpp-sys-2-*/out/bin/libggml-cuda.so | head -n 1)")"
    cp "$llama"/libggml-*.so "$dist/"
    for library in "$llama"/../lib/*.so.?; do cp -L "$library" "$dist/$(basename "$library")"; done
}

for part in "${@:-candle whisper llama}"; do
    for one in $part; do "build_$one"; done
done

echo
echo "cuda: built into $dist. Take the folder as a whole; on the machine with the GPU it needs an NVIDIA driver for CUDA 13"
echo "cuda: and libcudart.so.13, libcublas.so.13, libcublasLt.so.13, libnvrtc.so.13 and libcurand.so.10 (here in"
echo "cuda: $CUDA_PATH/lib; LD_LIBRARY_PATH names them)."
