//! whisper.cpp behind a few C functions, loaded at run time so that its ggml stays its own.
