//! Legs that come over a wire or from a microphone.
