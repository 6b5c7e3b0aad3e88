//! Voice AI on your own GPUs.
fn main() {}
