//! Silero VAD, smart-turn, Piper and Kokoro through ONNX Runtime.
