//! How many GPUs so many calls take.
