//! What a transformer computes on a CPU, on rows of `f32`.

pub(crate) mod apart;
pub(crate) mod attention;
pub(crate) mod blocks;
pub(crate) mod halves;
pub(crate) mod matrix;
mod tile;
pub(crate) mod vector;

#[cfg(test)]
mod tests;
