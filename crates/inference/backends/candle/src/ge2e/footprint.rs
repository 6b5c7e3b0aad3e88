//! What the speaker encoder needs of the machine's memory.

use trunkline_inference::{
    ModelError,
    budget::{Footprint, Item, Part},
};

use super::Ge2eConfig;

/// What it computes with at most, measured.
const WORKSPACE_BYTES: u64 = 16 << 20;

/// What it needs: a third of the file is the encoder, the rest is read and given back.
///
/// Says [`ModelError::Missing`] where there is no file.
pub fn footprint(config: &Ge2eConfig) -> Result<Footprint, ModelError> {
    let found = config.model.metadata().ok().filter(std::fs::Metadata::is_file);
    let file = found.ok_or_else(|| ModelError::Missing { path: config.model.clone() })?.len();
    Ok(Footprint {
        items: vec![
            Item::amount(Part::Weights, "weights", file / 3, "a third of the file"),
            Item::amount(Part::Workspace, "layers at work", WORKSPACE_BYTES, "measured"),
            Item::amount(Part::Loading, "the file in memory", file, "the file"),
        ],
    })
}
